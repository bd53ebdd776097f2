"""Virtual keys that are owed: written down with the intent to create, cleared by a confirmed delivery.

A key is shown once. Whatever happens between the request and the file or command that it is for (a lost answer, a
full disk, a command that fails, a kill), the row stays, and every later apply tries to deliver.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from reconciler.ledger.records import OwedKey, Renamed
from reconciler.ledger.soundness import record_of
from reconciler.ledger.statements import upsert
from reconciler.ledger.tables import owed_keys

_THAT = (
    owed_keys.c.gateway == bindparam("of_gateway"),
    owed_keys.c.kind == bindparam("of_kind"),
    owed_keys.c.name == bindparam("of_name"),
)
_CLEAR = delete(owed_keys).where(*_THAT)


def read(conn: Connection, gateway: str) -> tuple[OwedKey, ...]:
    """Every key that is owed, by kind and name."""
    columns = (owed_keys.c.kind, owed_keys.c.name, owed_keys.c.since, owed_keys.c.apply_id)
    query = (
        select(*columns)
        .where(owed_keys.c.gateway == gateway)
        .order_by(owed_keys.c.kind, owed_keys.c.name)
    )
    return tuple(record_of(OwedKey, row) for row in conn.execute(query))


def owe(
    conn: Connection,
    gateway: str,
    apply_id: int | None,
    refs: Iterable[tuple[str, str]],
    now: datetime,
) -> None:
    """A key that is owed already stays owed since then."""
    rows = [
        {"gateway": gateway, "kind": kind, "name": name, "apply_id": apply_id, "since": now}
        for kind, name in refs
    ]
    upsert(conn, owed_keys, ["apply_id"], rows)


def clear(conn: Connection, gateway: str, refs: Iterable[tuple[str, str]]) -> None:
    """Delivered, or never made; a key that is not owed is no error."""
    rows = [{"of_gateway": gateway, "of_kind": kind, "of_name": name} for kind, name in refs]
    if rows:
        conn.execute(_CLEAR, rows)


def move(conn: Connection, gateway: str, renamed: Renamed) -> None:
    """The key of an object under its new name."""
    row = {
        "of_gateway": gateway,
        "of_kind": renamed.kind,
        "of_name": renamed.old,
        "to_name": renamed.new,
    }
    clear(conn, gateway, [(renamed.kind, renamed.new)])
    conn.execute(update(owed_keys).where(*_THAT).values(name=bindparam("to_name")), [row])
