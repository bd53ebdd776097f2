"""causes: why a team gains or loses a model, pays another price or gets other credits, and where that is written.

Each cause is an edit in git, a date that came, or a hand on the gateway. What was applied last (the inventory) tells
them apart: git says something else than it did, or the gateway does. A cause that teams share reads the same for all.
"""

from collections.abc import Iterator

from reconciler.core.model.kinds import PricingPlan, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.meaning.evidence import (
    Evidence,
    Reason,
    another_plan,
    declared,
    edit,
    hand,
    tier,
)
from reconciler.core.plan.meaning.paths import built, by_dates, cut
from reconciler.core.plan.plan import Cause, TeamImpact


def causes(team: TeamImpact, given: Evidence) -> tuple[Cause, ...]:
    """Every cause once, with the models that it takes and gives; sorted."""
    lost: dict[Reason, set[str]] = {}
    gained: dict[Reason, set[str]] = {}
    for reason, model in _losses(team, given):
        lost.setdefault(reason, set()).add(model)
    for reason, model in _gains(team, given):
        gained.setdefault(reason, set()).add(model)
    reasons = dict.fromkeys([*lost, *gained, *_price(team, given), *_credits(team, given)])
    made = [
        Cause(
            kind=reason.why,
            text=reason.text,
            ref=reason.ref,
            path=reason.path,
            origin=given.place(reason.ref, reason.path),
            lost=frozenset(lost.get(reason, ())),
            gained=frozenset(gained.get(reason, ())),
        )
        for reason in reasons
    ]
    return tuple(sorted(made, key=lambda cause: (cause.text, cause.ref, str(cause.path))))


# ---- models


def _losses(team: TeamImpact, given: Evidence) -> Iterator[tuple[Reason, str]]:
    """(reason, model). A date explains what it announced, whatever else happens to the team."""
    ref = Ref(Team.kind, team.team)
    before, after = given.live.of(Team).get(team.team), given.desired.of(Team).get(team.team)
    whole = _of_every_loss(team, ref, before, after, given)
    for model in sorted(team.lost):
        if model in team.announced:
            yield from ((reason, model) for reason in by_dates(model, ref, given))
        elif whole is not None:
            yield whole, model
        elif before is not None and after is not None:
            yield from ((reason, model) for reason in cut(model, ref, after, given))


def _of_every_loss(
    team: TeamImpact, ref: Ref, before: Team | None, after: Team | None, given: Evidence
) -> Reason | None:
    """What takes every model at once."""
    if team.deleted or after is None:
        return edit("the team is no longer declared", ref)
    suspended = after.status is Status.SUSPENDED
    if suspended and before is not None and before.status is not Status.SUSPENDED:
        return edit("the team is suspended", ref, "status")
    if not team.cut_off:
        return None
    refused = str(team.refused_after)
    limit = refused.partition(" ")[0]
    if limit in ("tpm_limit", "rpm_limit"):
        return edit(refused, ref, limit)
    return next(_credits(team, given), edit(refused, ref, "max_budget_usd"))


def _gains(team: TeamImpact, given: Evidence) -> Iterator[tuple[Reason, str]]:
    """(reason, model)."""
    ref = Ref(Team.kind, team.team)
    before, after = given.live.of(Team).get(team.team), given.desired.of(Team).get(team.team)
    whole = _of_every_gain(team, ref, before, after, given)
    for model in sorted(team.gained):
        if whole is not None:
            yield whole, model
        elif before is not None and after is not None:
            yield from ((reason, model) for reason in built(model, ref, before, after, given))


def _of_every_gain(
    team: TeamImpact, ref: Ref, before: Team | None, after: Team | None, given: Evidence
) -> Reason | None:
    """What gives every model at once."""
    if team.created or before is None or after is None:
        return edit("the team is new", ref)
    if before.status is not after.status:
        return edit("the team is active again", ref, "status")
    if team.revived:
        return next(_credits(team, given), edit("the team may call again", ref))
    return None


# ---- money


def _price(team: TeamImpact, given: Evidence) -> Iterator[Reason]:
    if team.price_before != team.price_after and not team.created and not team.deleted:
        yield _of_amount("price", "price_usd_per_month", team, given)


def _credits(team: TeamImpact, given: Evidence) -> Iterator[Reason]:
    """What moves the credits of a team that stays; a top-up says its own reason."""
    ref = Ref(Team.kind, team.team)
    change = given.changes.get(ref)
    if change is None or change.before is None or change.after is None:
        return
    record = given.applied(ref)
    as_recorded = (
        record is not None
        and ref in given.desired
        and declared(ref, given) == record.get("credits_allocated")
    )
    for grant in change.credits:
        if grant.grant_id != ALLOCATION:
            yield edit(f"top-up {grant.grant_id}", ref, "top_ups")
        elif as_recorded:
            yield hand("its credits were changed on the gateway", ref, "credits_allocated")
        else:
            yield _of_amount("credits", "credits_allocated", team, given)


def _of_amount(word: str, field: str, team: TeamImpact, given: Evidence) -> Reason:
    """What moved an amount that a pricing plan gives, unless the team says its own."""
    ref = Ref(Team.kind, team.team)
    if team.plan_before != team.plan_after:
        return another_plan(team.plan_before, team.plan_after, ref)
    written = given.written.get(ref)
    if written is None or field not in written.model_fields_set:
        plan = tier(team.plan_after, field, given, lambda old, new: old != new)
        if plan is not None:
            return edit(f"{word} of pricing plan {plan}", Ref(PricingPlan.kind, plan), field)
    return edit(f"its {word}", ref, field)
