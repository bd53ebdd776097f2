"""The names that a gateway is known by: `localhost` and `127.0.0.1`, a url and a file, are one memory."""

from collections.abc import Collection

from sqlalchemy import Connection, Table, delete, select, tuple_, update

from reconciler.ledger.statements import upsert
from reconciler.ledger.tables import (
    applies,
    facts,
    grants,
    inventory,
    journal,
    locks,
    names,
    owed_keys,
    renewals,
)


def known_as(conn: Connection, name: str) -> str:
    """The identity that the name stands for; itself where nothing else was ever learnt."""
    identity = conn.execute(select(names.c.gateway).where(names.c.name == name)).scalar()
    return name if identity is None else str(identity)


def unite(conn: Connection, identity: str, others: Collection[str]) -> None:
    """From now on the other names stand for the identity; what was remembered under them is the identity's.

    Where two memories meet, what both know of one object is the identity's own; grants are kept of both.
    """
    others = [name for name in others if name != identity]
    upsert(conn, names, ["gateway"], [{"name": name, "gateway": identity} for name in others])
    for name in others:
        for table in (inventory, grants, owed_keys, facts):
            _take_over(conn, table, name, identity)
        for table in (applies, journal, renewals):
            conn.execute(update(table).where(table.c.gateway == name).values(gateway=identity))
        _take_lock(conn, name, identity)


def _take_over(conn: Connection, table: Table, name: str, identity: str) -> None:
    keys = [column for column in table.primary_key if column.name != "gateway"]
    known = select(*keys).where(table.c.gateway == identity)
    double = (table.c.gateway == name) & tuple_(*keys).in_(known)
    conn.execute(delete(table).where(double))
    conn.execute(update(table).where(table.c.gateway == name).values(gateway=identity))


def _take_lock(conn: Connection, name: str, identity: str) -> None:
    """A lock that is held goes on being held: its token is what the holder's writes are checked against."""
    there = conn.execute(select(locks.c.holder).where(locks.c.gateway == identity)).one_or_none()
    if there is None:
        conn.execute(update(locks).where(locks.c.gateway == name).values(gateway=identity))
    else:
        conn.execute(delete(locks).where(locks.c.gateway == name, locks.c.holder.is_(None)))
