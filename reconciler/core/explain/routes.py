"""routes: every way by which a team reaches a model, each link of it with the YAML that says so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.core.access.rules import Access, AccessRules, GroupRules, Source, SourceKind, access
from reconciler.core.model.findings import Origin
from reconciler.core.model.inventory import Inventory
from reconciler.core.model.kinds import AccessGroup, Grant, ModelAlias, PricingPlan, Select, Team
from reconciler.core.model.prices import NO_PRICES, PriceMap, models_of
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.state import State
from reconciler.core.plan.meaning.evidence import Find, nowhere
from reconciler.core.plan.resolve import Resolved, holds, lineage


@dataclass(frozen=True, slots=True)
class Link:
    """One step on the way from a team to a model: what grants it, and where that is written (None on a gateway)."""

    text: str
    ref: Ref
    path: FieldPath = ()
    origin: Origin | None = None


Route = tuple[Link, ...]
GROUPS: AccessRules = GroupRules()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a backend does besides checking access.

    `credits`: whether it refuses calls without credits (None: not known). `providers`: those it can call (None: any).
    `copies`: whether it keeps a copy of each team's models elsewhere, which only writing the team renews.
    """

    credits: bool | None = None
    providers: frozenset[str] | None = None
    copies: bool = False


@dataclass(frozen=True)
class Asked:
    """All that an explanation is made of. `live` and `runtime` are as read (`gateways.base.Live`), or absent."""

    written: State
    desired: Resolved
    now: datetime
    live: State | None = None
    inventory: Inventory = field(default_factory=dict)
    runtime: Mapping[Ref, Mapping[str, Any]] = field(default_factory=dict)
    rules: AccessRules = GROUPS
    prices: PriceMap = NO_PRICES
    facts: Facts = field(default_factory=Facts)
    find: Find = nowhere


@dataclass(frozen=True)
class World:
    """One side of the question: the config or the gateway, with its effective access."""

    name: str
    state: State
    access: Access


def config_world(asked: Asked, team: str | None = None) -> World:
    """The config's side; with a team, the access of just that one (a hundred thousand others take seconds)."""
    return World("config", asked.desired.state, _access(asked.desired.state, asked.rules, team))


def live_world(asked: Asked, team: str | None = None) -> World | None:
    """The gateway's side, where it was read."""
    return (
        None
        if asked.live is None
        else World("live", asked.live, _access(asked.live, asked.rules, team))
    )


def _access(state: State, rules: AccessRules, team: str | None) -> Access:
    if team is None:
        return access(state, rules)
    covers, found = rules.covers(state), state.of(Team).get(team)
    own = rules.sources(found) if found is not None else ()
    reached = frozenset[str]().union(*map(covers, own))
    return Access({team: reached} if found else {}, {team: own} if found else {}, covers)


def routes(asked: Asked, world: World, team: str, model: str) -> tuple[Route, ...]:
    """Every route, in full: team, what gives it the group, the group, the alias, the model behind it."""
    found = (
        route
        for source in world.access.paths(team, model)
        for route in _through(asked, world, team, source, model)
    )
    return tuple(tuple(_located(asked, world, link) for link in route) for route in found)


def _located(asked: Asked, world: World, link: Link) -> Link:
    return replace(link, origin=asked.find(link.ref, link.path)) if world.name == "config" else link


def _through(asked: Asked, world: World, team: str, source: Source, model: str) -> Iterator[Route]:
    head = Link(f"team {team}", Ref(Team.kind, team))
    targets = tuple(_behind(world.state, model))
    if source.kind is not SourceKind.GROUP:
        yield from ((head, link, *targets) for link in _direct(world, team, source, model))
        return
    for start in starts(asked, world, team, source.name):
        yield (head, *start, _member(asked, world, source.name, model), *targets)


def _direct(world: World, team: str, source: Source, model: str) -> Iterator[Link]:
    """An alias of the team's own; or the entries of its own list that suffice alone, else the list as a whole."""
    ref = Ref(Team.kind, team)
    if source.kind is SourceKind.ALIAS:
        target = ", ".join(sorted(source.entries))
        yield Link(f"model_aliases: {source.name} -> {target}", ref, ("model_aliases", source.name))
        return
    single = {
        entry: Source(source.kind, source.name, frozenset({entry}))
        for entry in sorted(source.entries)
    }
    alone = [entry for entry, part in single.items() if model in world.access.covers(part)]
    yield from (Link(f"models: {entry}", ref, ("models", entry)) for entry in alone)
    if not alone:
        yield Link(
            f"models: {', '.join(sorted(source.entries)) or 'an empty list is everything'}",
            ref,
            ("models",),
        )


def _behind(state: State, model: str) -> Iterator[Link]:
    alias = state.of(ModelAlias).get(model)
    ref = Ref(ModelAlias.kind, model)
    if alias is not None and models_of(alias):
        path = ("litellm_model",) if alias.litellm_model is not None else ("deployments",)
        yield Link(" or ".join(models_of(alias)), ref, path)


def starts(asked: Asked, world: World, team: str, group: str) -> Iterator[Route]:
    """How the team comes by the group: its own list, its plan (and what that extends), or a grant in force."""
    written = asked.written.of(Team).get(team) if world.name == "config" else None
    ref = Ref(Team.kind, team)
    label = f"access group {group}"
    if written is None or group in written.access_groups:
        yield (Link(label, ref, ("access_groups", group)),)
    if written is None:
        return
    if written.plan is not None:
        yield from _by_plan(asked, team, written.plan, group)
    for index, grant in enumerate(written.grants):
        if group in grant.access_groups and holds(grant, asked.now):
            yield (
                Link(granted(grant), ref, ("grants", index)),
                Link(label, ref, ("grants", index, "access_groups", group)),
            )


def granted(grant: Grant) -> str:
    return f"grant until {grant.until.isoformat()}" + (f" ({grant.reason})" if grant.reason else "")


def _by_plan(asked: Asked, team: str, plan: str, group: str) -> Iterator[Route]:
    plans = asked.written.of(PricingPlan)
    chain: list[Link] = [Link(f"plan {plan}", Ref(Team.kind, team), ("plan",))]
    for name in lineage(plan, plans):
        if len(chain) > 1 or name != plan:
            chain.append(Link(f"extends {name}", _child_of(plans, plan, name), ("extends",)))
        if group in plans[name].access_groups:
            yield (
                *chain,
                Link(
                    f"access group {group}", Ref(PricingPlan.kind, name), ("access_groups", group)
                ),
            )


def _child_of(plans: Mapping[str, PricingPlan], plan: str, parent: str) -> Ref:
    child = next(name for name in lineage(plan, plans) if plans[name].extends == parent)
    return Ref(PricingPlan.kind, child)


def _member(asked: Asked, world: World, group: str, model: str) -> Link:
    ref = Ref(AccessGroup.kind, group)
    written = asked.written.of(AccessGroup).get(group) if world.name == "config" else None
    if written is not None and model not in written.model_aliases and written.select is not None:
        return Link(f"alias {model} (selected: {said(written.select)})", ref, ("select",))
    there = world.state.of(AccessGroup).get(group)
    wild = (
        []
        if there is None or model in there.model_aliases
        else sorted(n for n in there.model_aliases if "*" in n)
    )
    by = f" (by {', '.join(wild)})" if wild else ""
    return Link(f"alias {model}{by}", ref, ("model_aliases", wild[0] if wild else model))


def said(select: Select) -> str:
    """The conditions of a selection on one line."""
    given = select.model_dump(exclude_none=True).items()
    return ", ".join(
        f"{key} {value if not isinstance(value, tuple) else ' or '.join(value)}"
        for key, value in given
    )
