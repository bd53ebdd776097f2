"""Model aliases: the names that teams call, and the LiteLLM model behind each."""

import json
import sqlite3
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from reconciler.embedded.context import Context, Here, exists, missing
from reconciler.embedded.http.answers import AliasDeleted, ModelAliasAnswer, ModelAliasList
from reconciler.embedded.http.bodies import (
    After,
    Limit,
    ModelAliasCreate,
    ModelAliasRename,
    ModelAliasUpdate,
    PathId,
)
from reconciler.embedded.http.routing import admin_router, answers, page
from reconciler.embedded.parameters import NotUsable
from reconciler.embedded.resources.generations import ALIAS, GROUP, changed, holders_changed, same
from reconciler.embedded.resources.membership import add_models, gathered, require_groups
from reconciler.embedded.resources.renaming import rename
from reconciler.embedded.resources.writes import Answer, Writing, shown

router = admin_router("model-aliases", "model aliases")

_INSERT = """
    INSERT INTO model_aliases VALUES (:alias, :litellm_model, :description, :display_name, :status, :tags,
    :pricing_input, :pricing_output, :litellm_params, :now, :now, 1)
"""
_UPDATE = """
    UPDATE model_aliases SET litellm_model = :litellm_model, description = :description,
    display_name = :display_name, status = :status, tags = :tags, pricing_input = :pricing_input,
    pricing_output = :pricing_output, litellm_params = :litellm_params, updated_at = :now,
    generation = generation + 1 WHERE alias = :alias
"""
_LIST = "SELECT * FROM model_aliases WHERE alias > :after ORDER BY alias LIMIT :limit"
_GROUPS = """
    SELECT alias, group_name FROM group_aliases WHERE alias IN (SELECT value FROM json_each(?))
    ORDER BY alias, group_name
"""


@router.post("/create", **answers(ModelAliasAnswer))
async def create_model_alias(body: ModelAliasCreate, here: Here, write: Writing) -> JSONResponse:
    """Creates an alias; `access_groups` are existing groups that it joins."""

    def work(db: sqlite3.Connection) -> Answer:
        if _find(db, body.alias):
            raise exists(ALIAS.said, body.alias)
        require_groups(db, body.access_groups)
        _require_usable(here, body.model_dump())
        db.execute(_INSERT, _row(body.model_dump(), here.stamp()))
        for group in body.access_groups:
            add_models(db, group, [body.alias])
            changed(db, GROUP, group, here.stamp())
        return model_alias(db, body.alias)

    return await write.new(work)


@router.get("", **answers(ModelAliasList))
async def list_model_aliases(here: Here, limit: Limit = None, after: After = None) -> JSONResponse:
    """Every alias, by name, with the groups that hold it."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        rows = db.execute(_LIST, page(after, limit)).fetchall()
        return JSONResponse({"model_aliases": _answers(db, rows)})

    return await here.store.read(answer)


@router.get("/{alias}", **answers(ModelAliasAnswer))
async def get_model_alias(alias: PathId, here: Here) -> JSONResponse:
    """An alias with the groups that hold it."""
    return shown(await here.store.read(lambda db: model_alias(db, alias)))


@router.put("/{alias}", **answers(ModelAliasAnswer))
async def update_model_alias(
    alias: PathId, body: ModelAliasUpdate, here: Here, write: Writing
) -> JSONResponse:
    """Changes the given fields. Only active aliases answer calls, from the next request on."""

    def work(db: sqlite3.Connection) -> Answer:
        before = model_alias(db, alias)
        after = {**before, **body.given()}
        after.update(tags=after["tags"] or [], litellm_params=after["litellm_params"] or {})
        if not same(before, after):
            _require_usable(here, after)
            db.execute(_UPDATE, _row(after, here.stamp()))
        return model_alias(db, alias)

    return await write.to(ALIAS, alias, work)


@router.post("/{alias}/rename", **answers(ModelAliasAnswer))
async def rename_model_alias(
    alias: PathId, body: ModelAliasRename, here: Here, write: Writing
) -> JSONResponse:
    """Gives the alias another name, in every group that holds it. Calls to the old name are refused from then on."""

    def work(db: sqlite3.Connection) -> Answer:
        rename(db, ALIAS, alias, body.alias, here.stamp())
        return model_alias(db, body.alias)

    return await write.to(ALIAS, alias, work)


@router.delete("/{alias}", **answers(AliasDeleted))
async def delete_model_alias(alias: PathId, here: Here, write: Writing) -> JSONResponse:
    """Deletes an alias; it leaves every group, and the teams lose it."""

    def work(db: sqlite3.Connection) -> Answer:
        groups = model_alias(db, alias)["access_groups"]
        holders_changed(db, ALIAS, alias, here.stamp())
        db.execute("DELETE FROM model_aliases WHERE alias = ?", (alias,))
        return {
            "alias": alias,
            "removed_from_groups": groups,
            "message": f"Model alias '{alias}' deleted",
        }

    return await write.to(ALIAS, alias, work)


def _require_usable(here: Context, alias: dict[str, Any]) -> None:
    """422 where a call of the alias could not use its parameters here."""
    try:
        here.allowed.check(alias["litellm_model"], alias["litellm_params"] or {})
    except NotUsable as reason:
        raise HTTPException(422, f"litellm_params.{reason}") from None


def model_alias(db: sqlite3.Connection, alias: str) -> dict[str, Any]:
    """The alias as the API shows it; 404 where it does not exist."""
    if row := _find(db, alias):
        return _answers(db, [row])[0]
    raise missing(ALIAS.said, alias)


def _find(db: sqlite3.Connection, alias: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM model_aliases WHERE alias = ?", (alias,)
    ).fetchone()
    return row


def _row(alias: dict[str, Any], now: str) -> dict[str, Any]:
    tags, parameters = alias["tags"] or [], alias["litellm_params"] or {}
    return {**alias, "tags": json.dumps(tags), "litellm_params": json.dumps(parameters), "now": now}


def _answers(db: sqlite3.Connection, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    groups = gathered(db, _GROUPS, [row["alias"] for row in rows])
    return [{**_answer(row), "access_groups": groups.get(row["alias"], [])} for row in rows]


def _answer(row: sqlite3.Row) -> dict[str, Any]:
    tags, parameters = json.loads(row["tags"]), json.loads(row["litellm_params"])
    return {
        **dict(row),
        "active": row["status"] == "active",
        "tags": tags,
        "litellm_params": parameters,
    }
