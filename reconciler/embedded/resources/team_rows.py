"""Teams as the API shows them. The virtual key is never among it: the database holds its hash."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.embedded.context import missing
from reconciler.embedded.resources.membership import gathered

_FIELDS = (
    "team_id",
    "organization_id",
    "team_alias",
    "status",
    "credits_allocated",
    "credits_used",
)
_LIST = "SELECT * FROM teams WHERE team_id > :after ORDER BY team_id LIMIT :limit"
_OF = """
    SELECT * FROM teams WHERE organization_id = :organization_id AND team_id > :after ORDER BY team_id LIMIT :limit
"""
_GROUPS = """
    SELECT team_id, group_name FROM team_groups
    WHERE team_id IN (SELECT value FROM json_each(?)) ORDER BY position
"""
_ALLOWED = """
    SELECT DISTINCT alias, model_aliases.created_at
    FROM team_groups JOIN group_aliases USING (group_name) JOIN model_aliases USING (alias)
    WHERE team_id = ? AND status = 'active' ORDER BY alias
"""
_ACTIVE = "SELECT group_name, alias FROM group_aliases JOIN model_aliases USING (alias) WHERE status = 'active'"


def team_row(db: sqlite3.Connection, team_id: str) -> sqlite3.Row:
    """The stored team; 404 where it does not exist."""
    row: sqlite3.Row | None = db.execute(
        "SELECT rowid AS number, * FROM teams WHERE team_id = ?", (team_id,)
    ).fetchone()
    if row is None:
        raise missing("Team", team_id)
    return row


def team(db: sqlite3.Connection, team_id: str) -> dict[str, Any]:
    """One team in full; 404 where it does not exist."""
    [shown] = _shown(db, [team_row(db, team_id)])
    return {**shown, "allowed_model_aliases": allowed(db, team_id)}


def allowed(db: sqlite3.Connection, team_id: str) -> list[str]:
    """The active aliases in any of the team's groups: what it may call while it is active."""
    return [row["alias"] for row in db.execute(_ALLOWED, (team_id,))]


def allowed_rows(db: sqlite3.Connection, team_id: str) -> list[sqlite3.Row]:
    """The same aliases, each with its `created_at`."""
    return db.execute(_ALLOWED, (team_id,)).fetchall()


def all_teams(db: sqlite3.Connection, **page: Any) -> list[dict[str, Any]]:
    return _shown(db, db.execute(_LIST, page).fetchall())


def teams_of(db: sqlite3.Connection, organization_id: str, **page: Any) -> list[dict[str, Any]]:
    return _shown(db, db.execute(_OF, {"organization_id": organization_id, **page}).fetchall())


def with_allowed(
    db: sqlite3.Connection, teams: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The teams with their `allowed_model_aliases`; teams with the same groups share one list."""
    active: dict[str, list[str]] = {}
    for group, alias in db.execute(_ACTIVE):
        active.setdefault(group, []).append(alias)
    known: dict[frozenset[str], list[str]] = {}
    return [
        {**team, "allowed_model_aliases": _union(active, known, frozenset(team["access_groups"]))}
        for team in teams
    ]


def _union(
    active: Mapping[str, list[str]], known: dict[frozenset[str], list[str]], groups: frozenset[str]
) -> list[str]:
    if groups not in known:
        known[groups] = sorted({alias for group in groups for alias in active.get(group, ())})
    return known[groups]


def _shown(db: sqlite3.Connection, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    groups = gathered(db, _GROUPS, [row["team_id"] for row in rows])
    return [_answer(row, groups.get(row["team_id"], [])) for row in rows]


def _answer(row: sqlite3.Row, groups: list[str]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _FIELDS},
        "credits_remaining": row["credits_allocated"] - row["credits_used"],
        "access_groups": groups,
        "metadata": json.loads(row["metadata"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "generation": row["generation"],
    }
