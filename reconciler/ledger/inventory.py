"""The inventory: which objects of a gateway are ours, and what we last applied to each."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from reconciler.ledger.records import Claim, Owned, Renamed
from reconciler.ledger.soundness import record_of
from reconciler.ledger.statements import upsert
from reconciler.ledger.tables import inventory

Key = tuple[str, str]

_THAT = (
    inventory.c.gateway == bindparam("of_gateway"),
    inventory.c.kind == bindparam("of_kind"),
    inventory.c.name == bindparam("of_name"),
)
_OURS = delete(inventory).where(*_THAT)
_COUNTED = select(func.count()).select_from(inventory).where(*_THAT)
_MOVED = update(inventory).where(*_THAT).values(name=bindparam("to_name"))


def read(conn: Connection, gateway: str) -> dict[Key, Owned]:
    """By (kind, name)."""
    columns = [column for column in inventory.c if column.name != "gateway"]
    rows = conn.execute(
        select(*columns).where(inventory.c.gateway == gateway)
    ).all()  # iterating fetches one by one
    return {(row[0], row[1]): record_of(Owned, row) for row in rows}


def write(
    conn: Connection,
    gateway: str,
    ends: Mapping[Key, Claim | None],
    apply_id: int | None,
    now: datetime,
) -> None:
    """Owns what has a claim, disowns what has None. `since` and `adopted` stay as they were at first."""
    claimed = [_row(gateway, claim, apply_id, now) for claim in ends.values() if claim is not None]
    changed = ["applied"] if apply_id is None else ["applied", "apply_id"]
    upsert(conn, inventory, changed, claimed)
    disown(conn, gateway, (key for key, claim in ends.items() if claim is None))


def disown(conn: Connection, gateway: str, keys: Iterable[Key]) -> None:
    """A key that is not ours is no error: to disown twice is to disown."""
    gone = [{"of_gateway": gateway, "of_kind": kind, "of_name": name} for kind, name in keys]
    if gone:
        conn.execute(_OURS, gone)


def move(conn: Connection, gateway: str, renamed: Renamed, now: datetime) -> None:
    """The row under the new name, `since` and all; a row that stands there belonged to something long gone."""
    row = [
        {
            "of_gateway": gateway,
            "of_kind": renamed.kind,
            "of_name": renamed.old,
            "to_name": renamed.new,
        }
    ]
    if conn.execute(_COUNTED, row[0]).scalar_one():
        disown(conn, gateway, [(renamed.kind, renamed.new)])
        conn.execute(_MOVED, row)
    write(conn, gateway, {(claim.kind, claim.name): claim for claim in renamed.records}, None, now)


def _row(gateway: str, claim: Claim, apply_id: int | None, now: datetime) -> dict[str, Any]:
    return {
        "gateway": gateway,
        "kind": claim.kind,
        "name": claim.name,
        "applied": dict(claim.applied),
        "adopted": claim.adopted,
        "since": now,
        "apply_id": apply_id,
    }
