"""The ledger in memory, with the rules of `reconciler.ledger` (`test_sim_doubles` compares the two).

A `Book` is what is on disk, shared or not; a `Ledger` is one process's hold on it: each call is a deed of that process.
"""

import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sim_machine import Process

from reconciler.ledger.errors import LeaseLost, LedgerError, LockHeld
from reconciler.ledger.records import (
    ApplyRecord,
    Claim,
    GrantRecord,
    Holder,
    Intent,
    JournalEntry,
    Lease,
    OwedKey,
    Owned,
    Renamed,
    Renewal,
    Settlement,
)

OPEN = ("intended", "unknown")
ENDS = {"applied": "granted", "failed": "refused"}
DOUBTED = "a request of it was lost on the way"
Key = tuple[str, str]


@dataclass
class Apply:
    gateway: str
    token: int
    record: ApplyRecord


@dataclass
class Book:
    """Everything the ledger's database holds, of one gateway or several."""

    locks: dict[str, tuple[int, str | None, datetime | None, datetime | None]] = field(
        default_factory=dict
    )
    inventory: dict[str, dict[Key, Owned]] = field(default_factory=dict)
    applies: list[Apply] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    grants: dict[str, dict[Key, GrantRecord]] = field(default_factory=dict)
    owed: dict[str, dict[Key, OwedKey]] = field(default_factory=dict)
    renewals: dict[str, list[Renewal]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def copied(self) -> "Book":
        return copy.deepcopy(self)

    def become(self, other: "Book") -> None:
        """Another file in its place: an older backup, or an empty one."""
        self.__dict__.update(other.copied().__dict__)


class Ledger:
    """`reconciler.ledger.Ledger`, call by call."""

    def __init__(self, book: Book, process: Process) -> None:
        self.book, self.process = book, process

    def _write(self, name: str, act: Callable[[Book], Any]) -> Any:
        """All of it or nothing: rules are checked on the book itself, and what they refuse has changed nothing."""
        self.process.before(f"ledger {name}")
        result = act(self.book)
        self.process.after(f"ledger {name}")
        return result

    def _fenced(self, name: str, lease: Lease, act: Callable[[Book], Any]) -> Any:
        def checked(book: Book) -> Any:
            check(book, lease)
            return act(book)

        return self._write(name, checked)

    def _read(self, name: str, look: Callable[[Book], Any]) -> Any:
        self.process.before(f"ledger {name}")
        return look(self.book)

    def close(self) -> None:
        return None

    # --- lock

    def acquire(
        self,
        gateway: str,
        holder: str,
        now: datetime,
        ttl: timedelta,
        instead_of: Holder | None = None,
    ) -> Lease:
        def act(book: Book) -> Lease:
            current = find_holder(book, gateway, now)
            watched = instead_of is not None and current is not None
            if current is not None and not (watched and current.same_lease(instead_of)):
                raise LockHeld(current)
            token = book.locks.get(gateway, (0, None, None, None))[0] + 1
            book.locks[gateway] = (token, holder, now, now + ttl)
            _interrupt(book, gateway, now)
            self.process.acquired = self.process.machine.loop.now
            return Lease(gateway, token, holder, now, now + ttl)

        return self._write("acquire", act)

    def renew(self, lease: Lease, now: datetime, ttl: timedelta) -> Lease:
        def act(book: Book) -> Lease:
            token, holder, acquired, _ = book.locks[lease.gateway]
            book.locks[lease.gateway] = (token, holder, acquired, now + ttl)
            return Lease(lease.gateway, lease.token, lease.holder, lease.acquired, now + ttl)

        return self._fenced("renew", lease, act)

    def release(self, lease: Lease) -> bool:
        def act(book: Book) -> bool:
            token, holder, *_ = book.locks.get(lease.gateway, (0, None, None, None))
            if holder is None or token != lease.token:
                return False
            book.locks[lease.gateway] = (token, None, None, None)
            return True

        return self._write("release", act)

    def holder(self, gateway: str, now: datetime) -> Holder | None:
        return self._read("holder", lambda book: find_holder(book, gateway, now))

    def break_lock(self, gateway: str, now: datetime, token: int | None = None) -> Holder | None:
        def act(book: Book) -> Holder | None:
            broken = find_holder(book, gateway, now)
            if broken is not None and token not in (None, broken.token):
                raise LockHeld(broken)
            if gateway in book.locks:
                book.locks[gateway] = (book.locks[gateway][0], None, None, None)
            _interrupt(book, gateway, now)
            return broken

        return self._write("break_lock", act)

    # --- inventory

    def inventory(self, gateway: str) -> Mapping[Key, Owned]:
        return self._read("inventory", lambda book: dict(book.inventory.get(gateway, {})))

    def own(self, lease: Lease, entries: Iterable[Claim], now: datetime) -> None:
        ends = {(entry.kind, entry.name): entry for entry in entries}
        self._fenced("own", lease, lambda book: _own(book, lease.gateway, ends, None, now))

    def disown(self, lease: Lease, refs: Iterable[Key]) -> None:
        ends = dict.fromkeys(refs)

        def act(book: Book) -> None:
            _own(book, lease.gateway, ends, None, None)
            _clear(book, lease.gateway, ends)

        self._fenced("disown", lease, act)

    def rename(self, lease: Lease, entries: Iterable[Renamed], now: datetime) -> None:
        raise AssertionError("no history renames anything")

    # --- history

    def begin(
        self,
        lease: Lease,
        *,
        actor: str,
        revision: str | None,
        plan_digest: str,
        counts: Mapping[str, int],
        now: datetime,
        command: str,
    ) -> int:
        def act(book: Book) -> int:
            number = len(book.applies) + 1
            record = ApplyRecord(
                number,
                actor,
                revision,
                plan_digest,
                command,
                "running",
                dict(counts),
                {},
                now,
                None,
            )
            book.applies.append(Apply(lease.gateway, lease.token, record))
            return number

        return self._fenced("begin", lease, act)

    def finish(
        self, lease: Lease, apply_id: int, status: Any, counts: Mapping[str, int], now: datetime
    ) -> None:
        def act(book: Book) -> None:
            found = _running(book, lease, apply_id)
            found.record = replace(found.record, status=status, counts=dict(counts), finished=now)

        self._fenced("finish", lease, act)

    def history(self, gateway: str, limit: int = 20) -> tuple[ApplyRecord, ...]:
        def look(book: Book) -> tuple[ApplyRecord, ...]:
            ours = [apply.record for apply in reversed(book.applies) if apply.gateway == gateway]
            return tuple(ours[:limit])

        return self._read("history", look)

    def apply_record(
        self, gateway: str, apply_id: int
    ) -> tuple[ApplyRecord, tuple[JournalEntry, ...]]:
        def look(book: Book) -> tuple[ApplyRecord, tuple[JournalEntry, ...]]:
            found = [
                apply
                for apply in book.applies
                if apply.record.apply_id == apply_id and apply.gateway == gateway
            ]
            if not found:
                raise LedgerError(f"there is no apply {apply_id} in the history of {gateway}")
            return found[0].record, tuple(
                entry for entry in book.journal if entry.apply_id == apply_id
            )

        return self._read("apply_record", look)

    # --- journal

    def intend(self, lease: Lease, apply_id: int, entries: Sequence[Intent], now: datetime) -> None:
        def act(book: Book) -> None:
            _running(book, lease, apply_id)
            _intend(book, lease, apply_id, entries, now)

        self._fenced("intend " + ", ".join(entry.step_id for entry in entries), lease, act)

    def settle(
        self, lease: Lease, apply_id: int, entries: Sequence[Settlement], now: datetime
    ) -> None:
        def act(book: Book) -> None:
            _running(book, lease, apply_id)
            _settle(book, lease, apply_id, entries, now)

        said = ", ".join(f"{entry.step_id} {entry.state}" for entry in entries)
        self._fenced(f"settle {said}", lease, act)

    def unsettled(self, gateway: str) -> tuple[JournalEntry, ...]:
        return self._read(
            "unsettled", lambda book: tuple(entry for entry in book.journal if entry.state in OPEN)
        )

    def resolve(
        self,
        lease: Lease,
        journal_id: int,
        state: Any,
        note: str,
        now: datetime,
        *,
        own: Claim | None = None,
        disown: bool = False,
        grant: GrantRecord | None = None,
        renamed: Renamed | None = None,
        key_settled: bool = False,
    ) -> None:
        def act(book: Book) -> None:
            entry = _entry(book, journal_id)
            settlement = Settlement(
                entry.step_id,
                state,
                own=own,
                disown=disown,
                grant=grant,
                renamed=renamed,
                key_settled=key_settled,
            )
            _check_grants(book, lease.gateway, [grant] if grant else [])
            _replace(book, replace(entry, state=state, note=note, settled=now))
            _spread(book, lease.gateway, [(entry, settlement)], now)

        self._fenced(f"resolve {journal_id} {state}", lease, act)

    def late(self, gateway: str) -> tuple[JournalEntry, ...]:
        def look(book: Book) -> tuple[JournalEntry, ...]:
            cut = [each.record for each in book.applies if each.gateway == gateway]
            newest = [record.apply_id for record in cut if record.status == "interrupted"][-1:]
            return tuple(
                entry
                for entry in book.journal
                if entry.note == DOUBTED and entry.apply_id in newest
            )

        return self._read("late", look)

    def expanded_since(self, gateway: str, moment: datetime) -> Mapping[Key, datetime]:
        raise AssertionError("no gateway of the simulation has caches")

    def unfinished_creations(self, gateway: str) -> frozenset[Key]:
        def look(book: Book) -> frozenset[Key]:
            ours = [each.record for each in book.applies if each.gateway == gateway]
            since = max((record.apply_id for record in ours if record.status == "done"), default=0)
            made = (
                entry
                for entry in book.journal
                if entry.apply_id > since and entry.state == "applied"
            )
            return frozenset((entry.kind, entry.name) for entry in made if entry.action == "create")

        return self._read("unfinished_creations", look)

    def check(self, lease: Lease) -> None:
        self._read("check", lambda book: check(book, lease))

    # --- keys that are owed, names

    def owed_keys(self, gateway: str) -> tuple[OwedKey, ...]:
        def look(book: Book) -> tuple[OwedKey, ...]:
            return tuple(owed for _, owed in sorted(book.owed.get(gateway, {}).items()))

        return self._read("owed_keys", look)

    def key_delivered(self, lease: Lease, refs: Collection[Key]) -> None:
        def act(book: Book) -> None:
            _clear(book, lease.gateway, refs)
            kept = [r for r in book.renewals.get(lease.gateway, ()) if (r.kind, r.name) not in refs]
            book.renewals[lease.gateway] = kept

        self._fenced("key_delivered", lease, act)

    def renewals(self, gateway: str) -> tuple[Renewal, ...]:
        return self._read("renewals", lambda book: tuple(book.renewals.get(gateway, ())))

    def intend_renewal(self, lease: Lease, renewal: Renewal) -> None:
        def act(book: Book) -> None:
            book.renewals.setdefault(lease.gateway, []).append(renewal)

        self._fenced("intend_renewal", lease, act)

    def forget_renewals(self, lease: Lease, operations: Collection[str]) -> None:
        def act(book: Book) -> None:
            rows = book.renewals.get(lease.gateway, ())
            book.renewals[lease.gateway] = [r for r in rows if r.operation_id not in operations]

        self._fenced("forget_renewals", lease, act)

    def known_as(self, name: str) -> str:
        return self._read("known_as", lambda book: book.names.get(name, name))

    def unite(self, identity: str, others: Iterable[str]) -> None:
        def act(book: Book) -> None:
            for name in others:
                if name in book.inventory or name in book.locks:
                    raise AssertionError(
                        "no gateway of the simulation was ever known by another name"
                    )
                if name != identity:
                    book.names[name] = identity

        self._write("unite", act)

    # --- facts

    def facts(self, gateway: str) -> Mapping[str, Any]:
        return self._read("facts", lambda book: dict(book.facts.get(gateway, {})))

    def remember_facts(self, lease: Lease, values: Mapping[str, Any], now: datetime) -> None:
        def act(book: Book) -> None:
            book.facts.setdefault(lease.gateway, {}).update(copy.deepcopy(dict(values)))

        self._fenced("remember_facts", lease, act)

    # --- grants

    def grants(self, gateway: str) -> Mapping[Key, GrantRecord]:
        return self._read("grants", lambda book: dict(book.grants.get(gateway, {})))

    def remember_grants(self, lease: Lease, records: Sequence[GrantRecord], now: datetime) -> None:
        def act(book: Book) -> None:
            rows = book.grants.setdefault(lease.gateway, {})
            operations = {record.operation_id for record in records}
            known = {record.operation_id for record in rows.values()}
            for key, record in list(rows.items()):
                if record.operation_id in operations:
                    rows[key] = replace(record, state="granted", settled=now)
            for record in records:
                if record.operation_id not in known:
                    rows[record.team, record.grant_id] = replace(record, intended=now, settled=now)

        self._fenced("remember_grants", lease, act)


def find_holder(book: Book, gateway: str, now: datetime) -> Holder | None:
    token, holder, acquired, expires = book.locks.get(gateway, (0, None, None, None))
    if holder is None or acquired is None or expires is None:
        return None
    age = max(now - acquired, timedelta(0))
    return Holder(gateway, holder, token, acquired, age, expires, stale=expires <= now)


def check(book: Book, lease: Lease) -> None:
    token, holder, *_ = book.locks.get(lease.gateway, (0, None, None, None))
    if holder is None or token != lease.token:
        raise LeaseLost(f"the lock on {lease.gateway} was lost", "plan again")


def _interrupt(book: Book, gateway: str, now: datetime) -> None:
    for apply in book.applies:
        if apply.gateway == gateway and apply.record.status == "running":
            apply.record = replace(apply.record, status="interrupted", finished=now)


def _running(book: Book, lease: Lease, apply_id: int) -> Apply:
    found = [apply for apply in book.applies if apply.record.apply_id == apply_id]
    if not found or (found[0].gateway, found[0].token, found[0].record.status) != (
        lease.gateway,
        lease.token,
        "running",
    ):
        raise LedgerError(
            f"apply {apply_id} is not a running apply of {lease.holder} on {lease.gateway}"
        )
    return found[0]


def _own(
    book: Book, gateway: str, ends: Mapping[Key, Claim | None], apply_id: int | None, now: Any
) -> None:
    rows = book.inventory.setdefault(gateway, {})
    for (kind, name), claim in ends.items():
        known = rows.get((kind, name))
        if claim is None:
            rows.pop((kind, name), None)
        elif known is None:
            rows[kind, name] = Owned(kind, name, dict(claim.applied), claim.adopted, now, apply_id)
        else:
            changed = {"apply_id": apply_id} if apply_id is not None else {}
            rows[kind, name] = replace(known, applied=dict(claim.applied), **changed)


def _clear(book: Book, gateway: str, refs: Iterable[Key]) -> None:
    for ref in refs:
        book.owed.get(gateway, {}).pop(ref, None)


def _owe(book: Book, gateway: str, apply_id: int, refs: Iterable[Key], now: datetime) -> None:
    rows = book.owed.setdefault(gateway, {})
    for kind, name in refs:
        since = rows[kind, name].since if (kind, name) in rows else now
        rows[kind, name] = OwedKey(kind, name, since, apply_id)


def _intend(
    book: Book, lease: Lease, apply_id: int, entries: Sequence[Intent], now: datetime
) -> None:
    known = {entry.step_id for entry in book.journal if entry.apply_id == apply_id}
    steps = [entry.step_id for entry in entries]
    if known & set(steps) or len(set(steps)) < len(steps):
        raise LedgerError(f"a step of apply {apply_id} was intended twice")
    for entry in entries:
        if entry.grant is not None and entry.operation_id not in (None, entry.grant.operation_id):
            raise LedgerError(f"step {entry.step_id} and its grant carry different operation ids")
    grants = [entry.grant for entry in entries if entry.grant is not None]
    _check_grants(book, lease.gateway, grants)
    for entry in entries:
        grant = entry.grant
        book.journal.append(
            JournalEntry(
                journal_id=len(book.journal) + 1,
                apply_id=apply_id,
                step_id=entry.step_id,
                kind=entry.kind,
                name=entry.name,
                action=entry.action,
                operation_id=grant.operation_id if grant else entry.operation_id,
                grant_id=grant.grant_id if grant else None,
                detail=dict(entry.detail or {}),
                state="intended",
                error=None,
                seconds=None,
                note=None,
                intended=now,
                settled=None,
            )
        )
    _write_grants(book, lease.gateway, apply_id, grants, now)
    _owe(
        book,
        lease.gateway,
        apply_id,
        [(entry.kind, entry.name) for entry in entries if entry.owes_key],
        now,
    )


def _settle(
    book: Book, lease: Lease, apply_id: int, entries: Sequence[Settlement], now: datetime
) -> None:
    known = {entry.step_id: entry for entry in book.journal if entry.apply_id == apply_id}
    states: dict[str, str] = {step: entry.state for step, entry in known.items()}
    for entry in entries:
        before = states.get(entry.step_id)
        if before is None:
            raise LedgerError(f"step {entry.step_id} was settled without having been intended")
        if before in ENDS and before != entry.state:
            raise LedgerError(
                f"step {entry.step_id} is {before} already and cannot become {entry.state}"
            )
        states[entry.step_id] = entry.state
    _check_grants(
        book, lease.gateway, [entry.grant for entry in entries if entry.grant is not None]
    )
    for entry in entries:
        row = known[entry.step_id]
        note = DOUBTED if entry.doubted else None
        told = {"error": entry.error, "seconds": entry.seconds, "note": note}
        # What a step was to do goes once its end is known.
        detail = {} if entry.state in ENDS and not entry.doubted else row.detail
        _replace(book, replace(row, state=entry.state, settled=now, detail=detail, **told))
    _spread(book, lease.gateway, [(known[entry.step_id], entry) for entry in entries], now)


def _spread(
    book: Book, gateway: str, effects: Sequence[tuple[JournalEntry, Settlement]], now: datetime
) -> None:
    ends: dict[Key, Claim | None] = {}
    for entry, settlement in effects:
        if settlement.disown:
            ends[entry.kind, entry.name] = None
        if settlement.own is not None:
            ends[settlement.own.kind, settlement.own.name] = settlement.own
    for entry, settlement in effects:
        _own(book, gateway, ends, entry.apply_id, now)
        if settlement.grant is not None:
            _write_grants(book, gateway, entry.apply_id, [settlement.grant], now)
    gone = [
        (entry.kind, entry.name)
        for entry, settlement in effects
        if settlement.disown or settlement.key_settled
    ]
    _clear(book, gateway, gone)
    for entry, settlement in effects:
        end = ENDS.get(settlement.state)
        if entry.grant_id is None or entry.operation_id is None or end is None:
            continue
        for key, grant in book.grants.get(gateway, {}).items():
            if grant.operation_id == entry.operation_id and grant.state == "intended":
                book.grants[gateway][key] = replace(grant, state=end, settled=now)  # type: ignore[arg-type]


def _entry(book: Book, journal_id: int) -> JournalEntry:
    found = [
        entry for entry in book.journal if entry.journal_id == journal_id and entry.state in OPEN
    ]
    if not found:
        raise LedgerError(f"journal entry {journal_id} does not exist or is settled already")
    return found[0]


def _replace(book: Book, entry: JournalEntry) -> None:
    book.journal[entry.journal_id - 1] = entry


def _check_grants(book: Book, gateway: str, records: Sequence[GrantRecord]) -> None:
    known = dict(book.grants.get(gateway, {}))
    for record in records:
        _refuse_double(known.get((record.team, record.grant_id)), record)
        known[record.team, record.grant_id] = record


def _refuse_double(before: GrantRecord | None, record: GrantRecord) -> None:
    if before is None or before.state == "refused":
        return
    what = f"grant {record.grant_id!r} of team {record.team!r}"
    same = before.operation_id == record.operation_id
    if before.state == "granted" and not (same and record.state == "granted"):
        raise LedgerError(
            f"{what} was granted already ({before.amount} credits)", "give a new top-up a new id"
        )
    if not same:
        raise LedgerError(f"{what} has an earlier request whose outcome is unknown", "run it again")
    if before.amount != record.amount:
        raise LedgerError(
            f"{what} was asked for with {before.amount} credits", "give a new top-up a new id"
        )


def _write_grants(
    book: Book, gateway: str, apply_id: int, records: Sequence[GrantRecord], now: datetime
) -> None:
    rows = book.grants.setdefault(gateway, {})
    for record in records:
        before = rows.get((record.team, record.grant_id))
        if before is not None and before.state == "granted":
            continue
        same = before is not None and before.operation_id == record.operation_id
        intended = before.intended if before is not None and same else now
        settled = None if record.state == "intended" else now
        stamped = replace(record, apply_id=apply_id, intended=intended, settled=settled)
        rows[record.team, record.grant_id] = stamped
