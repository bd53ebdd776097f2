"""One apply from lock to verification: lock, recover, plan, ask, execute, record, verify, unlock."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from reconciler.apply import Pace, execute, reissued
from reconciler.core.changes import Action, Outcome, Result, Step
from reconciler.core.credits import ALLOCATION
from reconciler.core.diff import Known
from reconciler.core.findings import Finding, ReconcilerError, error, errors, warning
from reconciler.core.holding import Holds, holds
from reconciler.core.inventory import Inventory, Record, record_of, required_of
from reconciler.core.kinds import PricingPlan
from reconciler.core.noting import recordable, settled_record
from reconciler.core.plan import Plan
from reconciler.core.planning import fingerprints
from reconciler.core.refs import Ref
from reconciler.core.renames import moves_of, renamed_known, renamed_state, renames
from reconciler.core.safety import standing
from reconciler.core.saved import Approved, SavedPlan, against
from reconciler.core.schedule import Order, schedule
from reconciler.core.scope import EVERYTHING, Scope
from reconciler.core.state import State
from reconciler.gateways.base import Live, Receipt
from reconciler.ledger import Claim
from reconciler.locking import Holding, locked
from reconciler.pipeline import Session, fresh_of, known_of, make, plan_against, require_valid, utc_now
from reconciler.recording import Recorder, Recovered, recover, renamed
from reconciler.waiting import Waits

if TYPE_CHECKING:
    from reconciler.ledger import Lease

MOST_GRACE_SECONDS = 10.0
NOTHING_OPEN = Recovered()


async def _drop(_step: Step, _receipt: Receipt) -> None:
    return None


@dataclass(frozen=True)
class Options:
    """How to apply. `allowed` holds the codes of refusals that flags override (`core.safety.FLAGS`).

    `shown(plan)` hears the plan before anything is refused, `approve(plan)` is asked once; `told` hears each outcome;
    `deliver` gets new virtual keys. `lock_wait` is how many seconds to wait for another apply to finish.
    `saved` is a plan that was approved before: nothing else is carried out (`core.saved`).
    `fast` does not wait for processes that keep what they read (`core.holding`); `waiting` hears the seconds of a wait.
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
    waiting: Callable[[float], None] = lambda _seconds: None
    deliver: Callable[[Step, Receipt], Awaitable[None]] = _drop
    now: Callable[[], datetime] = utc_now
    pace: Pace | None = None
    scope: Scope = EVERYTHING
    saved: SavedPlan | None = None
    rebase: bool = False
    fast: bool = False


@dataclass(frozen=True)
class Report:
    """What an apply came to. `left` are the changes that a re-plan after it still finds (None: not looked)."""

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    approved: bool = True
    interrupted: bool = False
    recovered: Recovered = NOTHING_OPEN
    left: Plan | None = None
    apply_id: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(outcome.result.value for outcome in self.outcomes)

    @property
    def complete(self) -> bool:
        """Whether everything planned was applied and nothing is left to do."""
        all_done = all(outcome.result is Result.APPLIED and not outcome.error for outcome in self.outcomes)
        nothing_left = self.left is None or not self.left.pending
        return all_done and nothing_left and not self.interrupted and not self.recovered.undecided


async def apply(session: Session, options: Options, stop: asyncio.Event | None = None) -> Report:
    """Take the gateway to the desired state. Raises ReconcilerError for what forbids it; then nothing was changed."""
    require_valid(session.loaded)
    stop = stop or asyncio.Event()
    holding = Holding(options.actor, options.now, options.lock_wait)
    async with locked(session, holding, stop) as lease:
        found = await _recovered(session, options, lease)
        undecided = frozenset(entry.name for entry in found.undecided)
        plan, live = await make(session, order=options.order, scope=options.scope, undecided=undecided)
        if options.saved is not None:
            plan = _approved_only(session, options, plan, live, undecided)
        plan = replace(plan, findings=(*plan.findings, *_undecided(undecided)))
        options.shown(plan)
        require_applicable(plan, options.allowed)
        if plan.pending and not await asyncio.to_thread(options.approve, plan):
            return Report(plan, approved=False, interrupted=stop.is_set(), recovered=found)
        return await _carry_out(_Work(session, options, lease, plan, live, found), stop)


async def _recovered(session: Session, options: Options, lease: "Lease") -> Recovered:
    async def happened(step: Step) -> None:
        tried = await reissued(step, session.gateway, options.deliver)
        if tried.error:
            hint = "remove the cause and apply again, or settle the step by `reconciler history decide`"
            raise ReconcilerError(error("keys", f"{step.ref}: {tried.error}", hint=hint, ref=step.ref))

    await _calm(session, options)
    return await recover(session.ledger, lease, session.gateway, options.now, happened, grace=_grace(session))


async def _calm(session: Session, options: Options) -> None:
    """Wait until nothing of an apply that was cut off can still be on its way: it could undo what is read now."""
    latest = session.ledger.history(session.target.identity, limit=1)
    if not latest or latest[0].status != "interrupted":
        return
    _, entries = session.ledger.apply_record(session.target.identity, latest[0].apply_id)
    last = max((entry.settled or entry.intended for entry in entries), default=latest[0].started)
    grace = _grace(session)
    rest = min(grace, last + grace - options.now())
    await asyncio.sleep(max(0.0, rest.total_seconds()))


def _grace(session: Session) -> timedelta:
    """How long a request whose sender died may still take effect: its timeout, within reason; none in process."""
    settings = session.loaded.settings.gateways[session.target.name]
    if settings.url is None:
        return timedelta(0)
    return timedelta(seconds=min(settings.timeout_seconds or MOST_GRACE_SECONDS, MOST_GRACE_SECONDS))


def _approved_only(session: Session, options: Options, plan: Plan, live: Live, undecided: frozenset[str]) -> Plan:
    """The fresh plan cut to what the saved one holds. Raises ReconcilerError where the saved one does not hold."""
    saved = options.saved
    stands = against(saved, plan, fingerprints(live.state, live.state), rebase=options.rebase) if saved else ()
    if stands:
        raise ReconcilerError(*stands)
    known = known_of(session, live, undecided)
    return plan_against(session, live, known, order=options.order, scope=options.scope, approved=_approved(options))


def _approved(options: Options) -> Approved | None:
    return options.saved.approved if options.saved is not None else None


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
    lease: "Lease"
    plan: Plan
    live: Live
    found: Recovered


async def _carry_out(work: _Work, stop: asyncio.Event) -> Report:
    session, plan, live = work.session, work.plan, work.live
    _carry_over(work)
    moves = moves_of(plan.changes)
    known = renamed_known(known_of(session, live), moves)
    wishes = recorded_wishes(plan, session.loaded.desired.state, known.inventory)
    _record_at_once(work, wishes, known.inventory)
    ours = session.loaded.desired.state.resources.keys()
    seen = renamed_state(live.state, moves)
    needs = schedule(plan.changes, seen, session.gateway.support, ours, work.options.order)
    if not needs:
        _record_pricing(work)
        return Report(plan, recovered=work.found)
    held = {} if work.options.fast else holds_of(session, plan, seen, needs, work.options.now())
    outcomes, apply_id = await _executed(work, needs, held, wishes, known.inventory, stop)
    if all(outcome.result is Result.APPLIED for outcome in outcomes):
        _record_pricing(work)
    interrupted = stop.is_set() and any(outcome.result is Result.BLOCKED for outcome in outcomes)
    left = None if interrupted else await _left(work, known)
    return Report(
        plan,
        outcomes,
        interrupted=interrupted,
        recovered=work.found,
        left=left,
        apply_id=apply_id,
        findings=plan.findings,
    )


async def _executed(
    work: _Work,
    needs: Mapping[Step, frozenset[Step]],
    held: Holds,
    wishes: Mapping[Ref, Any],
    inventory: Inventory,
    stop: asyncio.Event,
) -> tuple[tuple[Outcome, ...], int]:
    session, options, ledger = work.session, work.options, work.session.ledger
    apply_id = ledger.begin(
        work.lease,
        actor=options.actor,
        revision=work.plan.revision,
        plan_digest=digest(work.plan),
        counts=dict(work.plan.counts),
        now=options.now(),
        command=options.command,
    )
    halves = Counter(step.ref for step in needs if step.action in (Action.EXPAND, Action.CONTRACT))
    journal = Recorder(
        ledger=ledger,
        lease=work.lease,
        apply_id=apply_id,
        now=options.now,
        wishes=wishes,
        records={ref: dict(record.applied) for ref, record in inventory.items()},
        open_steps=dict(halves),
        owed=_owed(work),
    )
    options.started(len(needs))
    outcomes: list[Outcome] = []
    running = execute(
        needs,
        session.gateway,
        journal,
        deliver=options.deliver,
        stop=stop,
        pace=options.pace,
        waits=Waits(held),
        waiting=options.waiting,
    )
    async for outcome in running:
        outcomes.append(outcome)
        options.told(outcome)
    lost = getattr(session.gateway, "lost", False) or any(outcome.doubted for outcome in outcomes)
    if lost and not stop.is_set():
        # A request that was lost on the way may still arrive, and put an old set in the place of the new one:
        # until then the apply is not finished, and what it left is not looked at.
        await asyncio.sleep(_grace(session).total_seconds())
    counts = Counter(outcome.result.value for outcome in outcomes)
    ledger.finish(work.lease, apply_id, _status(counts, stop), counts, options.now())
    return tuple(outcomes), apply_id


def holds_of(session: Session, plan: Plan, live: State, needs: Mapping[Step, frozenset[Step]], now: datetime) -> Holds:
    """What the steps wait for beside their needs; nothing where revokes come first, which promises no such thing."""
    if plan.order == Order.REVOKE_FIRST:
        return {}
    return holds(needs, plan.changes, live, session.gateway.support, fresh_of(session, now))


def _status(counts: Mapping[str, int], stop: asyncio.Event) -> Any:
    if stop.is_set() and counts.get("blocked"):
        return "interrupted"
    if not counts.get("failed") and not counts.get("blocked"):
        return "done"
    return "partial" if counts.get("applied") else "failed"


def _owed(work: _Work) -> set[Ref]:
    """Teams whose allocation moves with a grant of its own, or must not move for now."""
    if work.session.gateway.support.credits != "operations":
        return set()
    changed = {c.ref for c in work.plan.changes for grant in c.credits if grant.grant_id == ALLOCATION}
    return changed | {Ref("team", entry.name) for entry in work.found.undecided}


def recorded_wishes(plan: Plan, desired: State, inventory: Inventory) -> Mapping[Ref, dict[str, Any]]:
    """What the inventory will say of each declared ref; fields that the gateway cannot change stay as they were."""
    found: dict[Ref, dict[str, Any]] = {}
    for ref, wish in desired.resources.items():
        found[ref] = recordable(record_of(wish), plan.held.get(ref, ()), _applied(inventory.get(ref)))
    return found


def _record_at_once(work: _Work, wishes: Mapping[Ref, dict[str, Any]], inventory: Inventory) -> None:
    """Write down what needs no request: adoptions, git-only fields that moved, and objects of ours that are gone."""
    plan, owed = work.plan, _owed(work)
    adopted = {change.ref for change in plan.changes if change.verb == "adopt"}
    calm = adopted | {change.ref for change in plan.noted if change.ref in wishes}
    claims: list[Claim] = []
    for ref in sorted(calm):
        record = settled_record(wishes[ref], _applied(inventory.get(ref)), owed=ref in owed)
        claims.append(Claim(ref.kind, ref.name, record, adopted=ref in adopted))
    if claims:
        work.session.ledger.own(work.lease, claims, work.options.now())
    if plan.gone:
        work.session.ledger.disown(work.lease, [(ref.kind, ref.name) for ref in plan.gone])


def _record_pricing(work: _Work) -> None:
    """Write down the pricing plans, once everything that follows from them is applied."""
    moved = [change for change in work.plan.noted if change.ref.kind == PricingPlan.kind]
    claims = [Claim(c.ref.kind, c.ref.name, record_of(c.after)) for c in moved if c.after is not None]
    removed = [(c.ref.kind, c.ref.name) for c in moved if c.after is None]
    if claims:
        work.session.ledger.own(work.lease, claims, work.options.now())
    if removed:
        work.session.ledger.disown(work.lease, removed)


def _carry_over(work: _Work) -> None:
    """Write down what renames need before any request.

    What the gateway knows only by its new name moves in the ledger. An object that is about to be replaced becomes
    ours first, so that an interruption does not leave it behind.
    """
    session, plan = work.session, work.plan
    known = known_of(session, work.live)
    found = renames(session.loaded.desired.state, work.live.state, known, session.gateway.support)
    now = work.options.now()
    if found.settled and not plan.partial:
        session.ledger.rename(work.lease, renamed(found.settled, known.inventory), now)
    going = {change.ref for change in plan.changes if change.after is None}
    taken = [old for old in found.replaced.values() if old in going and old not in known.inventory]
    if taken:
        claims = [Claim(old.kind, old.name, required_of(work.live.state[old]), adopted=True) for old in taken]
        session.ledger.own(work.lease, claims, now)


def _applied(record: Record | None) -> Mapping[str, Any] | None:
    return record.applied if record else None


async def _left(work: _Work, before: Known) -> Plan:
    """The plan after the apply: a complete one finds nothing left to do."""
    live = await work.session.gateway.read()
    undecided = frozenset(entry.name for entry in work.found.undecided)
    known = known_of(work.session, live, undecided | before.undecided)
    options = work.options
    return plan_against(
        work.session, live, known, order=options.order, scope=options.scope, approved=_approved(options)
    )


def digest(plan: Plan) -> str:
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
    text = json.dumps([plan.target.identity, changes], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
