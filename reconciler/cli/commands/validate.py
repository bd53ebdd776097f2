"""`reconciler validate`: every finding about settings and manifests, in one run."""

from pathlib import Path

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import config_option, environment_option, loaded
from reconciler.cli.output import FINDINGS, findings_as, say

EPILOG = """\b
Examples:
  reconciler validate                          the files below config/
  reconciler validate --environment prod       with the overlay of environments/prod
  reconciler validate --format github          in GitHub Actions: annotations on the lines
  reconciler validate --format sarif           for code scanning

Exit codes: 0 no errors (warnings may be there), 1 errors."""


@click.command(epilog=EPILOG)
@config_option
@environment_option
@click.option("--format", "form", type=click.Choice(FINDINGS), default="text", show_default=True)
def command(config: Path, environment: str | None, form: str) -> int:
    """Check settings and manifests; needs no gateway and changes nothing.

    All findings of one run: file:line:column, a code, and a hint.
    """
    found = loaded(config, environment)
    say(findings_as(form, found.findings, config))
    return DONE if found.valid else EXPECTED
