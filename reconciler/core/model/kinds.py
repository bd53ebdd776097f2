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
    """How `credits_allocated` is kept; see `core.credits`."""

    MANAGED = "managed"
    INITIAL = "initial"
    MINIMUM = "minimum"
    EXACT = "exact"


class Spec(BaseModel):
    """What every declared mapping is: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_enum_values=False, validate_default=False
    )


class Resource(Spec):
    """One declared object; its name is the key it stands under."""

    kind: ClassVar[str]
    section: ClassVar[str]
    virtual: ClassVar[bool] = False

    protect: Annotated[
        bool, GitOnly(), Field(description="Never delete this object, even when it leaves git.")
    ] = False
    labels: Annotated[
        Labels,
        GitOnly(),
        Field(description="Free labels for selection and policies, e.g. env: prod."),
    ] = {}
    renamed_from: Annotated[
        str | None,
        GitOnly(),
        Field(description="The former id: carries the object over instead of replacing it."),
    ] = None


class Organization(Resource):
    """A customer; teams belong to it."""

    kind: ClassVar[str] = "organization"
    section: ClassVar[str] = "organizations"

    name: Annotated[
        str, StringConstraints(min_length=1, max_length=255), Field(description="Display name.")
    ]
    metadata: Annotated[
        dict[str, Any] | None, IfDeclared(), Field(description="Free JSON kept on the gateway.")
    ] = None


class Deployment(Spec):
    """One backend of an alias on LiteLLM Proxy; several share the load."""

    litellm_model: Annotated[
        str,
        StringConstraints(min_length=1),
        Field(description="provider/model, as LiteLLM names it."),
    ]
    api_base: Annotated[
        str | None, Field(description="Base URL of the provider's API, if it is not the usual one.")
    ] = None
    api_version: Annotated[
        str | None, Field(description="Version of the provider's API, e.g. for Azure.")
    ] = None
    api_key: Annotated[
        str | None,
        Field(
            pattern=r"^os\.environ/[A-Za-z_][A-Za-z0-9_]*$",
            description="A reference, never a secret.",
        ),
    ] = None
    litellm_credential_name: Annotated[
        str | None, Field(description="Credential stored on the proxy, instead of api_key.")
    ] = None
    rpm: Annotated[Count | None, Field(description="Requests per minute.")] = None
    tpm: Annotated[Count | None, Field(description="Tokens per minute.")] = None
    weight: Annotated[
        Count | None, Field(description="Share of the calls, relative to the other deployments.")
    ] = None
    order: Annotated[Count | None, Field(description="Lower is asked first.")] = None
    base_model: Annotated[
        str | None, Field(description="Model that prices and limits are those of, e.g. for Azure.")
    ] = None
    litellm_params: Annotated[
        dict[str, Any], Field(description="Any other parameter of LiteLLM, for this deployment.")
    ] = {}


class ModelAlias(Resource):
    """The name that teams call, and the model behind it."""

    kind: ClassVar[str] = "model_alias"
    section: ClassVar[str] = "model_aliases"

    litellm_model: Annotated[
        str | None,
        StringConstraints(min_length=1),
        Field(description="provider/model, as LiteLLM names it, e.g. openai/gpt-4."),
    ] = None
    deployments: Annotated[
        tuple[Deployment, ...],
        Field(
            description="Several backends for one alias (LiteLLM Proxy) instead of litellm_model."
        ),
    ] = ()
    description: Annotated[Text | None, Field(description="What the model is good for.")] = None
    display_name: Annotated[
        Text | None, IfDeclared(), Field(description="Name shown to people.")
    ] = None
    status: Annotated[
        Literal[Status.ACTIVE, Status.INACTIVE, Status.DEPRECATED],
        Field(
            description="Only active aliases answer calls; every other status refuses them at once."
        ),
    ] = Status.ACTIVE
    pricing_input: Annotated[
        Money | None, IfDeclared(), Field(description="USD per million input tokens.")
    ] = None
    pricing_output: Annotated[
        Money | None, IfDeclared(), Field(description="USD per million output tokens.")
    ] = None
    litellm_params: Annotated[
        dict[str, Any] | None,
        IfDeclared(),
        Field(
            description="Extra LiteLLM parameters, e.g. mock_response. Secrets only as os.environ/NAME."
        ),
    ] = None
    tags: Annotated[Names, GitOnly(), Field(description="Free tags for select: and policies.")] = (
        frozenset()
    )
    sunset: Annotated[
        date | None,
        GitOnly(),
        Field(description="From this day on the alias leaves every access group."),
    ] = None
    replacement: Annotated[
        str | None, To("model_alias"), GitOnly(), Field(description="The alias to move to.")
    ] = None


class Select(Spec):
    """Chooses aliases by what they are; every given condition must hold."""

    provider: Annotated[
        str | tuple[str, ...] | None,
        Field(description="Provider of litellm_model, one or several."),
    ] = None
    tag: Annotated[
        str | tuple[str, ...] | None, Field(description="A tag the alias carries, one of several.")
    ] = None
    max_price_input: Annotated[
        Money | None, Field(description="At most this many USD per million input tokens.")
    ] = None
    max_price_output: Annotated[
        Money | None, Field(description="At most this many USD per million output tokens.")
    ] = None
    min_price_input: Annotated[
        Money | None, Field(description="At least this many USD per million input tokens.")
    ] = None
    min_price_output: Annotated[
        Money | None, Field(description="At least this many USD per million output tokens.")
    ] = None


class AccessGroup(Resource):
    """A named set of model aliases, granted to teams as one."""

    kind: ClassVar[str] = "access_group"
    section: ClassVar[str] = "access_groups"

    description: Annotated[Text | None, Field(description="What the group is for.")] = None
    display_name: Annotated[
        Text | None, IfDeclared(), Field(description="Name shown to people.")
    ] = None
    model_aliases: Annotated[
        Names, To("model_alias"), Field(description="The aliases in the group.")
    ] = frozenset()
    select: Annotated[
        Select | None, GitOnly(), Field(description="Adds every alias that fits.")
    ] = None


class Limits(Resource):
    """What a pricing plan gives to its teams, and a team may override."""

    access_groups: Annotated[
        Names, To("access_group"), Field(description="Access groups granted.")
    ] = frozenset()
    credits_allocated: Annotated[
        Count | None, IfDeclared(), Field(description="Credits granted in all, cumulative.")
    ] = None
    credits_mode: Annotated[
        CreditsMode | None,
        GitOnly(),
        Field(description="managed (default): top-ups survive; initial; minimum; exact."),
    ] = None
    budget_mode: Annotated[
        Literal["job_based", "consumption_usd", "consumption_tokens"] | None,
        IfDeclared(),
        Field(description="How SaaS LiteLLM charges credits."),
    ] = None
    credits_per_dollar: Annotated[
        Money | None, IfDeclared(), Field(description="SaaS LiteLLM conversion rate.")
    ] = None
    tokens_per_credit: Annotated[
        Count | None, IfDeclared(), Field(description="SaaS LiteLLM conversion rate.")
    ] = None
    max_budget_usd: Annotated[
        Money | None, IfDeclared(), Field(description="Hard budget in USD (LiteLLM max_budget).")
    ] = None
    soft_budget_usd: Annotated[
        Money | None,
        IfDeclared(),
        Field(description="Budget that only alerts (LiteLLM soft_budget)."),
    ] = None
    budget_duration: Annotated[
        Duration | None,
        IfDeclared(),
        Field(description="Budget period: 30s, 5m, 12h, 7d, 4w or 1mo."),
    ] = None
    usd_per_credit: Annotated[
        Money | None,
        GitOnly(),
        Field(description="Turns credits into max_budget_usd on LiteLLM Proxy."),
    ] = None
    tpm_limit: Annotated[Count | None, IfDeclared(), Field(description="Tokens per minute.")] = None
    rpm_limit: Annotated[Count | None, IfDeclared(), Field(description="Requests per minute.")] = (
        None
    )
    metadata: Annotated[
        dict[str, Any] | None,
        IfDeclared(),
        Field(description="Free JSON kept on the gateway's team."),
    ] = None


class PricingPlan(Limits):
    """The tier that a team is on. It lives in git only: gateways know teams, not plans."""

    kind: ClassVar[str] = "pricing_plan"
    section: ClassVar[str] = "plans"
    virtual: ClassVar[bool] = True

    description: Annotated[Text | None, GitOnly(), Field(description="Who the plan is for.")] = None
    price_usd_per_month: Annotated[
        Money | None, GitOnly(), Field(description="What a team on the plan pays.")
    ] = None
    extends: Annotated[
        str | None,
        To("pricing_plan"),
        GitOnly(),
        Field(description="Parent: groups add up, scalars override."),
    ] = None


class Grant(Spec):
    """Access groups for a limited time."""

    access_groups: Annotated[
        Names, To("access_group"), Field(min_length=1, description="Access groups granted.")
    ]
    until: Annotated[
        Instant, Field(description="First day (or instant, UTC unless it says) without the grant.")
    ]
    since: Annotated[
        Instant | None, Field(description="First day (or instant) with the grant.")
    ] = None
    reason: Annotated[Text | None, Field(description="Why, for people who read the plan.")] = None


class TopUp(Spec):
    """Credits granted exactly once ever, under an id of their own."""

    id: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100),
        Field(
            description="Names the top-up for ever: what was granted under it is not granted again."
        ),
    ]
    amount: Annotated[int, Field(gt=0, le=2**31 - 1, strict=True, description="Credits to add.")]
    reason: Annotated[Text | None, Field(description="Why, for people who read the plan.")] = None


class Team(Limits):
    """Who calls models: one virtual key's worth of access, credits and limits."""

    kind: ClassVar[str] = "team"
    section: ClassVar[str] = "teams"

    organization_id: Annotated[
        str | None, To("organization"), Field(description="The organization it belongs to.")
    ] = None
    team_alias: Annotated[Text | None, IfDeclared(), Field(description="Name shown to people.")] = (
        None
    )
    plan: Annotated[
        str | None, To("pricing_plan"), GitOnly(), Field(description="Its pricing plan.")
    ] = None
    status: Annotated[
        Literal[Status.ACTIVE, Status.SUSPENDED],
        Field(description="A suspended team is refused every call."),
    ] = Status.ACTIVE
    models: Annotated[
        Names,
        To("model_alias", checked=False),
        Field(description="Models granted directly, without a group (LiteLLM Proxy only)."),
    ] = frozenset()
    model_aliases: Annotated[
        dict[str, str] | None,
        IfDeclared(),
        Field(
            description="LiteLLM team aliases, public name -> model; they bypass the model list."
        ),
    ] = None
    grants: Annotated[
        tuple[Grant, ...], GitOnly(), Field(description="Access for a limited time.")
    ] = ()
    top_ups: Annotated[
        tuple[TopUp, ...],
        GitOnly(),
        Field(description="One-off credits, each granted exactly once ever."),
    ] = ()
    price_usd_per_month: Annotated[
        Money | None, GitOnly(), Field(description="Instead of the plan's price.")
    ] = None


class Key(Resource):
    """A virtual key of a team on LiteLLM Proxy, declared by alias; created once, its secret delivered once."""

    kind: ClassVar[str] = "key"
    section: ClassVar[str] = "keys"

    team_id: Annotated[str, To("team"), Field(description="The team that the key belongs to.")]
    models: Annotated[
        Names,
        To("model_alias", checked=False),
        Field(description="Narrows the team's models; empty means all of the team's."),
    ] = frozenset()
    max_budget_usd: Annotated[
        Money | None,
        IfDeclared(),
        Field(description="US dollars that calls with the key may cost."),
    ] = None
    budget_duration: Annotated[
        Duration | None, IfDeclared(), Field(description="After how long the budget starts again.")
    ] = None
    tpm_limit: Annotated[Count | None, IfDeclared(), Field(description="Tokens per minute.")] = None
    rpm_limit: Annotated[Count | None, IfDeclared(), Field(description="Requests per minute.")] = (
        None
    )
    metadata: Annotated[
        dict[str, Any] | None,
        IfDeclared(),
        Field(description="Free fields; others are left alone."),
    ] = None
    status: Annotated[
        Literal[Status.ACTIVE, Status.SUSPENDED], Field(description="A suspended key is refused.")
    ] = Status.ACTIVE


class Policy(Resource):
    """A rule over effective access and attributes, in CEL."""

    kind: ClassVar[str] = "policy"
    section: ClassVar[str] = "policies"
    virtual: ClassVar[bool] = True

    description: Annotated[Text | None, GitOnly(), Field(description="What it is for.")] = None
    match: Annotated[
        str | None,
        GitOnly(),
        Field(description="CEL: which (team, model) pairs or teams it is about; all by default."),
    ] = None
    rule: Annotated[
        str,
        StringConstraints(min_length=1),
        GitOnly(),
        Field(description="CEL: what must be true."),
    ]
    message: Annotated[
        Text | None, GitOnly(), Field(description="Said when the rule is violated.")
    ] = None
    level: Annotated[
        Literal["error", "warning"],
        GitOnly(),
        Field(description="error: a plan that violates it is refused; warning: it is told."),
    ] = "error"


KINDS: Mapping[str, type[Resource]] = {
    cls.kind: cls for cls in (Organization, ModelAlias, AccessGroup, PricingPlan, Team, Key, Policy)
}
SECTIONS: Mapping[str, type[Resource]] = {cls.section: cls for cls in KINDS.values()}


@cache
def links(cls: type[Spec]) -> Mapping[str, To]:
    """Field name -> To, for the fields that point at other resources."""
    found = {
        name: [m for m in field.metadata if isinstance(m, To)]
        for name, field in cls.model_fields.items()
    }
    return {name: marks[0] for name, marks in found.items() if marks}


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
