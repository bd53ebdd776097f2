"""A small company for the gateway tests, and the steps that build and change it."""

from typing import Any

from reconciler.core.model.changes import Action, CreditGrant, Step
from reconciler.core.model.kinds import (
    AccessGroup,
    Deployment,
    ModelAlias,
    Organization,
    Resource,
    Status,
    Team,
)
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.gateways.base import Gateway

# A value for each field that differs from what `company` has; a new updatable field needs one here.
OTHER: dict[str, dict[str, Any]] = {
    "model_alias": {
        "litellm_model": "anthropic/claude-3-opus",
        "description": "another description",
        "display_name": "Another Name",
        "status": Status.DEPRECATED,
        "pricing_input": 2.1234567,
        "pricing_output": 0.5,
        "litellm_params": {"mock_response": "hello"},
        "deployments": (
            Deployment(
                litellm_model="openai/gpt-4o",
                rpm=5,
                api_key="os.environ/ONE",
                litellm_params={"timeout": 30},
            ),
            Deployment(
                litellm_model="azure/gpt-4o",
                api_base="https://x.example",
                base_model="azure/gpt-4o",
            ),
        ),
    },
    "access_group": {
        "description": "another description",
        "display_name": "Another Name",
        "model_aliases": "{aliases}",
    },
    "organization": {"name": "Another Name", "metadata": {"tier": "gold"}},
    "team": {
        "organization_id": "{org}",
        "team_alias": "Another Name",
        "access_groups": "{groups}",
        "status": Status.SUSPENDED,
        "budget_mode": "consumption_usd",
        "credits_per_dollar": 12.345,
        "tokens_per_credit": 500,
        "metadata": {"owner": "ops"},
        "models": frozenset({"gpt-4o", "openai/*"}),
        "model_aliases": {"fast": "gpt-4o"},
        "tpm_limit": 1000,
        "rpm_limit": 10,
        "max_budget_usd": 12.5,
        "soft_budget_usd": 10.5,
        "budget_duration": "7d",
    },
}


def company(prefix: str) -> dict[Ref, Resource]:
    """In the order in which it can be created; names start with the prefix."""
    p = prefix
    return {
        Ref("organization", f"{p}-org"): Organization(name="ACME Corp"),
        Ref("organization", f"{p}-org-2"): Organization(
            name="Other Corp", metadata={"segment": "smb"}
        ),
        Ref("model_alias", f"{p}-gpt"): ModelAlias(
            litellm_model="openai/gpt-4", description="most capable"
        ),
        Ref("model_alias", f"{p}-mini"): ModelAlias(
            litellm_model="openai/gpt-4o-mini", pricing_input=0.15
        ),
        Ref("access_group", f"{p}-basic"): AccessGroup(
            description="basic", model_aliases={f"{p}-mini"}
        ),
        Ref("access_group", f"{p}-pro"): AccessGroup(model_aliases={f"{p}-gpt", f"{p}-mini"}),
        Ref("team", f"{p}-prod"): Team(
            organization_id=f"{p}-org",
            access_groups={f"{p}-basic"},
            credits_allocated=1000,
            team_alias="Production",
        ),
    }


def other(prefix: str, ref: Ref, name: str) -> Any:
    value = OTHER[ref.kind][name]
    named = {
        "{aliases}": frozenset({f"{prefix}-gpt"}),
        "{groups}": frozenset({f"{prefix}-pro"}),
        "{org}": f"{prefix}-org-2",
    }
    return named.get(value, value) if isinstance(value, str) else value


def together(gateway: Gateway, name: str) -> dict[str, Any]:
    """LiteLLM Proxy has one budget, meant in USD or in credits."""
    usd = gateway.support.backend == "litellm" and name == "max_budget_usd"
    return {"credits_allocated": None, "usd_per_credit": None} if usd else {}


def creation(gateway: Gateway, ref: Ref, resource: Resource) -> Step:
    return Step(ref, Action.CREATE, None, gateway.support.normalise(ref, resource))


def change(gateway: Gateway, ref: Ref, before: Resource, **values: Any) -> Step:
    before = gateway.support.normalise(ref, before)
    after = gateway.support.normalise(ref, before.model_copy(update=values))
    return Step(ref, Action.EXPAND, before, after)


def deletion(ref: Ref, before: Resource) -> Step:
    return Step(ref, Action.DELETE, before, None)


def granting(
    ref: Ref,
    team: Resource,
    amount: int,
    operation_id: str,
    grant_id: str = ALLOCATION,
    reason: str = "a reason",
) -> Step:
    return Step(ref, Action.GRANT, team, team, CreditGrant(grant_id, amount, reason, operation_id))


def readable(gateway: Gateway, ref: Ref, resource: Resource) -> dict[str, Any]:
    return {
        name: getattr(resource, name) for name in sorted(gateway.support.kinds[ref.kind].readable)
    }


async def build(gateway: Gateway, resources: dict[Ref, Resource]) -> None:
    for ref, resource in resources.items():
        await gateway.perform(creation(gateway, ref, resource))
