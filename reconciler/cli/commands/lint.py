"""`reconciler lint`: what is allowed but unwise."""

from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.completers import lint_codes
from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import as_of_option, loaded, world
from reconciler.cli.output import FINDINGS, findings_as, note, say

EPILOG = """\b
Examples:
  reconciler lint                          every rule
  reconciler lint --explain unused-group   why a rule is one
  reconciler lint --rules                  all rules, with their levels

Settings change levels (error, warning, info, off):
  lint: {unused-group: error, missing-description: off}"""


@click.command(epilog=EPILOG)
@world
@as_of_option
@click.option(
    "--explain",
    "code",
    metavar="CODE",
    shell_complete=lint_codes,
    help="Say what a rule finds, and why that is unwise.",
)
@click.option("--rules", is_flag=True, help="List all rules.")
@click.option("--format", "form", type=click.Choice(FINDINGS), default="text", show_default=True)
def command(
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    code: str | None,
    rules: bool,
    form: str,
) -> int:
    """Look through the config for what is allowed but unwise. Exits with 1 on errors only."""
    if code:
        return _explain(code)
    if rules:
        return _rules()
    from reconciler.asking import caveat, linted  # noqa: PLC0415  as above
    from reconciler.core.model.findings import ReconcilerError, errors  # noqa: PLC0415  not needed for --help

    try:
        known = loaded(config, environment, as_of)
        found = linted(known, gateway)
        unknown = caveat(known, gateway)
        if unknown:
            note(unknown)
    except ReconcilerError as invalid:
        if form == "text":
            raise
        found = invalid.findings  # a program gets its document, whatever the config
    say(findings_as(form, found, config))
    return EXPECTED if errors(found) else DONE


def _explain(code: str) -> int:
    from reconciler.asking import lint_rules  # noqa: PLC0415  not needed for --help
    from reconciler.core.model.findings import ReconcilerError, did_you_mean, error  # noqa: PLC0415  not needed for --help

    by_code = {rule.code: rule for rule in lint_rules()}
    if code not in by_code:
        hint = did_you_mean(code, by_code) or "reconciler lint --rules lists all"
        raise ReconcilerError(error("unknown-rule", f"there is no lint rule {code}", hint=hint))
    rule = by_code[code]
    wrapped = click.wrap_text(rule.reason, 88)
    say(f"{rule.code} ({rule.level.value}): {rule.summary}\n\n{wrapped}\n\nFix: {rule.hint}")
    return DONE


def _rules() -> int:
    from reconciler.asking import lint_rules  # noqa: PLC0415  not needed for --help

    for rule in lint_rules():
        say(f"{rule.code:<28} {rule.level.value:<8} {rule.summary}")
    return DONE
