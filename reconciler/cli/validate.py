"""`reconciler validate`: every finding about settings and manifests, in one run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.events import finding_facts
from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import config_option, environment_option, loaded
from reconciler.cli.output import color, say

if TYPE_CHECKING:
    from reconciler.core.findings import Finding

EPILOG = """\b
Examples:
  reconciler validate                          the files below config/
  reconciler validate --environment prod       with the overlay of environments/prod
  reconciler validate --format github          in GitHub Actions: annotations on the lines

Exit codes: 0 no errors (warnings may be there), 1 errors."""


@click.command(epilog=EPILOG)
@config_option
@environment_option
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
def command(config: Path, environment: str | None, form: str) -> int:
    """Check settings and manifests; needs no gateway and changes nothing.

    All findings of one run: file:line:column, a code, and a hint.
    """
    found = loaded(config, environment)
    say(_rendered(found.findings, form))
    return DONE if found.valid else EXPECTED


def _rendered(findings: "tuple[Finding, ...]", form: str) -> str:
    from reconciler.render.findings import render_findings  # noqa: PLC0415  not needed for --help
    from reconciler.render.github import render_annotations  # noqa: PLC0415  as above

    if form == "json":
        return json.dumps([finding_facts(finding) for finding in findings], indent=2)
    return render_annotations(findings) if form == "github" else render_findings(findings, color=color())
