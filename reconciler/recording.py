"""The ledger as apply uses it: intents before requests, outcomes after them, and recovery of what a crash left open."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from reconciler.core.changes import Action, CreditGrant, Outcome, Result, Step
from reconciler.core.credits import ALLOCATION, operations_of
from reconciler.core.inventory import Inventory, Record, record_of
from reconciler.core.kinds import KINDS, Resource, Team
from reconciler.core.noting import settled_record
from reconciler.core.refs import Ref
from reconciler.core.renames import Moves, renamed_inventory
from reconciler.gateways.base import Gateway, GatewayError, Landed
from reconciler.ledger import (
    Claim,
    GrantRecord,
    Intent,
    JournalEntry,
    Lease,
    Ledger,
    LedgerError,
    Renamed,
    Settlement,
)

CREDITS = "credits_allocated"
DECIDE_TTL = timedelta(seconds=30)
LOOK_AGAIN_SECONDS = 0.5
NO_GRACE = timedelta(0)
Json = dict[str, Any]


@dataclass
class Recorder:
    """A journal for one apply.

    `wishes`: what is declared, as the inventory will hold it. `records`: what the inventory says, kept up to date.
    `open_steps`: ref -> expands and contracts still to come. `owed`: teams whose allocation grant is not done yet.
    """

    ledger: Ledger
    lease: Lease
    apply_id: int
    now: Callable[[], datetime]
    wishes: Mapping[Ref, Json]
    records: dict[Ref, Json]
    open_steps: dict[Ref, int]
    owed: set[Ref]
    token: Callable[[], str] = lambda: secrets.token_hex(8)

    def intend(self, steps: Sequence[Step]) -> Sequence[Step]:
        named = [self._named(step) for step in steps]
        self.ledger.intend(self.lease, self.apply_id, [self._intent(step) for step in named], self.now())
        return named

    def _named(self, step: Step) -> Step:
        """A grant gets its operation id here: a top-up's is fixed, an allocation's is new for each apply."""
        if step.credit is None or step.credit.operation_id is not None:
            return step
        fresh = f"reconciler:allocation:{step.ref.name}:{self.token()}"
        return replace(step, credit=replace(step.credit, operation_id=fresh))

    def _intent(self, step: Step) -> Intent:
        grant = _grant_record(step, self.apply_id) if step.credit else None
        detail = {
            "before": _json(step.before),
            "after": _json(step.after),
            "credit": _credit_json(step.credit),
            "record": self._record_after(step),
            "renamed_from": step.renamed_from,
        }
        operation = step.credit.operation_id if step.credit else None
        return Intent(step.id, step.ref.kind, step.ref.name, step.action.value, operation, detail, grant)

    def settle(self, outcomes: Sequence[Outcome], *, unknown: frozenset[Step]) -> None:
        settled = [self._settlement(outcome, outcome.step in unknown) for outcome in outcomes]
        moved = self._moved(outcomes)
        settled = [replace(each, renamed=moved.get(each.step_id)) for each in settled] if moved else settled
        self.ledger.settle(self.lease, self.apply_id, settled, self.now())

    def _moved(self, outcomes: Sequence[Outcome]) -> Mapping[str, Renamed]:
        """Step id -> what a rename that was applied moves in the ledger."""
        done = [outcome.step for outcome in outcomes if outcome.result is Result.APPLIED and _moves(outcome.step)]
        if not done:
            return {}
        moves = {ref: old for step in done for ref, old in _moves(step).items()}
        found = renamed(moves, inventory_of(self.ledger, self.lease.gateway))
        return {step.id: each for step, each in zip(done, found, strict=True)}

    def _settlement(self, outcome: Outcome, unknown: bool) -> Settlement:
        step = outcome.step
        if outcome.result is not Result.APPLIED:
            state = "unknown" if unknown else "failed"
            return Settlement(step.id, state, outcome.error, outcome.seconds)  # type: ignore[arg-type]  # a literal
        if step.action is Action.DELETE:
            self.records.pop(step.ref, None)
            return Settlement(step.id, "applied", None, outcome.seconds, disown=True)
        record = self._record_after(step)
        self._count(step, record)
        claim = Claim(step.ref.kind, step.ref.name, record) if record is not None else None
        return Settlement(step.id, "applied", None, outcome.seconds, own=claim)

    def _count(self, step: Step, record: Json | None) -> None:
        if record is not None:
            self.records[step.ref] = record
        if step.action in (Action.EXPAND, Action.CONTRACT):
            self.open_steps[step.ref] = self.open_steps.get(step.ref, 1) - 1
        if _allocates(step):
            self.owed.discard(step.ref)

    def _record_after(self, step: Step) -> Json | None:
        """What the inventory says once the step is done; None: what it says already.

        A created object is ours at once. An update counts as applied with its last step, so that a field which left
        the manifest is still known as ours until it is really cleared. Credits move only with their own grant.
        """
        wish, known = self.wishes.get(step.ref), self.records.get(step.ref)
        if wish is None or step.action is Action.TOUCH:
            return None
        if step.action is Action.GRANT:
            return self._record_after_grant(step, wish, known)
        if step.action is Action.RENAME and self.open_steps.get(step.ref):
            return None
        if step.action is not Action.CREATE and self.open_steps.get(step.ref, 1) > 1:
            return None
        if step.action is Action.CREATE:
            return wish
        return settled_record(wish, known, owed=step.ref in self.owed)

    def _record_after_grant(self, step: Step, wish: Json, known: Json | None) -> Json | None:
        if not self.open_steps.get(step.ref):
            return settled_record(wish, known, owed=step.ref in self.owed and not _allocates(step))
        return {**(known or wish), CREDITS: wish.get(CREDITS)} if _allocates(step) else None


def _allocates(step: Step) -> bool:
    return step.credit is not None and step.credit.grant_id == ALLOCATION


def _grant_record(step: Step, apply_id: int) -> GrantRecord:
    credit = step.credit
    assert credit is not None and credit.operation_id is not None  # noqa: S101, PT018  _named has given it one
    grant_id = f"{ALLOCATION}:{apply_id}" if credit.grant_id == ALLOCATION else credit.grant_id
    return GrantRecord(step.ref.name, grant_id, credit.amount, credit.operation_id)


def _json(resource: Resource | None) -> Json | None:
    return record_of(resource) if resource is not None else None


def _credit_json(credit: CreditGrant | None) -> Json | None:
    if credit is None:
        return None
    return {
        "grant_id": credit.grant_id,
        "amount": credit.amount,
        "reason": credit.reason,
        "operation_id": credit.operation_id,
    }


def step_of(entry: JournalEntry) -> Step:
    """The step that a journal entry was written for."""
    ref, detail = Ref(entry.kind, entry.name), entry.detail
    before, after = (_resource(ref, detail.get(side)) for side in ("before", "after"))
    credit = CreditGrant(**detail["credit"]) if detail.get("credit") else None
    return Step(ref, Action(entry.action), before, after, credit, detail.get("renamed_from"))


def _resource(ref: Ref, raw: Json | None) -> Resource | None:
    """The resource as it was written down; a live one may hold values that no manifest could, kept as they are."""
    if raw is None:
        return None
    cls = KINDS[ref.kind]
    try:
        return cls.model_validate(raw)
    except ValidationError as problem:
        odd = {str(each["loc"][0]) for each in problem.errors() if each["loc"]}
    sound = cls.model_validate({name: value for name, value in raw.items() if name not in odd})
    return sound.model_copy(update={name: raw[name] for name in odd if name in raw})


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found out about the steps that an earlier apply left open."""

    applied: int = 0
    absent: int = 0
    undecided: tuple[JournalEntry, ...] = ()


Found = Callable[[Step], Awaitable[object]]


async def recover(
    ledger: Ledger,
    lease: Lease,
    gateway: Gateway,
    now: Callable[[], datetime],
    found: Found,
    *,
    grace: timedelta = NO_GRACE,
) -> Recovered:
    """Ask the gateway about every step of unknown outcome and write down what it says.

    `found` hears each step that turns out to have happened, before that is written down.
    A credit grant that cannot be decided stays open (its team gets no further credits); everything else is decided
    by the next plan, which reads the live state anyway. A request may still be on its way though its sender is dead:
    that it did not happen counts only `grace` after it was sent.
    """
    applied, absent, undecided = 0, 0, []
    for entry in ledger.unsettled(gateway.identity):
        step = step_of(entry)
        verdict = await _verdict(step, gateway)
        if verdict is Landed.ABSENT and step.action is not Action.TOUCH:
            age = now() - (entry.settled or entry.intended)
            verdict = await _absent_for(step, gateway, min(grace, grace - age))
        if verdict is Landed.UNKNOWN and step.action is Action.GRANT:
            undecided.append(entry)
            continue
        done = verdict is Landed.APPLIED or (verdict is Landed.UNKNOWN and step.action is Action.CREATE)
        if done:
            await found(step)
        applied, absent = applied + done, absent + (not done)
        _resolve(ledger, lease, entry, step, done=done, now=now())
    return Recovered(applied, absent, tuple(undecided))


async def _absent_for(step: Step, gateway: Gateway, rest: timedelta) -> Landed:
    """Looks again until the step has been absent for the rest of its grace."""
    clock = asyncio.get_running_loop().time
    until, verdict = clock() + rest.total_seconds(), Landed.ABSENT
    while verdict is Landed.ABSENT and clock() < until:
        await asyncio.sleep(min(LOOK_AGAIN_SECONDS, max(0.0, until - clock())))
        verdict = await _verdict(step, gateway)
    return verdict


async def _verdict(step: Step, gateway: Gateway) -> Landed:
    try:
        return await gateway.landed(step)
    except GatewayError as problem:
        if step.action is Action.GRANT:
            return Landed.UNKNOWN
        raise problem from None


def _resolve(
    ledger: Ledger, lease: Lease, entry: JournalEntry, step: Step, *, done: bool, now: datetime, by: str | None = None
) -> None:
    record = entry.detail.get("record")
    own = Claim(entry.kind, entry.name, record) if done and record is not None else None
    state, note = ("applied", "found on the gateway") if done else ("failed", "not found on the gateway")
    disown = done and step.action is Action.DELETE
    moves = _moves(step) if done else {}
    [moved] = renamed(moves, inventory_of(ledger, lease.gateway)) if moves else [None]
    ledger.resolve(lease, entry.journal_id, state, by or note, now, own=own, disown=disown, renamed=moved)  # type: ignore[arg-type]  # a literal


def _moves(step: Step) -> Moves:
    """New ref -> old ref, for a rename."""
    if step.action is not Action.RENAME or step.renamed_from is None:
        return {}
    return {step.ref: Ref(step.ref.kind, step.renamed_from)}


def renamed(moves: Moves, inventory: Inventory) -> list[Renamed]:
    """What the ledger does about renames (new ref -> old ref): rows and grants move, referring rows follow."""
    after = renamed_inventory(inventory, {old: new for new, old in moves.items()})
    before = ((ref, inventory.get(moves.get(ref, ref)), record) for ref, record in after.items())
    claims = [Claim(ref.kind, ref.name, new.applied) for ref, old, new in before if old is not None and new is not old]
    found = [Renamed(new.kind, old.name, new.name, _operations(new, old)) for new, old in moves.items()]
    return [*found[:-1], replace(found[-1], records=tuple(claims))] if found else []


def _operations(new: Ref, old: Ref) -> tuple[str, str] | None:
    return (operations_of(old.name), operations_of(new.name)) if new.kind == Team.kind else None


def inventory_of(ledger: Ledger, identity: str) -> Inventory:
    """The ledger's inventory as the core knows it."""
    rows = ledger.inventory(identity)
    return {Ref(kind, name): Record(owned.applied, owned.adopted) for (kind, name), owned in rows.items()}


def granted_of(ledger: Ledger, identity: str) -> Mapping[str, frozenset[str]]:
    """Team -> the ids of top-ups that were granted, or that may have been: those are looked up, never sent again."""
    found: dict[str, set[str]] = {}
    for (team, grant_id), grant in ledger.grants(identity).items():
        if grant.state != "refused" and not grant_id.startswith(f"{ALLOCATION}:"):
            found.setdefault(team, set()).add(grant_id)
    return {team: frozenset(ids) for team, ids in found.items()}


def decide(ledger: Ledger, identity: str, journal_id: int, *, applied: bool, actor: str, now: datetime) -> None:
    """Settle by hand a step of unknown outcome. Raises LedgerError where it is not open or the gateway is locked."""
    found = [entry for entry in ledger.unsettled(identity) if entry.journal_id == journal_id]
    if not found:
        raise LedgerError(f"step {journal_id} is not open", "reconciler history show N lists the steps of an apply")
    lease = ledger.acquire(identity, actor, now, DECIDE_TTL)
    try:
        _resolve(ledger, lease, found[0], step_of(found[0]), done=applied, now=now, by=f"decided by {actor}")
    finally:
        ledger.release(lease)
