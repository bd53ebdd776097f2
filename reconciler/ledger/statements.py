"""What SQLite and PostgreSQL say in their own dialect, and how many values one statement may carry."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

CHUNK = 1000  # values in one IN list; SQLite allows 32,766 variables, older builds 999 beside the others


def inserting(conn: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT: the same clause in both dialects, but two classes in SQLAlchemy."""
    return _insert(conn.dialect.name, table)


def _insert(dialect: str, table: Table) -> Any:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def upsert(
    conn: Connection, table: Table, changed: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Inserts the rows; those whose primary key exists get the `changed` columns instead."""
    if rows:
        conn.execute(_upsert(conn.dialect.name, table, tuple(changed)), rows)


@cache
def _upsert(dialect: str, table: Table, changed: tuple[str, ...]) -> Any:
    """Made once: to put a statement together costs as much as to carry it out."""
    insert = _insert(dialect, table)
    key = [column.name for column in table.primary_key]
    updates = {name: insert.excluded[name] for name in changed}
    return insert.on_conflict_do_update(index_elements=key, set_=updates)


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in IN-list sized pieces."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
