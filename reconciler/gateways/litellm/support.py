"""What LiteLLM Proxy stores and how a wish reads on it: abilities, canonical forms, and what it must not be sent."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reconciler.core.access.facts import AccessFacts
from reconciler.core.access.litellm.facts import facts_after, moved_facts
from reconciler.core.access.litellm.lists import NO_DEFAULT_MODELS
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.findings import Finding, error
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import (
    AccessGroup,
    Key,
    ModelAlias,
    Organization,
    Resource,
    Status,
    Team,
)
from reconciler.core.model.refs import Ref
from reconciler.core.plan.safety import BUDGET_CUT, refusal
from reconciler.core.plan.support import KindSupport, Support
from reconciler.gateways.litellm.aliases import MARK, canonical
from reconciler.gateways.litellm.keys import ALL_OF_THE_TEAM
from reconciler.gateways.litellm.secrets import owes_secret, replacing, with_secrets
from reconciler.gateways.litellm.teams import SERVER_METADATA, credits_of, dollars, without_nulls

BACKEND = "litellm"
# A pattern is a regex of which only the star is translated; these characters mean themselves in it, or any one (`.`).
_PATTERN = re.compile(r"[A-Za-z0-9._/:*-]+\Z")


NO_RATE = "no usd_per_credit, on the plan or in the gateway's settings, says what a credit is worth"


def _kind(stored: str, *, fixed: str = "", notes: Mapping[str, str] | None = None) -> KindSupport:
    fields = frozenset(stored.split())
    return KindSupport(fields, fields - frozenset(fixed.split()), fields, notes=notes or {})


KINDS: Mapping[str, KindSupport] = {
    "model_alias": _kind(
        "litellm_model deployments description display_name status pricing_input pricing_output litellm_params"
    ),
    "access_group": _kind(
        "description model_aliases",
        notes={"display_name": "a unified access group has no other name than its own"},
    ),
    "team": _kind(
        "organization_id team_alias access_groups status models model_aliases credits_allocated max_budget_usd"
        " soft_budget_usd budget_duration tpm_limit rpm_limit metadata",
        notes={
            "budget_mode": "it knows budgets in USD only",
            "credits_per_dollar": "usd_per_credit says what a credit is worth here",
            "tokens_per_credit": "usd_per_credit says what a credit is worth here",
            "credits_allocated": NO_RATE,
            "top_ups": NO_RATE,
        },
    ),
    "key": _kind(
        "team_id models max_budget_usd budget_duration tpm_limit rpm_limit metadata status",
        fixed="team_id",
        notes={"team_id": "a key stays in its team"},
    ),
}
ORGANIZATION = _kind("name metadata")
# In place, and who refers to them follows; the id of a team is for ever.
RENAMES = frozenset({"model_alias", "access_group", "key"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the gateway and the core does not know. Budgets and spend in USD, by team.

    `top_ups`: team -> ids of the top-ups that its row says it was given. `by_others`: aliases with a deployment that
    somebody else created, so that it may hold secrets that no read shows. `access`: `core.access.litellm.facts`.
    """

    budgets: Mapping[str, float | None] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    spend: Mapping[str, float] = field(default_factory=dict)
    top_ups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    in_config: frozenset[str] = frozenset()
    by_others: frozenset[str] = frozenset()
    access: AccessFacts = field(default_factory=dict)


def support(
    rules: LiteLLMRules,
    facts: Facts,
    *,
    organizations: bool,
    rate: float | None,
    lifetimes: Mapping[str, float] | None = None,
) -> Support:
    """The abilities, with what the last read found; `rate` is the settings' usd_per_credit."""
    terms = Terms(facts, rate)
    return Support(
        backend=BACKEND,
        kinds={**KINDS, "organization": ORGANIZATION} if organizations else KINDS,
        rules=rules,
        normalise=normalise,
        wished=terms.wished,
        seen=terms.seen,
        unkept=terms.unkept,
        check=checks(facts),
        credits="operations",
        unlimited_credits=True,
        topped_up=terms.topped_up,
        owes_secret=owes_secret,
        serving=rules.serving,
        repeatable_grants=True,
        keys=frozenset({"key"}),
        chosen_keys=frozenset({"key"}),
        renames=RENAMES,
        balance="usd",
        lifetimes={kind: seconds for kind, seconds in (lifetimes or {}).items() if seconds},
        processes="LiteLLM's processes",
        facts=facts.access,
        moved=partial(moved_facts, rules, facts.access),
        facts_after=facts_after,
    )


def normalise(_ref: Ref, resource: Resource) -> Resource:
    """As the proxy would echo it, in the canonical form of `litellm_models` and `litellm_teams`."""
    if isinstance(resource, ModelAlias):
        return canonical(resource)
    if isinstance(resource, AccessGroup):
        return _with(resource, description=resource.description or None)
    if isinstance(resource, Team):
        return _with(
            resource,
            team_alias=resource.team_alias or None,
            models=resource.models - {NO_DEFAULT_MODELS},
            model_aliases=resource.model_aliases or None,
            metadata=without_nulls(resource.metadata) or None,
        )
    if isinstance(resource, Key):
        metadata = without_nulls(resource.metadata) or None
        return _with(resource, models=resource.models - {ALL_OF_THE_TEAM}, metadata=metadata)
    if isinstance(resource, Organization):
        return _with(resource, metadata=without_nulls(resource.metadata) or None)
    return resource


def _with(resource: Resource, **values: Any) -> Resource:
    """The resource with values that differ replaced; which fields were declared stays as it was."""
    if all(getattr(resource, name) == value for name, value in values.items()):
        return resource
    everything = {name: getattr(resource, name) for name in type(resource).model_fields} | values
    return type(resource).model_construct(set(resource.model_fields_set), **everything)


@dataclass(frozen=True, slots=True)
class Terms:
    """Wish and live in common terms: the budget in credits where the wish is, and of metadata only our keys."""

    facts: Facts
    rate: float | None

    def rate_of(self, wish: Team) -> float | None:
        return wish.usd_per_credit or self.rate

    def unkept(self, _ref: Ref, wish: Resource) -> frozenset[str]:
        """Credits that nothing says the worth of."""
        if not isinstance(wish, Team) or self.rate_of(wish) is not None:
            return frozenset()
        named = {
            "credits_allocated": wish.credits_allocated is not None,
            "top_ups": bool(wish.top_ups),
        }
        return frozenset(name for name, there in named.items() if there)

    def wished(
        self, ref: Ref, wish: Resource, live: Resource | None, record: Record | None
    ) -> Resource:
        """The wish; where a credit's worth changed, with the budget that the credits there are come to now.

        An alias keeps what nobody can read of it and nobody declares, as it keeps an api_key.
        """
        if isinstance(wish, ModelAlias):
            return with_secrets(wish, live, record)
        if not isinstance(wish, Team):
            return wish
        rate = self.rate_of(wish)
        if rate is None:
            return (
                wish.model_copy(update={"credits_allocated": None, "top_ups": ()})
                if self.unkept(ref, wish)
                else wish
            )
        if wish.credits_allocated is None:
            return wish
        update: dict[str, Any] = {"usd_per_credit": rate}
        there = self._credits(ref, rate)
        if live is not None and there is not None and self.facts.rates.get(ref.name, rate) != rate:
            update["max_budget_usd"] = dollars(there, rate)
        return wish.model_copy(update=update)

    def topped_up(self, ref: Ref, wish: Resource) -> int:
        given = self.facts.top_ups.get(ref.name, frozenset())
        return (
            sum(each.amount for each in wish.top_ups if each.id in given)
            if isinstance(wish, Team)
            else 0
        )

    def seen(self, ref: Ref, wish: Resource, live: Resource, record: Record | None) -> Resource:
        """The live object in the terms of the wish."""
        if isinstance(wish, Team) and isinstance(live, Team):
            live = self._budgeted(ref, wish, live)
        if isinstance(wish, (Team, Key, Organization)):
            return _our_metadata(wish, live, record)
        return live

    def _budgeted(self, ref: Ref, wish: Team, live: Team) -> Team:
        budget = self.facts.budgets.get(ref.name)
        rate = self.rate_of(wish)
        if wish.credits_allocated is None or rate is None:
            return live.model_copy(
                update={"credits_allocated": None, "max_budget_usd": budget, "usd_per_credit": None}
            )
        moved = self.facts.rates.get(ref.name, rate) != rate
        update = {
            "credits_allocated": self._credits(ref, rate),
            "max_budget_usd": budget if moved else None,
        }
        return live.model_copy(update={**update, "usd_per_credit": rate})

    def _credits(self, ref: Ref, rate: float) -> int | None:
        return credits_of(self.facts.budgets.get(ref.name), self.facts.rates.get(ref.name, rate))


def _our_metadata(wish: Resource, live: Resource, record: Record | None) -> Resource:
    """Others keep keys of their own in the same metadata: compared are those that we declare or declared."""
    declared = (getattr(wish, "metadata", None) or {}).keys()
    applied = (record.applied.get("metadata") or {}).keys() if record else set[str]()
    there = getattr(live, "metadata", None)
    if there is None or not ("metadata" in wish.model_fields_set or applied):
        return live
    ours = {name: value for name, value in there.items() if name in declared | applied}
    return live.model_copy(update={"metadata": ours or None})


# ---- what must not be sent


def checks(facts: Facts) -> Callable[[Ref, Resource | None, Resource | None], tuple[Finding, ...]]:
    def check(ref: Ref, before: Resource | None, after: Resource | None) -> tuple[Finding, ...]:
        return tuple(_refusals(ref, before, after, facts))

    return check


def _refusals(
    ref: Ref, before: Resource | None, after: Resource | None, facts: Facts
) -> Iterator[Finding]:
    if isinstance(after, ModelAlias):
        yield from _patterns(ref, (ref.name,))
        yield from replacing(ref, before, after, facts.by_others)
        if before is None and ref.name in facts.in_config:
            yield error(
                "in-config-yaml",
                f"{ref} is defined in the proxy's config.yaml, which the API cannot change",
                ref=ref,
            )
    elif isinstance(after, AccessGroup):
        yield from _patterns(ref, sorted(after.model_aliases))
    elif isinstance(after, Team):
        yield from _patterns(ref, sorted(after.models))
        yield from _budget(ref, after)
        yield from _reserved(ref, after.metadata)
        yield from _over_budget(ref, before, after, facts)
    elif isinstance(after, Key):
        yield from _patterns(ref, sorted(after.models))
        yield from _reserved(ref, after.metadata)


def _patterns(ref: Ref, names: tuple[str, ...] | list[str]) -> Iterator[Finding]:
    for name in names:
        if "*" in name and not _PATTERN.match(name):
            message = f"{ref}: {name!r} is read as a regular expression, and a broken one fails every call of a team"
            yield error(
                "invalid-wildcard",
                message,
                hint="use letters, digits and . _ / : - beside the star",
                ref=ref,
            )


def _budget(ref: Ref, team: Team) -> Iterator[Finding]:
    hard = _hard(team)
    if hard is not None and team.soft_budget_usd is not None and team.soft_budget_usd >= hard:
        message = (
            f"{ref}: soft_budget_usd {team.soft_budget_usd:g} is not below the hard budget {hard:g}"
        )
        yield error("budget-order", message, hint="LiteLLM refuses that", ref=ref)


def _reserved(ref: Ref, metadata: Mapping[str, Any] | None) -> Iterator[Finding]:
    taken = sorted(name for name in metadata or {} if name == MARK or name in SERVER_METADATA)
    if taken:
        yield error(
            "reserved-metadata",
            f"{ref}: LiteLLM keeps {', '.join(taken)} in metadata itself",
            hint="use another name",
            ref=ref,
        )


def _over_budget(ref: Ref, before: Resource | None, after: Team, facts: Facts) -> Iterator[Finding]:
    """A first limit. One that is spent already is the loss of every model, which `core.spending` sees and refuses."""
    hard, spend = _hard(after), facts.spend.get(ref.name, 0.0)
    if not isinstance(before, Team) or hard is None or after.status is not Status.ACTIVE:
        return
    if facts.budgets.get(ref.name) is None and spend < hard:
        message = (
            f"{ref}: its budget goes from unlimited to {hard:g} USD, of which {spend:g} are spent"
        )
        yield replace(refusal(BUDGET_CUT, message), ref=ref)


def _hard(team: Team) -> float | None:
    """The hard budget in USD that a team is to have, None for no limit."""
    if team.credits_allocated is None or team.usd_per_credit is None:
        return team.max_budget_usd
    return dollars(team.credits_allocated, team.usd_per_credit)
