"""evidence: what the causes of a plan's meaning are told from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

from reconciler.core.access.rules import Access
from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Origin
from reconciler.core.model.inventory import Inventory
from reconciler.core.model.kinds import Grant, PricingPlan, Team
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.state import State
from reconciler.core.plan.meaning.announced import Come
from reconciler.core.plan.resolve import lineage

Find = Callable[[Ref, FieldPath], Origin | None]
Why = Literal["edit", "date", "hand"]


class Reason(NamedTuple):
    """A cause without the models that it takes or gives; `path` says which field of the ref it is."""

    why: Why
    text: str
    ref: Ref
    path: FieldPath = ()


def edit(text: str, ref: Ref, *path: str | int) -> Reason:
    return Reason("edit", text, ref, path)


def date(text: str, ref: Ref, *path: str | int) -> Reason:
    return Reason("date", text, ref, path)


def hand(text: str, ref: Ref, *path: str | int) -> Reason:
    return Reason("hand", text, ref, path)


def another_plan(before: str | None, after: str | None, team: Ref) -> Reason:
    """The team is on another pricing plan than before."""
    return edit(f"pricing plan {before or 'none'} -> {after or 'none'}", team, "plan")


def nowhere(_ref: Ref, _path: FieldPath) -> Origin | None:
    """For worlds without files."""
    return None


@dataclass(frozen=True)
class Evidence:
    """What causes are told from.

    `written` is git's state before resolution; `before` and `after` are access by the gateway's rules, live and
    desired. `noted` are the pricing plans that moved.
    """

    live: State
    desired: State
    written: State
    before: Access
    after: Access
    inventory: Inventory
    changes: Mapping[Ref, Change]
    noted: Mapping[Ref, Change]
    ahead: Come
    now: datetime
    find: Find
    places: dict[tuple[Ref, FieldPath], Origin | None] = field(default_factory=dict)

    def place(self, ref: Ref, path: FieldPath) -> Origin | None:
        if (ref, path) not in self.places:
            self.places[ref, path] = self.find(ref, path)
        return self.places[ref, path]

    def applied(self, ref: Ref) -> Mapping[str, Any] | None:
        record = self.inventory.get(ref)
        return record.applied if record is not None else None

    @cached_property
    def plans(self) -> Mapping[str, PricingPlan]:
        return self.written.of(PricingPlan)


def declared(ref: Ref, given: Evidence) -> int | None:
    """The credits that git gives the team: its own, or those of its pricing plan."""
    written = given.written.get(ref)
    if not isinstance(written, Team):
        return None
    for limits in (
        written,
        *(given.plans[name] for name in lineage(written.plan or "", given.plans)),
    ):
        if "credits_allocated" in limits.model_fields_set:
            return limits.credits_allocated
    return None


def tier(
    plan: str | None, name: str, given: Evidence, moved: Callable[[Any, Any], bool]
) -> str | None:
    """The pricing plan that moved a field of a team's plan: the furthest of those that it extends."""
    furthest: str | None = None
    for ancestor in lineage(plan, given.plans) if plan else ():
        change = given.noted.get(Ref(PricingPlan.kind, ancestor))
        if change is None or change.before is None or change.after is None:
            continue
        if moved(getattr(change.before, name), getattr(change.after, name)):
            furthest = ancestor
    return furthest


def grants(ref: Ref, given: Evidence) -> tuple[Grant, ...]:
    written = given.written.get(ref)
    return written.grants if isinstance(written, Team) else ()


def grant_path(ref: Ref, group: str, given: Evidence) -> FieldPath:
    """Where the grant of a group stands in git, or nowhere."""
    for index, grant in enumerate(grants(ref, given)):
        if group in grant.access_groups:
            return "grants", index
    return ()
