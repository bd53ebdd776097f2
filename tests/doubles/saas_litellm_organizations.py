"""Routes for organizations: create-only, and each one brings a default team unless told not to."""

from typing import Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field
from saas_litellm_proxy import LiteLLMError
from saas_litellm_store import DatabaseError, Organization, Team
from saas_litellm_teams import USD_PER_CREDIT, team_list_answer
from saas_litellm_world import World, WorldDep, admin_if_demanded, naive, need_organization

organizations = APIRouter(
    prefix="/api/organizations", tags=["organizations"], dependencies=[Depends(admin_if_demanded)]
)


class OrganizationCreate(BaseModel):
    organization_id: str
    name: str
    metadata: dict[str, Any] | None = Field(default_factory=dict)
    create_default_team: bool = True
    default_team_name: str | None = None
    default_team_access_groups: list[str] = Field(default_factory=list)
    default_team_credits: int = 0


class OrganizationAnswer(BaseModel):
    """The server answers reads through a model whose metadata may not be null: one poisons the list."""

    organization_id: str
    name: str
    status: str
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    default_team: dict[str, Any] | None = None


@organizations.get("")
async def list_organizations(world: WorldDep) -> list[OrganizationAnswer]:
    rows = world.store.organizations.values()
    return [
        OrganizationAnswer(**organization_answer(row)) for row in rows if row.status == "active"
    ]


@organizations.post("/create")
async def create_organization(body: OrganizationCreate, world: WorldDep) -> dict[str, Any]:
    """The row is committed first; whatever happens to the default team afterwards, the answer is 200."""
    store, organization_id = world.store, body.organization_id
    if organization_id in store.organizations:
        raise HTTPException(400, f"Organization with ID '{organization_id}' already exists")
    values = {"organization_id": organization_id, "name": body.name, "metadata": body.metadata}
    row = store.insert(store.organizations, Organization, organization_id, **values)
    default_team = await _try_default_team(world, body) if body.create_default_team else None
    return {**organization_answer(row), "default_team": default_team}


@organizations.get("/{organization_id}")
async def get_organization(organization_id: str, world: WorldDep) -> OrganizationAnswer:
    return OrganizationAnswer(
        **organization_answer(need_organization(world.store, organization_id))
    )


@organizations.get("/{organization_id}/teams")
async def list_organization_teams(organization_id: str, world: WorldDep) -> dict[str, Any]:
    need_organization(world.store, organization_id)
    shown = ("team_id", "access_groups", "credits_allocated", "credits_remaining")
    listed = [
        {name: team_list_answer(world.store, team)[name] for name in shown}
        for team in world.store.teams.values()
        if team.organization_id == organization_id
    ]
    return {"organization_id": organization_id, "team_count": len(listed), "teams": listed}


def organization_answer(row: Organization) -> dict[str, Any]:
    return {
        "organization_id": row.organization_id,
        "name": row.name,
        "status": row.status,
        "metadata": row.metadata,
        "created_at": naive(row.created_at),
        "updated_at": naive(row.updated_at),
    }


async def _try_default_team(world: World, body: OrganizationCreate) -> dict[str, Any]:
    try:
        return await _create_default_team(world, body)
    except LiteLLMError as error:
        return {"error": f"Failed to create default team: {error}"}
    except DatabaseError as error:
        return {"error": f"Unexpected error: {error}"}


async def _create_default_team(world: World, body: OrganizationCreate) -> dict[str, Any]:
    """Unknown groups are skipped but echoed; without a single alias there will never be a key."""
    store, team_id = world.store, f"{body.organization_id}_default"
    known = [name for name in body.default_team_access_groups if name in store.groups]
    allowed, echoed = store.allowed_aliases(known), body.default_team_access_groups
    alias, amount = body.default_team_name or body.name, body.default_team_credits
    budget = amount * USD_PER_CREDIT if amount > 0 else None
    tracked = {
        "saas_organization_id": body.organization_id,
        "is_default_team": True,
        "access_groups": echoed,
    }
    await world.litellm.new_team(team_id, alias, allowed, budget, tracked)
    virtual_key = await world.litellm.generate_key(team_id, allowed, budget) if allowed else None
    store.check_team_groups(known)
    values = {
        "organization_id": body.organization_id,
        "credits_allocated": amount,
        "virtual_key": virtual_key,
    }
    store.insert(store.teams, Team, team_id, team_id=team_id, **values)
    store.set_team_groups(team_id, known)
    return {
        "team_id": team_id,
        "team_alias": alias,
        "virtual_key": virtual_key,
        "access_groups": echoed,
        "allowed_model_aliases": allowed,
        "credits_allocated": amount,
    }
