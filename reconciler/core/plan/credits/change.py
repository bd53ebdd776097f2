"""crediting: the credits part of a team's change, from its wish, what it has and what we gave it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.core.model.changes import Change, CreditGrant, FieldChange
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.comparison import Difference
from reconciler.core.plan.credits.allocation import (
    ALLOCATION,
    CREDITS,
    UNLIMITED,
    credit_grants,
    first_limit,
    limiting_grants,
)
from reconciler.core.plan.support import Support


@dataclass(frozen=True, slots=True)
class Crediting:
    """What the credits of an object depend on. `granted`: ids of its top-ups; `undecided`: it gets none for now.

    `elsewhere` is what reconcilers with another ledger gave it, where this one has no record.
    """

    ref: Ref
    wish: Resource
    before: Resource
    record: Record | None
    granted: frozenset[str]
    undecided: bool
    elsewhere: int | None = None


def credited(
    given: Crediting, after: Resource, support: Support
) -> tuple[tuple[CreditGrant, ...], Resource]:
    """The grants, and `after` with the credits that it has when they are done."""
    ref, wish, before = given.ref, given.wish, given.before
    if not (
        isinstance(wish, Team)
        and isinstance(before, Team)
        and CREDITS in support.kinds[ref.kind].stored
    ):
        return (), after
    live = before.credits_allocated
    if given.undecided:
        return (), after.model_copy(update={CREDITS: live})
    topped_up = support.topped_up(ref, wish)
    if live is None and support.unlimited_credits:
        grants = limiting_grants(ref.name, wish, given.granted, topped_up)
        limited = first_limit(wish, topped_up) is not None
        return grants, after.model_copy(
            update={CREDITS: sum(g.amount for g in grants) if limited else None}
        )
    last = given.record.applied.get(CREDITS) if given.record else None
    last = _given_elsewhere(wish, live or 0, given.elsewhere) if last is None else last
    grants = credit_grants(ref.name, wish, live or 0, last, given.granted, topped_up)
    total = (live or 0) + sum(grant.amount for grant in grants)
    return grants, after.model_copy(update={CREDITS: total if grants else live})


def _given_elsewhere(wish: Team, live: int, elsewhere: int | None) -> int | None:
    """What counts as given to a team that is adopted and that another ledger gave credits.

    It is raised to what is declared, as every adopted team; what the other ledger gave beyond that is taken back.
    """
    declared = wish.credits_allocated
    if elsewhere is None or declared is None:
        return None
    return declared - min(max(0, declared - live), declared - elsewhere)


def limits(change: Change, support: Support) -> bool:
    """Whether a team that had no limit gets its first one: what it is allocated is then no gain."""
    unlimited = support.unlimited_credits and isinstance(change.before, Team)
    return (
        unlimited
        and getattr(change.before, CREDITS) is None
        and any(g.grant_id == ALLOCATION for g in change.credits)
    )


def field_changes(differences: Iterable[Difference], support: Support) -> tuple[FieldChange, ...]:
    """The fields that change; credits that are none are said to be what that is on this gateway."""
    return tuple(
        FieldChange(difference.name, _live_value(difference, support), difference.after)
        for difference in differences
        if difference.updatable
    )


def _live_value(difference: Difference, support: Support) -> object:
    unlimited = (
        difference.name == CREDITS and difference.before is None and support.unlimited_credits
    )
    return UNLIMITED if unlimited else difference.before


def without_credits(change: Change) -> Change:
    """The change as the field writes see it: credits that are granted apart are not written as a number."""
    if change.before is None or change.after is None or not change.credits:
        return change
    kept = getattr(change.before, CREDITS)
    fields = tuple(field for field in change.fields if field.name != CREDITS)
    return replace(change, after=change.after.model_copy(update={CREDITS: kept}), fields=fields)
