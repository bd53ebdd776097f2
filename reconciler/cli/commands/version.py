"""`reconciler version`: which reconciler this is."""

import click

from reconciler import __version__
from reconciler.cli.failures import DONE
from reconciler.cli.options import text_or_json_option
from reconciler.cli.output import say

EPILOG = """\b
Examples:
  reconciler version
  reconciler version --format json   with the formats that it reads and writes"""


@click.command(epilog=EPILOG)
@text_or_json_option
def command(form: str) -> int:
    """Show which reconciler this is, on which Python; `reconciler --version` says the first only."""
    import platform  # noqa: PLC0415  not needed for --help

    from reconciler.core.model.printable import json_text  # noqa: PLC0415  as above
    from reconciler.core.plan.saved import FORMAT  # noqa: PLC0415  as above
    from reconciler.ledger.tables import FORMATS  # noqa: PLC0415  as above

    python = platform.python_version()
    if form == "json":
        facts = {"version": __version__, "python": python, "ledger": FORMATS[-1], "plan": FORMAT}
        say(json_text(facts))
    else:
        said = f"reconciler {__version__} on Python {python}"
        say(f"{said}, ledger format {int(FORMATS[-1])}, plan files {FORMAT}")
    return DONE
