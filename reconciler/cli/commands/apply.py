"""`reconciler apply`: plan, ask, execute, verify."""

import asyncio
import getpass
import os
import select
import socket
import sys
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.events import acting, as_json, emit, emit_outcome, emit_plan, log_format_option
from reconciler.cli.failures import DONE, EXPECTED, INTERRUPTED
from reconciler.cli.options import as_of_option, loaded, only_option, revision_option, world
from reconciler.cli.output import color, note, say, width
from reconciler.cli.running import run
from reconciler.cli.signals import stoppable
from reconciler.cli.streams import lost
from reconciler.core.model.printable import lines as printed_lines

if TYPE_CHECKING:
    from reconciler.apply.run import Options, Report
    from reconciler.core.model.changes import Outcome
    from reconciler.core.model.settings import GatewaySettings
    from reconciler.core.plan.plan import Plan
    from reconciler.core.plan.probes import Probed
    from reconciler.pipeline import Loaded, Session
    from reconciler.render.progress import Progress

MANY = 50
ANSWER_SECONDS = 0.2
ALLOWANCES = {
    "--allow-loss": ("loss", "Let teams lose access to models."),
    "--allow-updates": ("too-many-updates", "Let it update more of a kind than the safety limit."),
    "--allow-deletes": ("too-many-deletes", "Let it delete more of a kind than the safety limit."),
    "--allow-empty": ("config-empty", "Let an empty config delete everything that is owned."),
    "--allow-protected": (
        "protected",
        "Let it delete objects that were declared with protect: true.",
    ),
    "--allow-budget-cut": ("budget-cut", "Let it give a budget to teams that had no limit."),
    "--allow-secret-lost": (
        "secret-lost",
        "Let it create models anew without the secrets that only the gateway had.",
    ),
    "--allow-cascade": ("cascade", "Let it delete teams whose keys die with them."),
}


def _allowances(command: click.Command) -> click.Command:
    for flag, (code, text) in ALLOWANCES.items():
        command.params.append(
            click.Option([flag, "allow_" + code.replace("-", "_")], is_flag=True, help=text)
        )
    return command


EPILOG = """\b
Examples:
  reconciler apply                               show the plan, ask, apply
  reconciler apply --yes --quiet                 unattended
  reconciler plan --out plan.json                review it, then:
  reconciler apply plan.json --yes               just that plan, or nothing
  reconciler apply --only team/acme-*            one customer's teams
  reconciler apply --revision HEAD~1             back to an earlier commit
  reconciler apply --yes --log-format json       events for programs on standard error

Exit codes: 0 everything is applied, 1 refused or not complete, 130 interrupted (run it again to go on)."""


@_allowances
@click.command(epilog=EPILOG)
@click.argument(
    "plan_file",
    required=False,
    metavar="[PLAN]",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
)
@world
@as_of_option
@revision_option
@only_option
@click.option(
    "--rebase", is_flag=True, help="With PLAN: go on although objects moved that it does not touch."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed where no terminal is.")
@click.option(
    "--order",
    type=click.Choice(["grant-first", "revoke-first"]),
    default="grant-first",
    show_default=True,
    help="What comes first: no team misses a model, or no team has one too many.",
)
@click.option("--full", is_flag=True, help="Every name instead of counts and examples.")
@click.option(
    "--probe",
    is_flag=True,
    help="Afterwards ask the gateway: granted models answer, revoked ones are denied.",
)
@click.option(
    "--probe-seconds",
    type=click.FloatRange(min=0),
    default=10,
    show_default=True,
    help="How long a probe may take.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Return only when the changes hold everywhere, where the gateway has caches.",
)
@click.option(
    "--fast",
    is_flag=True,
    help="Wait for no caches of the gateway: kept models may be denied for up to minutes.",
)
@click.option("--quiet", "-q", is_flag=True, help="Only the closing lines, and errors.")
@log_format_option
@click.option(
    "--lock-wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait for another apply to end.",
)
def command(
    plan_file: Path | None,
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    revision: str | None,
    only: tuple[str, ...],
    rebase: bool,
    yes: bool,
    order: str,
    full: bool,
    probe: bool,
    probe_seconds: float,
    wait: bool,
    fast: bool,
    quiet: bool,
    lock_wait: float,
    **allowances: bool,
) -> int:
    """Take the gateway to the declared state.

    Shows the plan and asks. With PLAN (from `plan --out`) just what that plan holds is carried out, or nothing.

    No team loses, at any instant, a model that it keeps: where the gateway's processes keep what they read, revokes
    that depend on it wait, and the plan says how long. A crash at any point is safe: run it again. Ctrl-C finishes
    what is in flight and stops.
    """
    from reconciler.apply.run import Options  # noqa: PLC0415  not needed for --help
    from reconciler.core.plan.order.schedule import Order  # noqa: PLC0415  as above
    from reconciler.core.plan.scope import parse_scope  # noqa: PLC0415  as above
    from reconciler.files.plan_file import read_plan_file  # noqa: PLC0415  as above

    saved = read_plan_file(plan_file) if plan_file else None
    found = loaded(config, environment, as_of, revision)
    options = Options(
        actor=actor(),
        command=" ".join(["reconciler", *sys.argv[1:]]),
        allowed=_allowed(allowances),
        order=Order(saved.order if saved else order),
        scope=parse_scope(only or (saved.scope if saved else ())),
        saved=saved,
        rebase=rebase,
        fast=fast,
        lock_wait=lock_wait,
        shown=lambda plan: show_plan(plan, full=full, quiet=quiet),
    )
    patience = probe_seconds if probe else None
    # From here on the exit code says what became of the gateway, whoever can still read the rest.
    acting(now=True)
    doing = carried_out(found, gateway, options, yes=yes, quiet=quiet, probe=patience, wait=wait)
    try:
        report, probed = run(doing)
    except asyncio.CancelledError:
        left_at_once()
        return INTERRUPTED
    code = max(closed(report, quiet=quiet), tell_probes(probed))
    emit_finished(report, code)
    return code


def left_at_once() -> None:
    message = (
        "left at once; the next apply looks up what became of the requests that were in flight"
    )
    if as_json():
        emit("failed", "error", exit_code=INTERRUPTED, message=message)
    else:
        note(message)


def _allowed(given: dict[str, bool]) -> frozenset[str]:
    return frozenset(
        name.removeprefix("allow_").replace("_", "-") for name, yes in given.items() if yes
    )


def actor() -> str:
    """Who applies, as the lock and the history name them."""
    user = "unknown"
    with suppress(OSError, KeyError):
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"


def show_plan(plan: "Plan", *, full: bool, quiet: bool) -> None:
    emit_plan(plan)
    if quiet:
        return
    from dataclasses import replace  # noqa: PLC0415  not needed for --help

    from reconciler.render import FORMATS, plan_view  # noqa: PLC0415  as above

    # What to do next is what is being done.
    view = replace(plan_view(plan, full=full), next="")
    say(FORMATS["text"](view, color=color(), width=width()))


def _approved(stop: asyncio.Event, *, yes: bool) -> bool:
    """Asks, and waits for the answer only until a stop: the signals are the apply's, so a prompt hears none."""
    if yes:
        return True
    gone = lost()
    if gone is not None:
        raise gone
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; --yes applies without asking")
    click.echo("\nApply these changes? [y/N]: ", nl=False, file=sys.stdout)
    while not select.select([sys.stdin], [], [], ANSWER_SECONDS)[0]:
        if stop.is_set():
            return False
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def carried_out(
    config: "Loaded",
    gateway: str | None,
    options: "Options",
    *,
    yes: bool,
    quiet: bool,
    probe: float | None,
    wait: bool,
) -> tuple["Report", "tuple[Probed, ...]"]:
    from dataclasses import replace  # noqa: PLC0415  not needed for --help

    from reconciler.apply.run import apply  # noqa: PLC0415  as above
    from reconciler.pipeline import gateway_settings, opened, require_valid  # noqa: PLC0415  as above

    require_valid(config)
    _, settings = gateway_settings(config, gateway)
    stop = asyncio.Event()
    with stoppable(stop, note):
        async with opened(config, gateway, read_only=False) as session:
            with ExitStack() as stack:
                watch = _Watch(stack, quiet=quiet)
                asked = replace(options, approve=lambda _plan: _approved(stop, yes=yes))
                waiting = _Waiting(quiet=quiet)
                watched = replace(asked, started=watch.start, told=watch.tell, waiting=waiting.tell)
                report = await apply(session, watched, stop)
            await _settled(session, report, stop, wait=wait, quiet=quiet)
            probed = await _probed(session, settings, report, probe) if probe is not None else ()
    if report.delivered:
        keys = f"{report.delivered:,} new virtual {'key' if report.delivered == 1 else 'keys'}"
        note(f"{keys} in {report.delivered_to}")
    return report, probed


async def _settled(
    session: "Session", report: "Report", stop: asyncio.Event, *, wait: bool, quiet: bool
) -> None:
    """Say when the changes hold everywhere, where the gateway has caches; with --wait not before."""
    if not report.outcomes:
        return
    seconds, sentence = await session.gateway.holds_everywhere(report.plan.changes)
    if seconds and not quiet:
        note(sentence)
    if wait:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)


async def _probed(
    session: "Session", settings: "GatewaySettings", report: "Report", seconds: float
) -> "tuple[Probed, ...]":
    from reconciler.apply.probe import probe  # noqa: PLC0415  not needed for --help

    if not report.complete:
        return ()
    return await probe(session.gateway, settings, report.plan.impact, os.environ, seconds)


def tell_probes(probed: "tuple[Probed, ...]") -> int:
    for each in probed:
        wish = "answers" if each.probe.allowed else "is denied"
        said = f"after {each.seconds:.1f} s" if each.holds else f"NOT within {each.seconds:.1f} s"
        say(f"probe  {each.probe.team}  {each.probe.model} {wish}  {said}")
    return DONE if all(each.holds for each in probed) else EXPECTED


class _Waiting:
    """Says once that the steps wait, and for how long."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet

    def tell(self, seconds: float, why: str) -> None:
        from reconciler.core.plan.order.holding import duration  # noqa: PLC0415  not needed for --help

        emit("waiting", seconds=round(seconds, 1), reason=why)
        if not self.quiet:
            note(f"waiting up to {duration(seconds)}: {why}")


class _Watch:
    """Progress from the moment that the number of steps is known."""

    def __init__(self, stack: ExitStack, *, quiet: bool) -> None:
        self.stack, self.quiet = stack, quiet
        self.progress: Progress | None = None

    def start(self, total: int) -> None:
        from reconciler.render.progress import Progress  # noqa: PLC0415  not needed for --help

        emit("apply-started", steps=total)
        quiet = self.quiet or as_json() or (total < MANY and not sys.stderr.isatty())
        self.progress = self.stack.enter_context(
            Progress("Applying", total, out=sys.stderr, quiet=quiet)
        )

    def tell(self, outcome: "Outcome") -> None:
        emit_outcome(outcome)
        if self.progress is not None:
            self.progress.outcome(outcome)


def closed(report: "Report", *, quiet: bool) -> int:
    from reconciler.render.outcomes import render_outcomes  # noqa: PLC0415  not needed for --help

    if not report.approved:
        say("Nothing was changed.")
        return INTERRUPTED if report.interrupted else EXPECTED
    say(
        closing(report, render_outcomes(report.outcomes, color=color(), width=width(), brief=quiet))
    )
    if report.interrupted:
        return INTERRUPTED
    return DONE if report.complete else EXPECTED


def emit_finished(report: "Report", code: int) -> None:
    """The last event; `complete` says that everything planned was applied and nothing is left to do."""
    emit(
        "finished",
        "info" if code == DONE else "error",
        exit_code=code,
        complete=report.approved and report.complete,
        approved=report.approved,
        interrupted=report.interrupted,
        apply_id=report.apply_id,
        counts={
            result: report.counts.get(result, 0) for result in ("applied", "failed", "blocked")
        },
        left=len(report.left.changes) if report.left else 0,
    )


def closing(report: "Report", outcomes: str) -> str:
    lines = [outcomes] if report.outcomes or not report.plan.pending else []
    if report.plan.changes and not report.outcomes:
        lines.append(f"Adopted {len(report.plan.changes):,}; the gateway is as declared.")
    elif report.plan.told and not report.outcomes:
        lines.append(f"Wrote down {len(report.plan.told):,}; the gateway is as declared.")
    lines += [
        f"! {o.step.ref}: {o.error}"
        for o in report.outcomes
        if o.error and o.result.value == "applied"
    ]
    if report.owed:
        owed = ", ".join(str(ref) for ref in report.owed[:5])
        lines.append(
            f"! {len(report.owed):,} virtual keys were not delivered yet: {owed}. Apply again to deliver them."
        )
    recovered = report.recovered.applied + report.recovered.absent
    if recovered:
        lines.append(f"Looked up {recovered:,} steps that an earlier apply had left open.")
    if report.left is not None and report.left.pending:
        rest = ", ".join(str(change.ref) for change in report.left.changes[:5])
        lines.append(
            f"After the apply {len(report.left.changes):,} changes are still pending: {rest}"
        )
    return printed_lines(*lines)
