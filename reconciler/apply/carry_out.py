"""carry_out: what was approved, from the ledger's first entry to a look at what is left."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.apply.adopt import (
    Books,
    Wishes,
    carry_over,
    owed_allocations,
    record_at_once,
    record_pricing,
    recorded_wishes,
    remember_facts,
    remember_first_sight,
    remember_prices,
    remember_secrets,
)
from reconciler.apply.execute import Needs, execute
from reconciler.apply.journal import Recorder
from reconciler.apply.keys import Delivery
from reconciler.apply.lock import Held
from reconciler.apply.means import Means, Pace
from reconciler.apply.options import Options, Report
from reconciler.apply.recover import Recovered
from reconciler.apply.waiting import Waits, pause
from reconciler.core.model.changes import Action, Outcome, Result
from reconciler.core.model.digest import digest
from reconciler.core.model.inventory import Inventory, Known, record_of
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.order.holding import Holds, fresh, holds
from reconciler.core.plan.order.schedule import Order, schedule
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.renaming import Renaming
from reconciler.ledger.records import FinalStatus
from reconciler.pipeline import Planned, Session, known_of, plan_against

# The part of a lock's time that no pause of a step outlives.
PAUSE_SHARE = 1 / 3
LOST = "a request that was lost on the way may still arrive"


@dataclass(frozen=True)
class Work:
    """An apply that was approved. `planned` holds the plan and what it was made of; `stop` ends it early."""

    session: Session
    options: Options
    held: Held
    keys: Delivery
    planned: Planned
    recovered: Recovered
    stop: asyncio.Event

    @property
    def plan(self) -> Plan:
        return self.planned.plan


async def carry_out(work: Work) -> Report:
    """Write down what needs no request, send the steps, write down what became of them, and look what is left."""
    session, plan = work.session, work.plan
    desired, support = session.loaded.desired.state, session.gateway.support
    owed = owed_allocations(plan, work.planned.known.undecided, support)
    books = Books(session.ledger, work.held.lease, work.options.now, work.planned, owed)
    carry_over(books)
    known = plan.renames.in_place.known(work.planned.known)
    live = plan.renames.in_place.state(work.planned.live.state)
    # What is announced lies ahead of the day that is planned for, and of today.
    moment = max(session.loaded.now, work.options.now())
    wishes = recorded_wishes(plan, desired, known.inventory, moment)
    record_at_once(books, wishes, known.inventory)
    remember_secrets(books, support)
    remember_first_sight(books, support)
    ours = desired.resources.keys()
    needs = schedule(plan.changes, live, support, ours, work.options.order)
    if not needs:
        record_pricing(books)
        remember_facts(books, support, work.options.saved, work.planned.live.state, Renaming())
        remember_prices(books, desired, session.loaded.prices)
        return Report(plan, recovered=work.recovered)
    waits = _waits(work, live, known, needs)
    journal = _begun(work, books, needs, wishes, known.inventory)
    outcomes = await _sent(work, needs, journal, waits)
    if all(outcome.result is Result.APPLIED for outcome in outcomes):
        record_pricing(books)
    blocked = any(outcome.result is Result.BLOCKED for outcome in outcomes)
    report = Report(
        plan,
        outcomes,
        interrupted=work.stop.is_set() and blocked,
        recovered=work.recovered,
        apply_id=journal.apply_id,
        findings=plan.findings,
    )
    if report.interrupted or work.held.over:
        return report
    left, after = await _left(work)
    report = replace(report, left=left)
    if report.complete:
        remember_facts(books, support, work.options.saved, after, plan.renames.in_place)
        remember_prices(books, desired, session.loaded.prices)
    return report


def _waits(work: Work, live: State, known: Known, needs: Needs) -> Holds:
    """What the steps wait for beside their needs; nothing where revokes come first, which promises no such thing."""
    plan, support = work.plan, work.session.gateway.support
    if work.options.fast or plan.order == Order.REVOKE_FIRST:
        return {}
    lately = fresh(known.expanded, support, work.options.now())
    return holds(needs, plan.changes, live, support, lately)


def _begun(
    work: Work, books: Books, needs: Needs, wishes: Wishes, inventory: Inventory
) -> Recorder:
    """The journal of an apply that begins in the ledger with this."""
    options, plan = work.options, work.plan
    apply_id = books.ledger.begin(
        books.lease,
        actor=options.actor,
        revision=plan.revision,
        plan_digest=plan_digest(plan),
        counts=dict(plan.counts),
        now=options.now(),
        command=options.command,
    )
    halves = Counter(step.ref for step in needs if step.action in (Action.EXPAND, Action.CONTRACT))
    return Recorder(
        ledger=books.ledger,
        lease=books.lease,
        apply_id=apply_id,
        now=options.now,
        wishes=wishes,
        records={ref: dict(record.applied) for ref, record in inventory.items()},
        open_steps=dict(halves),
        owed=set(books.owed),
        makes_key=work.session.gateway.support.keys,
    )


async def _sent(work: Work, needs: Needs, journal: Recorder, waits: Holds) -> tuple[Outcome, ...]:
    """The outcomes of all steps; the apply ends in the ledger with this."""
    session, options = work.session, work.options
    longest_pause = session.loaded.settings.ledger.lock_seconds * PAUSE_SHARE
    means = Means(
        gateway=session.gateway,
        journal=journal,
        keys=work.keys,
        stop=work.stop,
        pace=replace(options.pace or Pace(), most=longest_pause),
        waits=Waits(waits, asyncio.get_running_loop().time),
        waiting=options.waiting,
    )
    options.started(len(needs))
    outcomes: list[Outcome] = []
    async for outcome in execute(needs, means):
        outcomes.append(outcome)
        options.told(outcome)
    lost = await _settle_lost(work, outcomes)
    owed = session.ledger.owed_keys(session.target.identity)
    work.keys.settle({Ref(key.kind, key.name) for key in owed})
    counts = Counter(outcome.result.value for outcome in outcomes)
    status = _status(counts, stopped=work.stop.is_set(), lost=lost)
    session.ledger.finish(journal.lease, journal.apply_id, status, counts, options.now())
    return tuple(outcomes)


async def _settle_lost(work: Work, outcomes: list[Outcome]) -> bool:
    """Whether a request was lost on the way: then its time-out is waited for, unless the apply is stopped.

    It may still arrive, and put an old set in the place of the new one: until then the apply is not finished, and what
    it left is not looked at. A gateway that voids has made an end of it already.
    """
    gateway = work.session.gateway
    doubted = any(outcome.doubted for outcome in outcomes)
    if gateway.support.voids or not (gateway.lost or doubted):
        return False
    if not work.stop.is_set():
        work.options.waiting(gateway.seconds, LOST)
        await pause(gateway.seconds, work.stop)
    return True


def _status(counts: Mapping[str, int], *, stopped: bool, lost: bool) -> FinalStatus:
    blocked, failed = counts.get("blocked", 0), counts.get("failed", 0)
    if stopped and (blocked or lost):
        return "interrupted"
    if not failed and not blocked:
        return "done"
    return "partial" if counts.get("applied") else "failed"


async def _left(work: Work) -> tuple[Plan, State]:
    """The plan after the apply, of which a complete one finds nothing left to do, and the live state then."""
    live = await work.session.gateway.read()
    known = known_of(work.session, live.fixed, work.planned.known.undecided)
    return plan_against(work.session, live, known, work.options.terms), live.state


def plan_digest(plan: Plan) -> str:
    """Names a plan: the same changes against the same gateway have the same digest."""
    changes = [
        (
            str(c.ref),
            c.verb,
            record_of(c.before) if c.before else None,
            record_of(c.after) if c.after else None,
            c.renamed_from,
        )
        for c in plan.changes
    ]
    return digest([plan.target.identity, changes])
