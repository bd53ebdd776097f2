"""Teams on LiteLLM Proxy. Pure: rows of the API <-> Team, and what to send for a change.

Source: LiteLLM 1.106.2, proxy/management_endpoints/team_endpoints.py.
The proxy reads an empty `models` list as every model, so it is
never sent: no direct model is written as `no-default-models`. What the API has no column for stands in the mark
`metadata.reconciler`: the top-ups granted, the last allocation, what a credit is worth, and (without a licence) the
organization.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.access.litellm.lists import NO_DEFAULT_MODELS
from reconciler.core.access.litellm.rules import EVERYTHING
from reconciler.core.model.kinds import Status, Team
from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm.deployments import MARK, VERSION

# Fields of the API that are stored in `metadata`; they are not the user's (litellm/proxy/_types.py).
SERVER_METADATA = frozenset(
    {
        "model_rpm_limit",
        "model_tpm_limit",
        "model_itpm_limit",
        "model_otpm_limit",
        "default_estimated_output_tokens",
        "default_estimated_output_tokens_per_model",
        "mcp_rpm_limit",
        "tag_rpm_limit",
        "rpm_limit_type",
        "tpm_limit_type",
        "enforced_params",
        "temp_budget_increase",
        "temp_budget_expiry",
        "allowed_vector_store_indexes",
        "enforced_batch_output_expires_after",
        "enforced_file_expires_after",
        "throttle_on_budget_exceeded",
        "enable_prompt_caching",
        "end_user_budget_id",
        "disable_global_guardrails",
        "guardrails",
        "policies",
        "tags",
        "team_member_key_duration",
        "prompts",
        "logging",
        "secret_manager_settings",
        "allowed_passthrough_routes",
        "denied_passthrough_routes",
        "team_member_budget_id",
        "service_account_id",
        "model_aliases",
    }
)
LIMITS = {
    "max_budget_usd": "max_budget",
    "soft_budget_usd": "soft_budget",
    "budget_duration": "budget_duration",
    "tpm_limit": "tpm_limit",
    "rpm_limit": "rpm_limit",
}
RUNTIME = ("keys_count", "spend", "max_budget", "budget_reset_at")


@dataclass(frozen=True, slots=True)
class Mark:
    """`metadata.reconciler` of a team. `usd_per_credit` is there where its budget is kept as credits."""

    usd_per_credit: float | None = None
    top_ups: tuple[str, ...] = ()
    allocation: str | None = None
    organization_id: str | None = None

    def json(self) -> dict[str, Any]:
        """All keys, so that a merge clears what is no longer there."""
        return {
            "v": VERSION,
            "usd_per_credit": self.usd_per_credit,
            "top_ups": list(self.top_ups) or None,
            "allocation": self.allocation,
            "organization_id": self.organization_id,
        }


@dataclass(frozen=True, slots=True)
class TeamCodec:
    """What the coding of teams depends on. `groups`: unified access group -> its id."""

    groups: Mapping[str, str] = field(default_factory=dict)
    organizations: bool = False
    usd_per_credit: float | None = None


def mark_of(body: Body) -> Mark:
    """The mark in an answer; an unmarked team has an empty one."""
    found = (body.get("metadata") or {}).get(MARK)
    found = found if isinstance(found, Mapping) else {}
    rate = found.get("usd_per_credit")
    return Mark(
        float(rate) if isinstance(rate, (int, float)) and rate > 0 else None,
        tuple(map(str, found.get("top_ups") or ())),
        found.get("allocation"),
        found.get("organization_id"),
    )


def team_of(body: Body, codec: TeamCodec) -> Team:
    """The team of a row. Where its mark says what a credit is worth, its budget reads as credits; none is no limit."""
    mark = mark_of(body)
    names = {group_id: name for name, group_id in codec.groups.items()}
    budget, rate = body.get("max_budget"), mark.usd_per_credit
    values: dict[str, Any] = {name: body.get(theirs) for name, theirs in LIMITS.items()}
    if rate:
        values |= {
            "max_budget_usd": None,
            "credits_allocated": credits_of(budget, rate),
            "usd_per_credit": rate,
        }
    return Team.model_construct(
        organization_id=body.get("organization_id")
        if codec.organizations
        else mark.organization_id,
        team_alias=body.get("team_alias") or None,
        access_groups=frozenset(
            names[each] for each in body.get("access_group_ids") or () if each in names
        ),
        status=Status.SUSPENDED if body.get("blocked") else Status.ACTIVE,
        models=models_of(body.get("models")),
        model_aliases=(body.get("litellm_model_table") or {}).get("model_aliases") or None,
        metadata=user_metadata(body.get("metadata")),
        **values,
    )


def credits_of(budget: float | None, rate: float) -> int | None:
    """The credits of a budget in USD; None where there is none, which is no limit at all."""
    return None if budget is None else round(budget / rate)


def models_of(listed: list[str] | None) -> frozenset[str]:
    """An empty list is everything; the sentinel for nothing says nothing beside others."""
    return frozenset(listed or (EVERYTHING,)) - {NO_DEFAULT_MODELS}


def listed_models(models: frozenset[str]) -> list[str]:
    """Never an empty list."""
    return sorted(models) or [NO_DEFAULT_MODELS]


def user_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The metadata without the mark and without what the proxy keeps there; null says the same as nothing."""
    own = {
        name: value
        for name, value in (metadata or {}).items()
        if name != MARK and name not in SERVER_METADATA
    }
    return without_nulls(own) or None


def without_nulls(value: Any) -> Any:
    """PATCH drops null in objects, at any depth (RFC 7386)."""
    if isinstance(value, Mapping):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return value


def foreign_groups(body: Body, codec: TeamCodec) -> list[str]:
    """Ids of access groups that do not exist (any more); they stay as they are."""
    known = frozenset(codec.groups.values())
    return [each for each in body.get("access_group_ids") or () if each not in known]


# ---- what to send


def creation(name: str, team: Team, codec: TeamCodec) -> dict[str, Any]:
    """The body of POST /team/new."""
    rate = rate_of(team, codec)
    mark = Mark(rate, organization_id=None if codec.organizations else team.organization_id)
    body: dict[str, Any] = {
        "team_id": name,
        "team_alias": team.team_alias,
        "models": listed_models(team.models),
        "access_group_ids": sorted(codec.groups[group] for group in team.access_groups),
        "model_aliases": team.model_aliases or {},
        "metadata": {**(team.metadata or {}), MARK: without_nulls(mark.json())},
        "blocked": team.status is Status.SUSPENDED,
        **{theirs: getattr(team, ours) for ours, theirs in LIMITS.items()},
    }
    if rate is not None:
        body["max_budget"] = dollars(team.credits_allocated or 0, rate)
    if codec.organizations and team.organization_id:
        body["organization_id"] = team.organization_id
    return {
        key: value for key, value in body.items() if value is not None or key == "budget_duration"
    }


def rate_of(team: Team, codec: TeamCodec) -> float | None:
    """What a credit of this team is worth in USD; None where its budget is not kept as credits."""
    if team.credits_allocated is None:
        return None
    return team.usd_per_credit or codec.usd_per_credit


def dollars(credits_: int, rate: float) -> float:
    return float(f"{credits_ * rate:.12g}")


Encode = Callable[[Team, Team, Body, TeamCodec], dict[str, Any]]


def patch(before: Team, after: Team, found: Body, codec: TeamCodec) -> dict[str, Any]:
    """The body of PATCH /team/{id}: only what changed, because a re-sent duration moves the reset date.

    `found` is the row as it is now: what of it is not ours (dangling group ids, metadata of others) stays.
    """
    body: dict[str, Any] = {}
    for name, encode in ENCODERS.items():
        if getattr(before, name) != getattr(after, name):
            body |= encode(before, after, found, codec)
    metadata = _metadata_patch(before, after, found, codec)
    return body | ({"metadata": metadata} if metadata else {})


def _plain(name: str, theirs: str) -> Encode:
    return lambda _before, after, _found, _codec: {theirs: getattr(after, name)}


def _groups(_before: Team, after: Team, found: Body, codec: TeamCodec) -> dict[str, Any]:
    ids = {codec.groups[group] for group in after.access_groups}
    return {"access_group_ids": sorted(ids.union(foreign_groups(found, codec)))}


def _organization(_before: Team, after: Team, _found: Body, codec: TeamCodec) -> dict[str, Any]:
    return {"organization_id": after.organization_id} if codec.organizations else {}


ENCODERS: Mapping[str, Encode] = {
    "organization_id": _organization,
    "team_alias": _plain("team_alias", "team_alias"),
    "access_groups": _groups,
    "models": lambda _before, after, _found, _codec: {"models": listed_models(after.models)},
    "model_aliases": lambda _before, after, _found, _codec: {
        "model_aliases": after.model_aliases or {}
    },
    "status": lambda _before, after, _found, _codec: {"blocked": after.status is Status.SUSPENDED},
    **{name: _plain(name, theirs) for name, theirs in LIMITS.items()},
}


def _metadata_patch(before: Team, after: Team, found: Body, codec: TeamCodec) -> dict[str, Any]:
    changed = merge_patch(before.metadata or {}, after.metadata or {})
    mark = mark_of(found).json()
    if not codec.organizations:
        mark["organization_id"] = after.organization_id
    unlimited = (
        after.usd_per_credit is not None
        and before.credits_allocated is None is after.credits_allocated
    )
    mark["usd_per_credit"] = mark["usd_per_credit"] if unlimited else rate_of(after, codec)
    had = (found.get("metadata") or {}).get(MARK)
    return changed | ({MARK: mark} if without_nulls(mark) != had else {})


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The RFC 7386 patch that makes new of old and touches nothing else."""
    patched: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        if name in old and old[name] == value:
            continue
        both = isinstance(value, Mapping) and isinstance(old.get(name), Mapping)
        patched[name] = merge_patch(old[name], value) if both else value
    return patched


def grant(found: Body, rate: float, amount: int, mark: Mark) -> dict[str, Any]:
    """The body that adds (or takes) credits and notes it, in one write of one row: both happen or none."""
    budget = max(0.0, float(f"{(found.get('max_budget') or 0) + amount * rate:.12g}"))
    return {"max_budget": budget, "metadata": {MARK: mark.json()}}
