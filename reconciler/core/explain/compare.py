"""compare: what the environment at hand lacks of another one, by the effective desired state of both.

As a change reads: before is what `target` has, after what it would have if it were like `source`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.access.rules import AccessRules, access
from reconciler.core.model.changes import Change, FieldChange
from reconciler.core.model.kinds import Policy, PricingPlan, Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import Resolved

# Resolved away, or about one environment's own past: no difference between two wishes.
NOT_COMPARED = frozenset({"grants", "select", "renamed_from", "extends"})


@dataclass(frozen=True, slots=True)
class TeamGap:
    """The models that one team can call in only one of the environments: `lacks` in the source, `beyond` in the target.

    A team that is declared in one of them only has all of its models there; `only` then says where (from or to).
    """

    team: str
    lacks: frozenset[str]
    beyond: frozenset[str]
    only: str | None = None


@dataclass(frozen=True)
class EnvironmentComparison:
    """Every object that differs, sorted by ref, and every team that can call other models. `same` counts the rest."""

    source: str
    target: str
    changes: tuple[Change, ...]
    teams: tuple[TeamGap, ...]
    same: int

    @property
    def differs(self) -> bool:
        return bool(self.changes)


def compare_environments(
    source: tuple[str, Resolved], target: tuple[str, Resolved], rules: AccessRules
) -> EnvironmentComparison:
    """What taking `source` (name, desired state) over into `target` would mean. Credits are wishes, not balances."""
    (name, here), (other, there) = source, target
    mine, theirs = _comparable(here), _comparable(there)
    refs = sorted(mine.resources.keys() | theirs.resources.keys())
    changes = tuple(
        change for ref in refs if (change := _change(ref, theirs.get(ref), mine.get(ref)))
    )
    gaps = tuple(_gaps(here.state, there.state, rules))
    return EnvironmentComparison(name, other, changes, gaps, len(refs) - len(changes))


def _comparable(resolved: Resolved) -> State:
    """The state with its pricing plans, each with what it inherits; without policies, which only judge a state."""
    plans: dict[Ref, Resource] = {
        Ref(PricingPlan.kind, name): plan for name, plan in resolved.plans.items()
    }
    kept = {
        ref: resource
        for ref, resource in resolved.state.resources.items()
        if ref.kind != Policy.kind
    }
    return State({**kept, **plans})


def _change(ref: Ref, before: Resource | None, after: Resource | None) -> Change | None:
    if before is None or after is None:
        return Change(ref, before, after)
    compared = (name for name in type(after).model_fields if name not in NOT_COMPARED)
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in compared)
    fields = tuple(FieldChange(name, old, new) for name, old, new in pairs if old != new)
    return Change(ref, before, after, fields) if fields else None


def _gaps(source: State, target: State, rules: AccessRules) -> Iterator[TeamGap]:
    mine, theirs = access(source, rules), access(target, rules)
    here, there = source.of(Team), target.of(Team)
    for team in sorted(here.keys() | there.keys()):
        lacks, beyond = mine.of(team) - theirs.of(team), theirs.of(team) - mine.of(team)
        only = "from" if team not in there else "to" if team not in here else None
        if lacks or beyond:
            yield TeamGap(team, lacks, beyond, only)
