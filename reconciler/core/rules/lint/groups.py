"""Lint rules about access groups."""

from collections.abc import Iterator, Mapping
from itertools import chain
from math import ceil

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.resolve import instant, lineage
from reconciler.core.rules.lint.rule import Hit, Linted, rule

ALIKE = 0.9
FEWEST = 4
FAMILY = 3


def group_ref(name: str) -> Ref:
    return Ref(AccessGroup.kind, name)


@rule(
    "unused-group",
    Level.WARNING,
    "An access group that no team, plan or grant names.",
    reason="Nobody gets anything from it, so it only costs attention, and somebody may hand it out by mistake. The "
    "documentation's best practices: remove unused access groups.",
    hint="remove it, or give it to a team or plan",
)
def unused_group(world: Linted) -> Iterator[Hit]:
    used = frozenset(chain.from_iterable(_named(world)))
    for name in world.groups:
        if name not in used:
            yield Hit(f"no team, plan or grant names {name}", group_ref(name))


def _named(world: Linted) -> Iterator[frozenset[str]]:
    yield from (plan.access_groups for plan in world.written.of(PricingPlan).values())
    for team in world.written.of(Team).values():
        yield team.access_groups
        yield from (grant.access_groups for grant in team.grants)


@rule(
    "empty-group",
    Level.WARNING,
    "An access group without models.",
    reason="It grants nothing here, and LiteLLM reads an empty list as every model: a team with only such groups may "
    "reach more than anybody meant. A select that nothing fits empties a group as well as a list left open.",
    hint="add model_aliases or a select that fits some, or remove the group",
)
def empty_group(world: Linted) -> Iterator[Hit]:
    for name, group in world.groups.items():
        if not group.model_aliases:
            yield Hit(f"{name} holds no model", group_ref(name))


@rule(
    "dead-grant",
    Level.WARNING,
    "An access group that holds an alias which answers nobody.",
    reason="Only active aliases answer calls. A group that holds an inactive or deprecated one looks as if it granted "
    "it, and the team's client reports that access is denied. The same goes for an alias whose sunset has come.",
    hint="activate the alias, or take it out of the group",
)
def dead_grant(world: Linted) -> Iterator[Hit]:
    aliases = world.written.of(ModelAlias)
    dead = {name: why for name, alias in aliases.items() if (why := _dead(world, alias))}
    for name, group in world.written.of(AccessGroup).items():
        for model in sorted(group.model_aliases & dead.keys()):
            yield Hit(
                f"{name} holds {model}, which {dead[model]}",
                group_ref(name),
                ("model_aliases", model),
            )


def _dead(world: Linted, alias: ModelAlias) -> str | None:
    if alias.status is not Status.ACTIVE:
        return f"is {alias.status.value}"
    if alias.sunset and instant(alias.sunset) <= world.now:
        return f"left every group at its sunset ({alias.sunset.isoformat()})"
    return None


@rule(
    "near-duplicate-groups",
    Level.INFO,
    "Two access groups with (almost) the same models.",
    reason="Two groups of more than three models that share at least nine in ten were probably one once. A model added "
    "to one is soon forgotten in the other, and the teams of the two drift apart without anybody deciding so.",
    hint="keep one of them, or let the difference say its name",
)
def near_duplicate_groups(world: Linted) -> Iterator[Hit]:
    for first, second in _alike(
        {name: group.model_aliases for name, group in world.groups.items()}
    ):
        left, right = world.groups[first].model_aliases, world.groups[second].model_aliases
        apart = ", ".join(sorted(left ^ right))
        says = f"but for {apart}" if apart else "exactly"
        yield Hit(
            f"{second} holds the same {len(right)} models as {first} {says}", group_ref(second)
        )


def _alike(groups: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Pairs with a Jaccard index of at least 0.9; each found through one of its rarest models (prefix filtering)."""
    times: dict[str, int] = {}
    for model in chain.from_iterable(groups.values()):
        times[model] = times.get(model, 0) + 1
    seen: dict[str, list[str]] = {}
    for name in sorted(name for name, models in groups.items() if len(models) >= FEWEST):
        models = groups[name]
        rarest = sorted(models, key=lambda model: (times[model], model))[
            : len(models) - ceil(ALIKE * len(models)) + 1
        ]
        near = dict.fromkeys(chain.from_iterable(seen.get(model, ()) for model in rarest))
        first = next(
            (n for n in near if len(models & groups[n]) >= ALIKE * len(models | groups[n])), None
        )
        if first is not None:
            yield first, name
        for model in rarest if first is None else ():
            seen.setdefault(model, []).append(name)


@rule(
    "group-equals-plan",
    Level.INFO,
    "An access group with exactly the models of a plan made of several groups.",
    reason="The group repeats what the plan's groups say together. When one of them changes, the copy stays behind, "
    "and teams on the plan and teams with the group no longer have the same.",
    hint="put the teams on the plan, or let the plan name the one group",
)
def group_equals_plan(world: Linted) -> Iterator[Hit]:
    unions = {
        world.plan_models[name]: name
        for name, plan in sorted(world.desired.plans.items(), reverse=True)
        if len(plan.access_groups) > 1 and len(world.plan_models[name]) > 1
    }
    for name, group in world.groups.items():
        plan = unions.get(group.model_aliases & world.active)
        if plan is not None and name not in world.desired.plans[plan].access_groups:
            yield Hit(f"{name} holds exactly the models of plan {plan}", group_ref(name))


@rule(
    "group-name",
    Level.INFO,
    "An access group's name with underscores or dots.",
    reason="The documentation's naming conventions: lowercase with hyphens. One style makes names guessable, and a "
    "name cannot be changed later without a new group.",
    hint="use hyphens; renamed_from carries the group over",
)
def group_name(world: Linted) -> Iterator[Hit]:
    for name in world.groups:
        if "_" in name or "." in name:
            yield Hit(f"{name} is not written with hyphens", group_ref(name))


@rule(
    "odd-group-name",
    Level.INFO,
    "One group of a family of plans that is not named as the others are.",
    reason="The documentation's naming conventions: consistent prefixes (tier-basic, tier-pro, tier-enterprise). Where "
    "all groups of a family of plans but one share a prefix or a suffix, the odd one is easily overlooked.",
    hint="give it the others' prefix; renamed_from carries the group over",
)
def odd_group_name(world: Linted) -> Iterator[Hit]:
    families: dict[str, set[str]] = {}
    plans = world.written.of(PricingPlan)
    for name, plan in plans.items():
        families.setdefault(lineage(name, plans)[-1], set()).update(plan.access_groups)
    seen: set[str] = set()
    for groups in families.values():
        odd = _odd(sorted(groups))
        if odd and odd[0] not in seen:
            seen.add(odd[0])
            yield Hit(f"{odd[0]} stands beside {', '.join(odd[1])}", group_ref(odd[0]))


def _odd(groups: list[str]) -> tuple[str, list[str]] | None:
    """The only group that lacks the first or last part of all others' names."""
    if len(groups) <= FAMILY:
        return None
    for part in (0, -1):
        parts = [name.split("-")[part] for name in groups]
        most = max(sorted(set(parts)), key=parts.count)
        rest = [name for name in groups if name.split("-")[part] == most]
        if parts.count(most) == len(groups):
            return None
        if parts.count(most) == len(groups) - 1:
            return next(name for name in groups if name not in rest), rest
    return None
