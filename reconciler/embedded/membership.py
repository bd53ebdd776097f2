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


def add_models(db: sqlite3.Connection, group: str, aliases: Sequence[str], now: str) -> None:
    """Adds aliases that exist to a group that exists; those already in it stay where they are."""
    db.executemany(
        "INSERT INTO group_aliases (group_name, alias) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(group, alias) for alias in aliases],
    )
    _touch(db, group, now)


def remove_models(db: sqlite3.Connection, group: str, aliases: Sequence[str], now: str) -> None:
    db.executemany(
        "DELETE FROM group_aliases WHERE group_name = ? AND alias = ?", [(group, alias) for alias in aliases]
    )
    _touch(db, group, now)


def set_models(db: sqlite3.Connection, group: str, aliases: Sequence[str], now: str) -> None:
    """Makes the aliases the whole set, in this order."""
    db.execute("DELETE FROM group_aliases WHERE group_name = ?", (group,))
    add_models(db, group, aliases, now)


def set_groups(db: sqlite3.Connection, team: str, groups: Sequence[str]) -> None:
    """Makes the groups the team's whole set, in this order; 404 for one that does not exist."""
    require_groups(db, groups)
    db.execute("DELETE FROM team_groups WHERE team_id = ?", (team,))
    db.executemany("INSERT INTO team_groups (team_id, group_name) VALUES (?, ?)", [(team, group) for group in groups])


def _touch(db: sqlite3.Connection, group: str, now: str) -> None:
    db.execute("UPDATE access_groups SET updated_at = ? WHERE group_name = ?", (now, group))
