"""Teams: who calls models, with one virtual key, groups and credits."""

import hashlib
import json
import sqlite3
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Query
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from reconciler.embedded.context import Context, Here, exists
from reconciler.embedded.http.answers import Deleted, TeamDetail, TeamList, TeamWithKey
from reconciler.embedded.http.bodies import (
    After,
    KeyRotation,
    Limit,
    PathId,
    Status,
    TeamCreate,
    TeamRename,
    TeamUpdate,
)
from reconciler.embedded.http.routing import admin_router, answers, page
from reconciler.embedded.resources.credit_rows import Credits, record
from reconciler.embedded.resources.generations import TEAM, changed, same
from reconciler.embedded.resources.membership import set_groups
from reconciler.embedded.resources.organizations import require_organization
from reconciler.embedded.resources.renaming import rename, rename_operations
from reconciler.embedded.resources.team_rows import all_teams, team, team_row, with_allowed
from reconciler.embedded.resources.writes import Answer, Write, Writing, shown

router = admin_router("teams", "teams")

_INSERT = """
    INSERT INTO teams VALUES (:team_id, :organization_id, :team_alias, :status, :credits_allocated, 0, :metadata,
    :key_hash, :now, :now, 1)
"""
_UPDATE = """
    UPDATE teams SET organization_id = :organization_id, team_alias = :team_alias, status = :status,
    credits_allocated = :credits_allocated, metadata = :metadata, updated_at = :now,
    generation = generation + 1 WHERE team_id = :team_id
"""
_SET_STATUS = "UPDATE teams SET status = ? WHERE team_id = ?"
_SET_KEY = "UPDATE teams SET key_hash = ? WHERE team_id = ?"
_USED = "SELECT 1 FROM teams WHERE key_hash = ? AND team_id != ?"
Include = Annotated[
    Literal["allowed_model_aliases"] | None,
    Query(description="Adds what each team may call to its row."),
]


def key_hash(virtual_key: str) -> str:
    """What is stored of a virtual key: it is long and random, so a plain SHA-256 cannot be turned back."""
    return hashlib.sha256(virtual_key.encode()).hexdigest()


@router.post("/create", **answers(TeamWithKey))
async def create_team(body: TeamCreate, here: Here, write: Writing) -> JSONResponse:
    """Creates a team. The answer holds its `virtual_key`, which is never shown again."""
    virtual_key = _chosen_or_new(here, body.virtual_key)

    def work(db: sqlite3.Connection) -> Answer:
        if db.execute("SELECT 1 FROM teams WHERE team_id = ?", (body.team_id,)).fetchone():
            raise exists(TEAM.said, body.team_id)
        require_organization(db, body.organization_id)
        _require_free(db, virtual_key, body.team_id)
        _insert(
            db,
            body,
            virtual_key,
            here.stamp(),
            write.operation.operation_id if write.operation else None,
        )
        return team(db, body.team_id)

    return await write.new(work, once={"virtual_key": virtual_key})


@router.get("", **answers(TeamList))
async def list_teams(
    here: Here, include: Include = None, limit: Limit = None, after: After = None
) -> JSONResponse:
    """Every team, by id."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        teams = all_teams(db, **page(after, limit))
        return JSONResponse({"teams": with_allowed(db, teams) if include else teams})

    return await here.store.read(answer)


@router.get("/{team_id}", **answers(TeamDetail))
async def get_team(team_id: PathId, here: Here) -> JSONResponse:
    """A team with its groups, credits and what it may call."""
    return shown(await here.store.read(lambda db: team(db, team_id)))


@router.put("/{team_id}", **answers(TeamDetail))
async def update_team(
    team_id: PathId, body: TeamUpdate, here: Here, write: Writing
) -> JSONResponse:
    """Changes the given fields, all or none; `access_groups` is the whole set, `credits_allocated` is absolute."""

    def work(db: sqlite3.Connection) -> Answer:
        row, before = team_row(db, team_id), team(db, team_id)
        after = {**before, **body.given()}
        after["metadata"] = after["metadata"] or {}
        if same(before, after):
            return before
        require_organization(db, after["organization_id"])
        db.execute(
            _UPDATE, {**after, "metadata": json.dumps(after["metadata"]), "now": here.stamp()}
        )
        if before["access_groups"] != after["access_groups"]:
            set_groups(db, team_id, body.access_groups)
        _record_allocation(db, Credits.of(row), after["credits_allocated"], here.stamp())
        return team(db, team_id)

    return await write.to(TEAM, team_id, work)


@router.post("/{team_id}/rename", **answers(TeamDetail))
async def rename_team(
    team_id: PathId, body: TeamRename, here: Here, write: Writing
) -> JSONResponse:
    """Gives the team another id. Its virtual key, groups, credits and transactions stay, also for calls on their way.

    `operation_ids` renames the ids of its credit operations, so that the same operation is still known as done.
    """

    def work(db: sqlite3.Connection) -> Answer:
        rename(db, TEAM, team_id, body.team_id, here.stamp())
        if body.operation_ids:
            rename_operations(db, body.team_id, body.operation_ids)
        return team(db, body.team_id)

    return await write.to(TEAM, team_id, work)


@router.put("/{team_id}/suspend", **answers(TeamDetail), operation_id="put_suspend_team")
@router.post("/{team_id}/suspend", **answers(TeamDetail), operation_id="post_suspend_team")
async def suspend_team(team_id: PathId, here: Here, write: Writing) -> JSONResponse:
    """Refuses every call of the team until it is resumed. Again is no error."""
    return await _set_status(here, write, team_id, "suspended")


@router.put("/{team_id}/resume", **answers(TeamDetail), operation_id="put_resume_team")
@router.post("/{team_id}/resume", **answers(TeamDetail), operation_id="post_resume_team")
async def resume_team(team_id: PathId, here: Here, write: Writing) -> JSONResponse:
    """Makes the team active. Again is no error."""
    return await _set_status(here, write, team_id, "active")


@router.post("/{team_id}/rotate-key", **answers(TeamWithKey))
async def rotate_key(
    team_id: PathId, here: Here, write: Writing, body: KeyRotation | None = None
) -> JSONResponse:
    """Gives the team a new virtual key, shown only in this answer; the old one is refused from now on."""
    virtual_key = _chosen_or_new(here, body.virtual_key if body else None)

    def work(db: sqlite3.Connection) -> Answer:
        team_row(db, team_id)
        _require_free(db, virtual_key, team_id)
        db.execute(_SET_KEY, (key_hash(virtual_key), team_id))
        changed(db, TEAM, team_id, here.stamp())
        return team(db, team_id)

    return await write.to(TEAM, team_id, work, once={"virtual_key": virtual_key})


@router.delete("/{team_id}", **answers(Deleted))
async def delete_team(team_id: PathId, write: Writing) -> JSONResponse:
    """Deletes a team and its key. Its credit transactions stay on record."""

    def work(db: sqlite3.Connection) -> Answer:
        team_row(db, team_id)
        db.execute("DELETE FROM teams WHERE team_id = ?", (team_id,))
        return {"team_id": team_id, "message": f"Team '{team_id}' deleted"}

    return await write.to(TEAM, team_id, work)


def _chosen_or_new(here: Context, chosen: SecretStr | None) -> str:
    return chosen.get_secret_value() if chosen else f"sk-{here.tokens()}"


def _require_free(db: sqlite3.Connection, virtual_key: str, team_id: str) -> None:
    if db.execute(_USED, (key_hash(virtual_key), team_id)).fetchone():
        raise HTTPException(409, "virtual_key: another team has this key")


def _insert(
    db: sqlite3.Connection, body: TeamCreate, virtual_key: str, now: str, operation_id: str | None
) -> None:
    row: dict[str, Any] = body.model_dump(exclude={"access_groups", "virtual_key"})
    row["metadata"] = json.dumps(body.metadata or {})
    db.execute(_INSERT, {**row, "key_hash": key_hash(virtual_key), "now": now})
    set_groups(db, body.team_id, body.access_groups)
    _record_allocation(db, Credits(body.team_id, 0, 0), body.credits_allocated, now, operation_id)


def _record_allocation(
    db: sqlite3.Connection,
    before: Credits,
    allocated: int | None,
    now: str,
    operation_id: str | None = None,
) -> None:
    """`operation_id` is that of a creation: who gave a team its first credits can be told from its transactions."""
    if allocated is not None and allocated != before.allocated:
        after, said = before.allocate(allocated), f"credits_allocated {allocated}"
        record(db, "allocation", before, after, now, description=said, operation_id=operation_id)


async def _set_status(here: Context, write: Write, team_id: str, status: Status) -> JSONResponse:
    def work(db: sqlite3.Connection) -> Answer:
        if team_row(db, team_id)["status"] != status:
            db.execute(_SET_STATUS, (status, team_id))
            changed(db, TEAM, team_id, here.stamp())
        return {**team(db, team_id), "message": f"Team '{team_id}' is {status}"}

    return await write.to(TEAM, team_id, work)
