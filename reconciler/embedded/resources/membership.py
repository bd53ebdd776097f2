"""Which aliases are in a group and which groups a team has: the two many-to-many relations, and what must exist."""

import json
import sqlite3
from collections.abc import Sequence

from reconciler.embedded.context import missing

_ABSENT_ALIAS = """
    SELECT value FROM json_each(?) WHERE value NOT IN (SELECT alias FROM model_aliases) ORDER BY key LIMIT 1
"""
_ABSENT_GROUP = """
    SELECT value FROM json_each(?) WHERE value NOT IN (SELECT group_name FROM access_groups) ORDER BY key LIMIT 1
"""


def require_aliases(db: sqlite3.Connection, aliases: Sequence[str]) -> None:
    """404 naming the first alias that does not exist."""
    if absent := db.execute(_ABSENT_ALIAS, (json.dumps(aliases),)).fetchone():
        raise missing("Model alias", absent["value"])


def require_groups(db: sqlite3.Connection, groups: Sequence[str]) -> None:
    """404 naming the first group that does not exist."""
    if absent := db.execute(_ABSENT_GROUP, (json.dumps(groups),)).fetchone():
        raise missing("Model access group", absent["value"])


def gathered(db: sqlite3.Connection, query: str, names: Sequence[str]) -> dict[str, list[str]]:
    """A query of (owner, member) pairs for many owners at once, as owner -> members in the query's order."""
    found: dict[str, list[str]] = {}
    for owner, member in db.execute(query, (json.dumps(names),)):
        found.setdefault(owner, []).append(member)
    return found


def add_models(db: sqlite3.Connection, group: str, aliases: Sequence[str]) -> bool:
    """Adds aliases that exist to a group that exists; whether any was not in it, those that were stay in place."""
    added = db.executemany(
        "INSERT INTO group_aliases (group_name, alias) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(group, alias) for alias in aliases],
    )
    return added.rowcount > 0


def remove_models(db: sqlite3.Connection, group: str, aliases: Sequence[str]) -> bool:
    """Takes aliases out of a group; whether any was in it."""
    removed = db.executemany(
        "DELETE FROM group_aliases WHERE group_name = ? AND alias = ?",
        [(group, alias) for alias in aliases],
    )
    return removed.rowcount > 0


def set_models(db: sqlite3.Connection, group: str, aliases: Sequence[str]) -> None:
    """Makes the aliases the whole set, in this order; 404 for one that does not exist."""
    require_aliases(db, aliases)
    db.execute("DELETE FROM group_aliases WHERE group_name = ?", (group,))
    add_models(db, group, aliases)


def set_groups(db: sqlite3.Connection, team: str, groups: Sequence[str]) -> None:
    """Makes the groups the team's whole set, in this order; 404 for one that does not exist."""
    require_groups(db, groups)
    db.execute("DELETE FROM team_groups WHERE team_id = ?", (team,))
    db.executemany(
        "INSERT INTO team_groups (team_id, group_name) VALUES (?, ?)",
        [(team, group) for group in groups],
    )
