"""`reconciler show KIND ID`: one object, declared, live and as last applied."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completers import kinds, of_kind
from reconciler.cli.failures import DONE
from reconciler.cli.options import kind_named, loaded, text_or_json_option, world
from reconciler.cli.output import say
from reconciler.cli.running import run

if TYPE_CHECKING:
    from reconciler.core.model.refs import Ref
    from reconciler.core.plan.drift import Shown
    from reconciler.pipeline import Loaded


EPILOG = """\b
Examples:
  reconciler show team acme-prod
  reconciler show plan professional
  reconciler show group pro-models --gateway prod --format json"""


@click.command(epilog=EPILOG)
@click.argument("kind", metavar="KIND", shell_complete=kinds)
@click.argument("name", metavar="ID", shell_complete=of_kind)
@world
@text_or_json_option
def command(
    kind: str,
    name: str,
    config: Path,
    environment: str | None,
    gateway: str | None,
    form: str,
) -> int:
    """Show one object side by side: declared (with what it resolves to), live, and as last applied.

    KIND is model, group, organization (or org), plan, team or key; plurals and the YAML's own words do too.
    """
    from reconciler.core.model.refs import Ref  # noqa: PLC0415  not for --help
    from reconciler.render.show import render_shown, shown_json  # noqa: PLC0415  as above

    shown = run(_show(loaded(config, environment), gateway, Ref(kind_named(kind), name)))
    say(shown_json(shown) if form == "json" else render_shown(shown))
    return DONE


async def _show(config: "Loaded", gateway: str | None, ref: "Ref") -> "Shown":
    from reconciler.pipeline import opened, show  # noqa: PLC0415  not for --help

    async with opened(config, gateway) as session:
        return await show(session, ref)
