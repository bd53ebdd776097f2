"""`reconciler unlock`: break a lock that a dead apply left behind."""

from pathlib import Path

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.options import loaded, world
from reconciler.cli.output import say

EPILOG = """\b
Examples:
  reconciler unlock                 show who holds the lock, and ask
  reconciler unlock -g prod --yes   in an emergency, unattended

Exit codes: 0 the gateway is not locked (any more), 1 the lock was left."""


@click.command(epilog=EPILOG)
@world
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(config: Path, environment: str | None, gateway: str | None, yes: bool) -> int:
    """Show who holds the gateway's lock, and break it.

    An apply that still runs loses its lock: it stops before its next write.
    """
    from reconciler.pipeline import gateway_identity, gateway_settings, ledger_of, utc_now  # noqa: PLC0415  not for --help

    found = loaded(config, environment)
    name, settings = gateway_settings(found, gateway)
    with ledger_of(found) as ledger:
        identity = gateway_identity(ledger, settings, found.directory)
        holder = ledger.holder(identity, utc_now())
        if holder is None:
            say(f"{name} is not locked.")
            return DONE
        state = "expired" if holder.stale else "still valid"
        say(
            f"{name} is locked by {holder.owner} since {holder.since:%Y-%m-%d %H:%M:%S} UTC ({state})."
        )
        if not yes and not click.confirm("Break the lock?", default=False):
            return EXPECTED
        ledger.break_lock(identity, utc_now(), holder.token)
    say("The lock is free. The next apply first looks up what the old one left open.")
    return DONE
