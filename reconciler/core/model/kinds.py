"""Every kind of resource, as one frozen class each: schema, links, order, diff and rendering follow from the class.

A field's annotations say how it takes part:

    To("kind")    the value names resources of that kind
    GitOnly()     lives in git and the ledger only; no gateway stores it, no diff compares it
    IfDeclared()    absent means "not ours": the gateway's value stays (until we managed it once); null means "clear it"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from reconciler.core.model.refs import To


@dataclass(frozen=True, slots=True)
class GitOnly:
    """The field is ours alone: it is resolved away or only described, never sent to a gateway."""


@dataclass(frozen=True, slots=True)
class IfDeclared:
    """The field is managed only where it is written; see the module's docstring."""


def _sorted(names: frozenset[str]) -> list[str]:
    return sorted(names)


Names = Annotated[frozenset[str], PlainSerializer(_sorted, return_type=list[str])]
Text = Annotated[str, StringConstraints(max_length=2000)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53, strict=True)]
Labels = dict[str, str]
Duration = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]*(s|m|h|d|w)|1mo)$")]


def _instant_as_written(value: object) -> object:
    """Pydantic would take an instant at midnight for a day, and forget its zone."""
    return (
        datetime.fromisoformat(value)
        if isinstance(value, str) and len(value) > len("2026-12-31")
        else value
    )


Instant = Annotated[date | datetime, BeforeValidator(_instant_as_written)]


class Status(StrEnum):
    """`active` answers calls. SaaS LiteLLM knows no other usable alias status; a team is active or suspended."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    INACTIVE = "inactive"
    DEPRECATED = "deprecated"


class CreditsMode(StrEnum):
    """How `credits_allocated` is kept."""

    MANAGED = "managed"
    INITIAL = "initial"
    MINIMUM = "minimum"
    EXACT = "exact"


class Spec(BaseModel):
    """What every declared mapping is: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_enum_values=False,
        validate_default=False,
        # What stands below a field is its description in the JSON Schemas.
        use_attribute_docstrings=True,
    )


class Resource(Spec):
    """One declared object; its name is the key it stands under."""

    kind: ClassVar[str]
    section: ClassVar[str]
    virtual: ClassVar[bool] = False

    protect: Annotated[bool, GitOnly()] = False
    """Never delete this object, even when it leaves git."""
    labels: Annotated[Labels, GitOnly()] = {}
    """Free labels for selection and policies, e.g. env: prod."""
    renamed_from: Annotated[str | None, GitOnly()] = None
    """The former id: carries the object over instead of replacing it."""


class Organization(Resource):
    """A customer; teams belong to it."""

    kind: ClassVar[str] = "organization"
    section: ClassVar[str] = "organizations"

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    """Display name."""
    metadata: Annotated[dict[str, Any] | None, IfDeclared()] = None
    """Free JSON kept on the gateway."""


class Deployment(Spec):
    """One backend of an alias on LiteLLM Proxy; several share the load."""

    litellm_model: Annotated[str, StringConstraints(min_length=1)]
    """provider/model, as LiteLLM names it."""
    api_base: str | None = None
    """Base URL of the provider's API, if it is not the usual one."""
    api_version: str | None = None
    """Version of the provider's API, e.g. for Azure."""
    api_key: Annotated[str | None, Field(pattern=r"^os\.environ/[A-Za-z_][A-Za-z0-9_]*$")] = None
    """A reference, never a secret."""
    litellm_credential_name: str | None = None
    """Credential stored on the proxy, instead of api_key."""
    rpm: Count | None = None
    """Requests per minute."""
    tpm: Count | None = None
    """Tokens per minute."""
    weight: Count | None = None
    """Share of the calls, relative to the other deployments."""
    order: Count | None = None
    """Lower is asked first."""
    base_model: str | None = None
    """Model that prices and limits are those of, e.g. for Azure."""
    litellm_params: dict[str, Any] = {}
    """Any other parameter of LiteLLM, for this deployment."""


class ModelAlias(Resource):
    """The name that teams call, and the model behind it."""

    kind: ClassVar[str] = "model_alias"
    section: ClassVar[str] = "model_aliases"

    litellm_model: Annotated[str | None, StringConstraints(min_length=1)] = None
    """provider/model, as LiteLLM names it, e.g. openai/gpt-4."""
    deployments: tuple[Deployment, ...] = ()
    """Several backends for one alias (LiteLLM Proxy) instead of litellm_model."""
    description: Text | None = None
    """What the model is good for."""
    display_name: Annotated[Text | None, IfDeclared()] = None
    """Name shown to people."""
    status: Literal[Status.ACTIVE, Status.INACTIVE, Status.DEPRECATED] = Status.ACTIVE
    """Only active aliases answer calls; every other status refuses them at once."""
    pricing_input: Annotated[Money | None, IfDeclared()] = None
    """USD per million input tokens."""
    pricing_output: Annotated[Money | None, IfDeclared()] = None
    """USD per million output tokens."""
    litellm_params: Annotated[dict[str, Any] | None, IfDeclared()] = None
    """Extra LiteLLM parameters, e.g. mock_response. Secrets only as os.environ/NAME."""
    tags: Annotated[Names, GitOnly()] = frozenset()
    """Free tags for select: and policies."""
    sunset: Annotated[date | None, GitOnly()] = None
    """From this day on the alias leaves every access group."""
    replacement: Annotated[str | None, To("model_alias"), GitOnly()] = None
    """The alias to move to."""


class Select(Spec):
    """Chooses aliases by what they are; every given condition must hold."""

    provider: str | tuple[str, ...] | None = None
    """Provider of litellm_model, one or several."""
    tag: str | tuple[str, ...] | None = None
    """A tag the alias carries, one of several."""
    max_price_input: Money | None = None
    """At most this many USD per million input tokens."""
    max_price_output: Money | None = None
    """At most this many USD per million output tokens."""
    min_price_input: Money | None = None
    """At least this many USD per million input tokens."""
    min_price_output: Money | None = None
    """At least this many USD per million output tokens."""


class AccessGroup(Resource):
    """A named set of model aliases, granted to teams as one."""

    kind: ClassVar[str] = "access_group"
    section: ClassVar[str] = "access_groups"

    description: Text | None = None
    """What the group is for."""
    display_name: Annotated[Text | None, IfDeclared()] = None
    """Name shown to people."""
    model_aliases: Annotated[Names, To("model_alias")] = frozenset()
    """The aliases in the group."""
    select: Annotated[Select | None, GitOnly()] = None
    """Adds every alias that fits."""


class Limits(Resource):
    """What a pricing plan gives to its teams, and a team may override."""

    access_groups: Annotated[Names, To("access_group")] = frozenset()
    """Access groups granted."""
    credits_allocated: Annotated[Count | None, IfDeclared()] = None
    """Credits granted in all, cumulative."""
    credits_mode: Annotated[CreditsMode | None, GitOnly()] = None
    """managed (default): top-ups survive; initial; minimum; exact."""
    budget_mode: Annotated[
        Literal["job_based", "consumption_usd", "consumption_tokens"] | None, IfDeclared()
    ] = None
    """How SaaS LiteLLM charges credits."""
    credits_per_dollar: Annotated[Money | None, IfDeclared()] = None
    """SaaS LiteLLM conversion rate."""
    tokens_per_credit: Annotated[Count | None, IfDeclared()] = None
    """SaaS LiteLLM conversion rate."""
    max_budget_usd: Annotated[Money | None, IfDeclared()] = None
    """Hard budget in USD (LiteLLM max_budget)."""
    soft_budget_usd: Annotated[Money | None, IfDeclared()] = None
    """Budget that only alerts (LiteLLM soft_budget)."""
    budget_duration: Annotated[Duration | None, IfDeclared()] = None
    """Budget period: 30s, 5m, 12h, 7d, 4w or 1mo."""
    usd_per_credit: Annotated[Money | None, GitOnly()] = None
    """Turns credits into max_budget_usd on LiteLLM Proxy."""
    tpm_limit: Annotated[Count | None, IfDeclared()] = None
    """Tokens per minute."""
    rpm_limit: Annotated[Count | None, IfDeclared()] = None
    """Requests per minute."""
    metadata: Annotated[dict[str, Any] | None, IfDeclared()] = None
    """Free JSON kept on the gateway's team."""


class PricingPlan(Limits):
    """The tier that a team is on. It lives in git only: gateways know teams, not plans."""

    kind: ClassVar[str] = "pricing_plan"
    section: ClassVar[str] = "plans"
    virtual: ClassVar[bool] = True

    description: Annotated[Text | None, GitOnly()] = None
    """Who the plan is for."""
    price_usd_per_month: Annotated[Money | None, GitOnly()] = None
    """What a team on the plan pays."""
    extends: Annotated[str | None, To("pricing_plan"), GitOnly()] = None
    """Parent: groups add up, scalars override."""


class Grant(Spec):
    """Access groups for a limited time."""

    access_groups: Annotated[Names, To("access_group"), Field(min_length=1)]
    """Access groups granted."""
    until: Instant
    """First day (or instant, UTC unless it says) without the grant."""
    since: Instant | None = None
    """First day (or instant) with the grant."""
    reason: Text | None = None
    """Why, for people who read the plan."""


class TopUp(Spec):
    """Credits granted exactly once ever, under an id of their own."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
    """Names the top-up for ever: what was granted under it is not granted again."""
    amount: Annotated[int, Field(gt=0, le=2**31 - 1, strict=True)]
    """Credits to add."""
    reason: Text | None = None
    """Why, for people who read the plan."""


class Team(Limits):
    """Who calls models: one virtual key's worth of access, credits and limits."""

    kind: ClassVar[str] = "team"
    section: ClassVar[str] = "teams"

    organization_id: Annotated[str | None, To("organization")] = None
    """The organization it belongs to."""
    team_alias: Annotated[Text | None, IfDeclared()] = None
    """Name shown to people."""
    plan: Annotated[str | None, To("pricing_plan"), GitOnly()] = None
    """Its pricing plan."""
    status: Literal[Status.ACTIVE, Status.SUSPENDED] = Status.ACTIVE
    """A suspended team is refused every call."""
    models: Annotated[Names, To("model_alias", checked=False)] = frozenset()
    """Models granted directly, without a group (LiteLLM Proxy only)."""
    model_aliases: Annotated[dict[str, str] | None, IfDeclared()] = None
    """LiteLLM team aliases, public name -> model; they bypass the model list."""
    grants: Annotated[tuple[Grant, ...], GitOnly()] = ()
    """Access for a limited time."""
    top_ups: Annotated[tuple[TopUp, ...], GitOnly()] = ()
    """One-off credits, each granted exactly once ever."""
    price_usd_per_month: Annotated[Money | None, GitOnly()] = None
    """Instead of the plan's price."""


class Key(Resource):
    """A virtual key of a team on LiteLLM Proxy, declared by alias; created once, its secret delivered once."""

    kind: ClassVar[str] = "key"
    section: ClassVar[str] = "keys"

    team_id: Annotated[str, To("team")]
    """The team that the key belongs to."""
    models: Annotated[Names, To("model_alias", checked=False)] = frozenset()
    """Narrows the team's models; empty means all of the team's."""
    max_budget_usd: Annotated[Money | None, IfDeclared()] = None
    """US dollars that calls with the key may cost."""
    budget_duration: Annotated[Duration | None, IfDeclared()] = None
    """After how long the budget starts again."""
    tpm_limit: Annotated[Count | None, IfDeclared()] = None
    """Tokens per minute."""
    rpm_limit: Annotated[Count | None, IfDeclared()] = None
    """Requests per minute."""
    metadata: Annotated[dict[str, Any] | None, IfDeclared()] = None
    """Free fields; others are left alone."""
    status: Literal[Status.ACTIVE, Status.SUSPENDED] = Status.ACTIVE
    """A suspended key is refused."""


class Policy(Resource):
    """A rule over effective access and attributes, in CEL."""

    kind: ClassVar[str] = "policy"
    section: ClassVar[str] = "policies"
    virtual: ClassVar[bool] = True

    description: Annotated[Text | None, GitOnly()] = None
    """What it is for."""
    match: Annotated[str | None, GitOnly()] = None
    """CEL: which (team, model) pairs or teams it is about; all by default."""
    rule: Annotated[str, StringConstraints(min_length=1), GitOnly()]
    """CEL: what must be true."""
    message: Annotated[Text | None, GitOnly()] = None
    """Said when the rule is violated."""
    level: Annotated[Literal["error", "warning"], GitOnly()] = "error"
    """error: a plan that violates it is refused; warning: it is told."""


KINDS: Mapping[str, type[Resource]] = {
    cls.kind: cls for cls in (Organization, ModelAlias, AccessGroup, PricingPlan, Team, Key, Policy)
}
SECTIONS: Mapping[str, type[Resource]] = {cls.section: cls for cls in KINDS.values()}


@cache
def links(cls: type[Spec]) -> Mapping[str, To]:
    """Field name -> To, for the fields that point at other resources."""
    marks_of = {
        name: [m for m in field.metadata if isinstance(m, To)]
        for name, field in cls.model_fields.items()
    }
    return {name: marks[0] for name, marks in marks_of.items() if marks}


@cache
def marked(cls: type[Spec], mark: type) -> frozenset[str]:
    """The names of the fields that carry the given annotation."""
    fields = cls.model_fields.items()
    return frozenset(
        name for name, field in fields if any(isinstance(m, mark) for m in field.metadata)
    )


@cache
def gateway_fields(cls: type[Resource]) -> tuple[str, ...]:
    """The fields that a gateway may store, in declaration order."""
    return tuple(name for name in cls.model_fields if name not in marked(cls, GitOnly))
