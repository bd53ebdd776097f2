"""noting: what git moved and no gateway stores. Apply sends nothing for it and writes it down in the ledger.

Pricing plans, prices, labels, dates: whatever is remembered is compared by the next plan, and said only once.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from reconciler.core.model.changes import Change, FieldChange
from reconciler.core.model.inventory import Known, Record, record_of, resource_of
from reconciler.core.model.kinds import CreditsMode, PricingPlan, Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.credits.allocation import CREDITS
from reconciler.core.plan.diff import Diff
from reconciler.core.plan.meaning.announced import recorded

Json = dict[str, Any]
# How a resource came to be, and not what it is: a plan that inherits a price has that price.
UNSAID = frozenset({"extends", "renamed_from", "select"})


def settled_record(wish: Json, known: Mapping[str, Any] | None, *, owed: bool) -> Json:
    """The wish as applied to an object that was there before; its credits are what we gave the team by then.

    They stay as last recorded while an allocation is owed, where the wish says nothing of credits (what was given is
    not taken back), and where `initial` says that they are not for this team any more.
    """
    contributes = wish.get(CREDITS) is not None and wish.get("credits_mode") != CreditsMode.INITIAL
    last = (known or {}).get(CREDITS)
    if (contributes and not owed) or (last is None and CREDITS not in wish):
        return wish
    rest = {name: value for name, value in wish.items() if name != CREDITS}
    return rest if last is None else {**rest, CREDITS: last}


def recordable(record: Json, held: Collection[str], known: Mapping[str, Any] | None) -> Json:
    """The record of a wish; `held` fields, which this gateway cannot change, stay as they were recorded."""
    if not held:
        return record
    kept = {name: known[name] for name in held if known is not None and name in known}
    return {name: value for name, value in record.items() if name not in held} | kept


def noted(
    desired: State, plans: Mapping[str, PricingPlan], known: Known, compared: Diff, now: datetime
) -> tuple[Change, ...]:
    """Changes that are only written down, sorted by ref: of objects of ours that need no request, and of pricing plans.

    `desired` and `plans` are resolved. An object that a request changes is recorded with that request.
    """
    sent = {change.ref for change in compared.changes}
    ours = (ref for ref in desired if ref in known.inventory and ref not in sent)
    moved = [
        change
        for ref in ours
        if (change := _object(ref, desired[ref], known, compared, now)) is not None
    ]
    return tuple(sorted((*moved, *_pricing(plans, known)), key=lambda change: change.ref))


def _object(ref: Ref, wish: Resource, known: Known, compared: Diff, now: datetime) -> Change | None:
    before = known.inventory[ref]
    record = recordable(record_of(wish), compared.held.get(ref, ()), before.applied)
    record = settled_record(
        record, before.applied, owed=ref.kind == "team" and ref.name in known.undecided
    )
    record = recorded(record, wish, before.applied, now)
    return None if record == dict(before.applied) else _moved(ref, before, wish, record)


def _pricing(plans: Mapping[str, PricingPlan], known: Known) -> Iterator[Change]:
    """Created, changed and removed pricing plans, each with what it inherits."""
    refs = {Ref(PricingPlan.kind, name): plan for name, plan in plans.items()}
    for ref, plan in refs.items():
        before = known.inventory.get(ref)
        if before is None:
            yield Change(ref, None, plan)
        elif record_of(plan) != dict(before.applied):
            yield _moved(ref, before, plan, record_of(plan))
    for ref, record in known.inventory.items():
        if ref.kind == PricingPlan.kind and ref not in refs:
            yield Change(ref, resource_of(ref, record), None)


def _moved(ref: Ref, before: Record, after: Resource, record: Json) -> Change:
    """The change with its fields; one without any differs only in how it is written."""
    try:
        old, new = resource_of(ref, before), resource_of(ref, Record(record))
    except ValidationError:
        return Change(ref, None, after)
    names = [name for name in type(new).model_fields if name not in UNSAID]
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in names)
    return Change(
        ref, old, after, tuple(FieldChange(*pair) for pair in pairs if pair[1] != pair[2])
    )
