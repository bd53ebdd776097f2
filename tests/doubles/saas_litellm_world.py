"""What every route of the SaaS server's double shares: its state, who may call, and whom a team's key may reach."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request
from saas_litellm_proxy import LiteLLMStandIn
from saas_litellm_store import Alias, Organization, Store, Team

AUTHENTICATION_REQUIRED = "Authentication required. Provide either 'Authorization: Bearer <token>' or 'X-Admin-Key: <master_key>'"


@dataclass
class World:
    admin_key: str
    require_admin_everywhere: bool = False
    store: Store = field(default_factory=Store)
    litellm: LiteLLMStandIn = field(default_factory=LiteLLMStandIn)


async def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


WorldDep = Annotated[World, Depends(_world)]
AdminHeader = Annotated[str | None, Header(alias="X-Admin-Key")]


async def admin(world: WorldDep, x_admin_key: AdminHeader = None) -> None:
    if x_admin_key != world.admin_key:
        raise HTTPException(401, AUTHENTICATION_REQUIRED)


async def admin_if_demanded(world: WorldDep, x_admin_key: AdminHeader = None) -> None:
    """Organizations, teams, aliases and groups are open to everybody today; an option closes them."""
    if world.require_admin_everywhere:
        await admin(world, x_admin_key)


async def _calling_team(
    world: WorldDep, authorization: Annotated[str | None, Header()] = None
) -> Team:
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise HTTPException(
            401, "Missing Authorization header. Expected: 'Authorization: Bearer sk-xxx...'"
        )
    return authenticate(world.store, key.strip())


CallingTeam = Annotated[Team, Depends(_calling_team)]


def authenticate(store: Store, virtual_key: str) -> Team:
    team = next((team for team in store.teams.values() if team.virtual_key == virtual_key), None)
    if team is None:
        raise HTTPException(401, "Invalid API key")
    if team.status != "active":
        raise HTTPException(403, "Team access is suspended. Please contact support.")
    return team


def resolve(store: Store, team: Team, alias: str) -> Alias:
    """The alias a team may call: active, and in a group of the team; a group's status is not looked at."""
    row = store.aliases.get(alias)
    denied = f"Team '{team.team_id}' does not have access to model"
    if row is None or row.status != "active":
        raise HTTPException(403, f"{denied} group '{alias}'")
    if alias not in store.allowed_aliases(store.groups_of_team(team.team_id)):
        raise HTTPException(403, f"{denied} alias '{alias}'")
    return row


def call(store: Store, team: Team, alias: str) -> dict[str, Any]:
    """Credits and the organization's status are not checked before a call."""
    row = resolve(store, team, alias)
    return {"model": alias, "provider": row.provider, "resolved_model": row.actual_model}


def can_call(store: Store, virtual_key: str, alias: str) -> tuple[int, dict[str, Any]]:
    try:
        return 200, call(store, authenticate(store, virtual_key), alias)
    except HTTPException as refusal:
        return refusal.status_code, {"detail": refusal.detail}


def need_organization(store: Store, organization_id: str) -> Organization:
    if organization_id not in store.organizations:
        raise HTTPException(404, f"Organization '{organization_id}' not found")
    return store.organizations[organization_id]


def naive(moment: datetime) -> str:
    return moment.isoformat()


def zulu(moment: datetime | None) -> str | None:
    return None if moment is None else moment.replace(microsecond=0).isoformat() + "Z"


def number(value: Decimal | None) -> float | None:
    """A stored 0 reads as null: the server tests for truth where it means presence."""
    return float(value) if value else None
