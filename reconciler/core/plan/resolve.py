"""resolve: the state as written -> the effective wish at `now`.

Plans, selections, time-limited grants and sunsets are resolved: groups hold what a gateway can hold. The dates stay
beside that, for what is announced by them (`core.plan.meaning.announced`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from reconciler.core.model.kinds import (
    AccessGroup,
    Grant,
    Limits,
    ModelAlias,
    PricingPlan,
    Resource,
    Select,
    Team,
)
from reconciler.core.model.prices import PriceMap, price_of, providers_of
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State

INHERITED = tuple(name for name in Limits.model_fields if name not in Resource.model_fields)
Range = tuple[
    float | None, float | None, float | None
]  # a price, and what it may be at least and at most
SCALARS = tuple(name for name in INHERITED if name != "access_groups")


@dataclass(frozen=True)
class Resolved:
    """The desired state; `plans` are the pricing plans with their parents' groups and scalars filled in."""

    state: State
    plans: Mapping[str, PricingPlan]


def resolve(written: State, now: datetime, prices: PriceMap) -> Resolved:
    """The desired state at `now`. Expects a state without dangling links and cycles (`core.rules.check`)."""
    plans = expand_plans(written.of(PricingPlan))
    sunset = frozenset(
        name
        for name, alias in written.of(ModelAlias).items()
        if alias.sunset and instant(alias.sunset) <= now
    )
    resolved: dict[Ref, Resource] = {}
    for ref, resource in written.resources.items():
        if isinstance(resource, AccessGroup):
            resolved[ref] = resolve_group(resource, written.of(ModelAlias), sunset, prices)
        elif isinstance(resource, Team):
            resolved[ref] = resolve_team(resource, plans, now)
        elif not resource.virtual:
            resolved[ref] = resource
    return Resolved(State(resolved), plans)


def expand_plans(plans: Mapping[str, PricingPlan]) -> Mapping[str, PricingPlan]:
    """Each plan with what it extends: groups add up, scalars override. A cycle or an unknown parent ends the chain."""
    return {name: _expand(name, plans) for name in plans}


def lineage(name: str, plans: Mapping[str, PricingPlan]) -> tuple[str, ...]:
    """The plan, its parent, and so on."""
    chain: list[str] = []
    current: str | None = name
    while current is not None and current in plans and current not in chain:
        chain.append(current)
        current = plans[current].extends
    return tuple(chain)


def _expand(name: str, plans: Mapping[str, PricingPlan]) -> PricingPlan:
    chain = [plans[each] for each in lineage(name, plans)]
    update = _inherit(chain[0], chain[1:], (*SCALARS, "price_usd_per_month"))
    update["access_groups"] = frozenset().union(*(plan.access_groups for plan in chain))
    return plans[name].model_copy(update=update)


def _inherit(own: Limits, parents: Iterable[Limits], fields: Iterable[str]) -> dict[str, Any]:
    """Field -> value of the nearest parent that sets it, for the fields that `own` does not set."""
    found: dict[str, Any] = {}
    for parent in parents:
        for name in fields:
            if (
                name in parent.model_fields_set
                and name not in own.model_fields_set
                and name not in found
            ):
                found[name] = getattr(parent, name)
    return found


def resolve_team(team: Team, plans: Mapping[str, PricingPlan], now: datetime) -> Team:
    """The team with its plan's groups, credits and limits, and the grants that hold at `now`."""
    plan = plans.get(team.plan) if team.plan else None
    current = [grant.access_groups for grant in team.grants if holds(grant, now)]
    inherited = (plan.access_groups,) if plan else ()
    update: dict[str, Any] = (
        _inherit(team, [plan], (*SCALARS, "price_usd_per_month")) if plan else {}
    )
    own = team.access_groups.union(*inherited)
    update["access_groups"] = own.union(*current)
    return team.model_copy(
        update={**update, "grants": tuple(_narrowed(team, own))} if team.grants else update
    )


def _narrowed(team: Team, own: frozenset[str]) -> Iterator[Grant]:
    """The grants, past and future ones too, with just what the team has by nothing else: it goes when they end."""
    for grant in team.grants:
        apart = grant.access_groups - own
        if apart:
            yield grant.model_copy(update={"access_groups": apart})


def holds(grant: Grant, now: datetime) -> bool:
    """Whether a grant is in force: from `since` on, and before `until`."""
    return now < instant(grant.until) and (grant.since is None or instant(grant.since) <= now)


def instant(moment: date | datetime) -> datetime:
    """A day begins at midnight UTC; an instant without a zone is in UTC."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time(), tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def resolve_group(
    group: AccessGroup, aliases: Mapping[str, ModelAlias], sunset: frozenset[str], prices: PriceMap
) -> AccessGroup:
    """The group with what it selects, without aliases whose sunset has come."""
    chosen = selected(group.select, aliases, prices) if group.select else frozenset()
    members = (group.model_aliases | chosen) - sunset
    return (
        group
        if members == group.model_aliases and not group.select
        else group.model_copy(update={"model_aliases": members, "select": None})
    )


def selected(select: Select, aliases: Mapping[str, ModelAlias], prices: PriceMap) -> frozenset[str]:
    """The aliases that fit every condition. An alias without a known price fits no price condition."""
    return frozenset(name for name, alias in aliases.items() if _fits(select, alias, prices))


def unpriced(select: Select, aliases: Mapping[str, ModelAlias], prices: PriceMap) -> frozenset[str]:
    """The aliases that only a price which is not known keeps out."""
    return frozenset(
        name
        for name, alias in aliases.items()
        if _is_among(select, alias, prices)
        and any(
            price is None and (low, high) != (None, None)
            for price, low, high in _ranges(select, alias, prices)
        )
        and all(
            price is None or _within(price, low, high)
            for price, low, high in _ranges(select, alias, prices)
        )
    )


def _fits(select: Select, alias: ModelAlias, prices: PriceMap) -> bool:
    ranges = _ranges(select, alias, prices)
    return _is_among(select, alias, prices) and all(
        _within(price, low, high) for price, low, high in ranges
    )


def _is_among(select: Select, alias: ModelAlias, prices: PriceMap) -> bool:
    """Whether the alias fits the conditions that are not about prices."""
    if select.provider is not None and not _many(select.provider) & providers_of(alias, prices):
        return False
    return select.tag is None or bool(_many(select.tag) & alias.tags)


def _ranges(select: Select, alias: ModelAlias, prices: PriceMap) -> tuple[Range, ...]:
    price_input, price_output = price_of(alias, prices)
    return (
        (price_input, select.min_price_input, select.max_price_input),
        (price_output, select.min_price_output, select.max_price_output),
    )


def _many(value: str | tuple[str, ...]) -> frozenset[str]:
    return frozenset((value,) if isinstance(value, str) else value)


def _within(price: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return price is not None and (low is None or low <= price) and (high is None or price <= high)
