"""listing: the changes that a plan lists, what is only noted among them, and what else there is to know of each."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.core.model.changes import Change
from reconciler.core.model.kinds import PricingPlan, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.plan import Plan
from reconciler.render.words import count, some

EXAMPLES = 3
ONLY_NOTED = "nothing is sent: apply writes it down"
# The impact says what becomes of a team's price.
TOLD_BY_IMPACT = frozenset({"plan", "price_usd_per_month"})


def listing(plan: Plan) -> tuple[tuple[Change, ...], Mapping[Ref, str]]:
    """(changes, ref -> what else to say of it), sorted by ref."""
    noted = tuple(_noted(plan))
    notes = {change.ref: ONLY_NOTED for change in noted}
    for change in noted:
        if change.ref.kind == PricingPlan.kind:
            notes[change.ref] = _teams(plan.on_plans.get(change.ref.name, ()))
    return tuple(sorted((*plan.changes, *noted), key=lambda change: change.ref)), notes


def _noted(plan: Plan) -> Iterator[Change]:
    for change in plan.told:
        fields = tuple(field for field in change.fields if field.name not in TOLD_BY_IMPACT)
        if change.ref.kind != Team.kind:
            yield change
        elif fields:
            yield replace(change, fields=fields)


def _teams(names: tuple[str, ...]) -> str:
    return f"{count(len(names), 'team')}: {some(names, EXAMPLES)}" if names else "no team is on it"
