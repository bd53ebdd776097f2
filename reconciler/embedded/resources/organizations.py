"""Organizations: the customers that teams belong to."""

import json
import sqlite3
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from reconciler.embedded.context import Here, exists, missing
from reconciler.embedded.http.answers import (
    Deleted,
    OrganizationAnswer,
    OrganizationList,
    OrganizationTeams,
)
from reconciler.embedded.http.bodies import (
    After,
    Limit,
    OrganizationCreate,
    OrganizationRename,
    OrganizationUpdate,
    PathId,
)
from reconciler.embedded.http.routing import admin_router, answers, page
from reconciler.embedded.resources.generations import ORGANIZATION, same
from reconciler.embedded.resources.renaming import rename
from reconciler.embedded.resources.team_rows import teams_of
from reconciler.embedded.resources.writes import Answer, Writing, shown

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
_INSERT = (
    "INSERT INTO organizations VALUES (:organization_id, :name, :metadata, 'active', :now, :now, 1)"
)
_UPDATE = """
    UPDATE organizations SET name = :name, metadata = :metadata, status = :status, updated_at = :now,
    generation = generation + 1 WHERE organization_id = :organization_id
"""


@router.post("/create", **answers(OrganizationAnswer))
async def create_organization(body: OrganizationCreate, here: Here, write: Writing) -> JSONResponse:
    """Creates an organization. No team comes with it."""

    def work(db: sqlite3.Connection) -> Answer:
        if _find(db, body.organization_id):
            raise exists(ORGANIZATION.said, body.organization_id)
        db.execute(
            _INSERT,
            {**body.model_dump(), "metadata": json.dumps(body.metadata or {}), "now": here.stamp()},
        )
        return organization(db, body.organization_id)

    return await write.new(work)


@router.get("", **answers(OrganizationList))
async def list_organizations(here: Here, limit: Limit = None, after: After = None) -> JSONResponse:
    """Every organization, by id."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        rows = db.execute(_LIST, page(after, limit)).fetchall()
        return JSONResponse({"organizations": [_answer(row) for row in rows]})

    return await here.store.read(answer)


@router.get("/{organization_id}", **answers(OrganizationAnswer))
async def get_organization(organization_id: PathId, here: Here) -> JSONResponse:
    """An organization with how many teams it has and the credits granted to them in all."""
    return shown(await here.store.read(lambda db: organization(db, organization_id)))


@router.put("/{organization_id}", **answers(OrganizationAnswer))
async def update_organization(
    organization_id: PathId, body: OrganizationUpdate, here: Here, write: Writing
) -> JSONResponse:
    """Changes the given fields; `metadata` replaces what was there."""

    def work(db: sqlite3.Connection) -> Answer:
        before = organization(db, organization_id)
        after = {**before, **body.given()}
        after["metadata"] = after["metadata"] or {}
        if not same(before, after):
            db.execute(
                _UPDATE, {**after, "metadata": json.dumps(after["metadata"]), "now": here.stamp()}
            )
        return organization(db, organization_id)

    return await write.to(ORGANIZATION, organization_id, work)


@router.post("/{organization_id}/rename", **answers(OrganizationAnswer))
async def rename_organization(
    organization_id: PathId, body: OrganizationRename, here: Here, write: Writing
) -> JSONResponse:
    """Gives the organization another id; its teams stay with it."""

    def work(db: sqlite3.Connection) -> Answer:
        rename(db, ORGANIZATION, organization_id, body.organization_id, here.stamp())
        return organization(db, body.organization_id)

    return await write.to(ORGANIZATION, organization_id, work)


@router.delete("/{organization_id}", **answers(Deleted))
async def delete_organization(organization_id: PathId, write: Writing) -> JSONResponse:
    """Deletes an organization that has no teams."""

    def work(db: sqlite3.Connection) -> Answer:
        if teams := organization(db, organization_id)["team_count"]:
            reason = (
                f"Organization has active teams: '{organization_id}' has {teams}; delete them first"
            )
            raise HTTPException(409, reason)
        db.execute("DELETE FROM organizations WHERE organization_id = ?", (organization_id,))
        return {
            "organization_id": organization_id,
            "message": f"Organization '{organization_id}' deleted",
        }

    return await write.to(ORGANIZATION, organization_id, work)


@router.get("/{organization_id}/teams", **answers(OrganizationTeams))
async def list_organization_teams(
    organization_id: PathId, here: Here, limit: Limit = None, after: After = None
) -> JSONResponse:
    """The organization's teams, by id; `team_count` counts all of them, whatever the page."""

    def answer(db: sqlite3.Connection) -> JSONResponse:
        count = organization(db, organization_id)["team_count"]
        teams = teams_of(db, organization_id, **page(after, limit))
        return JSONResponse(
            {"organization_id": organization_id, "team_count": count, "teams": teams}
        )

    return await here.store.read(answer)


def organization(db: sqlite3.Connection, organization_id: str) -> dict[str, Any]:
    """The organization as the API shows it; 404 where it does not exist."""
    if row := _find(db, organization_id):
        return _answer(row)
    raise missing(ORGANIZATION.said, organization_id)


def require_organization(db: sqlite3.Connection, organization_id: str) -> None:
    """404 where it does not exist."""
    if not db.execute(
        "SELECT 1 FROM organizations WHERE organization_id = ?", (organization_id,)
    ).fetchone():
        raise missing(ORGANIZATION.said, organization_id)


def _find(db: sqlite3.Connection, organization_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(_ONE, {"id": organization_id}).fetchone()
    return row


def _answer(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "metadata": json.loads(row["metadata"])}
