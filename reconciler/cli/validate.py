"""`reconciler validate`: every finding about settings and manifests, in one run."""

from pathlib import Path

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import config_option, environment_option, loaded
from reconciler.cli.output import color, say


@click.command()
@config_option
@environment_option
def command(config: Path, environment: str | None) -> int:
    """Check settings and manifests; needs no gateway and changes nothing.

    All findings of one run: file:line:column, a code, and a hint.
    """
    from reconciler.render.findings import render_findings  # noqa: PLC0415  not needed for --help

    found = loaded(config, environment)
    say(render_findings(found.findings, color=color()))
    return DONE if found.valid else EXPECTED
