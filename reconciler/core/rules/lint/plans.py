"""Lint rules about pricing plans, and what all kinds that people choose from should say."""

from collections.abc import Iterator, Mapping

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.resolve import lineage
from reconciler.core.rules.lint.rule import Hit, Linted, rule


@rule(
    "plan-without-teams",
    Level.WARNING,
    "A pricing plan that no team is on.",
    reason="A plan nobody is on, and that no plan in use extends, is either not sold yet or no longer. In the second "
    "case it still holds on to its access groups and looks like an offer.",
    hint="put a team on it, or remove it",
)
def plan_without_teams(world: Linted) -> Iterator[Hit]:
    plans = world.written.of(PricingPlan)
    direct = {team.plan for team in world.teams.values() if team.plan is not None}
    used = {name for plan in direct for name in lineage(plan, plans)}
    for name in plans:
        if name not in used:
            yield Hit(f"no team is on plan {name}", Ref(PricingPlan.kind, name))


@rule(
    "plan-gives-less",
    Level.WARNING,
    "A dearer plan of a family lacks what a cheaper one has.",
    reason="Tiers are cumulative: 'all basic models and ...'. A team that moves up and pays more must not lose a model "
    "or credits by it. Plans are a family where they extend the same plan or share the first or last part of their "
    "names; plans of different families are different products and are not compared.",
    hint="extend the cheaper plan, or add what is missing",
)
def plan_gives_less(world: Linted) -> Iterator[Hit]:
    plans = world.desired.plans
    for family in _families(world.written.of(PricingPlan)):
        priced = sorted(
            (price, name)
            for name in family
            if (price := plans[name].price_usd_per_month) is not None
        )
        for position, (price, dearer) in enumerate(priced):
            yield from _less(
                world, dearer, [name for below, name in priced[:position] if below < price]
            )


def _less(world: Linted, dearer: str, cheaper: list[str]) -> Iterator[Hit]:
    ref = Ref(PricingPlan.kind, dearer)
    for name in reversed(cheaper):
        missing = world.plan_models[name] - world.plan_models[dearer]
        if missing:
            yield Hit(
                f"plan {dearer} costs more than {name} and lacks {', '.join(sorted(missing))}",
                ref,
                ("access_groups",),
            )
            break
    credits_ = world.desired.plans[dearer].credits_allocated
    for name in reversed(cheaper):
        less = world.desired.plans[name].credits_allocated
        if credits_ is not None and less is not None and credits_ < less:
            says = f"plan {dearer} costs more than {name} and gives {credits_:,} credits instead of {less:,}"
            yield Hit(says, ref, ("credits_allocated",), "raise credits_allocated")
            break


def _families(plans: Mapping[str, PricingPlan]) -> list[tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in sorted(plans):
        found.setdefault(f"extends {lineage(name, plans)[-1]}", []).append(name)
        parts = name.split("-")
        if len(parts) > 1:
            found.setdefault(f"{parts[0]}-", []).append(name)
            found.setdefault(f"-{parts[-1]}", []).append(name)
    return sorted({tuple(names) for names in found.values() if len(names) > 1})


DESCRIBED = (ModelAlias, AccessGroup, PricingPlan)


@rule(
    "missing-description",
    Level.INFO,
    "An alias, access group or plan without a description.",
    reason="The documentation's naming conventions: be descriptive. Who hands out a group or sells a plan reads its "
    "description, and reviewers learn from it whether a model belongs there.",
    hint="say in one sentence what it is for",
)
def missing_description(world: Linted) -> Iterator[Hit]:
    for cls in DESCRIBED:
        for name, resource in world.written.of(cls).items():
            if not (getattr(resource, "description", None) or "").strip():
                yield Hit(
                    f"{cls.kind.replace('_', ' ')} {name} has no description", Ref(cls.kind, name)
                )


@rule(
    "team-without-plan",
    Level.INFO,
    "A team that is on no pricing plan, where there are plans.",
    reason="Its access, credits and price are its own and follow no tier: a change of a plan passes it by, and revenue "
    "does not count it unless it has a price_usd_per_month.",
    hint="put it on a plan",
)
def team_without_plan(world: Linted) -> Iterator[Hit]:
    if not world.desired.plans:
        return
    for name, team in world.teams.items():
        if team.plan is None and team.price_usd_per_month is None:
            yield Hit(f"team {name} is on no plan and has no price", Ref(Team.kind, name))
