"""Renewals of virtual keys: written down, by their operation and never with the key, before their request is sent.

The key itself is on the disk of the machine that chose it. Any other one must know that its request may still arrive,
or has: else it would hand over a key that is replaced a moment later.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, delete, select, update

from reconciler.ledger.records import Renamed, Renewal
from reconciler.ledger.soundness import record_of
from reconciler.ledger.statements import chunks
from reconciler.ledger.tables import renewals

_THAT = (
    renewals.c.gateway == bindparam("of_gateway"),
    renewals.c.kind == bindparam("of_kind"),
    renewals.c.name == bindparam("of_name"),
)


def read(conn: Connection, gateway: str) -> tuple[Renewal, ...]:
    """Every renewal that may have happened and of which nobody has the key, the oldest first."""
    query = (
        select(renewals.c.kind, renewals.c.name, renewals.c.operation_id)
        .where(renewals.c.gateway == gateway)
        .order_by(renewals.c.id)
    )
    return tuple(record_of(Renewal, row) for row in conn.execute(query))


def intend(conn: Connection, gateway: str, renewal: Renewal) -> None:
    """Its request is about to be sent."""
    row = {"kind": renewal.kind, "name": renewal.name, "operation_id": renewal.operation_id}
    conn.execute(renewals.insert(), [{"gateway": gateway, **row}])


def forget(conn: Connection, gateway: str, operations: Collection[str]) -> None:
    """These never happen any more, or do not matter; one that is not known is no error."""
    for some in chunks(tuple(operations)):
        conn.execute(
            delete(renewals).where(renewals.c.gateway == gateway, renewals.c.operation_id.in_(some))
        )


def clear(conn: Connection, gateway: str, refs: Iterable[tuple[str, str]]) -> None:
    """The key of these has been delivered."""
    rows = [{"of_gateway": gateway, "of_kind": kind, "of_name": name} for kind, name in refs]
    if rows:
        conn.execute(delete(renewals).where(*_THAT), rows)


def move(conn: Connection, gateway: str, renamed: Renamed) -> None:
    """The renewals of an object under its new name; what is left of a former bearer of that name goes."""
    clear(conn, gateway, [(renamed.kind, renamed.new)])
    row = {
        "of_gateway": gateway,
        "of_kind": renamed.kind,
        "of_name": renamed.old,
        "to_name": renamed.new,
    }
    conn.execute(update(renewals).where(*_THAT).values(name=bindparam("to_name")), [row])
