"""Routes for model aliases and model access groups; neither ever calls LiteLLM."""

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field
from saas_litellm_store import Alias, Group, Store
from saas_litellm_world import WorldDep, admin_if_demanded, naive, number

models = APIRouter(prefix="/api/models", tags=["models"], dependencies=[Depends(admin_if_demanded)])
groups = APIRouter(
    prefix="/api/model-access-groups",
    tags=["model-access-groups"],
    dependencies=[Depends(admin_if_demanded)],
)


class ModelCreate(BaseModel):
    model_alias: str
    display_name: str
    provider: str
    actual_model: str
    access_groups: list[str] = Field(default_factory=list)
    description: str | None = None
    pricing_input: float | None = None
    pricing_output: float | None = None
    credential_name: str | None = None
    api_key: str | None = None
    api_base: str | None = None


class ModelUpdate(BaseModel):
    display_name: str | None = None
    actual_model: str | None = None
    provider: str | None = None
    access_groups: list[str] | None = None
    description: str | None = None
    pricing_input: float | None = None
    pricing_output: float | None = None
    status: str | None = None


class GroupCreate(BaseModel):
    group_name: str
    display_name: str
    model_aliases: list[str] = Field(default_factory=list)
    description: str | None = None


class GroupUpdate(BaseModel):
    display_name: str | None = None
    description: str | None = None
    status: str | None = None


class GroupModels(BaseModel):
    model_aliases: list[str]


@models.get("")
async def list_models(
    world: WorldDep,
    status: str | None = None,
    provider: str | None = None,
    access_group: str | None = None,
) -> list[dict[str, Any]]:
    answers = [model_answer(world.store, alias) for alias in world.store.aliases.values()]
    return [
        answer
        for answer in answers
        if (not status or answer["status"] == status)
        and (not provider or answer["provider"] == provider)
        and (not access_group or access_group in answer["access_groups"])
    ]


@models.post("/create")
async def create_model(body: ModelCreate, world: WorldDep) -> dict[str, Any]:
    store = world.store
    if body.model_alias in store.aliases:
        raise HTTPException(400, f"Model alias '{body.model_alias}' already exists")
    _need_groups(store, body.access_groups)
    store.check_links(body.access_groups)
    values = body.model_dump(
        include={"model_alias", "display_name", "provider", "actual_model", "description"}
    )
    prices = {
        "pricing_input": body.pricing_input or None,
        "pricing_output": body.pricing_output or None,
    }
    row = store.insert(store.aliases, Alias, body.model_alias, **values, **prices)
    store.set_alias_groups(row.model_alias, body.access_groups)
    return model_answer(store, row)


@models.get("/{alias}")
async def get_model(alias: str, world: WorldDep) -> dict[str, Any]:
    return model_answer(world.store, _alias(world.store, alias))


@models.put("/{alias}")
async def update_model(alias: str, body: ModelUpdate, world: WorldDep) -> dict[str, Any]:
    store = world.store
    _alias(store, alias)
    _need_groups(store, body.access_groups or [])
    store.check_links(body.access_groups or [])
    values = body.model_dump(exclude_none=True, exclude={"access_groups"})
    for price in {"pricing_input", "pricing_output"} & values.keys():
        values[price] = Decimal(str(values[price]))
    row = store.update(store.aliases, alias, **values)
    if body.access_groups is not None:
        store.set_alias_groups(alias, body.access_groups)
    return model_answer(store, row)


@models.delete("/{alias}")
async def delete_model(alias: str, world: WorldDep) -> dict[str, Any]:
    """No in-use check: the alias silently leaves every group."""
    _alias(world.store, alias)
    world.store.set_alias_groups(alias, [])
    del world.store.aliases[alias]
    return {"message": f"Model alias '{alias}' deleted successfully"}


@groups.get("")
async def list_groups(world: WorldDep, status: str | None = None) -> list[dict[str, Any]]:
    rows = world.store.groups.values()
    return [group_answer(world.store, row) for row in rows if not status or row.status == status]


@groups.post("/create")
async def create_group(body: GroupCreate, world: WorldDep) -> dict[str, Any]:
    store = world.store
    if body.group_name in store.groups:
        raise HTTPException(400, f"Model access group '{body.group_name}' already exists")
    _need_aliases(store, body.model_aliases)
    store.check_links(body.model_aliases)
    values = body.model_dump(exclude={"model_aliases"})
    row = store.insert(store.groups, Group, body.group_name, **values)
    store.set_group_aliases(row.group_name, body.model_aliases)
    return group_answer(store, row)


@groups.get("/{group_name}")
async def get_group(group_name: str, world: WorldDep) -> dict[str, Any]:
    return group_answer(world.store, _group(world.store, group_name))


@groups.put("/{group_name}")
async def update_group(group_name: str, body: GroupUpdate, world: WorldDep) -> dict[str, Any]:
    _group(world.store, group_name)
    row = world.store.update(world.store.groups, group_name, **body.model_dump(exclude_none=True))
    return group_answer(world.store, row)


@groups.put("/{group_name}/models")
async def replace_group_models(
    group_name: str, body: GroupModels, world: WorldDep
) -> dict[str, Any]:
    """Replaces the whole set; the group's own row, so its `updated_at` and place, is not touched."""
    row = _group(world.store, group_name)
    _need_aliases(world.store, body.model_aliases)
    world.store.set_group_aliases(group_name, body.model_aliases)
    return group_answer(world.store, row)


@groups.delete("/{group_name}")
async def delete_group(group_name: str, world: WorldDep) -> dict[str, Any]:
    _group(world.store, group_name)
    if users := world.store.teams_of_group(group_name):
        raise HTTPException(
            400,
            f"Cannot delete access group '{group_name}' - still in use by teams: {', '.join(users)}",
        )
    world.store.set_group_aliases(group_name, [])
    del world.store.groups[group_name]
    return {"message": f"Model access group '{group_name}' deleted successfully"}


def model_answer(store: Store, row: Alias) -> dict[str, Any]:
    return {
        "model_alias": row.model_alias,
        "display_name": row.display_name,
        "provider": row.provider,
        "actual_model": row.actual_model,
        "litellm_model_id": None,
        "access_groups": store.groups_of_alias(row.model_alias),
        "description": row.description,
        "pricing_input": number(row.pricing_input),
        "pricing_output": number(row.pricing_output),
        "status": row.status,
        "teams_using": None,
        "created_at": naive(row.created_at),
        "updated_at": naive(row.updated_at),
    }


def group_answer(store: Store, row: Group) -> dict[str, Any]:
    members = [store.aliases[alias] for alias in store.aliases_of_group(row.group_name)]
    shown = ("model_alias", "display_name", "provider", "actual_model")
    return {
        "group_name": row.group_name,
        "display_name": row.display_name,
        "description": row.description,
        "status": row.status,
        "model_aliases": [{name: getattr(member, name) for name in shown} for member in members],
        "teams_using": store.teams_of_group(row.group_name) or None,
        "created_at": naive(row.created_at),
        "updated_at": naive(row.updated_at),
    }


def _alias(store: Store, alias: str) -> Alias:
    if alias not in store.aliases:
        raise HTTPException(404, f"Model alias '{alias}' not found")
    return store.aliases[alias]


def _group(store: Store, group_name: str) -> Group:
    if group_name not in store.groups:
        raise HTTPException(404, f"Model access group '{group_name}' not found")
    return store.groups[group_name]


def _need_aliases(store: Store, aliases: list[str]) -> None:
    for alias in aliases:
        _alias(store, alias)


def _need_groups(store: Store, names: list[str]) -> None:
    for name in names:
        _group(store, name)
