"""Routes for credits and jobs: the admin key grants, a team's virtual key reads and calls."""

import uuid
from typing import Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import AliasChoices, BaseModel, Field
from saas_litellm_store import DatabaseError, Store, Team, Transaction, now
from saas_litellm_teams import check_budget_mode, credits_answer, need_team
from saas_litellm_world import CallingTeam, WorldDep, admin, call, number, zulu

credits_router = APIRouter(prefix="/api/credits", tags=["credits"])
jobs = APIRouter(prefix="/api/jobs", tags=["jobs"])
ADMIN = [Depends(admin)]


class AddCredits(BaseModel):
    credits: int
    reason: str | None = "Manual credit allocation"


class Replenish(BaseModel):
    credits: int = Field(gt=0)
    payment_type: str
    payment_amount_usd: float | None = None
    reason: str | None = None


class AutoRefill(BaseModel):
    enabled: bool
    refill_amount: int | None = Field(default=None, gt=0)
    refill_period: str | None = None


class ConversionRates(BaseModel):
    tokens_per_credit: int | None = None
    credits_per_dollar: float | None = None


class BudgetMode(ConversionRates):
    budget_mode: str


class JobCreate(BaseModel):
    team_id: str
    job_type: str
    user_id: str | None = None
    metadata: dict[str, Any] | None = Field(default_factory=dict)


class LLMCall(BaseModel):
    model: str = Field(validation_alias=AliasChoices("model", "model_group"))
    messages: list[dict[str, Any]]


@credits_router.post("/teams/{team_id}/add", dependencies=ADMIN)
async def add_credits(team_id: str, body: AddCredits, world: WorldDep) -> dict[str, Any]:
    """Not idempotent; an unknown team becomes a ghost: no organization, no key, no groups."""
    try:
        transaction = _add(world.store, team_id, "allocation", body.credits, body.reason)
    except DatabaseError as error:
        raise HTTPException(400, str(error)) from error
    return {
        "team_id": team_id,
        "credits_added": body.credits,
        "transaction": transaction_answer(transaction),
    }


@credits_router.post("/teams/{team_id}/replenish", dependencies=ADMIN)
async def replenish(team_id: str, body: Replenish, world: WorldDep) -> dict[str, Any]:
    need_team(world.store, team_id)
    if body.payment_type not in ("subscription", "one_time"):
        raise HTTPException(400, f"Invalid payment_type: {body.payment_type}")
    transaction = _add(
        world.store, team_id, f"{body.payment_type}_payment", body.credits, body.reason
    )
    if body.payment_type == "subscription":
        world.store.update(world.store.teams, team_id, last_refill_at=now())
    return {
        "team_id": team_id,
        "credits_added": body.credits,
        "transaction": transaction_answer(transaction),
    }


@credits_router.post("/teams/{team_id}/configure-auto-refill", dependencies=ADMIN)
async def configure_auto_refill(team_id: str, body: AutoRefill, world: WorldDep) -> dict[str, Any]:
    """Stored only: nothing ever refills."""
    need_team(world.store, team_id)
    if body.refill_period not in (None, "monthly", "weekly", "daily"):
        raise HTTPException(400, f"Invalid refill_period: {body.refill_period}")
    values = body.model_dump(exclude_none=True, exclude={"enabled"})
    row = world.store.update(world.store.teams, team_id, auto_refill=body.enabled, **values)
    shown = ("team_id", "auto_refill", "refill_amount", "refill_period")
    return {name: getattr(row, name) for name in shown}


@credits_router.patch("/teams/{team_id}/conversion-rates", dependencies=ADMIN)
async def set_conversion_rates(
    team_id: str, body: ConversionRates, world: WorldDep
) -> dict[str, Any]:
    row = _update_rates(world.store, team_id, body)
    return {**rates_answer(row), "message": "Conversion rates updated successfully"}


@credits_router.get("/teams/{team_id}/conversion-rates", dependencies=ADMIN)
async def get_conversion_rates(team_id: str, world: WorldDep) -> dict[str, Any]:
    row = need_team(world.store, team_id)
    unset = {
        name: getattr(row, name) is None for name in ("tokens_per_credit", "credits_per_dollar")
    }
    return {**rates_answer(row), "budget_mode": row.budget_mode, "using_defaults": unset}


@credits_router.patch("/teams/{team_id}/budget-mode", dependencies=ADMIN)
async def set_budget_mode(team_id: str, body: BudgetMode, world: WorldDep) -> dict[str, Any]:
    row = _update_rates(world.store, team_id, body)
    return {
        **rates_answer(row),
        "budget_mode": row.budget_mode,
        "message": "Budget mode updated successfully",
    }


@credits_router.get("/teams/{team_id}/balance")
async def get_balance(team_id: str, caller: CallingTeam) -> dict[str, Any]:
    _own(team_id, caller, "access credit balance")
    return credits_answer(caller)


@credits_router.get("/teams/{team_id}/transactions")
async def list_transactions(
    team_id: str, caller: CallingTeam, world: WorldDep, limit: int = 50
) -> dict[str, Any]:
    _own(team_id, caller, "access credit transactions")
    newest_first = [
        row for row in reversed(world.store.transactions.values()) if row.team_id == team_id
    ][:limit]
    listed = [transaction_answer(row) for row in newest_first]
    return {"team_id": team_id, "total": len(listed), "transactions": listed}


@credits_router.post("/teams/{team_id}/check")
async def check_credits(
    team_id: str, caller: CallingTeam, credits_needed: int = 1
) -> dict[str, Any]:
    _own(team_id, caller, "check credits")
    answer: dict[str, Any] = {"team_id": team_id, "credits_needed": credits_needed}
    if caller.credits_remaining >= credits_needed:
        return {**answer, "has_credits": True, "credits_remaining": caller.credits_remaining}
    return {
        **answer,
        "has_credits": False,
        "error": f"Insufficient credits. {caller.credits_remaining} remaining.",
    }


@jobs.post("/create")
async def create_job(body: JobCreate, caller: CallingTeam, world: WorldDep) -> dict[str, Any]:
    if body.team_id != caller.team_id:
        raise HTTPException(403, f"API key does not belong to team '{body.team_id}'")
    if world.store.migrated_schema:
        raise DatabaseError('invalid input value for enum job_status: "PENDING"')
    job_id = str(uuid.uuid4())
    world.store.jobs[job_id] = caller.team_id
    return {"job_id": job_id, "status": "pending", "created_at": zulu(now())}


@jobs.post("/{job_id}/llm-call")
async def make_call(
    job_id: str, body: LLMCall, caller: CallingTeam, world: WorldDep
) -> dict[str, Any]:
    """The access rule of every call; the answer of the model is not ours to imitate."""
    if job_id not in world.store.jobs:
        raise HTTPException(404, "Job not found")
    if world.store.jobs[job_id] != caller.team_id:
        raise HTTPException(403, "Job does not belong to your team")
    return {"call_id": str(uuid.uuid4()), **call(world.store, caller, body.model)}


def rates_answer(row: Team) -> dict[str, Any]:
    return {
        "team_id": row.team_id,
        "tokens_per_credit": row.tokens_per_credit or 10_000,
        "credits_per_dollar": number(row.credits_per_dollar) or 10.0,
    }


def transaction_answer(row: Transaction) -> dict[str, Any]:
    amounts = ("credits_amount", "credits_before", "credits_after", "reason")
    return {
        **{name: getattr(row, name) for name in ("transaction_id", "team_id", "organization_id")},
        "job_id": None,
        "transaction_type": row.transaction_type,
        **{name: getattr(row, name) for name in amounts},
        "created_at": zulu(row.created_at),
    }


def _add(store: Store, team_id: str, kind: str, amount: int, reason: str | None) -> Transaction:
    """Grants and records in one database transaction: a refused reason or amount leaves neither."""
    store.check_values(reason=reason, credits_amount=amount)
    team = store.teams.get(team_id) or _ghost(store, team_id, amount)
    before = team.credits_remaining
    store.update(store.teams, team_id, credits_allocated=team.credits_allocated + amount)
    key = str(uuid.uuid4())
    values = {"transaction_id": key, "team_id": team_id, "organization_id": team.organization_id}
    sums = {"credits_amount": amount, "credits_before": before, "credits_after": before + amount}
    return store.insert(
        store.transactions, Transaction, key, transaction_type=kind, reason=reason, **values, **sums
    )


def _ghost(store: Store, team_id: str, amount: int) -> Team:
    store.check_values(credits_allocated=amount)
    return store.insert(store.teams, Team, team_id, team_id=team_id, organization_id=None)


def _update_rates(store: Store, team_id: str, body: ConversionRates) -> Team:
    need_team(store, team_id)
    values = body.model_dump(exclude_none=True)
    if "budget_mode" in values:
        check_budget_mode(values["budget_mode"])
    for name, kind in (("tokens_per_credit", "integer"), ("credits_per_dollar", "number")):
        if values.get(name, 1) <= 0:
            raise HTTPException(400, f"{name} must be a positive {kind}")
    return store.update(store.teams, team_id, **values)


def _own(team_id: str, caller: Team, what: str) -> None:
    if team_id != caller.team_id:
        raise HTTPException(403, f"Cannot {what} for a different team")
