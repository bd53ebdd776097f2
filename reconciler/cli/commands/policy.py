"""`reconciler policy`: test policies against cases, and list what they may look at."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import as_of_option, loaded, world
from reconciler.cli.output import say
from reconciler.core.model.printable import json_text

if TYPE_CHECKING:
    from reconciler.core.rules.policy_cases import CaseResult

EPILOG = """\b
A file of cases:
  cases:
    - name: a dev team does not reach a dear model
      policy: no-dear-dev
      team: {labels: {env: dev}}
      model: {alias: gpt-4, price_output: 60}
      expect: deny
    - {name: ours is fine, team: acme-prod, expect: allow}    # a team of the config"""


@click.group()
def command() -> None:
    """Policies: rules of your own in CEL, under policies: in the manifests, checked by validate and every plan."""


@command.command(epilog=EPILOG)
@click.argument(
    "directory", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@world
@as_of_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "junit", "json"]),
    default="text",
    show_default=True,
)
def test(
    directory: Path | None,
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    form: str,
) -> int:
    """Run the cases in DIRECTORY (by default tests/policies beside the config). Exits with 1 where one fails."""
    from reconciler.asking import offline  # noqa: PLC0415  as above
    from reconciler.core.model.findings import ReconcilerError, error  # noqa: PLC0415  as above
    from reconciler.core.rules.policy_cases import run_case  # noqa: PLC0415  as above
    from reconciler.files.policy_cases import load_cases  # noqa: PLC0415  as above
    from reconciler.pipeline.policies import LIMITS  # noqa: PLC0415  as above
    from reconciler.system.confined import LimitError, confined  # noqa: PLC0415  not needed for --help
    from reconciler.system.extras import require  # noqa: PLC0415  as above

    require("policies", "cel_expr_python")
    asked = offline(loaded(config, environment, as_of), gateway)
    cases, findings = load_cases(directory or config.absolute().parent / "tests" / "policies")
    if findings:
        raise ReconcilerError(*findings)
    try:
        results = confined(
            lambda _begins: [run_case(c.case, asked, c.manifest, c.origin) for c in cases], LIMITS
        )
    except LimitError as met:
        says = f"the cases cannot be run: {met.why}"
        raise ReconcilerError(
            error("policy-limit", says, hint="reconciler validate names the policy")
        ) from None
    say(FORMATS[form](results))
    return DONE if all(result.passed for result in results) else EXPECTED


@command.command()
def variables() -> int:
    """List the variables that policies may look at."""
    from reconciler.core.rules.cel import VARIABLES  # noqa: PLC0415  not needed for --help

    for name, (kind, text) in VARIABLES.items():
        say(f"{name:<26} {kind:<7} {text}")
    return DONE


def _text(results: "list[CaseResult]") -> str:
    lines = []
    for result in results:
        if not result.passed:
            about = f" ({result.policy})" if result.policy else ""
            says = f"{result.name}{about}: expected {result.expected}, got {result.actual}: {result.detail}"
            lines.append(f"{result.origin}: FAIL {says}")
    failed = sum(1 for result in results if not result.passed)
    return "\n".join([*lines, f"{len(results) - failed} passed, {failed} failed"])


def _json(results: "list[CaseResult]") -> str:
    from reconciler.render.explain import data  # noqa: PLC0415  not needed for --help

    return json_text([{**data(result), "passed": result.passed} for result in results])


def _junit(results: "list[CaseResult]") -> str:
    from reconciler.render.findings.junit import render_junit  # noqa: PLC0415  not needed for --help

    return render_junit(results)


FORMATS = {"text": _text, "junit": _junit, "json": _json}
