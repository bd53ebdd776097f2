"""suggest: teams that have the same groups and credits -> pricing plans, with overrides where a team deviates."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.imports.export import Export, Exported, Spec, settled
from reconciler.core.model.kinds import PricingPlan, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.resolve import SCALARS

GROUPS, CREDITS, PRICE = "access_groups", "credits_allocated", "price_usd_per_month"
# Free JSON is about one team, whatever others have.
SHARED = tuple(name for name in (*SCALARS, PRICE) if name != "metadata")
FEWEST = 2
_MOST_WORDS = 3
_ENDINGS = re.compile(r"[-_.](models?|groups?|access|tier|plan)\Z")


@dataclass(frozen=True, slots=True)
class Tier:
    """Teams that are to share a pricing plan, its groups, and its other limits."""

    name: str
    members: tuple[str, ...]
    spec: Spec
    suggested: bool


def with_plans(export: Export, *, suggest: bool = True) -> Export:
    """The export with teams on pricing plans: those that the ledger names, and suggested ones for the other teams."""
    teams = {
        ref.name: dict(each.spec) for ref, each in export.objects.items() if ref.kind == Team.kind
    }
    tiers = [*_named(teams)]
    if suggest:
        free = {name: spec for name, spec in teams.items() if "plan" not in spec}
        tiers += _suggested(free, {tier.name for tier in tiers})
    objects = dict(export.objects)
    for tier in tiers:
        objects[Ref(PricingPlan.kind, tier.name)] = _plan(tier)
        for member in tier.members:
            ref = Ref(Team.kind, member)
            objects[ref] = replace(objects[ref], spec=on_plan(objects[ref].spec, tier))
    return settled(replace(export, objects=objects))


def on_plan(spec: Spec, tier: Tier) -> Spec:
    """The team's spec with the plan, and only what deviates from it; null takes away what the team does not have."""
    granted = set(tier.spec.get(GROUPS, ()))
    own = {
        name: value
        for name, value in spec.items()
        if name not in SHARED or tier.spec.get(name) != value
    }
    own[GROUPS] = [name for name in spec.get(GROUPS, ()) if name not in granted]
    missing = {name: None for name in SHARED if name in tier.spec and name not in spec}
    return {
        **{name: value for name, value in own.items() if value != []},
        **missing,
        "plan": tier.name,
    }


def _named(teams: Mapping[str, Spec]) -> Iterable[Tier]:
    """The plans that the ledger's teams are on: what all have in groups, and what most have in everything else."""
    by_plan: dict[str, list[str]] = {}
    for name, spec in sorted(teams.items()):
        if isinstance(spec.get("plan"), str):
            by_plan.setdefault(spec["plan"], []).append(name)
    for plan, members in sorted(by_plan.items()):
        specs = [teams[name] for name in members]
        groups = set.intersection(*(set(spec.get(GROUPS, ())) for spec in specs))
        yield Tier(plan, tuple(members), _spec(groups, _usual(specs)), suggested=False)


def _usual(specs: list[Spec]) -> Spec:
    """The values that more than half of the specs have."""
    found = {}
    for name in SHARED:
        counts = Counter(json.dumps(spec[name]) for spec in specs if name in spec)
        for text, count in counts.most_common(1):
            if 2 * count > len(specs):
                found[name] = json.loads(text)
    return found


def _suggested(teams: Mapping[str, Spec], taken: set[str]) -> Iterable[Tier]:
    """One plan for each combination of groups and credits that at least two teams have, with the deviating teams."""
    exact: dict[tuple[Any, ...], list[str]] = {}
    for name, spec in sorted(teams.items()):
        if spec.get(GROUPS):
            exact.setdefault((tuple(sorted(spec[GROUPS])), spec.get(CREDITS)), []).append(name)
    shared = {key: members for key, members in exact.items() if len(members) >= FEWEST}
    crowd = Counter(key[0] for key in shared)
    biggest = {
        groups: max((m for m in shared if m[0] == groups), key=lambda m: len(shared[m]))
        for groups in crowd
    }
    for key, members in exact.items():
        if len(members) < FEWEST and key[0] in biggest:
            shared[biggest[key[0]]] += members
    for key, members in sorted(shared.items(), key=lambda item: (item[0][0], str(item[0][1]))):
        name = _fresh(plan_name(key[0], key[1] if crowd[key[0]] > 1 else None), taken)
        core = [teams[member] for member in members if teams[member].get(CREDITS) == key[1]]
        yield Tier(name, tuple(sorted(members)), _spec(set(key[0]), _common(core)), suggested=True)


def _common(specs: list[Spec]) -> Spec:
    """The values that all of the specs have."""
    first = specs[0]
    return {
        name: first[name]
        for name in SHARED
        if name in first and all(s.get(name) == first[name] for s in specs)
    }


def _spec(groups: set[str], limits: Spec) -> Spec:
    return {**({GROUPS: sorted(groups)} if groups else {}), **limits}


def plan_name(groups: tuple[str, ...], credits_: int | None) -> str:
    """A name made of the groups' own, e.g. `basic-pro`, with the credits where several plans share the groups."""
    words = [_ENDINGS.sub("", group) for group in groups]
    said = words if len(words) <= _MOST_WORDS else [words[0], "and", str(len(words) - 1), "more"]
    styled = re.sub(r"[^a-z0-9._-]+", "-", "-".join(said).lower()).strip("-._")[:100] or "shared"
    return styled if credits_ is None else f"{styled}-{credits_}"


def _fresh(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number, found = number + 1, f"{name}-{number + 1}"
    taken.add(found)
    return found


def _plan(tier: Tier) -> Exported:
    description = (
        f"Suggested: what {len(tier.members)} teams have in common" if tier.suggested else None
    )
    about = {"description": description} if description else {}
    return Exported(Ref(PricingPlan.kind, tier.name), {**about, **tier.spec})
