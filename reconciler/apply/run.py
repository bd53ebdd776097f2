"""One apply from lock to verification: lock, recover, plan, ask, execute, record, verify, unlock."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler.apply.adopt import (
    Books,
    carry_over,
    owed_allocations,
    record_at_once,
    record_pricing,
    recorded_wishes,
    remember_secrets,
)
from reconciler.apply.execute import execute
from reconciler.apply.journal import Recorder
from reconciler.apply.keys import Delivery, delivery
from reconciler.apply.lock import Held, Holding, boot_seconds, locked
from reconciler.apply.means import Means, Pace
from reconciler.apply.owed_keys import hand_over
from reconciler.apply.recover import Late, Recovered, recover
from reconciler.apply.waiting import Waits, pause
from reconciler.core.model.changes import Action, Outcome, Result, Step
from reconciler.core.model.digest import digest
from reconciler.core.model.findings import Finding, ReconcilerError, errors, warning
from reconciler.core.model.inventory import Inventory, Known, record_of
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.credits.memories import told
from reconciler.core.plan.make import fingerprints
from reconciler.core.plan.meaning.prices import other_prices
from reconciler.core.plan.order.holding import Holds, fresh, holds
from reconciler.core.plan.order.schedule import Order, schedule
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.renaming import Renaming
from reconciler.core.plan.safety import standing
from reconciler.core.plan.saved import SavedPlan, against, facts_digest
from reconciler.core.plan.scope import EVERYTHING, Scope
from reconciler.core.plan.support import Support
from reconciler.pipeline import (
    Planned,
    Session,
    Terms,
    known_of,
    plan_against,
    plan_now,
    require_valid,
    utc_now,
)

NOTHING_OPEN = Recovered()
# The part of a lock's time that no pause of a step outlives.
PAUSE_SHARE = 1 / 3


@dataclass(frozen=True)
class Options:
    """How to apply. `allowed` holds the codes of refusals that flags override (`core.safety.FLAGS`).

    `shown(plan)` hears the plan before anything is refused, `approve(plan)` is asked once; `told` hears each outcome;
    `keys` gets new virtual keys; None: where the settings say. `lock_wait` is how many seconds to wait for another
    apply to finish.
    `saved` is a plan that was approved before: nothing else is carried out (`core.saved`).
    `fast` does not wait for processes that keep what they read (`core.holding`); `waiting` hears how many seconds a
    wait takes at most, and what for. `clock` is what the lock's end is measured by (`locking.boot_seconds`).
    """

    actor: str
    command: str = "apply"
    allowed: frozenset[str] = frozenset()
    order: Order = Order.GRANT_FIRST
    lock_wait: float = 0.0
    shown: Callable[[Plan], None] = lambda _plan: None
    approve: Callable[[Plan], bool] = lambda _plan: True
    started: Callable[[int], None] = lambda _total: None
    told: Callable[[Outcome], None] = lambda _outcome: None
    waiting: Callable[[float, str], None] = lambda _seconds, _why: None
    keys: Delivery | None = None
    now: Callable[[], datetime] = utc_now
    clock: Callable[[], float] = boot_seconds
    pace: Pace | None = None
    scope: Scope = EVERYTHING
    saved: SavedPlan | None = None
    rebase: bool = False
    fast: bool = False


@dataclass(frozen=True)
class Report:
    """What an apply came to. `left` are the changes that a re-plan after it still finds (None: not looked).

    `delivered` virtual keys went to `delivered_to`; `owed` are the objects whose key could not be delivered.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    approved: bool = True
    interrupted: bool = False
    recovered: Recovered = NOTHING_OPEN
    left: Plan | None = None
    apply_id: int | None = None
    findings: tuple[Finding, ...] = ()
    delivered: int = 0
    delivered_to: str = ""
    owed: tuple[Ref, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(outcome.result.value for outcome in self.outcomes)

    @property
    def complete(self) -> bool:
        """Whether everything planned was applied and nothing is left to do."""
        all_done = all(
            outcome.result is Result.APPLIED and not outcome.error for outcome in self.outcomes
        )
        nothing_left = self.left is None or not self.left.pending
        open_ends = self.interrupted or self.recovered.undecided or self.owed
        return all_done and nothing_left and not open_ends


async def apply(session: Session, options: Options, stop: asyncio.Event | None = None) -> Report:
    """Take the gateway to the desired state. Raises ReconcilerError for what forbids it; then nothing was changed."""
    require_valid(session.loaded)
    stop = stop or asyncio.Event()
    holding = Holding(options.actor, options.now, options.lock_wait, options.clock)
    keys = options.keys or _keys_of(session)
    try:
        async with locked(session, holding, stop) as held:
            report = await _applied(session, options, keys, held, stop)
    finally:
        keys.close()
    owed = tuple(
        Ref(key.kind, key.name) for key in session.ledger.owed_keys(session.target.identity)
    )
    return replace(report, delivered=keys.delivered, delivered_to=keys.where, owed=owed)


def _keys_of(session: Session) -> Delivery:
    name = session.target.name
    return delivery(name, session.loaded.settings.gateways[name], session.loaded.directory)


async def _applied(
    session: Session, options: Options, keys: Delivery, held: Held, stop: asyncio.Event
) -> Report:
    late = Late(stop, options.waiting, lambda step: _is_declared(session, step))
    recovered = await recover(session.ledger, held.lease, session.gateway, options.now, late)
    undecided = frozenset(entry.name for entry in recovered.undecided)
    known = known_of(session, undecided=undecided)
    handed = await hand_over(session.ledger, held.lease, session.gateway, keys, known)
    known = replace(known, owed={ref: known.owed[ref] for ref in handed.left})
    planned = await plan_now(session, known, Terms(options.order, options.scope))
    if options.saved is not None:
        planned = _approved_only(session, options.saved, options, planned)
    plan = replace(
        planned.plan, findings=(*planned.plan.findings, *_undecided(undecided), *handed.findings)
    )
    options.shown(plan)
    require_applicable(plan, options.allowed)
    if plan.pending and not await asyncio.to_thread(options.approve, plan):
        return Report(plan, approved=False, interrupted=stop.is_set(), recovered=recovered)
    return await _carry_out(_Work(session, options, held, keys, plan, planned, recovered), stop)


def _is_declared(session: Session, step: Step) -> bool:
    """Whether a top-up of an earlier apply is still in the files: then it is sent again as the same operation."""
    team = session.loaded.desired.state.get(step.ref)
    if step.credit is None or not isinstance(team, Team):
        return False
    declared = {top_up.id: top_up.amount for top_up in team.top_ups}
    return declared.get(step.credit.grant_id) == step.credit.amount


def _approved_only(
    session: Session, saved: SavedPlan, options: Options, planned: Planned
) -> Planned:
    """The fresh plan cut to what the saved one holds. Raises ReconcilerError where the saved one does not hold."""
    live, known = planned.live, planned.known
    now = fingerprints(live.state, live.state)
    hindrances = against(saved, planned.plan, now, rebase=options.rebase)
    if hindrances:
        raise ReconcilerError(*hindrances)
    terms = Terms(options.order, options.scope, saved.approved)
    findings = (*told(planned.strangers), *other_prices(saved.prices, planned.plan.prices))
    plan = plan_against(session, live, known, terms, findings)
    return replace(planned, plan=plan)


def require_applicable(plan: Plan, allowed: frozenset[str]) -> None:
    """Raises ReconcilerError with the plan's errors and the refusals that no flag overrides."""
    against = (*errors(plan.findings), *standing(plan.refusals, allowed))
    if against:
        raise ReconcilerError(*against)


def _undecided(teams: frozenset[str]) -> tuple[Finding, ...]:
    return tuple(
        warning(
            "credits-undecided",
            f"whether an earlier credit grant for {team} happened cannot be told; until then it gets no credits",
            hint="compare its balance on the gateway, then run `reconciler history decide`",
            ref=Ref("team", team),
        )
        for team in sorted(teams)
    )


# ---- the work


@dataclass(frozen=True)
class _Work:
    session: Session
    options: Options
    held: Held
    keys: Delivery
    plan: Plan
    planned: Planned
    recovered: Recovered


async def _carry_out(work: _Work, stop: asyncio.Event) -> Report:
    session, plan, live = work.session, work.plan, work.planned.live
    desired, support = session.loaded.desired.state, session.gateway.support
    undecided = frozenset(entry.name for entry in work.recovered.undecided)
    owed = owed_allocations(plan, undecided, support)
    books = Books(session.ledger, work.held.lease, work.options.now, plan, work.planned, owed)
    carry_over(books)
    renaming = plan.renames.in_place
    known = renaming.known(work.planned.known)
    # What is announced lies ahead of the day that is planned for, and of today.
    moment = max(session.loaded.now, work.options.now())
    wishes = recorded_wishes(plan, desired, known.inventory, moment)
    record_at_once(books, wishes, known.inventory)
    remember_secrets(books, support)
    ours = desired.resources.keys()
    seen = renaming.state(live.state)
    needs = schedule(plan.changes, seen, support, ours, work.options.order)
    if not needs:
        record_pricing(books)
        _record_facts(work, books, support, live.state, Renaming())
        return Report(plan, recovered=work.recovered)
    waits = (
        {} if work.options.fast else holds_of(session, plan, seen, known, needs, work.options.now())
    )
    outcomes, apply_id = await _executed(work, books, needs, waits, wishes, known.inventory, stop)
    if all(outcome.result is Result.APPLIED for outcome in outcomes):
        record_pricing(books)
    interrupted = stop.is_set() and any(outcome.result is Result.BLOCKED for outcome in outcomes)
    left, after = None, State()
    if not (interrupted or work.held.over):
        left, after = await _left(work, known)
    report = Report(
        plan,
        outcomes,
        interrupted=interrupted,
        recovered=work.recovered,
        left=left,
        apply_id=apply_id,
        findings=plan.findings,
    )
    if left is not None and report.complete:
        _record_facts(work, books, support, after, renaming)
    return report


async def _executed(
    work: _Work,
    books: Books,
    needs: Mapping[Step, frozenset[Step]],
    held: Holds,
    wishes: Mapping[Ref, Any],
    inventory: Inventory,
    stop: asyncio.Event,
) -> tuple[tuple[Outcome, ...], int]:
    session, options, ledger = work.session, work.options, work.session.ledger
    apply_id = ledger.begin(
        books.lease,
        actor=options.actor,
        revision=work.plan.revision,
        plan_digest=plan_digest(work.plan),
        counts=dict(work.plan.counts),
        now=options.now(),
        command=options.command,
    )
    halves = Counter(step.ref for step in needs if step.action in (Action.EXPAND, Action.CONTRACT))
    journal = Recorder(
        ledger=ledger,
        lease=books.lease,
        apply_id=apply_id,
        now=options.now,
        wishes=wishes,
        records={ref: dict(record.applied) for ref, record in inventory.items()},
        open_steps=dict(halves),
        owed=set(books.owed),
        makes_key=session.gateway.support.keys,
    )
    options.started(len(needs))
    outcomes: list[Outcome] = []
    lock_seconds = session.loaded.settings.ledger.lock_seconds
    means = Means(
        gateway=session.gateway,
        journal=journal,
        keys=work.keys,
        stop=stop,
        pace=replace(options.pace or Pace(), most=lock_seconds * PAUSE_SHARE),
        waits=Waits(held, asyncio.get_running_loop().time),
        waiting=options.waiting,
    )
    async for outcome in execute(needs, means):
        outcomes.append(outcome)
        options.told(outcome)
    lost = not session.gateway.support.voids and (
        session.gateway.lost or any(o.doubted for o in outcomes)
    )
    if lost and not stop.is_set():
        # A request that was lost on the way may still arrive, and put an old set in the place of the new one:
        # until then the apply is not finished, and what it left is not looked at.
        options.waiting(session.gateway.seconds, LOST)
        await pause(session.gateway.seconds, stop)
    work.keys.settle({Ref(key.kind, key.name) for key in ledger.owed_keys(session.target.identity)})
    counts = Counter(outcome.result.value for outcome in outcomes)
    status = _status(counts, stop, lost=lost)
    ledger.finish(books.lease, apply_id, status, counts, options.now())
    return tuple(outcomes), apply_id


def holds_of(
    session: Session,
    plan: Plan,
    live: State,
    known: Known,
    needs: Mapping[Step, frozenset[Step]],
    now: datetime,
) -> Holds:
    """What the steps wait for beside their needs; nothing where revokes come first, which promises no such thing."""
    if plan.order == Order.REVOKE_FIRST:
        return {}
    support = session.gateway.support
    return holds(needs, plan.changes, live, support, fresh(known.expanded, support, now))


def _status(counts: Mapping[str, int], stop: asyncio.Event, *, lost: bool) -> Any:
    if stop.is_set() and (counts.get("blocked") or lost):
        return "interrupted"
    if not counts.get("failed") and not counts.get("blocked"):
        return "done"
    return "partial" if counts.get("applied") else "failed"


LOST = "a request that was lost on the way may still arrive"


async def _left(work: _Work, before: Known) -> tuple[Plan, State]:
    """The plan after the apply, of which a complete one finds nothing left to do, and the live state then."""
    live = await work.session.gateway.read()
    undecided = frozenset(entry.name for entry in work.recovered.undecided)
    known = known_of(work.session, live.fixed, undecided | before.undecided)
    options = work.options
    approved = options.saved.approved if options.saved is not None else None
    terms = Terms(options.order, options.scope, approved)
    return plan_against(work.session, live, known, terms), live.state


def _record_facts(
    work: _Work, books: Books, support: Support, after: State, renaming: Renaming
) -> None:
    """Write down the facts that the plan told, unless it was about a part, or one that was approved with others."""
    saved = work.options.saved
    as_approved = saved is None or saved.facts in (None, facts_digest(support.facts))
    if support.facts and as_approved and not work.plan.scope:
        known = support.facts_after(support.facts, after, renaming.old_of)
        books.ledger.remember_facts(books.lease, known, books.now())


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
