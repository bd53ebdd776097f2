"""What SaaS LiteLLM must not be sent: it validates little, and a failed team creation burns the id.

Source: SaaS LiteLLM, src/api, observed on the running server.
"""

from collections.abc import Iterator

from reconciler.core.model.findings import Finding, error, warning
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Resource, Team
from reconciler.core.model.refs import Ref

CALLABLE = ("anthropic", "fireworks", "gemini", "openai")
LONGEST = {"model_alias": 200, "access_group": 200, "organization": 255, "team": 255}
MOST_INTEGER, MOST_PRICE, MOST_RATE = 2**31 - 1, 10_000, 10**8


def check(ref: Ref, before: Resource | None, after: Resource | None) -> tuple[Finding, ...]:
    """A finding for each thing that the server would refuse, break on, or turn into something else."""
    return tuple(_refusals(ref, before, after))


def _refusals(ref: Ref, before: Resource | None, after: Resource | None) -> Iterator[Finding]:
    if before is None and after is not None:
        yield from _id(ref)
    if isinstance(after, ModelAlias):
        yield from _model(ref, after)
        yield from _prices(ref, after)
    if isinstance(after, AccessGroup) and not after.model_aliases:
        hint = "LiteLLM reads an empty list as every model; suspend or delete the teams that have no other group"
        yield warning(
            "group-empty",
            f"{ref}: teams with no other group could call every model at LiteLLM itself",
            hint=hint,
            ref=ref,
        )
    if isinstance(after, Team):
        yield from _team(ref, after)
        yield from _numbers(ref, after)


def _id(ref: Ref) -> Iterator[Finding]:
    if "/" in ref.name or ref.name in ("", ".", ".."):
        hint = "the server would create it and then never find it again"
        yield error(
            "id-unreachable",
            f"{ref}: an id cannot hold a slash on SaaS LiteLLM",
            hint=hint,
            ref=ref,
        )
    if len(ref.name) > LONGEST.get(ref.kind, MOST_INTEGER):
        yield error(
            "id-too-long",
            f"{ref}: an id has at most {LONGEST[ref.kind]} characters on SaaS LiteLLM",
            ref=ref,
        )
    if ref.kind == "team" and ref.name.endswith("_default"):
        yield warning(
            "default-team-id",
            f"{ref}: a team whose id ends in _default can never be deleted",
            hint="choose another",
            ref=ref,
        )


def _model(ref: Ref, alias: ModelAlias) -> Iterator[Finding]:
    provider, slash, model = (alias.litellm_model or "").partition("/")
    if not (provider and slash and model):
        message = (
            f"{ref}: SaaS LiteLLM needs provider/model, not {alias.litellm_model or 'nothing'}"
        )
        yield error(
            "provider-required",
            message,
            hint=f"write e.g. litellm_model: openai/{alias.litellm_model or 'gpt-4'}",
            ref=ref,
        )
    elif provider not in CALLABLE:
        message = f"{ref}: SaaS LiteLLM stores provider {provider} but can only call {', '.join(CALLABLE)}"
        yield warning("provider-not-callable", message, ref=ref)


def _prices(ref: Ref, alias: ModelAlias) -> Iterator[Finding]:
    for name in ("pricing_input", "pricing_output"):
        if (getattr(alias, name) or 0) >= MOST_PRICE:
            yield error(
                "price-too-high",
                f"{ref}: {name} must be below {MOST_PRICE:,} on SaaS LiteLLM",
                ref=ref,
            )


def _team(ref: Ref, team: Team) -> Iterator[Finding]:
    if team.organization_id is None:
        yield error(
            "organization-required", f"{ref}: SaaS LiteLLM needs an organization_id", ref=ref
        )
    if not team.access_groups:
        hint = "LiteLLM reads an empty list as every model; leave it a group, and bar it with status: suspended"
        yield error(
            "group-required",
            f"{ref}: a team without access groups could call every model",
            hint=hint,
            ref=ref,
        )


def _numbers(ref: Ref, team: Team) -> Iterator[Finding]:
    for name in ("credits_allocated", "tokens_per_credit"):
        if (getattr(team, name) or 0) > MOST_INTEGER:
            yield error(
                "number-too-large",
                f"{ref}: {name} must be at most {MOST_INTEGER:,} on SaaS LiteLLM",
                ref=ref,
            )
    if (team.credits_per_dollar or 0) >= MOST_RATE:
        yield error(
            "number-too-large",
            f"{ref}: credits_per_dollar must be below {MOST_RATE:,} on SaaS LiteLLM",
            ref=ref,
        )
    if team.tokens_per_credit == 0:
        yield error(
            "number-too-small", f"{ref}: tokens_per_credit must be above 0 on SaaS LiteLLM", ref=ref
        )
