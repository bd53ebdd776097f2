"""`reconciler explain`: who may call what, and why."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completers import models, teams
from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import as_of_option, loaded, world
from reconciler.cli.output import color, note, say, width
from reconciler.cli.running import run

if TYPE_CHECKING:
    from reconciler.core.explain.explain import Explanation, Overview
    from reconciler.core.explain.routes import Asked
    from reconciler.pipeline import Loaded

EPILOG = """\b
Examples:
  reconciler explain acme-prod gpt-4                every way to it, or what forbids it
  reconciler explain acme-prod                      everything that it can call
  reconciler explain acme-dev gpt-4-vision --as-of 2030-01-01
                                                    after the grant has ended

Exit codes: 0 the team may call the model in the config and live, 1 it may not."""


@click.command(epilog=EPILOG)
@click.argument("team", shell_complete=teams)
@click.argument("model", required=False, shell_complete=models)
@world
@as_of_option
@click.option("--offline", is_flag=True, help="Only the config; do not ask the gateway.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def command(
    team: str,
    model: str | None,
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    offline: bool,
    form: str,
) -> int:
    """Say why TEAM can or cannot call MODEL, in the config and on the gateway; without MODEL, all it can call."""
    from reconciler.core.explain.explain import explain, overview  # noqa: PLC0415  not needed for --help

    asked = _asked(loaded(config, environment, as_of), gateway, offline=offline)
    if model is None:
        every = overview(asked, team)
        _show(every, form)
        return DONE if every.declared or every.exists else EXPECTED
    found = explain(asked, team, model)
    _show(found, form)
    return DONE if found.config.allowed and (found.live is None or found.live.allowed) else EXPECTED


def _asked(config: "Loaded", gateway: str | None, *, offline: bool) -> "Asked":
    """With the gateway where it answers; a config can be explained without it."""
    from reconciler.asking import offline as without  # noqa: PLC0415  as above
    from reconciler.asking import online  # noqa: PLC0415  as above
    from reconciler.gateways.base import GatewayError  # noqa: PLC0415  not needed for --help

    if offline:
        return without(config, gateway)
    try:
        return run(online(config, gateway))
    except GatewayError as problem:
        note(f"The gateway was not asked: {problem}")
        return without(config, gateway)


def _show(found: "Explanation | Overview", form: str) -> None:
    from reconciler.core.explain.explain import Explanation  # noqa: PLC0415  not needed for --help
    from reconciler.render.explain import render, render_json, render_overview  # noqa: PLC0415  as above

    if form == "json":
        say(render_json(found))
    elif isinstance(found, Explanation):
        say(render(found, color=color(), width=width()))
    else:
        say(render_overview(found, color=color(), width=width()))
