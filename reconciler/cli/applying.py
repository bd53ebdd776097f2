"""An apply at a command line: what it shows, asks and tells while it runs, and what it says at its end."""

import asyncio
import os
import select
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

import click

from reconciler.apply.options import Options, Report
from reconciler.apply.probe import probe
from reconciler.apply.run import apply
from reconciler.cli.events import acting, as_json, emit, emit_outcome, emit_plan
from reconciler.cli.failures import DONE, EXPECTED, INTERRUPTED
from reconciler.cli.output import color, note, say, width
from reconciler.cli.running import run
from reconciler.cli.signals import stoppable
from reconciler.cli.streams import lost
from reconciler.core.model.changes import Outcome, Result
from reconciler.core.model.printable import lines as printed_lines
from reconciler.core.plan.order.holding import duration
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.probes import Probed
from reconciler.pipeline import Loaded, Session, gateway_settings, opened, require_valid
from reconciler.render import plan_view
from reconciler.render.outcomes import render_outcomes
from reconciler.render.plan.text import render as render_text
from reconciler.render.progress import Progress

MANY = 50
ANSWER_SECONDS = 0.2
FEW = 5


@dataclass(frozen=True)
class Manner:
    """How an apply behaves at its terminal.

    `yes`: nobody is asked. `quiet`: only the closing lines, and errors. `probe`: for how many seconds at most the
    gateway is asked afterwards whether the changes hold (None: it is not). `wait`: return only when they do.
    """

    yes: bool = False
    quiet: bool = False
    probe: float | None = None
    wait: bool = False


def applied(config: Loaded, gateway: str | None, options: Options, manner: Manner) -> int:
    """Apply, and say what came of it; the exit code."""
    # From here on the exit code says what became of the gateway, whoever can still read the rest.
    acting(now=True)
    try:
        report, probed = run(carried_out(config, gateway, options, manner))
    except asyncio.CancelledError:
        left_at_once()
        return INTERRUPTED
    code = max(closed(report, quiet=manner.quiet), tell_probes(probed))
    emit_finished(report, code)
    return code


async def carried_out(
    config: Loaded, gateway: str | None, options: Options, manner: Manner
) -> tuple[Report, tuple[Probed, ...]]:
    """The apply with its progress, stopped by signals, and the probes after it."""
    require_valid(config)
    _, settings = gateway_settings(config, gateway)
    stop = asyncio.Event()
    probed: tuple[Probed, ...] = ()
    with stoppable(stop, note):
        async with opened(config, gateway, read_only=False) as session:
            with ExitStack() as stack:
                watching = _Watching(stack, quiet=manner.quiet)
                watched = replace(
                    options,
                    approve=lambda _plan: _approved(stop, yes=manner.yes),
                    started=watching.start,
                    told=watching.tell,
                    waiting=watching.wait,
                )
                report = await apply(session, watched, stop)
            await _settled(session, report, stop, manner)
            if manner.probe is not None and report.complete:
                impact = report.plan.impact
                probed = await probe(session.gateway, settings, impact, os.environ, manner.probe)
    if report.delivered:
        keys = f"{report.delivered:,} new virtual {'key' if report.delivered == 1 else 'keys'}"
        note(f"{keys} in {report.delivered_to}")
    return report, probed


async def _settled(session: Session, report: Report, stop: asyncio.Event, manner: Manner) -> None:
    """Say when the changes hold everywhere, where the gateway has caches; with --wait not before."""
    if not report.outcomes:
        return
    seconds, sentence = await session.gateway.holds_everywhere(report.plan.changes)
    if seconds and not manner.quiet:
        note(sentence)
    if manner.wait:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)


# ---- meanwhile


def show_plan(plan: Plan, *, full: bool, quiet: bool) -> None:
    emit_plan(plan)
    if quiet:
        return
    # What to do next is what is being done.
    view = replace(plan_view(plan, full=full), next="")
    say(render_text(view, color=color(), width=width()))


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


@dataclass
class _Watching:
    """What is told while the steps run: their progress, from when their number is known, and why they wait."""

    stack: ExitStack
    quiet: bool
    progress: Progress | None = field(default=None, init=False)

    def start(self, total: int) -> None:
        emit("apply-started", steps=total)
        quiet = self.quiet or as_json() or (total < MANY and not sys.stderr.isatty())
        progress = Progress("Applying", total, out=sys.stderr, quiet=quiet)
        self.progress = self.stack.enter_context(progress)

    def tell(self, outcome: Outcome) -> None:
        emit_outcome(outcome)
        if self.progress is not None:
            self.progress.outcome(outcome)

    def wait(self, seconds: float, why: str) -> None:
        emit("waiting", seconds=round(seconds, 1), reason=why)
        if not self.quiet:
            note(f"waiting up to {duration(seconds)}: {why}")


# ---- at the end


def left_at_once() -> None:
    message = (
        "left at once; the next apply looks up what became of the requests that were in flight"
    )
    if as_json():
        emit("failed", "error", exit_code=INTERRUPTED, message=message)
    else:
        note(message)


def tell_probes(probed: tuple[Probed, ...]) -> int:
    """What the probes found; the exit code that this alone would give."""
    for result in probed:
        wish = "answers" if result.probe.allowed else "is denied"
        time = f"after {result.seconds:.1f} s"
        if not result.holds:
            time = f"NOT within {result.seconds:.1f} s"
        say(f"probe  {result.probe.team}  {result.probe.model} {wish}  {time}")
    return DONE if all(result.holds for result in probed) else EXPECTED


def closed(report: Report, *, quiet: bool) -> int:
    """Says what the apply came to; the exit code that this alone would give."""
    if not report.approved:
        say("Nothing was changed.")
        return INTERRUPTED if report.interrupted else EXPECTED
    outcomes = render_outcomes(report.outcomes, color=color(), width=width(), brief=quiet)
    say(closing(report, outcomes))
    if report.interrupted:
        return INTERRUPTED
    return DONE if report.complete else EXPECTED


def emit_finished(report: Report, code: int) -> None:
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


def closing(report: Report, outcomes: str) -> str:
    """The last lines: the outcomes, what was only written down, and what is left to do or to know."""
    lines = [outcomes] if report.outcomes or not report.plan.pending else []
    if report.plan.changes and not report.outcomes:
        lines.append(f"Adopted {len(report.plan.changes):,}; the gateway is as declared.")
    elif report.plan.told and not report.outcomes:
        lines.append(f"Wrote down {len(report.plan.told):,}; the gateway is as declared.")
    applied_with_error = [
        outcome for outcome in report.outcomes if outcome.error and outcome.result is Result.APPLIED
    ]
    lines += [f"! {outcome.step.ref}: {outcome.error}" for outcome in applied_with_error]
    if report.owed:
        owed = ", ".join(str(ref) for ref in report.owed[:FEW])
        lines.append(
            f"! {len(report.owed):,} virtual keys were not delivered yet: {owed}. Apply again to deliver them."
        )
    recovered = report.recovered.applied + report.recovered.absent
    if recovered:
        lines.append(f"Looked up {recovered:,} steps that an earlier apply had left open.")
    if report.left is not None and report.left.pending:
        left = report.left.changes
        rest = ", ".join(str(change.ref) for change in left[:FEW])
        lines.append(f"After the apply {len(left):,} changes are still pending: {rest}")
    return printed_lines(*lines)
