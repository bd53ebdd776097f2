"""Recovery: what became of the requests that an earlier apply left open, before anything else is decided.

A request may still arrive though its sender is dead: a proxy has it, a queue, a slow network. So nothing new is decided
while an old one is neither known to have happened nor dead for good:

    the gateway can void an operation id    it is asked, once; what has not arrived by then never takes effect
    it cannot                               it is looked at until a whole time-out is over, by our own clock and from
                                            our own first look; a grant, which counts twice, four times as long

Neither the clock of another machine nor the times that it wrote down count.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.apply.journal import renamed, renaming_of, step_of
from reconciler.apply.waiting import pause
from reconciler.core.model.changes import Action, Step
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.renaming import Renaming
from reconciler.gateways.base import Gateway, GatewayError, Landed
from reconciler.ledger import Claim, JournalEntry, Lease, Ledger, LedgerError, Renewal
from reconciler.ledger.remembered import inventory_of

DECIDE_TTL = timedelta(seconds=30)
LOOK_AGAIN_SECONDS, LOOK_SELDOM_SECONDS = 0.5, 5.0
# How many time-outs a grant that the gateway counts twice is given to arrive, before another one may be sent.
GRANT_PATIENCE = 4.0
NOT_FOUND = 404
Verdicts = dict[int, Landed]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found out about the steps that an earlier apply left open."""

    applied: int = 0
    absent: int = 0
    undecided: tuple[JournalEntry, ...] = ()


@dataclass(frozen=True)
class Late:
    """With what recovery waits: `stop` ends it early, `told(seconds, why)` hears how long it may take.

    `wanted(step)` says whether a top-up is still declared: then it is sent again under its id, instead of being voided.
    """

    stop: asyncio.Event
    told: Callable[[float, str], None] = lambda _seconds, _why: None
    wanted: Callable[[Step], bool] = lambda _step: True


@dataclass
class _Open:
    """The open entries of a gateway and what is known of each by now; `moot` are grants to teams that are gone."""

    entries: Sequence[JournalEntry]
    steps: Mapping[int, Step] = field(init=False)
    verdicts: Verdicts = field(default_factory=dict)
    moot: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.steps = {entry.journal_id: step_of(entry) for entry in self.entries}

    def undone(self) -> list[int]:
        open_ends = (number for number in self.steps if number not in self.moot)
        return [number for number in open_ends if self.verdicts.get(number) is not Landed.APPLIED]

    async def look(self, number: int, gateway: Gateway) -> None:
        """Ask the gateway about one step. Raises GatewayError but for a grant, which then stays unknown."""
        step = self.steps[number]
        try:
            self.verdicts[number] = await gateway.landed(step)
        except GatewayError as problem:
            if step.action is not Action.GRANT:
                raise
            self.verdicts[number] = Landed.UNKNOWN
            if problem.status == NOT_FOUND:
                self.verdicts[number] = Landed.ABSENT
                self.moot.add(number)


async def recover(
    ledger: Ledger, lease: Lease, gateway: Gateway, now: Callable[[], datetime], late: Late
) -> Recovered:
    """Find out about every step of unknown outcome, and write it down.

    A grant that cannot be decided stays open (its team gets no further credits); everything else is decided by the
    next plan, which reads the live state anyway. A creation counts as ours only where the gateway says so.
    Of the renewals of virtual keys only those that happened stay in the ledger, for what is still owed its key.
    Raises GatewayError where the gateway does not answer.
    """
    left = _Open(ledger.unsettled(lease.gateway))
    renewals = ledger.renewals(lease.gateway)
    if gateway.support.voids:
        await _void(left, gateway, late)
        await _void_renewals(ledger, lease, gateway, renewals)
    else:
        cut_off = bool(ledger.late(lease.gateway)) or bool(renewals)
        await _outwait(left, gateway, late, cut_off=cut_off)
        if renewals and not late.stop.is_set():
            ledger.forget_renewals(lease, [renewal.operation_id for renewal in renewals])
    return _written(ledger, lease, left, now, late)


def _written(
    ledger: Ledger, lease: Lease, left: _Open, now: Callable[[], datetime], late: Late
) -> Recovered:
    applied, absent, undecided = 0, 0, []
    for entry in left.entries:
        step, verdict = (
            left.steps[entry.journal_id],
            left.verdicts.get(entry.journal_id, Landed.UNKNOWN),
        )
        if late.stop.is_set() and verdict is not Landed.APPLIED:
            if step.action is Action.GRANT:
                undecided.append(entry)
            continue
        if verdict is Landed.UNKNOWN and step.action is Action.GRANT:
            undecided.append(entry)
            continue
        done = verdict is Landed.APPLIED
        applied, absent = applied + done, absent + (not done)
        resolve(ledger, lease, entry, step, done=done, now=now())
    return Recovered(applied, absent, tuple(undecided))


# ---- a gateway that can void


async def _void(left: _Open, gateway: Gateway, late: Late) -> None:
    dead: list[Step] = []
    for number, step in left.steps.items():
        if _keeps_its_id(step) and late.wanted(step):
            await left.look(number, gateway)
        else:
            dead.append(step)
    if not dead:
        return
    ends = await gateway.void(dead)
    for number, step in left.steps.items():
        if step in ends:
            left.verdicts[number] = ends[step]


async def _void_renewals(
    ledger: Ledger, lease: Lease, gateway: Gateway, renewals: Sequence[Renewal]
) -> None:
    """Whichever machine sent them. One that happened tells that a key was given which only that machine has."""
    if not renewals:
        return
    happened = await gateway.void_renewals([renewal.operation_id for renewal in renewals])
    owed = {(key.kind, key.name) for key in ledger.owed_keys(lease.gateway)}
    settled = [
        renewal.operation_id
        for renewal in renewals
        if not happened[renewal.operation_id] or (renewal.kind, renewal.name) not in owed
    ]
    if settled:
        ledger.forget_renewals(lease, settled)


def _keeps_its_id(step: Step) -> bool:
    """A top-up is the same operation for ever: a late one and the one that is sent again are one."""
    return step.credit is not None and step.credit.grant_id != ALLOCATION


# ---- a gateway that cannot


async def _outwait(left: _Open, gateway: Gateway, late: Late, *, cut_off: bool) -> None:
    """Look until everything has happened or had its time. `cut_off`: a request of a settled step may arrive as well."""
    clock = asyncio.get_running_loop().time
    start = clock()
    for number in left.steps:
        await left.look(number, gateway)
    longest = max([_patience(left.steps[number], gateway) for number in left.undone()], default=0.0)
    longest = max(longest, gateway.seconds if cut_off else 0.0)
    if longest and not late.stop.is_set():
        late.told(longest, "requests of an apply that was cut off may still arrive")
    while clock() < start + longest and not late.stop.is_set():
        seconds = min(
            max(LOOK_AGAIN_SECONDS, (clock() - start) / 10),
            LOOK_SELDOM_SECONDS,
            start + longest - clock(),
        )
        await pause(seconds, late.stop)
        waiting = [n for n in left.undone() if clock() <= start + _patience(left.steps[n], gateway)]
        for number in waiting:
            await left.look(number, gateway)
        longest = max([_patience(left.steps[n], gateway) for n in left.undone()], default=0.0)
        longest = max(longest, gateway.seconds if cut_off else 0.0)


def _patience(step: Step, gateway: Gateway) -> float:
    """Seconds from our own first look after which a request that was not seen is dead."""
    if step.action is Action.TOUCH:
        return 0.0
    counts_twice = step.action is Action.GRANT and not gateway.support.repeatable_grants
    return gateway.seconds * (GRANT_PATIENCE if counts_twice else 1.0)


# ---- the ledger


def resolve(
    ledger: Ledger,
    lease: Lease,
    entry: JournalEntry,
    step: Step,
    *,
    done: bool,
    now: datetime,
    by: str | None = None,
) -> None:
    """Write down what became of an open step. The virtual key of a creation that happened is still owed."""
    record = entry.detail.get("record")
    own = Claim(entry.kind, entry.name, record) if done and record is not None else None
    state, note = (
        ("applied", "found on the gateway") if done else ("failed", "not found on the gateway")
    )
    renaming = renaming_of(step) if done else Renaming()
    [moved] = renamed(renaming, inventory_of(ledger, lease.gateway)) if renaming else [None]
    ledger.resolve(
        lease,
        entry.journal_id,
        state,  # type: ignore[arg-type]  # a literal
        by or note,
        now,
        own=own,
        disown=done and step.action is Action.DELETE,
        renamed=moved,
        key_settled=not done and step.action is Action.CREATE,
    )


def decide(
    ledger: Ledger, identity: str, journal_id: int, *, applied: bool, actor: str, now: datetime
) -> None:
    """Settle by hand a step of unknown outcome. Raises LedgerError where it is not open or the gateway is locked."""
    entry = next(
        (entry for entry in ledger.unsettled(identity) if entry.journal_id == journal_id), None
    )
    if entry is None:
        raise LedgerError(
            f"step {journal_id} is not open",
            "reconciler history show N lists the steps of an apply",
        )
    lease = ledger.acquire(identity, actor, now, DECIDE_TTL)
    try:
        resolve(
            ledger, lease, entry, step_of(entry), done=applied, now=now, by=f"decided by {actor}"
        )
    finally:
        ledger.release(lease)
