"""`reconciler history`: earlier applies and their steps."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.events import acting
from reconciler.cli.failures import DONE
from reconciler.cli.options import loaded, text_or_json_option, world
from reconciler.cli.output import color, say

if TYPE_CHECKING:
    from reconciler.ledger import Ledger

LEASE_SECONDS = 60.0

EPILOG = """\b
Examples:
  reconciler history                   the last 20 applies
  reconciler history -g prod --limit 100
  reconciler history show 7            the steps of apply 7
  reconciler history --format json     for other programs
  reconciler history decide 42 failed  step 42 did not happen: its credits are granted again"""


@click.group(invoke_without_command=True, epilog=EPILOG)
@world
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="How many applies to show.",
)
@text_or_json_option
@click.pass_context
def command(
    ctx: click.Context,
    config: Path,
    environment: str | None,
    gateway: str | None,
    limit: int,
    form: str,
) -> int | None:
    """Show earlier applies: who, when, from which commit, with what counts.

    `history show N` lists the steps of one; `history decide ID applied|failed` settles a credit grant of which the
    gateway could not tell whether it happened.
    """
    from reconciler.pipeline import gateway_identity, gateway_settings, ledger_of  # noqa: PLC0415  not for --help

    found = loaded(config, environment)
    _, settings = gateway_settings(found, gateway)
    ledger = ctx.with_resource(ledger_of(found, read_only=ctx.invoked_subcommand in (None, "show")))
    identity = gateway_identity(ledger, settings, found.directory)
    ctx.obj = ledger, identity
    if ctx.invoked_subcommand is None:
        from reconciler.render.history import history_json, render_history  # noqa: PLC0415  as above

        records = ledger.history(identity, limit)
        say(history_json(records) if form == "json" else render_history(records, color=color()))
        return DONE
    return None


@command.command()
@click.argument("number", type=int)
@text_or_json_option
@click.pass_obj
def show(obj: tuple["Ledger", str], number: int, form: str) -> int:
    """Show one apply with its steps."""
    from reconciler.render.history import apply_json, render_apply  # noqa: PLC0415  not for --help

    ledger, identity = obj
    record, entries = ledger.apply_record(identity, number)
    said = apply_json(record, entries) if form == "json" else None
    say(said or render_apply(record, entries, color=color()))
    return DONE


@command.command()
@click.argument("journal_id", type=int)
@click.argument("verdict", type=click.Choice(["applied", "failed"]))
@click.pass_obj
def decide(obj: tuple["Ledger", str], journal_id: int, verdict: str) -> int:
    """Settle by hand a step of unknown outcome (its number is in `history show N`)."""
    from reconciler.apply.recover import decide as settle  # noqa: PLC0415  not for --help

    ledger, identity = obj
    from reconciler.cli.actor import actor  # noqa: PLC0415  as above
    from reconciler.pipeline import utc_now  # noqa: PLC0415  as above

    settle(ledger, identity, journal_id, applied=verdict == "applied", actor=actor(), now=utc_now())
    say(f"Step {journal_id} counts as {verdict}.")
    return DONE


@command.command()
@click.option(
    "--keep",
    type=click.IntRange(1),
    required=True,
    metavar="N",
    help="How many of the newest stay.",
)
@click.pass_obj
def prune(obj: tuple["Ledger", str], keep: int) -> int:
    """Forget earlier applies but the newest N and those with open steps; what was granted is never forgotten.

    Without being asked, apply keeps the newest 200.
    """
    from datetime import timedelta  # noqa: PLC0415  not for --help

    from reconciler.cli.actor import actor  # noqa: PLC0415  as above
    from reconciler.pipeline import utc_now  # noqa: PLC0415  as above

    ledger, identity = obj
    acting(now=True)
    lease = ledger.acquire(identity, actor(), utc_now(), timedelta(seconds=LEASE_SECONDS))
    try:
        gone = ledger.prune_history(lease, keep)
    finally:
        ledger.release(lease)
    say(f"Forgot {gone:,} {'apply' if gone == 1 else 'applies'}.")
    return DONE
