"""Credit grants: each (gateway, team, grant_id) is granted once ever.

A grant whose outcome is open keeps its operation_id: only a retry of that very operation is let in, since a new one
could pay twice. A refused grant may be tried again with a new operation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from reconciler.ledger.errors import LedgerError
from reconciler.ledger.records import GrantRecord, GrantState, Renamed
from reconciler.ledger.soundness import record_of
from reconciler.ledger.statements import chunks, upsert
from reconciler.ledger.tables import grants

Key = tuple[str, str]

_COLUMNS = [grants.c[field.name] for field in fields(GrantRecord)]
_CHANGED = ("amount", "operation_id", "state", "apply_id", "intended", "settled")


def read(
    conn: Connection, gateway: str, teams: Sequence[str] | None = None
) -> dict[Key, GrantRecord]:
    """By (team, grant_id); of all teams unless told which."""
    ours = select(*_COLUMNS).where(grants.c.gateway == gateway)
    wanted = (
        [ours] if teams is None else [ours.where(grants.c.team.in_(part)) for part in chunks(teams)]
    )
    rows = (row for query in wanted for row in conn.execute(query))
    return {(row[0], row[1]): record_of(GrantRecord, row) for row in rows}


def write(
    conn: Connection, gateway: str, apply_id: int, records: Sequence[GrantRecord], now: datetime
) -> None:
    """Raises LedgerError, and nothing is written, for a grant that would or could pay twice."""
    known = read(conn, gateway, sorted({record.team for record in records}))
    written: dict[Key, GrantRecord] = {}
    for record in records:
        key = (record.team, record.grant_id)
        before = known.get(key)
        _refuse_double(before, record)
        written[key] = known[key] = _stamped(before, record, apply_id, now)
    upsert(
        conn,
        grants,
        _CHANGED,
        [{"gateway": gateway, **_as_row(record)} for record in written.values()],
    )


def settle(
    conn: Connection, gateway: str, outcomes: Iterable[tuple[str, GrantState]], now: datetime
) -> None:
    """Moves the open grants with these operation_ids to their end."""
    rows = [{"of_operation": operation, "end": state, "at": now} for operation, state in outcomes]
    still_open = (grants.c.gateway == gateway) & (
        grants.c.operation_id == bindparam("of_operation")
    )
    still_open &= grants.c.state == "intended"
    if rows:
        conn.execute(
            update(grants)
            .where(still_open)
            .values(state=bindparam("end"), settled=bindparam("at")),
            rows,
        )


def remember(conn: Connection, gateway: str, records: Sequence[GrantRecord], now: datetime) -> None:
    """Grants that the gateway has on record: one that was given up as refused counts as granted after all."""
    operations = [record.operation_id for record in records]
    ours = (grants.c.gateway == gateway) & grants.c.operation_id.in_(
        bindparam("of_operations", expanding=True)
    )
    for part in chunks(operations):
        late = update(grants).where(ours).values(state="granted", settled=now)
        conn.execute(late, {"of_operations": list(part)})
    known = {record.operation_id for record in read(conn, gateway).values()}
    new = [
        replace(record, intended=now, settled=now)
        for record in records
        if record.operation_id not in known
    ]
    upsert(conn, grants, _CHANGED, [{"gateway": gateway, **_as_row(record)} for record in new])


def move(conn: Connection, gateway: str, renamed: Renamed) -> None:
    """The team's grants under its new name. Of two with one id, the one that was not refused counts."""
    if renamed.kind != "team":
        return
    known = read(conn, gateway, [renamed.old, renamed.new])
    ours = [record for (team, _), record in known.items() if team == renamed.old]
    moved = [
        replace(each, team=renamed.new, operation_id=_operation(each, renamed)) for each in ours
    ]
    wins = [
        each
        for each in moved
        if (renamed.new, each.grant_id) not in known or each.state != "refused"
    ]
    conn.execute(delete(grants).where(grants.c.gateway == gateway, grants.c.team == renamed.old))
    upsert(conn, grants, _CHANGED, [{"gateway": gateway, **_as_row(record)} for record in wins])


def _operation(record: GrantRecord, renamed: Renamed) -> str:
    old, new = renamed.operations or ("", "")
    named = bool(old) and record.operation_id.startswith(old)
    return new + record.operation_id.removeprefix(old) if named else record.operation_id


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
        hint = "run `reconciler apply` again: it first finds out what became of the earlier request"
        raise LedgerError(f"{what} has an earlier request whose outcome is unknown", hint)
    if before.amount != record.amount:
        message = f"{what} was asked for with {before.amount} credits; the same operation cannot be {record.amount}"
        raise LedgerError(message, "give a new top-up a new id")


def _stamped(
    before: GrantRecord | None, record: GrantRecord, apply_id: int, now: datetime
) -> GrantRecord:
    if before is not None and before.state == "granted":
        return before
    same = before is not None and before.operation_id == record.operation_id
    intended = before.intended if before is not None and same else now
    settled = None if record.state == "intended" else now
    return replace(record, apply_id=apply_id, intended=intended, settled=settled)


def _as_row(record: GrantRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}
