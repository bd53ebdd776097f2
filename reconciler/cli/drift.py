"""`reconciler drift`: where the gateway differs from what was last applied."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.failures import DONE, PENDING
from reconciler.cli.options import loaded, world
from reconciler.cli.output import color, say, width

if TYPE_CHECKING:
    from reconciler.core.plan import Plan
    from reconciler.pipeline import Loaded


@click.command()
@world
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(config: Path, environment: str | None, gateway: str | None, form: str) -> int:
    """Show where the gateway differs from what was last applied; exit with 2 where it does.

    Changes in git that were not applied yet are no drift: `plan` shows those.
    """
    from reconciler.render import FORMATS, plan_view  # noqa: PLC0415  not needed for --help

    found = asyncio.run(_drift(loaded(config, environment), gateway))
    say(FORMATS[form](plan_view(found), color=color(), width=width()))
    return PENDING if found.pending else DONE


async def _drift(config: "Loaded", gateway: str | None) -> "Plan":
    from reconciler.pipeline import drift, opened  # noqa: PLC0415  not needed for --help

    async with opened(config, gateway) as session:
        return await drift(session)
