"""Routes for teams: creating one and changing its groups calls LiteLLM, nothing else does."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException
from pydantic import BaseModel, Field
from saas_litellm_proxy import LiteLLMError
from saas_litellm_store import Store, Team
from saas_litellm_world import World, WorldDep, admin_if_demanded, need_organization, number, zulu

BUDGET_MODES = ("job_based", "consumption_usd", "consumption_tokens")
USD_PER_CREDIT = 0.10

teams = APIRouter(prefix="/api/teams", tags=["teams"], dependencies=[Depends(admin_if_demanded)])


class TeamCreate(BaseModel):
    organization_id: str
    team_id: str
    team_alias: str | None = None
    access_groups: list[str]
    credits_allocated: int = 0
    metadata: dict[str, Any] | None = Field(default_factory=dict)
    budget_mode: str | None = "job_based"
    credits_per_dollar: float | None = 10.0
    tokens_per_credit: int | None = 10_000


class TeamUpdate(BaseModel):
    team_alias: str | None = None
    access_groups: list[str] | None = None
    credits_allocated: int | None = None
    credits_used: int | None = None
    budget_mode: str | None = None
    credits_per_dollar: float | None = None


@teams.get("")
async def list_teams(world: WorldDep) -> list[dict[str, Any]]:
    return [team_list_answer(world.store, team) for team in world.store.teams.values()]


@teams.post("/create")
async def create_team(body: TeamCreate, world: WorldDep) -> dict[str, Any]:
    """LiteLLM first, the database last, no compensation: any failure in between burns the id."""
    store, team_id = world.store, body.team_id
    need_organization(store, body.organization_id)
    if team_id in store.teams:
        raise HTTPException(400, f"Team '{team_id}' already exists")
    _need_groups(store, body.access_groups)
    allowed = store.allowed_aliases(body.access_groups)
    if body.metadata is None:
        raise TypeError("'NoneType' object is not a mapping")
    virtual_key = await _create_in_litellm(world, body, allowed)
    check_budget_mode(body.budget_mode or "job_based")
    store.check_team_groups(body.access_groups)
    values = body.model_dump(exclude={"team_alias", "access_groups", "metadata"}, exclude_none=True)
    row = store.insert(store.teams, Team, team_id, virtual_key=virtual_key, **values)
    store.set_team_groups(team_id, body.access_groups)
    return {
        "team_id": team_id,
        "organization_id": body.organization_id,
        "access_groups": body.access_groups,
        "allowed_model_aliases": allowed,
        "credits_allocated": row.credits_allocated,
        "credits_remaining": row.credits_remaining,
        "virtual_key": virtual_key,
        "message": "Team created successfully with LiteLLM integration",
    }


@teams.get("/{team_id}")
async def get_team(team_id: str, world: WorldDep) -> dict[str, Any]:
    row = need_team(world.store, team_id)
    access_groups = world.store.groups_of_team(team_id)
    return {
        "team_id": team_id,
        "organization_id": row.organization_id,
        "credits": credits_answer(row),
        "access_groups": access_groups,
        "allowed_model_aliases": world.store.allowed_aliases(access_groups),
        "virtual_key": row.virtual_key,
        "credits_allocated": row.credits_allocated,
        "credits_remaining": row.credits_remaining,
    }


@teams.put("/{team_id}")
async def update_team(team_id: str, body: TeamUpdate, world: WorldDep) -> dict[str, Any]:
    """The database part is one transaction; LiteLLM hears about new groups before it commits."""
    store = world.store
    need_team(store, team_id)
    if body.budget_mode is not None:
        check_budget_mode(body.budget_mode)
    if body.access_groups is not None:
        await _push_models(world, team_id, body.access_groups)
        store.check_team_groups(body.access_groups)
    values = body.model_dump(exclude_none=True, exclude={"team_alias", "access_groups"})
    row = store.update(store.teams, team_id, **values)
    if body.access_groups is not None:
        store.set_team_groups(team_id, body.access_groups)
    return {
        "team_id": team_id,
        "credits_allocated": row.credits_allocated,
        "credits_used": row.credits_used,
        "credits_remaining": row.credits_remaining,
        "budget_mode": row.budget_mode,
        "credits_per_dollar": number(row.credits_per_dollar) or 10.0,
        "message": "Team updated successfully",
    }


@teams.put("/{team_id}/access-groups")
async def replace_team_groups(
    team_id: str, body: Annotated[list[str], Body()], world: WorldDep
) -> dict[str, Any]:
    need_team(world.store, team_id)
    allowed = await _push_models(world, team_id, body)
    world.store.set_team_groups(team_id, body)
    message = "Model access groups assigned successfully"
    return {
        "team_id": team_id,
        "access_groups": body,
        "allowed_model_aliases": allowed,
        "message": message,
    }


@teams.put("/{team_id}/suspend")
async def suspend_team(team_id: str, world: WorldDep) -> dict[str, Any]:
    return _set_status(world, team_id, "suspended", "suspended")


@teams.put("/{team_id}/resume")
async def resume_team(team_id: str, world: WorldDep) -> dict[str, Any]:
    return _set_status(world, team_id, "active", "resumed")


@teams.delete("/{team_id}")
async def delete_team(team_id: str, world: WorldDep) -> dict[str, Any]:
    if team_id.endswith("_default"):
        raise HTTPException(
            400,
            f"Cannot delete default team '{team_id}'. Default teams are protected from deletion.",
        )
    need_team(world.store, team_id)
    world.store.set_team_groups(team_id, [])
    del world.store.teams[team_id]
    return {"team_id": team_id, "message": f"Team '{team_id}' deleted successfully"}


def team_list_answer(store: Store, row: Team) -> dict[str, Any]:
    return {
        "team_id": row.team_id,
        "organization_id": row.organization_id,
        "credits_allocated": row.credits_allocated,
        "credits_remaining": row.credits_remaining,
        "credits_used": row.credits_used,
        "access_groups": store.groups_of_team(row.team_id),
        "virtual_key": row.virtual_key,
        "budget_mode": row.budget_mode,
        "credits_per_dollar": number(row.credits_per_dollar) or 10.0,
        "status": row.status,
        "created_at": zulu(row.created_at),
    }


def credits_answer(row: Team) -> dict[str, Any]:
    plain = (
        "team_id",
        "organization_id",
        "credits_allocated",
        "credits_used",
        "credits_remaining",
        "credit_limit",
    )
    refill = ("auto_refill", "refill_amount", "refill_period")
    return {
        **{name: getattr(row, name) for name in (*plain, *refill)},
        "last_refill_at": zulu(row.last_refill_at),
        "budget_mode": row.budget_mode,
        "credits_per_dollar": number(row.credits_per_dollar) or 10.0,
        "tokens_per_credit": row.tokens_per_credit or 10_000,
        "cost_markup_percentage": float(row.cost_markup_percentage or 0),
        "status": row.status,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
    }


def need_team(store: Store, team_id: str) -> Team:
    if team_id not in store.teams:
        raise HTTPException(404, f"Team '{team_id}' not found")
    return store.teams[team_id]


async def _create_in_litellm(world: World, body: TeamCreate, allowed: list[str]) -> str:
    budget = body.credits_allocated * USD_PER_CREDIT if body.credits_allocated > 0 else None
    tracked = {"saas_organization_id": body.organization_id, "access_groups": body.access_groups}
    try:
        await world.litellm.new_team(
            body.team_id,
            body.team_alias or body.team_id,
            allowed,
            budget,
            {**(body.metadata or {}), **tracked},
        )
        return await world.litellm.generate_key(body.team_id, allowed, budget)
    except LiteLLMError as error:
        raise HTTPException(500, f"Failed to create team in LiteLLM: {error}") from error


async def _push_models(world: World, team_id: str, names: list[str]) -> list[str]:
    """Tells LiteLLM the team's models; an error there is swallowed, the key's own models never change."""
    _need_groups(world.store, names)
    allowed = world.store.allowed_aliases(names)
    try:
        await world.litellm.update_team(team_id, allowed)
    except LiteLLMError:
        return allowed
    return allowed


def _set_status(world: World, team_id: str, status: str, verb: str) -> dict[str, Any]:
    need_team(world.store, team_id)
    world.store.update(world.store.teams, team_id, status=status)
    return {"team_id": team_id, "status": status, "message": f"Team '{team_id}' has been {verb}"}


def _need_groups(store: Store, names: list[str]) -> None:
    for name in names:
        if name not in store.groups:
            raise HTTPException(404, f"Model access group '{name}' not found")


def check_budget_mode(mode: str) -> None:
    if mode not in BUDGET_MODES:
        raise HTTPException(
            400, f"Invalid budget_mode: {mode}. Must be one of: {', '.join(BUDGET_MODES)}"
        )
