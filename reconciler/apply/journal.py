"""The ledger as apply uses it: intents before requests, outcomes after them."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from reconciler.core.model.changes import Action, CreditGrant, Outcome, Result, Step
from reconciler.core.model.inventory import Inventory, record_of
from reconciler.core.model.kinds import KINDS, Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION, CREDITS, operations_of
from reconciler.core.plan.noting import settled_record
from reconciler.core.plan.renaming import Renaming
from reconciler.ledger import (
    Claim,
    GrantRecord,
    Intent,
    JournalEntry,
    Lease,
    Ledger,
    Renamed,
    Settlement,
)
from reconciler.ledger.remembered import inventory_of

Json = dict[str, Any]


@dataclass
class Recorder:
    """A journal for one apply.

    `wishes`: what is declared, as the inventory will hold it. `records`: what the inventory says, kept up to date.
    `open_steps`: ref -> expands and contracts still to come. `owed`: teams whose allocation grant is not done yet.
    `makes_key`: kinds whose creation makes a virtual key, which is owed from the intent on.
    """

    ledger: Ledger
    lease: Lease
    apply_id: int
    now: Callable[[], datetime]
    wishes: Mapping[Ref, Json]
    records: dict[Ref, Json]
    open_steps: dict[Ref, int]
    owed: set[Ref]
    makes_key: frozenset[str] = frozenset()
    token: Callable[[], str] = lambda: secrets.token_hex(8)

    def intend(self, steps: Sequence[Step]) -> Sequence[Step]:
        named = [self._named(step) for step in steps]
        self.ledger.intend(
            self.lease, self.apply_id, [self._intent(step) for step in named], self.now()
        )
        return named

    def _named(self, step: Step) -> Step:
        """Every step gets its operation id here, and an allocation its own; a top-up's is the same for ever.

        Ids are new because whatever was sent under an earlier one is settled by now: `apply.recover` sees to that.
        """
        named = replace(step, operation=f"reconciler:step:{self.token()}")
        if step.credit is None or step.credit.operation_id is not None:
            return named
        fresh = f"reconciler:allocation:{step.ref.name}:{self.token()}"
        return replace(named, credit=replace(step.credit, operation_id=fresh))

    def _intent(self, step: Step) -> Intent:
        grant = _grant_record(step, self.apply_id) if step.credit else None
        detail = {
            "before": _json(step.before),
            "after": _json(step.after),
            "credit": _credit_json(step.credit),
            "record": self._record_after(step),
            "renamed_from": step.renamed_from,
        }
        operation = step.credit.operation_id if step.credit else step.operation
        owes_key = step.action is Action.CREATE and step.ref.kind in self.makes_key
        return Intent(
            step.id,
            step.ref.kind,
            step.ref.name,
            step.action.value,
            operation,
            detail,
            grant,
            owes_key=owes_key,
        )

    def check(self) -> None:
        self.ledger.check(self.lease)

    def settle(
        self, outcomes: Sequence[Outcome], *, unknown: frozenset[Step], owed: frozenset[Ref]
    ) -> None:
        settled = [
            replace(
                self._settlement(outcome, outcome.step in unknown),
                key_settled=outcome.step.action is Action.CREATE and outcome.step.ref not in owed,
                doubted=outcome.doubted,
            )
            for outcome in outcomes
        ]
        moved = self._moved(outcomes)
        if moved:
            settled = [replace(each, renamed=moved.get(each.step_id)) for each in settled]
        self.ledger.settle(self.lease, self.apply_id, settled, self.now())

    def _moved(self, outcomes: Sequence[Outcome]) -> Mapping[str, Renamed]:
        """Step id -> what a rename that was applied moves in the ledger."""
        renaming, step_ids = Renaming(), []
        for outcome in outcomes:
            one = renaming_of(outcome.step)
            if outcome.result is Result.APPLIED and one:
                renaming |= one
                step_ids.append(outcome.step.id)
        if not renaming:
            return {}
        entries = renamed(renaming, inventory_of(self.ledger, self.lease.gateway))
        return dict(zip(step_ids, entries, strict=True))

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
    operation = None if credit else entry.operation_id
    return Step(
        ref, Action(entry.action), before, after, credit, detail.get("renamed_from"), operation
    )


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


def renaming_of(step: Step) -> Renaming:
    """What a step renames: one object, or nothing."""
    if step.action is not Action.RENAME or step.renamed_from is None:
        return Renaming()
    return Renaming({Ref(step.ref.kind, step.renamed_from): step.ref})


def renamed(renaming: Renaming, inventory: Inventory) -> list[Renamed]:
    """What the ledger does about renames, in their order: each moves its object's row and grants.

    The rows that refer to a new name are renewed with the last: by then every row stands under its new name.
    """
    entries = [
        Renamed(new.kind, old.name, new.name, _operations(old, new))
        for old, new in renaming.new_of.items()
    ]
    claims: list[Claim] = []
    for ref, record in renaming.inventory(inventory).items():
        before = inventory.get(renaming.old(ref))
        if before is not None and record is not before:
            claims.append(Claim(ref.kind, ref.name, record.applied))
    if entries:
        entries[-1] = replace(entries[-1], records=tuple(claims))
    return entries


def _operations(old: Ref, new: Ref) -> tuple[str, str] | None:
    return (operations_of(old.name), operations_of(new.name)) if new.kind == Team.kind else None
