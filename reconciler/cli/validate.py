"""`reconciler validate`: every finding about settings and manifests, in one run."""

from pathlib import Path

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import config_option, environment_option, loaded
from reconciler.cli.output import findings_as, say


@click.command()
@config_option
@environment_option
@click.option("--format", "form", type=click.Choice(["text", "sarif", "json"]), default="text", show_default=True)
def command(config: Path, environment: str | None, form: str) -> int:
    """Check settings and manifests; needs no gateway and changes nothing.

    All findings of one run: file:line:column, a code, and a hint.
    """
    found = loaded(config, environment)
    say(findings_as(form, found.findings, config))
    return DONE if found.valid else EXPECTED
