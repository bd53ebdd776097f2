"""The journal: every request's intent before it is sent, its outcome after; inventory and grants follow with it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from reconciler.ledger import grants, inventory, owed, renewals
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.records import (
    Claim,
    GrantRecord,
    GrantState,
    Intent,
    JournalEntry,
    Lease,
    Renamed,
    ResolvedState,
    Settlement,
)
from reconciler.ledger.soundness import record_of
from reconciler.ledger.statements import chunks
from reconciler.ledger.tables import OPEN_STEPS, applies, journal

_COLUMNS = [column for column in journal.c if column.name != "gateway"]
DOUBTED = "a request of it was lost on the way"
_GRANT_ENDS: dict[str, GrantState] = {"applied": "granted", "failed": "refused"}


class Decision(NamedTuple):
    """What became of an entry of unknown outcome; `note` says by what evidence."""

    state: ResolvedState
    note: str
    own: Claim | None
    disown: bool
    grant: GrantRecord | None
    renamed: Renamed | None = None
    key_settled: bool = False


class _Effect(NamedTuple):
    """What one outcome changes beside the journal."""

    entry: JournalEntry
    state: str
    own: Claim | None
    disown: bool
    grant: GrantRecord | None
    renamed: Renamed | None = None


def intend(
    conn: Connection, lease: Lease, apply_id: int, entries: Sequence[Intent], now: datetime
) -> None:
    """Raises LedgerError for a step that was intended before in this apply, and for a grant that could pay twice."""
    if not entries:
        return
    _refuse_known(conn, apply_id, entries)
    conn.execute(_INSERT, [_intended(lease.gateway, apply_id, entry, now) for entry in entries])
    asked = [entry.grant for entry in entries if entry.grant is not None]
    grants.write(conn, lease.gateway, apply_id, asked, now)
    owed.owe(conn, lease.gateway, apply_id, [(e.kind, e.name) for e in entries if e.owes_key], now)


def settle(
    conn: Connection, lease: Lease, apply_id: int, entries: Sequence[Settlement], now: datetime
) -> None:
    """Raises LedgerError for a step that was not intended or has another outcome already; the same one is no error."""
    if not entries:
        return
    known = _by_step(conn, apply_id, [entry.step_id for entry in entries])
    states = {step_id: str(entry.state) for step_id, entry in known.items()}
    for entry in entries:
        _refuse_other(states.get(entry.step_id), entry)
        states[entry.step_id] = entry.state
    rows = [_settled(known[entry.step_id].journal_id, entry, now) for entry in entries]
    conn.execute(_SETTLE_STEP, rows)
    ended = [
        known[e.step_id].journal_id for e in entries if e.state in _GRANT_ENDS and not e.doubted
    ]
    _shrink(conn, ended)
    effects = [
        _Effect(known[e.step_id], e.state, e.own, e.disown, e.grant, e.renamed) for e in entries
    ]
    _spread(conn, lease.gateway, effects, now)
    owed.clear(conn, lease.gateway, [_ref(known[e.step_id]) for e in entries if e.key_settled])


def resolve(
    conn: Connection, lease: Lease, journal_id: int, decision: Decision, now: datetime
) -> None:
    """Decides an open entry of whichever apply; raises LedgerError when it is not open."""
    one = select(*_COLUMNS).where(
        journal.c.gateway == lease.gateway, journal.c.id == journal_id, OPEN_STEPS
    )
    found = conn.execute(one).one_or_none()
    if found is None:
        raise LedgerError(
            f"journal entry {journal_id} of {lease.gateway} does not exist or is settled already"
        )
    row = {"of_id": journal_id, "end": decision.state, "said": decision.note, "at": now}
    conn.execute(_SETTLE.values(note=bindparam("said")), row)
    _shrink(conn, [journal_id])
    effect = _Effect(
        _entry(found),
        decision.state,
        decision.own,
        decision.disown,
        decision.grant,
        decision.renamed,
    )
    _spread(conn, lease.gateway, [effect], now)
    if decision.key_settled:
        owed.clear(conn, lease.gateway, [_ref(effect.entry)])


def unsettled(conn: Connection, gateway: str) -> tuple[JournalEntry, ...]:
    """Oldest first: intents without outcome, and unknown ones."""
    still_open = select(*_COLUMNS).where(journal.c.gateway == gateway, OPEN_STEPS)
    return tuple(map(_entry, conn.execute(still_open.order_by(journal.c.id))))


def late(conn: Connection, gateway: str) -> tuple[JournalEntry, ...]:
    """What an apply that was cut off had sent, of which a request may still arrive though another one was answered."""
    cut = select(applies.c.id).where(
        applies.c.gateway == gateway, applies.c.status == "interrupted"
    )
    newest = cut.order_by(applies.c.id.desc()).limit(1)
    mine = (
        (journal.c.gateway == gateway)
        & (journal.c.note == DOUBTED)
        & journal.c.apply_id.in_(newest)
    )
    return tuple(map(_entry, conn.execute(select(*_COLUMNS).where(mine).order_by(journal.c.id))))


def unfinished_creations(conn: Connection, gateway: str) -> frozenset[tuple[str, str]]:
    """What applies created since the last one that was done: a resumed apply goes on with these."""
    done = select(func.max(applies.c.id)).where(
        applies.c.gateway == gateway, applies.c.status == "done"
    )
    since = func.coalesce(done.scalar_subquery(), 0)
    made = (
        (journal.c.gateway == gateway)
        & (journal.c.action == "create")
        & (journal.c.state == "applied")
    )
    rows = conn.execute(
        select(journal.c.kind, journal.c.name).where(made, journal.c.apply_id > since)
    )
    return frozenset((row[0], row[1]) for row in rows)


def expanded_since(
    conn: Connection, gateway: str, moment: datetime
) -> Mapping[tuple[str, str], datetime]:
    """(kind, name) -> when it was last expanded, or may have been."""
    done = (
        (journal.c.action == "expand")
        & journal.c.state.in_(("applied", "unknown"))
        & (journal.c.settled >= moment)
    )
    last = select(journal.c.kind, journal.c.name, func.max(journal.c.settled))
    rows = conn.execute(
        last.where(journal.c.gateway == gateway, done).group_by(journal.c.kind, journal.c.name)
    )
    return {(kind, name): settled for kind, name, settled in rows}


def of_apply(conn: Connection, apply_id: int) -> tuple[JournalEntry, ...]:
    """Every entry of one apply, in the order of its intents."""
    return tuple(
        map(
            _entry,
            conn.execute(select(*_COLUMNS).where(journal.c.apply_id == apply_id).order_by("id")),
        )
    )


_SETTLE = (
    update(journal)
    .where(journal.c.id == bindparam("of_id"))
    .values(state=bindparam("end"), settled=bindparam("at"))
)
# What every few requests of an apply say to the database is put together once.
_SETTLE_STEP = _SETTLE.values(
    error=bindparam("why"), seconds=bindparam("took"), note=bindparam("said")
)
_THESE = journal.c.id.in_(bindparam("of_ids", expanding=True))
_WHOLE = select(journal).where(_THESE)
_DELETE = delete(journal).where(_THESE)
_EMPTY = update(journal).where(_THESE).values(detail={})
_INSERT = insert(journal)
_OF_STEPS = select(*_COLUMNS).where(
    journal.c.apply_id == bindparam("of_apply"),
    journal.c.step_id.in_(bindparam("of_steps", expanding=True)),
)


def _shrink(conn: Connection, journal_ids: Sequence[int]) -> None:
    """What a step was to do is needed to look it up; once its end is known, three copies of an object are not kept.

    SQLite leaves a page as empty as an update makes it, and joins it with its neighbours when a row is deleted.
    """
    for part in chunks(journal_ids):
        these = {"of_ids": list(part)}
        if conn.dialect.name != "sqlite":
            conn.execute(_EMPTY, these)
            continue
        rows = [{**row, "detail": {}} for row in conn.execute(_WHOLE, these).mappings()]
        conn.execute(_DELETE, these)
        conn.execute(_INSERT, rows)


def _spread(conn: Connection, gateway: str, effects: Sequence[_Effect], now: datetime) -> None:
    """Brings inventory and grants in line. Within a batch the last word about an object counts."""
    for effect in effects:
        if effect.renamed is not None:
            move(conn, gateway, effect.renamed, now)
    for apply_id in {effect.entry.apply_id for effect in effects}:
        mine = [effect for effect in effects if effect.entry.apply_id == apply_id]
        inventory.write(conn, gateway, _ends(mine), apply_id, now)
        grants.write(
            conn,
            gateway,
            apply_id,
            [effect.grant for effect in mine if effect.grant is not None],
            now,
        )
    grants.settle(conn, gateway, _grant_ends(effects), now)
    owed.clear(conn, gateway, [_ref(effect.entry) for effect in effects if effect.disown])


def move(conn: Connection, gateway: str, renamed: Renamed, now: datetime) -> None:
    """Inventory and grants of an object under its new name."""
    inventory.move(conn, gateway, renamed, now)
    grants.move(conn, gateway, renamed)
    owed.move(conn, gateway, renamed)
    renewals.move(conn, gateway, renamed)


def _ends(effects: Iterable[_Effect]) -> dict[inventory.Key, Claim | None]:
    ends: dict[inventory.Key, Claim | None] = {}
    for effect in effects:
        if effect.disown:
            ends[effect.entry.kind, effect.entry.name] = None
        if effect.own is not None:
            ends[effect.own.kind, effect.own.name] = effect.own
    return ends


def _grant_ends(effects: Iterable[_Effect]) -> list[tuple[str, GrantState]]:
    return [
        (effect.entry.operation_id, _GRANT_ENDS[effect.state])
        for effect in effects
        if effect.entry.grant_id is not None
        and effect.entry.operation_id is not None
        and effect.state in _GRANT_ENDS
    ]


def _refuse_known(conn: Connection, apply_id: int, entries: Sequence[Intent]) -> None:
    steps = [entry.step_id for entry in entries]
    twice = _by_step(conn, apply_id, steps) or len(set(steps)) < len(steps)
    if twice:
        raise LedgerError(f"a step of apply {apply_id} was intended twice")


def _refuse_other(before: str | None, entry: Settlement) -> None:
    if before is None:
        raise LedgerError(f"step {entry.step_id} was settled without having been intended")
    if before in _GRANT_ENDS and before != entry.state:
        raise LedgerError(
            f"step {entry.step_id} is {before} already and cannot become {entry.state}"
        )


def _by_step(conn: Connection, apply_id: int, steps: Sequence[str]) -> dict[str, JournalEntry]:
    entries: dict[str, JournalEntry] = {}
    for part in chunks(steps):
        rows = conn.execute(_OF_STEPS, {"of_apply": apply_id, "of_steps": list(part)})
        entries |= {entry.step_id: entry for entry in map(_entry, rows)}
    return entries


def _intended(gateway: str, apply_id: int, entry: Intent, now: datetime) -> dict[str, Any]:
    return {
        "gateway": gateway,
        "apply_id": apply_id,
        "step_id": entry.step_id,
        "kind": entry.kind,
        "name": entry.name,
        "action": entry.action,
        "operation_id": _operation(entry),
        "grant_id": None if entry.grant is None else entry.grant.grant_id,
        "detail": dict(entry.detail or {}),
        "state": "intended",
        "intended": now,
    }


def _operation(entry: Intent) -> str | None:
    if entry.grant is None:
        return entry.operation_id
    if entry.operation_id not in (None, entry.grant.operation_id):
        raise LedgerError(f"step {entry.step_id} and its grant carry different operation ids")
    return entry.grant.operation_id


def _settled(journal_id: int, entry: Settlement, now: datetime) -> dict[str, Any]:
    said = DOUBTED if entry.doubted else None
    return {
        "of_id": journal_id,
        "end": entry.state,
        "at": now,
        "why": entry.error,
        "took": entry.seconds,
        "said": said,
    }


def _ref(entry: JournalEntry) -> tuple[str, str]:
    return entry.kind, entry.name


def _entry(row: Any) -> JournalEntry:
    return record_of(JournalEntry, row)
