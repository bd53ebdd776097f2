"""Generations: how often a management write has changed an object, so that a write made for an older one is refused.

Calls, credits and usage do not count. What refers to an object by its name changes with it: deleting or renaming an
alias changes the groups that hold it, a group the teams that have it, renaming an organization its teams.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.embedded.context import missing
from reconciler.embedded.http.refusals import Refused


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind is kept: its own table and id column, the tables that refer to it by the same column.

    `holders` is the update of the objects that show its name among their own fields.
    """

    said: str
    table: str
    id: str
    referring: tuple[str, ...]
    holders: str | None = None


ORGANIZATION = Place(
    "Organization",
    "organizations",
    "organization_id",
    ("teams",),
    "UPDATE teams SET generation = generation + 1, updated_at = :now WHERE organization_id = :name",
)
ALIAS = Place(
    "Model alias",
    "model_aliases",
    "alias",
    ("group_aliases",),
    """
    UPDATE access_groups SET generation = generation + 1, updated_at = :now
    WHERE group_name IN (SELECT group_name FROM group_aliases WHERE alias = :name)
    """,
)
GROUP = Place(
    "Model access group",
    "access_groups",
    "group_name",
    ("group_aliases", "team_groups"),
    """
    UPDATE teams SET generation = generation + 1, updated_at = :now
    WHERE team_id IN (SELECT team_id FROM team_groups WHERE group_name = :name)
    """,
)
TEAM = Place("Team", "teams", "team_id", ("team_groups", "transactions"))


def same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether both are the same JSON: to Python 1, 1.0 and true are equal."""
    return json.dumps(before) == json.dumps(after)


def changed(db: sqlite3.Connection, place: Place, name: str, now: str) -> None:
    """The object is of the next generation."""
    db.execute(
        f"UPDATE {place.table} SET generation = generation + 1, updated_at = ? WHERE {place.id} = ?",  # noqa: S608  names of ours
        (now, name),
    )


def holders_changed(db: sqlite3.Connection, place: Place, name: str, now: str) -> None:
    """So is each object that shows this one's name; to be called while they still do."""
    if place.holders:
        db.execute(place.holders, {"name": name, "now": now})


def require_generation(
    db: sqlite3.Connection, place: Place, name: str, wanted: frozenset[int]
) -> None:
    """404 where the object does not exist, 412 where its generation is none of those."""
    query = f"SELECT generation FROM {place.table} WHERE {place.id} = ?"  # noqa: S608  as above
    row = db.execute(query, (name,)).fetchone()
    if row is None:
        raise missing(place.said, name)
    if row["generation"] not in wanted:
        meant = " or ".join(str(generation) for generation in sorted(wanted))
        detail = f"{place.said} '{name}' is of generation {row['generation']}, not {meant}: it has changed since"
        raise Refused(412, detail, code="generation-changed")
