"""Renaming: an object gets another id and keeps everything else, and whoever refers to it follows, at one instant."""

import sqlite3
from collections.abc import Mapping

from reconciler.embedded.context import exists, missing
from reconciler.embedded.http.bodies import OperationNames
from reconciler.embedded.resources.generations import Place, changed, holders_changed

_OPERATIONS = """
    UPDATE OR IGNORE transactions SET operation_id = :new || substr(operation_id, length(:old) + 1)
    WHERE team_id = :team_id AND substr(operation_id, 1, length(:old)) = :old
"""


def rename(db: sqlite3.Connection, place: Place, old: str, new: str, now: str) -> None:
    """Within the caller's transaction: 404 where `old` does not exist, 409 where `new` does."""
    if not _there(db, place, old):
        raise missing(place.said, old)
    if _there(db, place, new):
        raise exists(place.said, new)
    holders_changed(db, place, old, now)
    changed(db, place, old, now)
    # References are checked at the end of the transaction, when they have followed.
    db.execute("PRAGMA defer_foreign_keys = ON")
    names = {"old": old, "new": new}
    for table in (place.table, *place.referring):
        db.execute(f"UPDATE {table} SET {place.id} = :new WHERE {place.id} = :old", names)  # noqa: S608  names of ours


def rename_operations(db: sqlite3.Connection, team_id: str, names: OperationNames) -> None:
    """Ids of the team's operations that begin with `old` begin with `new`; one that is taken already stays as it is."""
    values: Mapping[str, str] = {"team_id": team_id, "old": names.old, "new": names.new}
    db.execute(_OPERATIONS, values)


def _there(db: sqlite3.Connection, place: Place, name: str) -> bool:
    found = db.execute(f"SELECT 1 FROM {place.table} WHERE {place.id} = ?", (name,)).fetchone()  # noqa: S608  as above
    return found is not None
