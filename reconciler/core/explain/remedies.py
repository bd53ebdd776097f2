"""remedies: the smallest changes to the YAML that would let a team call a model, fewest extra models first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.core.explain.routes import Asked, World, config_world
from reconciler.core.model.findings import Origin, slip_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Resource, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import Resolved, instant, resolve

MOST = 3


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change: what it does, the YAML that says it, what else the team gains, how many other teams it touches.

    `needed`: it must be done in any case; of the others one suffices. Without YAML there is nothing to change: another
    model is to be called.
    """

    text: str
    yaml: str
    extra: tuple[str, ...] = ()
    other_teams: int = 0
    origin: Origin | None = None
    needed: bool = False


def remedies(asked: Asked, world: World, team: str, model: str) -> tuple[Remedy, ...]:
    """What to change in the config; empty where the config already grants it, or where a name is a slip of the pen.

    First what must be done in any case (declare, activate), then the ways to grant it, of which one suffices; they are
    those of the config in which the first is done. `world` is the config's.
    """
    if model in world.access.of(team):
        return ()
    if slip_of(team, _others(asked.desired.state.of(Team), team)):
        return ()
    meant = slip_of(model, _others(asked.desired.state.of(ModelAlias), model))
    if meant is not None:
        return tuple(_call(world, team, meant, "which is what it is called"))
    cleared = _cleared(asked, team, model)
    grants = _grants(cleared, config_world(cleared, team), team, model)
    return (*_needed(asked, world, team, model), *grants)


def _others(known: Iterable[str], name: str) -> Iterable[str]:
    """The names that a slip may have meant: none where the name itself is known."""
    names = frozenset(known)
    return () if name in names else names


def _call(world: World, team: str, model: str, why: str) -> Iterator[Remedy]:
    if model in world.access.of(team):
        yield Remedy(f"call {model}, {why}: the team reaches it", "")


def _cleared(asked: Asked, team: str, model: str) -> Asked:
    """The config with what is needed in any case: the team and the alias are there, active and without a sunset."""
    team_ref, alias_ref = Ref(Team.kind, team), Ref(ModelAlias.kind, model)
    found, alias = (
        asked.written.get(team_ref),
        asked.written.get(alias_ref) or ModelAlias(litellm_model="a/model"),
    )
    changed: dict[Ref, Resource | None] = {
        alias_ref: alias.model_copy(update={"status": Status.ACTIVE, "sunset": None})
    }
    if found is not None:
        changed[team_ref] = found.model_copy(update={"status": Status.ACTIVE})
    written = asked.written.updated(changed)
    # Other teams stay as they are resolved already: there may be a hundred thousand.
    rest = {
        ref: each
        for ref, each in written.resources.items()
        if ref.kind != Team.kind or ref == team_ref
    }
    own = resolve(State(rest), asked.now, asked.prices)
    desired = Resolved(asked.desired.state.updated(own.state.resources), own.plans)
    return replace(asked, written=written, desired=desired)


def _needed(asked: Asked, world: World, team: str, model: str) -> Iterator[Remedy]:
    alias = asked.desired.state.of(ModelAlias).get(model)
    found = asked.written.of(Team).get(team)
    if found is None:
        yield Remedy(
            f"declare the team {team}",
            f"teams:\n  {team}:\n    access_groups: [...]\n",
            needed=True,
        )
    elif found.status is not Status.ACTIVE:
        origin = asked.find(Ref(Team.kind, team), ("status",))
        text = f"teams:\n  {team}:\n    status: active\n"
        yield Remedy("let the team call again", text, origin=origin, needed=True)
    if alias is None:
        text = f"model_aliases:\n  {model}:\n    litellm_model: provider/model\n"
        yield Remedy(f"declare the alias {model}", text, needed=True)
        return
    ref = Ref(ModelAlias.kind, model)
    if alias.status is not Status.ACTIVE:
        yield Remedy(
            "let the alias answer again",
            f"model_aliases:\n  {model}:\n    status: active\n",
            other_teams=_holders(asked, model, team),
            origin=asked.find(ref, ("status",)),
            needed=True,
        )
    if alias.sunset and instant(alias.sunset) <= asked.now:
        if alias.replacement:
            yield from _call(world, team, alias.replacement, "its replacement")
        yield Remedy(
            f"move the sunset of {model}",
            f"model_aliases:\n  {model}:\n    sunset: null\n",
            origin=asked.find(ref, ("sunset",)),
            needed=True,
        )


def _holders(asked: Asked, model: str, but: str) -> int:
    """How many other teams have a group with the model in it."""
    groups = asked.desired.state.of(AccessGroup)
    holding = {name for name, group in groups.items() if model in group.model_aliases}
    return sum(
        1
        for name, team in asked.desired.state.of(Team).items()
        if name != but and team.access_groups & holding
    )


def _grants(asked: Asked, world: World, team: str, model: str) -> Iterator[Remedy]:
    found = asked.desired.state.of(Team).get(team)
    groups = asked.desired.state.of(AccessGroup)
    holding = {name: group for name, group in groups.items() if model in group.model_aliases}
    if found is None or model in world.access.of(team):
        return
    if not holding:
        yield from _into_a_group(asked, team, model)
        return
    aliases = asked.desired.state.of(ModelAlias)
    silent = {name for name, alias in aliases.items() if alias.status is not Status.ACTIVE}
    has = world.access.of(team) | silent
    yield from _least(
        _by_group(asked, team, name, group.model_aliases - has - {model})
        for name, group in holding.items()
    )
    yield from _least(_by_plan(asked, team, model, has))


def _least(found: Iterable[Remedy]) -> list[Remedy]:
    return sorted(found, key=lambda remedy: (len(remedy.extra), remedy.text))[:MOST]


def _by_group(asked: Asked, team: str, group: str, extra: frozenset[str]) -> Remedy:
    own = asked.written.of(Team)[team].access_groups
    text = f"teams:\n  {team}:\n    access_groups: [{', '.join(sorted({*own, group}))}]\n"
    origin = asked.find(Ref(Team.kind, team), ("access_groups",) if own else ())
    return Remedy(
        f"give the team the access group {group}", text, tuple(sorted(extra)), origin=origin
    )


def _by_plan(asked: Asked, team: str, model: str, has: frozenset[str]) -> Iterator[Remedy]:
    groups = asked.desired.state.of(AccessGroup)
    current = asked.written.of(Team)[team].plan
    if current is None:
        return
    now = (
        _given(groups, asked.desired.plans[current])
        if current in asked.desired.plans
        else frozenset()
    )
    for name, plan in asked.desired.plans.items():
        gives = _given(groups, plan)
        if name == current or model not in gives or not now <= gives:
            continue
        origin = asked.find(Ref(Team.kind, team), ("plan",))
        price = (
            "" if plan.price_usd_per_month is None else f" (${plan.price_usd_per_month:,g}/month)"
        )
        text = f"teams:\n  {team}:\n    plan: {name}\n"
        yield Remedy(
            f"move the team to plan {name}{price}",
            text,
            tuple(sorted(gives - has - {model})),
            origin=origin,
        )


def _given(groups: Mapping[str, AccessGroup], plan: PricingPlan) -> frozenset[str]:
    return frozenset().union(
        *(groups[name].model_aliases for name in plan.access_groups if name in groups)
    )


def _into_a_group(asked: Asked, team: str, model: str) -> Iterator[Remedy]:
    """No group holds the alias: put it into one of the team's, that of the fewest other teams."""
    teams, groups = asked.desired.state.of(Team), asked.written.of(AccessGroup)
    options = []
    for name in sorted(teams[team].access_groups & groups.keys()):
        others = sum(
            1 for other, found in teams.items() if other != team and name in found.access_groups
        )
        members = ", ".join(sorted({*groups[name].model_aliases, model}))
        text = f"access_groups:\n  {name}:\n    model_aliases: [{members}]\n"
        origin = asked.find(Ref(AccessGroup.kind, name), ("model_aliases",))
        options.append(
            Remedy(f"add {model} to the team's access group {name}", text, (), others, origin)
        )
    yield from sorted(options, key=lambda remedy: (remedy.other_teams, remedy.text))[:MOST]
    own = ", ".join(sorted({*asked.written.of(Team)[team].access_groups, f"{team}-extra"}))
    group = f"access_groups:\n  {team}-extra:\n    model_aliases: [{model}]\n"
    text = f"{group}teams:\n  {team}:\n    access_groups: [{own}]\n"
    yield Remedy(f"make an access group of its own for {model}", text)
