"""`reconciler unlock`: break a lock that a dead apply left behind."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import loaded, text_or_json_option, world
from reconciler.cli.output import say

if TYPE_CHECKING:
    from reconciler.ledger import Holder

EPILOG = """\b
Examples:
  reconciler unlock                 show who holds the lock, and ask
  reconciler unlock -g prod --yes   in an emergency, unattended
  reconciler unlock --format json   only look, for other programs

Exit codes: 0 the gateway is not locked (any more), 1 the lock was left."""


@click.command(epilog=EPILOG)
@world
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@text_or_json_option
def command(
    config: Path, environment: str | None, gateway: str | None, yes: bool, form: str
) -> int:
    """Show who holds the gateway's lock, and break it.

    An apply that still runs loses its lock: it stops before its next write. With --format json nobody is asked:
    without --yes the lock stays.
    """
    from reconciler.pipeline import gateway_identity, gateway_settings, ledger_of, utc_now  # noqa: PLC0415  not for --help

    found = loaded(config, environment)
    name, settings = gateway_settings(found, gateway)
    with ledger_of(found) as ledger:
        identity = gateway_identity(ledger, settings, found.directory)
        holder = ledger.holder(identity, utc_now())
        if holder is not None and form == "text":
            _tell(name, holder)
        broken = holder is not None and (yes or (form == "text" and _asked()))
        if holder is not None and broken:
            ledger.break_lock(identity, utc_now(), holder.token)
    if form == "json":
        say(_as_json(name, holder, broken=broken))
    elif holder is None:
        say(f"{name} is not locked.")
    elif broken:
        say("The lock is free. The next apply first looks up what the old one left open.")
    return DONE if holder is None or broken else EXPECTED


def _tell(name: str, holder: "Holder") -> None:
    state = "expired" if holder.stale else "still valid"
    since = f"{holder.since:%Y-%m-%d %H:%M:%S} UTC ({state})"
    say(f"{name} is locked by {holder.owner} since {since}.")


def _asked() -> bool:
    return click.confirm("Break the lock?", default=False)


def _as_json(name: str, holder: "Holder | None", *, broken: bool) -> str:
    from reconciler.core.model.printable import json_text  # noqa: PLC0415  not for --help

    was = None
    if holder is not None:
        was = {"owner": holder.owner, "since": holder.since.isoformat(), "expired": holder.stale}
    locked = holder is not None and not broken
    return json_text({"gateway": name, "locked": locked, "holder": was, "broken": broken}) + "\n"
