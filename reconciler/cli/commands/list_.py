"""`reconciler list KIND`: all objects of a kind, with counts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completers import kinds
from reconciler.cli.failures import DONE
from reconciler.cli.options import kind_named, loaded, text_or_json_option, world
from reconciler.cli.output import color, note, say
from reconciler.cli.running import run

if TYPE_CHECKING:
    from reconciler.core.explain.listing import Listing
    from reconciler.pipeline import Loaded


EPILOG = """\b
Examples:
  reconciler list                      how many objects of each kind
  reconciler list groups               access groups, with their models and teams
  reconciler list teams --live         as they are on the gateway, with what is left to spend
  reconciler list --foreign            what is on the gateway and not ours
  reconciler list models --format json | jq -r '.[] | select(.teams == 0).name'"""


@click.command(epilog=EPILOG)
@click.argument("kind", metavar="[KIND]", required=False, shell_complete=kinds)
@world
@click.option("--live", is_flag=True, help="As the gateway is now, instead of the config.")
@click.option("--foreign", is_flag=True, help="Live objects that are not ours; reads the gateway.")
@text_or_json_option
def command(
    kind: str | None,
    config: Path,
    environment: str | None,
    gateway: str | None,
    live: bool,
    foreign: bool,
    form: str,
) -> int:
    """List the objects of a kind with their counts; `show KIND ID` has one of them from every side.

    KIND is model, group, organization (or org), plan, team or key; plurals and the YAML's own words do too. Models of
    a team, and teams of a model, are those of effective access.
    """
    from reconciler.render.listing import listing_json, render_listing  # noqa: PLC0415  not for --help

    chosen = kind_named(kind) if kind is not None else None
    found = _listing(loaded(config, environment), gateway, chosen, live=live, foreign=foreign)
    say(listing_json(found) if form == "json" else render_listing(found, color=color()))
    return DONE


def _listing(
    config: "Loaded", gateway: str | None, kind: str | None, *, live: bool, foreign: bool
) -> "Listing":
    from reconciler.asking import caveat, live_state, offline, online  # noqa: PLC0415  not for --help
    from reconciler.core.explain.listing import (  # noqa: PLC0415  as above
        Listed,
        foreign_listing,
        kinds_listing,
        listing,
    )
    from reconciler.core.model.kinds import Policy  # noqa: PLC0415  as above

    if foreign:
        asked = run(online(config, gateway))
        return foreign_listing(live_state(asked), asked.inventory.keys(), kind)
    if live:
        asked = run(online(config, gateway))
        state = live_state(asked)
    else:
        unknown = caveat(config, gateway)
        if unknown and kind in ("model_alias", "team"):
            note(unknown)
        asked = offline(config, gateway)
        state = asked.desired.state
    listed = Listed(
        state, asked.desired.plans, asked.written.of(Policy), asked.rules, asked.runtime
    )
    return listing(listed, kind) if kind is not None else kinds_listing(listed)
