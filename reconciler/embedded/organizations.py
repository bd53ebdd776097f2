"""Organizations: the customers that teams belong to."""

import json
import sqlite3
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from reconciler.embedded.answers import Deleted, OrganizationAnswer, OrganizationList, OrganizationTeams
from reconciler.embedded.bodies import After, Limit, OrganizationCreate, OrganizationRename, OrganizationUpdate, PathId
from reconciler.embedded.context import Here, exists, missing
from reconciler.embedded.renaming import ORGANIZATION, rename
from reconciler.embedded.routing import admin_router, answers, page
from reconciler.embedded.team_rows import teams_of

router = admin_router("organizations", "organizations")

_ONE = """
    SELECT o.*, count(t.team_id) AS team_count, coalesce(sum(t.credits_allocated), 0) AS total_credits_allocated
    FROM organizations o LEFT JOIN teams t USING (organization_id)
    WHERE o.organization_id = :id GROUP BY o.organization_id
"""
_LIST = """
    SELECT o.*, count(t.team_id) AS team_count, coalesce(sum(t.credits_allocated), 0) AS total_credits_allocated
    FROM (SELECT * FROM organizations WHERE organization_id > :after ORDER BY organization_id LIMIT :limit) o
    LEFT JOIN teams t USING (organization_id) GROUP BY o.organization_id ORDER BY o.organization_id
"""
_INSERT = "INSERT INTO organizations VALUES (:organization_id, :name, :metadata, 'active', :now, :now)"
_UPDATE = """
    UPDATE organizations SET name = :name, metadata = :metadata, status = :status, updated_at = :now
    WHERE organization_id = :organization_id
"""


@router.post("/create", **answers(OrganizationAnswer))
async def create_organization(body: OrganizationCreate, here: Here) -> JSONResponse:
    """Creates an organization. No team comes with it."""
    with here.store.write() as db:
        if _find(db, body.organization_id):
            raise exists("Organization", body.organization_id)
        row = {**body.model_dump(), "metadata": json.dumps(body.metadata or {}), "now": here.stamp()}
        db.execute(_INSERT, row)
        return JSONResponse(organization(db, body.organization_id))


@router.get("", **answers(OrganizationList))
async def list_organizations(here: Here, limit: Limit = None, after: After = None) -> JSONResponse:
    """Every organization, by id."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        rows = db.execute(_LIST, page(after, limit)).fetchall()
        return JSONResponse({"organizations": [_answer(row) for row in rows]})

    return await here.store.read_apart(answer)


@router.get("/{organization_id}", **answers(OrganizationAnswer))
async def get_organization(organization_id: PathId, here: Here) -> JSONResponse:
    """An organization with how many teams it has and the credits granted to them in all."""
    with here.store.read() as db:
        return JSONResponse(organization(db, organization_id))


@router.put("/{organization_id}", **answers(OrganizationAnswer))
async def update_organization(organization_id: PathId, body: OrganizationUpdate, here: Here) -> JSONResponse:
    """Changes the given fields; `metadata` replaces what was there."""
    with here.store.write() as db:
        row = {**organization(db, organization_id), **body.given(), "now": here.stamp()}
        db.execute(_UPDATE, {**row, "metadata": json.dumps(row["metadata"] or {})})
        return JSONResponse(organization(db, organization_id))


@router.post("/{organization_id}/rename", **answers(OrganizationAnswer))
async def rename_organization(organization_id: PathId, body: OrganizationRename, here: Here) -> JSONResponse:
    """Gives the organization another id; its teams stay with it."""
    with here.store.write() as db:
        rename(db, ORGANIZATION, organization_id, body.organization_id, here.stamp())
        return JSONResponse(organization(db, body.organization_id))


@router.delete("/{organization_id}", **answers(Deleted))
async def delete_organization(organization_id: PathId, here: Here) -> JSONResponse:
    """Deletes an organization that has no teams."""
    with here.store.write() as db:
        if teams := organization(db, organization_id)["team_count"]:
            raise HTTPException(
                409, f"Organization has active teams: '{organization_id}' has {teams}; delete them first"
            )
        db.execute("DELETE FROM organizations WHERE organization_id = ?", (organization_id,))
    message = f"Organization '{organization_id}' deleted"
    return JSONResponse({"organization_id": organization_id, "message": message})


@router.get("/{organization_id}/teams", **answers(OrganizationTeams))
async def list_organization_teams(
    organization_id: PathId, here: Here, limit: Limit = None, after: After = None
) -> JSONResponse:
    """The organization's teams, by id; `team_count` counts all of them, whatever the page."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        count = organization(db, organization_id)["team_count"]
        teams = teams_of(db, organization_id, **page(after, limit))
        return JSONResponse({"organization_id": organization_id, "team_count": count, "teams": teams})

    return await here.store.read_apart(answer)


def organization(db: sqlite3.Connection, organization_id: str) -> dict[str, Any]:
    """The organization as the API shows it; 404 where it does not exist."""
    if row := _find(db, organization_id):
        return _answer(row)
    raise missing("Organization", organization_id)


def _find(db: sqlite3.Connection, organization_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(_ONE, {"id": organization_id}).fetchone()
    return row


def _answer(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "metadata": json.loads(row["metadata"])}
