"""Model access groups: named sets of aliases, granted to teams as one."""

import sqlite3
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import JSONResponse

from reconciler.embedded.context import Here, exists, missing
from reconciler.embedded.http.answers import (
    AccessGroupAnswer,
    AccessGroupDetail,
    AccessGroupList,
    GroupDeleted,
)
from reconciler.embedded.http.bodies import (
    AccessGroupCreate,
    AccessGroupRename,
    AccessGroupUpdate,
    After,
    GroupModels,
    Limit,
    PathId,
)
from reconciler.embedded.http.routing import admin_router, answers, page
from reconciler.embedded.resources.generations import GROUP, changed, holders_changed, same
from reconciler.embedded.resources.membership import (
    add_models,
    gathered,
    remove_models,
    require_aliases,
    set_models,
)
from reconciler.embedded.resources.renaming import rename
from reconciler.embedded.resources.writes import Answer, Writing, shown

router = admin_router("model-access-groups", "model access groups")

_INSERT = (
    "INSERT INTO access_groups VALUES (:group_name, :description, :display_name, :now, :now, 1)"
)
_UPDATE = """
    UPDATE access_groups SET description = :description, display_name = :display_name, updated_at = :now,
    generation = generation + 1 WHERE group_name = :group_name
"""
_LIST = """
    SELECT group_name, description, display_name, generation,
    (SELECT count(*) FROM group_aliases m WHERE m.group_name = g.group_name) AS model_count,
    (SELECT count(*) FROM team_groups t WHERE t.group_name = g.group_name) AS team_count
    FROM access_groups g WHERE group_name > :after ORDER BY group_name LIMIT :limit
"""
_NAMES = """
    SELECT group_name, alias FROM group_aliases WHERE group_name IN (SELECT value FROM json_each(?)) ORDER BY position
"""
_MODELS = """
    SELECT alias, litellm_model, description FROM group_aliases JOIN model_aliases USING (alias)
    WHERE group_name = ? ORDER BY position
"""
_TEAMS = "SELECT team_id FROM team_groups WHERE group_name = ? ORDER BY team_id"
Include = Annotated[
    Literal["model_aliases"] | None,
    Query(description="Adds the names of each group's aliases to its row."),
]


@router.post("/create", **answers(AccessGroupAnswer))
async def create_access_group(body: AccessGroupCreate, here: Here, write: Writing) -> JSONResponse:
    """Creates a group of existing aliases; 404 names an alias that does not exist."""

    def work(db: sqlite3.Connection) -> Answer:
        if _find(db, body.group_name):
            raise exists(GROUP.said, body.group_name)
        require_aliases(db, body.model_aliases)
        db.execute(_INSERT, {**body.model_dump(exclude={"model_aliases"}), "now": here.stamp()})
        add_models(db, body.group_name, body.model_aliases)
        return _group(db, body.group_name)

    return await write.new(work)


@router.get("", **answers(AccessGroupList))
async def list_access_groups(
    here: Here, include: Include = None, limit: Limit = None, after: After = None
) -> JSONResponse:
    """Every group, by name, with how many aliases it holds and how many teams have it."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        rows = [dict(row) for row in db.execute(_LIST, page(after, limit))]
        if include:
            names = gathered(db, _NAMES, [row["group_name"] for row in rows])
            rows = [{**row, "model_aliases": names.get(row["group_name"], [])} for row in rows]
        return JSONResponse({"access_groups": rows})

    return await here.store.read(answer)


@router.get("/{group_name}", **answers(AccessGroupDetail))
async def get_access_group(group_name: PathId, here: Here) -> JSONResponse:
    """A group with its aliases and the teams that have it."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        group = _row(db, group_name)
        models = [dict(row) for row in db.execute(_MODELS, (group_name,))]
        return shown(
            {**group, "model_aliases": models, "teams_with_access": _teams(db, group_name)}
        )

    return await here.store.read(answer)


@router.put("/{group_name}", **answers(AccessGroupAnswer))
async def update_access_group(
    group_name: PathId, body: AccessGroupUpdate, here: Here, write: Writing
) -> JSONResponse:
    """Changes the given fields; `model_aliases` is the whole set."""

    def work(db: sqlite3.Connection) -> Answer:
        before = _group(db, group_name)
        after = {**before, **body.given()}
        if same(before, after):
            return before
        db.execute(_UPDATE, {**after, "now": here.stamp()})
        if before["model_aliases"] != after["model_aliases"]:
            set_models(db, group_name, body.model_aliases)
        return _group(db, group_name)

    return await write.to(GROUP, group_name, work)


@router.post("/{group_name}/add-models", **answers(AccessGroupAnswer))
async def add_models_to_group(
    group_name: PathId, body: GroupModels, here: Here, write: Writing
) -> JSONResponse:
    """Adds aliases; every team that has the group can call them from the next request on."""

    def work(db: sqlite3.Connection) -> Answer:
        _row(db, group_name)
        require_aliases(db, body.model_aliases)
        if add_models(db, group_name, body.model_aliases):
            changed(db, GROUP, group_name, here.stamp())
        return _group(db, group_name)

    return await write.to(GROUP, group_name, work)


@router.post("/{group_name}/remove-models", **answers(AccessGroupAnswer))
async def remove_models_from_group(
    group_name: PathId, body: GroupModels, here: Here, write: Writing
) -> JSONResponse:
    """Removes aliases; those that exist but are not in the group are no error."""

    def work(db: sqlite3.Connection) -> Answer:
        _row(db, group_name)
        require_aliases(db, body.model_aliases)
        if remove_models(db, group_name, body.model_aliases):
            changed(db, GROUP, group_name, here.stamp())
        return _group(db, group_name)

    return await write.to(GROUP, group_name, work)


@router.post("/{group_name}/rename", **answers(AccessGroupAnswer))
async def rename_access_group(
    group_name: PathId, body: AccessGroupRename, here: Here, write: Writing
) -> JSONResponse:
    """Gives the group another name; its aliases and the teams that have it stay."""

    def work(db: sqlite3.Connection) -> Answer:
        rename(db, GROUP, group_name, body.group_name, here.stamp())
        return _group(db, body.group_name)

    return await write.to(GROUP, group_name, work)


@router.delete("/{group_name}", **answers(GroupDeleted))
async def delete_access_group(group_name: PathId, here: Here, write: Writing) -> JSONResponse:
    """Deletes a group and removes it from all teams. They keep what other groups give them."""

    def work(db: sqlite3.Connection) -> Answer:
        _row(db, group_name)
        teams = _teams(db, group_name)
        holders_changed(db, GROUP, group_name, here.stamp())
        db.execute("DELETE FROM access_groups WHERE group_name = ?", (group_name,))
        message = f"Model access group '{group_name}' deleted"
        return {"group_name": group_name, "removed_from_teams": teams, "message": message}

    return await write.to(GROUP, group_name, work)


def _find(db: sqlite3.Connection, group_name: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM access_groups WHERE group_name = ?", (group_name,)
    ).fetchone()
    return row


def _row(db: sqlite3.Connection, group_name: str) -> dict[str, Any]:
    if row := _find(db, group_name):
        return dict(row)
    raise missing(GROUP.said, group_name)


def _group(db: sqlite3.Connection, group_name: str) -> Answer:
    names = gathered(db, _NAMES, [group_name]).get(group_name, [])
    return {**_row(db, group_name), "model_aliases": names}


def _teams(db: sqlite3.Connection, group_name: str) -> list[str]:
    return [row["team_id"] for row in db.execute(_TEAMS, (group_name,))]
