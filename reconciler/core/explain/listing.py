"""listing: all objects of one kind of a world, one row each, with the counts that people look for. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.access.rules import AccessRules, access
from reconciler.core.model.kinds import (
    KINDS,
    AccessGroup,
    Key,
    ModelAlias,
    Organization,
    Policy,
    PricingPlan,
    Team,
    gateway_fields,
)
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State

Row = Mapping[str, Any]
Runtime = Mapping[Ref, Mapping[str, Any]]


@dataclass(frozen=True)
class Listed:
    """What a list is made of: a state, what lives in git alone, and what only the gateway knows of live objects."""

    state: State
    plans: Mapping[str, PricingPlan]
    policies: Mapping[str, Policy]
    rules: AccessRules
    runtime: Runtime


@dataclass(frozen=True)
class Listing:
    """`kind` is empty where the rows are of several kinds. All rows have the same columns; `name` is one of them."""

    kind: str
    rows: tuple[Row, ...]


def listing(world: Listed, kind: str) -> Listing:
    """The objects of the kind by name."""
    rows = ROWS[kind](world) if kind in ROWS else _fields(world, kind)
    return Listing(kind, tuple(rows))


def kinds_listing(world: Listed) -> Listing:
    """How many objects each kind has."""
    counts = {kind: len(world.state.of(cls)) for kind, cls in KINDS.items()}
    counts |= {PricingPlan.kind: len(world.plans), Policy.kind: len(world.policies)}
    return Listing(
        "",
        tuple(
            {"kind": kind, "objects": counts[kind]}
            for kind in (*ROWS, *(kind for kind in KINDS if kind not in ROWS))
        ),
    )


def foreign_listing(live: State, ours: Collection[Ref], kind: str | None) -> Listing:
    """The live objects that are not ours, of one kind or of all."""
    refs = sorted(ref for ref in live if ref not in ours and kind in (None, ref.kind))
    rows = tuple({"kind": ref.kind, "name": ref.name} for ref in refs)
    return Listing(kind or "", rows)


def _fields(world: Listed, kind: str) -> Iterator[Row]:
    """For a kind that has no table of its own: what a gateway stores of it."""
    cls = KINDS[kind]
    for name, resource in sorted(world.state.of(cls).items()):
        yield {"name": name} | {
            field: _shown(getattr(resource, field)) for field in gateway_fields(cls)
        }


def _shown(value: object) -> object:
    """Free JSON may hold secrets, and says nothing in a table."""
    if isinstance(value, (frozenset, tuple)):
        return ", ".join(sorted(map(str, value)))
    return value if isinstance(value, (str, int, float, type(None))) else "..."


def _models(world: Listed) -> Iterator[Row]:
    callers = access(world.state, world.rules).callers
    groups = Counter(
        name for group in world.state.of(AccessGroup).values() for name in group.model_aliases
    )
    for name, alias in sorted(world.state.of(ModelAlias).items()):
        behind = [deployment.litellm_model for deployment in alias.deployments]
        yield {
            "name": name,
            "model": ", ".join(sorted(set(behind))) or alias.litellm_model,
            "status": alias.status.value,
            "groups": groups[name],
            "teams": len(callers.get(name, ())),
        }


def _groups(world: Listed) -> Iterator[Row]:
    teams = Counter(name for team in world.state.of(Team).values() for name in team.access_groups)
    for name, group in sorted(world.state.of(AccessGroup).items()):
        yield {
            "name": name,
            "description": group.description,
            "models": len(group.model_aliases),
            "teams": teams[name],
        }


def _organizations(world: Listed) -> Iterator[Row]:
    teams = Counter(team.organization_id for team in world.state.of(Team).values())
    for name, organization in sorted(world.state.of(Organization).items()):
        yield {"name": name, "called": organization.name, "teams": teams[name]}


def _plans(world: Listed) -> Iterator[Row]:
    teams = Counter(team.plan for team in world.state.of(Team).values())
    for name, plan in sorted(world.plans.items()):
        yield {
            "name": name,
            "usd_per_month": plan.price_usd_per_month,
            "credits": plan.credits_allocated,
            "groups": len(plan.access_groups),
            "teams": teams[name],
        }


def _teams(world: Listed) -> Iterator[Row]:
    reach = access(world.state, world.rules)
    for name, team in sorted(world.state.of(Team).items()):
        facts = world.runtime.get(Ref(Team.kind, name), {})
        yield {
            "name": name,
            "organization": team.organization_id,
            "plan": team.plan,
            "status": team.status.value,
            "groups": len(team.access_groups),
            "models": len(reach.of(name)),
            "credits": team.credits_allocated,
            "credits_left": facts.get("credits_remaining"),
            "budget_usd": team.max_budget_usd,
            "spent_usd": facts.get("spend"),
        }


def _policies(world: Listed) -> Iterator[Row]:
    for name, policy in sorted(world.policies.items()):
        yield {"name": name, "level": policy.level, "description": policy.description}


def _keys(world: Listed) -> Iterator[Row]:
    for name, key in sorted(world.state.of(Key).items()):
        yield {
            "name": name,
            "team": key.team_id,
            "status": key.status.value,
            "models": ", ".join(sorted(key.models)) or "all of the team",
            "budget_usd": key.max_budget_usd,
        }


ROWS: Mapping[str, Callable[[Listed], Iterator[Row]]] = {
    ModelAlias.kind: _models,
    AccessGroup.kind: _groups,
    Organization.kind: _organizations,
    PricingPlan.kind: _plans,
    Team.kind: _teams,
    Key.kind: _keys,
    Policy.kind: _policies,
}
