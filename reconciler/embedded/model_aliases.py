"""Model aliases: the names that teams call, and the LiteLLM model behind each."""

import json
import sqlite3
from typing import Any

from fastapi.responses import JSONResponse

from reconciler.embedded.answers import AliasDeleted, ModelAliasAnswer, ModelAliasList
from reconciler.embedded.bodies import After, Limit, ModelAliasCreate, ModelAliasRename, ModelAliasUpdate, PathId
from reconciler.embedded.context import Here, exists, missing
from reconciler.embedded.membership import add_models, gathered, require_groups
from reconciler.embedded.renaming import ALIAS, rename
from reconciler.embedded.routing import admin_router, answers, page

router = admin_router("model-aliases", "model aliases")

_INSERT = """
    INSERT INTO model_aliases VALUES (:alias, :litellm_model, :description, :display_name, :status, :tags,
    :pricing_input, :pricing_output, :litellm_params, :now, :now)
"""
_UPDATE = """
    UPDATE model_aliases SET litellm_model = :litellm_model, description = :description,
    display_name = :display_name, status = :status, tags = :tags, pricing_input = :pricing_input,
    pricing_output = :pricing_output, litellm_params = :litellm_params, updated_at = :now WHERE alias = :alias
"""
_LIST = "SELECT * FROM model_aliases WHERE alias > :after ORDER BY alias LIMIT :limit"
_GROUPS = """
    SELECT alias, group_name FROM group_aliases WHERE alias IN (SELECT value FROM json_each(?))
    ORDER BY alias, group_name
"""


@router.post("/create", **answers(ModelAliasAnswer))
async def create_model_alias(body: ModelAliasCreate, here: Here) -> JSONResponse:
    """Creates an alias; `access_groups` are existing groups that it joins."""
    with here.store.write() as db:
        if _find(db, body.alias):
            raise exists("Model alias", body.alias)
        require_groups(db, body.access_groups)
        db.execute(_INSERT, _row(body.model_dump(), here.stamp()))
        for group in body.access_groups:
            add_models(db, group, [body.alias], here.stamp())
        return JSONResponse(model_alias(db, body.alias))


@router.get("", **answers(ModelAliasList))
async def list_model_aliases(here: Here, limit: Limit = None, after: After = None) -> JSONResponse:
    """Every alias, by name, with the groups that hold it."""
    with here.store.read() as db:
        rows = db.execute(_LIST, page(after, limit)).fetchall()
        return JSONResponse({"model_aliases": _answers(db, rows)})


@router.get("/{alias}", **answers(ModelAliasAnswer))
async def get_model_alias(alias: PathId, here: Here) -> JSONResponse:
    """An alias with the groups that hold it."""
    with here.store.read() as db:
        return JSONResponse(model_alias(db, alias))


@router.put("/{alias}", **answers(ModelAliasAnswer))
async def update_model_alias(alias: PathId, body: ModelAliasUpdate, here: Here) -> JSONResponse:
    """Changes the given fields. Only active aliases answer calls, from the next request on."""
    with here.store.write() as db:
        changed = {**model_alias(db, alias), **body.given()}
        db.execute(_UPDATE, _row(changed, here.stamp()))
        return JSONResponse(model_alias(db, alias))


@router.post("/{alias}/rename", **answers(ModelAliasAnswer))
async def rename_model_alias(alias: PathId, body: ModelAliasRename, here: Here) -> JSONResponse:
    """Gives the alias another name, in every group that holds it. Calls to the old name are refused from then on."""
    with here.store.write() as db:
        rename(db, ALIAS, alias, body.alias, here.stamp())
        return JSONResponse(model_alias(db, body.alias))


@router.delete("/{alias}", **answers(AliasDeleted))
async def delete_model_alias(alias: PathId, here: Here) -> JSONResponse:
    """Deletes an alias; it leaves every group, and the teams lose it."""
    with here.store.write() as db:
        groups = model_alias(db, alias)["access_groups"]
        db.execute("DELETE FROM model_aliases WHERE alias = ?", (alias,))
    message = f"Model alias '{alias}' deleted"
    return JSONResponse({"alias": alias, "removed_from_groups": groups, "message": message})


def model_alias(db: sqlite3.Connection, alias: str) -> dict[str, Any]:
    """The alias as the API shows it; 404 where it does not exist."""
    if row := _find(db, alias):
        return _answers(db, [row])[0]
    raise missing("Model alias", alias)


def _find(db: sqlite3.Connection, alias: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM model_aliases WHERE alias = ?", (alias,)).fetchone()
    return row


def _row(alias: dict[str, Any], now: str) -> dict[str, Any]:
    tags, parameters = alias["tags"] or [], alias["litellm_params"] or {}
    return {**alias, "tags": json.dumps(tags), "litellm_params": json.dumps(parameters), "now": now}


def _answers(db: sqlite3.Connection, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    groups = gathered(db, _GROUPS, [row["alias"] for row in rows])
    return [{**_answer(row), "access_groups": groups.get(row["alias"], [])} for row in rows]


def _answer(row: sqlite3.Row) -> dict[str, Any]:
    tags, parameters = json.loads(row["tags"]), json.loads(row["litellm_params"])
    return {**dict(row), "active": row["status"] == "active", "tags": tags, "litellm_params": parameters}
