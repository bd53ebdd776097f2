"""What SaaS LiteLLM 1.0.2 keeps, and where: a row per kind, with each quirk as a function and its reason.

Source: SaaS LiteLLM, src/api, observed on the running server.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from reconciler.core.model.kinds import Status
from reconciler.gateways.endpoints import (
    Body,
    Endpoint,
    Wire,
    names,
    never,
    plain,
    segment,
    text,
)
from reconciler.gateways.request import Request

CREDITS_PER_DOLLAR, TOKENS_PER_CREDIT = 10.0, 10_000


def titled(name: str) -> str:
    """The display name that an object without one gets: the server demands one."""
    return name.replace("-", " ").replace("_", " ").title()


def _display_name() -> Wire:
    return Wire(
        "display_name",
        lambda name, value: {"display_name": value or titled(name)},
        lambda body: body["display_name"],
    )


def _rounded(value: float, places: int) -> float:
    """As PostgreSQL rounds a NUMERIC column: half away from zero."""
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))


def _price(name: str) -> Wire:
    """NUMERIC(10,6); 0 is stored or read as null, and null in a PUT means "leave it", so none is sent as 0."""
    return Wire(
        name, lambda _, value: {name: _rounded(value or 0, 6)}, lambda body: body.get(name) or None
    )


def _split(_name: str, model: str | None) -> Body:
    provider, _, actual = (model or "").partition("/")
    return {"provider": provider, "actual_model": actual}


def _joined(body: Body) -> str:
    return f"{body['provider']}/{body['actual_model']}"


def _alias_status(body: Body) -> Status:
    """Free text on the server, where every status but `active` refuses calls."""
    said = body.get("status")
    return Status(said) if said in (Status.ACTIVE, Status.DEPRECATED) else Status.INACTIVE


def _team_status(body: Body) -> Status:
    return Status.ACTIVE if body.get("status") == Status.ACTIVE else Status.SUSPENDED


def _replace_models(name: str, _before: Any, after: Any) -> Iterable[Request]:
    """The group's own PUT ignores model_aliases."""
    return (Request("PUT", GROUPS.item(name, "models"), {"model_aliases": sorted(after)}),)


def _suspend_or_resume(name: str, _before: Any, after: Any) -> Iterable[Request]:
    return (Request("PUT", TEAMS.item(name, "resume" if after is Status.ACTIVE else "suspend")),)


def _tokens(name: str, _before: Any, after: Any) -> Iterable[Request]:
    """The team's own PUT does not take it."""
    body = {"tokens_per_credit": after or TOKENS_PER_CREDIT}
    return (Request("PATCH", f"/api/credits/teams/{segment(name)}/conversion-rates", body),)


def _rate(value: float | None) -> float:
    """NUMERIC(10,2); 0 reads back as the default."""
    return _rounded(value or CREDITS_PER_DOLLAR, 2) or CREDITS_PER_DOLLAR


_AT_CREATION: dict[str, Any] = {"change": never, "updatable": False}

MODELS = Endpoint(
    "model_alias",
    id="model_alias",
    collection="/api/models",
    wires=(
        Wire("litellm_model", _split, _joined),
        text("description"),
        _display_name(),
        Wire(
            "status",
            lambda _, value: {"status": str(value)},
            _alias_status,
            created=False,
            start=Status.ACTIVE,
        ),
        _price("pricing_input"),
        _price("pricing_output"),
    ),
    notes={
        "deployments": "an alias has one provider and one model",
        "litellm_params": "providers are called with the organization's credentials only",
    },
)
GROUPS = Endpoint(
    "access_group",
    id="group_name",
    collection="/api/model-access-groups",
    wires=(
        text("description"),
        _display_name(),
        names("model_aliases", "model_alias", change=_replace_models, whole=True),
    ),
)
ORGANIZATIONS = Endpoint(
    "organization",
    id="organization_id",
    collection="/api/organizations",
    wires=(
        plain("name", **_AT_CREATION),
        # null here breaks the list of organizations for everybody (observed on the server).
        Wire(
            "metadata",
            lambda _, value: {"metadata": value or {}},
            lambda body: body.get("metadata") or None,
            **_AT_CREATION,
        ),
    ),
    # Otherwise a `<id>_default` team comes along that nobody can delete (observed on the server).
    always={"create_default_team": False},
    can_update=False,
    can_delete=False,
    notes={
        "": "its API has no such call",
        "name": "organizations are create-only",
        "metadata": "organizations are create-only",
    },
)
TEAMS = Endpoint(
    "team",
    id="team_id",
    collection="/api/teams",
    wires=(
        plain("organization_id", **_AT_CREATION),
        Wire("team_alias", lambda name, value: {"team_alias": value or name}, None, **_AT_CREATION),
        names("access_groups", whole=True),
        Wire(
            "credits_allocated",
            lambda _, value: {"credits_allocated": value or 0},
            lambda body: body["credits_allocated"],
            change=never,
        ),
        Wire(
            "budget_mode",
            lambda _, value: {"budget_mode": value or "job_based"},
            lambda body: body["budget_mode"],
        ),
        Wire(
            "credits_per_dollar",
            lambda _, value: {"credits_per_dollar": _rate(value)},
            lambda body: body["credits_per_dollar"],
        ),
        Wire(
            "tokens_per_credit",
            lambda _, value: {"tokens_per_credit": value or TOKENS_PER_CREDIT},
            lambda body: body.get("tokens_per_credit"),
            change=_tokens,
            listed=False,
        ),
        # null is a server error here, and by then LiteLLM has the id (observed on the server).
        Wire("metadata", lambda _, value: {"metadata": value or {}}, None, **_AT_CREATION),
        Wire(
            "status",
            lambda _, value: {"status": str(value)},
            _team_status,
            change=_suspend_or_resume,
            created=False,
            start=Status.ACTIVE,
        ),
    ),
    flat=lambda body: {**body["credits"], **body},
    runtime=("credits_used", "credits_remaining"),
    notes={
        "organization_id": "a team stays in its organization",
        "team_alias": "it goes to LiteLLM when the team is created, and nothing can change it later",
        "metadata": "it goes to LiteLLM when the team is created, and nothing can change it later",
        "max_budget_usd": "it gives LiteLLM 0.10 USD per credit at creation",
        "models": "teams get models through access groups only",
    },
)
ENDPOINTS: Mapping[str, Endpoint] = {
    each.kind: each for each in (ORGANIZATIONS, MODELS, GROUPS, TEAMS)
}
