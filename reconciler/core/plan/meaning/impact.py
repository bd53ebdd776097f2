"""impact: what a set of changes means for each team, by effective access, money and credits."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Any

from reconciler.core.access.rules import Access, SourceKind, access
from reconciler.core.model.changes import Change
from reconciler.core.model.inventory import Inventory
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Team
from reconciler.core.model.prices import PriceMap, price_of
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.credits.change import limits
from reconciler.core.plan.credits.spending import Standing, standing
from reconciler.core.plan.meaning.announced import Come
from reconciler.core.plan.order.schedule import Order, Transition, expanded_state, transition_of
from reconciler.core.plan.plan import Exposure, Impact, Risk, TeamImpact
from reconciler.core.plan.support import Support

Dearest = Callable[[frozenset[str]], tuple[str, float] | None]


@dataclass(frozen=True)
class Context:
    """What the meaning of a plan is computed from. `desired` holds the declared teams with their prices resolved in.

    `ahead` is live after the dates that have come.
    `called` is live with the aliases as they are called until the plan is applied, where it renames some.
    """

    changes: tuple[Change, ...]
    live: State
    desired: State
    inventory: Inventory
    support: Support
    prices: PriceMap
    order: Order = Order.GRANT_FIRST
    called: State | None = None
    runtime: Mapping[Ref, Mapping[str, Any]] = field(default_factory=dict)
    ahead: Come | None = None


def impact(context: Context, transition: Transition) -> Impact:
    """Per team and in total, without causes. Teams for which nothing changes are left out.

    `transition` is `transition_in(context)`.
    """
    every = tuple(_teams(context, transition))
    teams = tuple(team for team in every if _matters(team))
    exposures = tuple(exposed(context, transition)) if context.order is Order.GRANT_FIRST else ()
    granted, taken = _credits(context)
    risk, reasons = _risk(teams, exposures, context.changes)
    return Impact(
        teams=teams,
        exposures=exposures,
        revenue_before=_revenue_before(context.inventory),
        revenue_after=fsum(
            team.price_usd_per_month or 0 for team in context.desired.of(Team).values()
        ),
        credits_granted=granted,
        credits_taken=taken,
        risk=risk,
        reasons=reasons,
        silent=_silent(every, transition),
    )


def _silent(teams: tuple[TeamImpact, ...], transition: Transition) -> frozenset[str]:
    """The teams that will be there and can call nothing: without a model, or refused every call."""
    there = transition.desired.of(Team)
    return frozenset(
        t.team
        for t in teams
        if t.team in there and (t.refused_after or not transition.after.of(t.team))
    )


def transition_in(context: Context) -> Transition:
    """From where to where, with effective access of both sides; aliases as they are called until then."""
    transition = transition_of(context.changes, context.live, context.support)
    if context.called is None or context.called is context.live:
        return transition
    return replace(
        transition, live=context.called, before=access(context.called, context.support.rules)
    )


def _matters(team: TeamImpact) -> bool:
    moved = team.gained or team.lost or team.created or team.deleted or team.everything
    money = team.price_before != team.price_after or team.plan_before != team.plan_after
    stands = bool(team.refused_before) != bool(team.refused_after)
    return bool(moved or money or stands or team.credits_before != team.credits_after)


def _teams(context: Context, transition: Transition) -> Iterator[TeamImpact]:
    changed = {
        change.ref.name: change for change in context.changes if change.ref.kind == Team.kind
    }
    gone = _gone_by_dates(context)
    dear_before = dearest(transition.live, context.prices)
    dear_after = dearest(transition.desired, context.prices)
    for name in sorted(transition.live.of(Team).keys() | transition.desired.of(Team)):
        team = _team(name, context, transition, changed.get(name), (dear_before, dear_after))
        # What refuses every call was announced by no date.
        announced = team.lost & gone(name) if team.lost and not team.cut_off else frozenset()
        yield replace(team, announced=announced) if announced else team


def _gone_by_dates(context: Context) -> Callable[[str], frozenset[str]]:
    """From a team to the models that the dates alone take from it."""
    if context.ahead is None or context.ahead.state is context.live:
        return lambda _team: frozenset()
    now = access(context.live, context.support.rules)
    then = access(context.ahead.state, context.support.rules)
    return lambda team: now.of(team) - then.of(team)


def _team(
    name: str,
    context: Context,
    transition: Transition,
    change: Change | None,
    dear: tuple[Dearest, Dearest],
) -> TeamImpact:
    before, after = transition.before.of(name), transition.after.of(name)
    stood, stands = _standings(name, context, transition, change)
    gained, lost = _moved(before, after, stood, stands)
    record = context.inventory.get(Ref(Team.kind, name))
    wish = context.desired.of(Team).get(name)
    exists = name in transition.desired.of(Team)
    return TeamImpact(
        team=name,
        gained=gained,
        lost=lost,
        plan_before=record.applied.get("plan") if record else None,
        plan_after=wish.plan if wish else None,
        price_before=record.applied.get("price_usd_per_month") if record else None,
        price_after=wish.price_usd_per_month if wish else None,
        credits_before=_credits_before(change, context.support),
        credits_after=_credits_after(change) if exists else None,
        left_with_nothing=exists and bool(before) and not after,
        left_before=stood.left,
        left_after=stands.left,
        unit=stands.unit or stood.unit,
        refused_before=stood.refused,
        refused_after=stands.refused,
        everything=_opened(name, context, transition),
        dearest_before=dear[0](before) if gained or lost else None,
        dearest_after=dear[1](after) if gained or lost else None,
        created=change is not None and change.verb == "create",
        deleted=change is not None and change.verb == "delete",
    )


def _credits_before(change: Change | None, support: Support) -> int | None:
    """What a team had; as much as it is to have where it had no limit, so that its first one is no gain."""
    if change is None:
        return None
    return _allocated(change.after if limits(change, support) else change.before)


def _standings(
    name: str, context: Context, transition: Transition, change: Change | None
) -> tuple[Standing, Standing]:
    """How the team stands before and after: what it has left to spend, and whether it may call at all."""
    old = change.renamed_from if change is not None and change.renamed_from else name
    team = context.live.of(Team).get(name)
    facts = context.runtime.get(Ref(Team.kind, old), {}) if team is not None else None
    granted = (
        sum(grant.amount for grant in change.credits)
        if change is not None and change.before is None
        else 0
    )
    before = standing(team, facts, context.support)
    return before, standing(transition.desired.of(Team).get(name), facts, context.support, granted)


def _moved(
    before: frozenset[str], after: frozenset[str], stood: Standing, stands: Standing
) -> tuple[frozenset[str], frozenset[str]]:
    """(gained, lost): a team that is refused every call loses all, one that is answered again gains all."""
    if stands.refused and not stood.refused:
        return frozenset(), before
    if stood.refused and not stands.refused:
        return after, before - after
    return after - before, before - after


def _credits_after(change: Change | None) -> int | None:
    """What the team has when all is done; a new team's grants come on top of what it starts with."""
    after = _allocated(change.after) if change else None
    if change is None or change.before is not None or not change.credits:
        return after
    return (after or 0) + sum(grant.amount for grant in change.credits)


def _allocated(team: object) -> int | None:
    return team.credits_allocated if isinstance(team, Team) else None


def _opened(name: str, context: Context, transition: Transition) -> bool:
    before, after = transition.live.of(Team).get(name), transition.desired.of(Team).get(name)
    rules = context.support.rules
    return (
        after is not None
        and rules.everything(after)
        and not (before is not None and rules.everything(before))
    )


def dearest(state: State, prices: PriceMap) -> Dearest:
    """From a set of aliases to (alias, USD per million output tokens) of its dearest; None without prices."""
    known = {name: price_of(alias, prices)[1] for name, alias in state.of(ModelAlias).items()}
    seen: dict[frozenset[str], tuple[str, float] | None] = {}

    def find(models: frozenset[str]) -> tuple[str, float] | None:
        if models not in seen:
            priced = [(price, model) for model in models if (price := known.get(model)) is not None]
            top = max(priced, default=None)
            seen[models] = (top[1], top[0]) if top else None
        return seen[models]

    return find


def exposed(context: Context, transition: Transition) -> Iterator[Exposure]:
    """What teams can reach while grants are done and revokes are not, though neither before nor after."""
    if not context.changes:
        return
    widest = access(expanded_state(context.changes, context.live), context.support.rules)
    for team in sorted(widest.teams):
        beyond = widest.of(team) - transition.before.of(team) - transition.after.of(team)
        for model in sorted(beyond):
            yield Exposure(team, model, _because(team, model, widest))


def _because(team: str, model: str, widest: Access) -> str:
    groups = [
        source.name for source in widest.paths(team, model) if source.kind is SourceKind.GROUP
    ]
    through = f"through {', '.join(groups)} " if groups else ""
    return f"{through}until the revokes are done"


def _credits(context: Context) -> tuple[int, int]:
    """(granted, taken): what new teams start with and every credit grant; a deleted team's credits are neither.

    Nor is what a team is left with that had no limit.
    """
    changes = [change for change in context.changes if not limits(change, context.support)]
    amounts = [grant.amount for change in changes for grant in change.credits]
    amounts += [_allocated(change.after) or 0 for change in changes if change.before is None]
    return sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)


def _revenue_before(inventory: Inventory) -> float:
    teams = (record for ref, record in inventory.items() if ref.kind == Team.kind)
    return fsum(record.applied.get("price_usd_per_month") or 0 for record in teams)


def _repriced(team: TeamImpact) -> bool:
    """Another price than it paid: a new team pays its first."""
    return team.price_before != team.price_after and not team.created and not team.deleted


def _taken_back(team: TeamImpact) -> bool:
    return team.credits_after is not None and team.credits_after < (team.credits_before or 0)


# What makes a plan worth a look: which teams it is about, and how one and how many of them are spoken of.
Reasons = tuple[tuple[Callable[[TeamImpact], object], str, str], ...]
HIGH: Reasons = (
    (
        lambda team: team.unannounced and not team.deleted,
        "team loses a model",
        "teams lose a model",
    ),
    (lambda team: team.deleted, "team is deleted", "teams are deleted"),
    (lambda team: team.cut_off, "team is refused every call", "teams are refused every call"),
    (
        lambda team: team.left_with_nothing and team.unannounced,
        "team is left with no model",
        "teams are left with no model",
    ),
    (
        lambda team: team.everything,
        "team gets access to everything",
        "teams get access to everything",
    ),
)
LOW: Reasons = (
    (
        lambda team: team.announced,
        "team loses a model as announced",
        "teams lose a model as announced",
    ),
    (lambda team: team.gained, "team gains a model", "teams gain a model"),
    (
        lambda team: team.dearer,
        "team reaches a dearer model than before",
        "teams reach a dearer model than before",
    ),
    (_repriced, "team pays another price", "teams pay another price"),
    (_taken_back, "team has credits taken back", "teams have credits taken back"),
)
SHARED = (AccessGroup.kind, ModelAlias.kind)


def _risk(
    teams: tuple[TeamImpact, ...], exposures: tuple[Exposure, ...], changes: tuple[Change, ...]
) -> tuple[Risk, tuple[str, ...]]:
    """How much somebody should look, and why: each reason with the number that it counts."""
    exposed_teams = len({exposure.team for exposure in exposures})
    shared = sum(1 for change in changes if change.ref.kind in SHARED and change.fields)
    high = list(_reasons(HIGH, teams))
    low = [
        *_reasons(LOW, teams),
        *_numbered(
            exposed_teams,
            "team is exposed to a model for a moment",
            "teams are exposed to a model for a moment",
        ),
        *_numbered(
            shared,
            "group or model that teams share changes",
            "groups or models that teams share change",
        ),
    ]
    if high:
        return Risk.HIGH, (*high, *low)
    return Risk.LOW if low or changes else Risk.NONE, tuple(low)


def _reasons(reasons: Reasons, teams: tuple[TeamImpact, ...]) -> Iterator[str]:
    for matters, one, many in reasons:
        yield from _numbered(sum(1 for team in teams if matters(team)), one, many)


def _numbered(number: int, one: str, many: str) -> Iterator[str]:
    """The sentence with its number, in the singular or the plural; nothing of 0."""
    if number:
        yield f"{number:,} {one if number == 1 else many}"


def totals(impact: Impact) -> Mapping[str, float]:
    """The sums of an impact by name: revenue in USD per month, credits, and how many teams gain and lose."""
    return {
        "revenue_before": impact.revenue_before,
        "revenue_after": impact.revenue_after,
        "credits_granted": impact.credits_granted,
        "credits_taken": impact.credits_taken,
        "teams_gaining": sum(1 for team in impact.teams if team.gained),
        "teams_losing": sum(1 for team in impact.teams if team.lost),
    }
