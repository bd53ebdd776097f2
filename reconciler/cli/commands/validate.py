"""`reconciler validate`: every finding about settings and manifests, in one run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.formats import BUILT_IN
from reconciler.cli.options import config_option, environment_option, loaded
from reconciler.cli.output import FINDINGS, findings_as, say
from reconciler.system import plugins

if TYPE_CHECKING:
    from reconciler.core.model.findings import Finding

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
    say(findings_as(form, (*found.findings, *_clashes()), config))
    return DONE if found.valid else EXPECTED


def _clashes() -> "Iterator[Finding]":
    """What installed packages add under a name that is taken: it is not used."""
    from reconciler.cli import COMMANDS, FORMER  # noqa: PLC0415  this module is loaded by that one
    from reconciler.core.rules.lint import BY_CODE  # noqa: PLC0415  not needed for --help
    from reconciler.gateways import BACKENDS  # noqa: PLC0415  as above

    taken = {
        plugins.BACKENDS: tuple(BACKENDS),
        plugins.FORMATS: tuple(BUILT_IN),
        plugins.RULES: tuple(BY_CODE),
        plugins.COMMANDS: (*COMMANDS, *FORMER),
    }
    for group, names in taken.items():
        yield from plugins.refused(group, names)
