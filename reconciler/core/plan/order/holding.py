"""holding: how long a revoke waits where the processes of a gateway go on for a while with what they knew.

Each process keeps every object as it read it, for up to `Support.lifetimes[kind]` seconds, each object from a moment of
its own. A revoke that cuts a path may therefore be seen before the expand that built the path in its place, unless it
starts only when the last process must have read what was expanded. Only such a revoke waits: one that takes a model
away for good starts at once, and so does the second half of a change that a process sees as one row.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import TopologicalSorter

from reconciler.core.model.changes import Action, Change, Step
from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.kinds import KINDS, AccessGroup, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.order.replacements import Cut, replacements
from reconciler.core.plan.order.schedule import ByRef, by_ref_of, schedule, transition_of
from reconciler.core.plan.support import Support

# A process may have begun to read right before the write, and counts from when it kept what it had read.
MARGIN = 5.0
CUTTING = (Action.CONTRACT, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Hold:
    """A step starts no sooner than `seconds` after `after` was applied; after the apply began where `after` is None."""

    after: Step | None
    seconds: float


Holds = Mapping[Step, frozenset[Hold]]
Fresh = Mapping[Ref, float]
NOTHING_FRESH: Fresh = {}


def remembered_for(support: Support) -> float:
    """For how many seconds after an expand some process of the gateway may not know of it; 0 where all know at once."""
    return max(support.lifetimes.values()) + MARGIN if support.lifetimes else 0.0


def fresh(expanded: Mapping[Ref, datetime], support: Support, now: datetime) -> Fresh:
    """What applies expanded so recently that not every process of the gateway knows of it, with the seconds left."""
    left: dict[Ref, float] = {}
    for ref, moment in expanded.items():
        seconds = support.lifetimes.get(ref.kind, 0) + MARGIN - (now - moment).total_seconds()
        if seconds > 0:
            left[ref] = seconds
    return left


def holds(
    steps: Iterable[Step],
    changes: Collection[Change],
    live: State,
    support: Support,
    fresh: Fresh = NOTHING_FRESH,
) -> Holds:
    """Step -> what it waits for beside its needs; only steps that wait for something.

    `steps` are those of `schedule` (grant-first). `fresh`: ref -> seconds until every process knows of what an earlier
    apply expanded.
    """
    if not support.lifetimes:
        return {}
    work = _Work(by_ref_of(steps), support.lifetimes, fresh)
    waits_of: dict[Step, set[Hold]] = {}
    transition = transition_of(changes, live, support)
    for team, cuts in replacements(transition.before, transition.after, fresh.keys()):
        for cut in cuts:
            for step, hold in work.held(team, cut):
                waits_of.setdefault(step, set()).add(hold)
    return {step: frozenset(waits) for step, waits in waits_of.items()}


@dataclass(frozen=True)
class _Work:
    by_ref: ByRef
    lifetimes: Mapping[str, float]
    fresh: Fresh = field(default_factory=dict)

    def held(self, team: str, cut: Cut) -> Iterator[tuple[Step, Hold]]:
        own = Ref(Team.kind, team)
        groups = [Ref(AccessGroup.kind, name) for name in sorted(cut.shrinking)]
        shared = [step for ref in groups for step in self._steps(ref, *CUTTING)]
        leaving = self._steps(own, Action.CONTRACT) if cut.team_leaves else []
        for hold in self._for_groups(cut):
            yield from ((step, hold) for step in (*shared, *leaving))
        for hold in self._for_team(own, cut):
            # Whoever has the row of a team has one that allows: only its aliases are kept apart from the rest of it.
            yield from ((step, hold) for step in (*shared, *(leaving if cut.crosses else ())))

    def _for_groups(self, cut: Cut) -> Iterator[Hold]:
        for name in sorted(cut.growing | ({cut.through} if cut.through else set())):
            ref = Ref(AccessGroup.kind, name)
            yield from self._waits(ref, grows=name in cut.growing)

    def _for_team(self, own: Ref, cut: Cut) -> Iterator[Hold]:
        yield from self._waits(own, grows=cut.team_joins)

    def _waits(self, ref: Ref, *, grows: bool) -> Iterator[Hold]:
        """What was only created is known to nobody, so nobody goes on without it."""
        seconds = self.lifetimes.get(ref.kind, 0)
        if grows and seconds:
            yield from (Hold(step, seconds + MARGIN) for step in self._steps(ref, Action.EXPAND))
        if self.fresh.get(ref, 0) > 0:
            yield Hold(None, self.fresh[ref])

    def _steps(self, ref: Ref, *actions: Action) -> list[Step]:
        there = self.by_ref.get(ref, {})
        return [there[action] for action in actions if action in there]


def longest(needs: Mapping[Step, Collection[Step]], held: Holds) -> float:
    """For how many seconds at least the steps take, by what they wait for alone."""
    if not held:
        return 0.0
    starts: dict[Step, float] = {}
    for step in TopologicalSorter(needs).static_order():
        ready = max((starts[need] for need in needs[step]), default=0.0)
        due = [
            hold.seconds + (starts[hold.after] if hold.after else 0.0)
            for hold in held.get(step, ())
        ]
        starts[step] = max([ready, *due])
    return max(starts.values(), default=0.0)


def waits_finding(
    changes: Collection[Change], live: State, support: Support, fresh: Fresh
) -> Finding | None:
    """What a plan says of the time that its apply waits; None where it waits for nothing."""
    if not support.lifetimes or not changes:
        return None
    needs = schedule(changes, live, support)
    held = holds(needs, changes, live, support, fresh)
    seconds = longest(needs, held)
    if not seconds:
        return None
    kept = {
        step.ref.kind for waits in held.values() for hold in waits for step in [hold.after] if step
    }
    words = [
        f"{KINDS[kind].section.replace('_', ' ')} for {support.lifetimes[kind]:g} s"
        for kind in sorted(kept)
    ]
    why = (
        f"keep {' and '.join(words)}" if words else "may not know yet what an earlier apply granted"
    )
    return warning(
        "waits",
        f"the apply takes at least {duration(seconds)}: {support.processes} {why}, and {len(held):,} "
        f"{'revoke waits' if len(held) == 1 else 'revokes wait'} for what replaces them to hold in every process",
        hint="set `processes: 1` on a gateway that has only one; --fast waits for nothing and may deny kept models",
    )


def duration(seconds: float) -> str:
    """As people say it: 45 s, 10 min."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{-(-seconds // 60):.0f} min"  # noqa: PLR2004  two minutes
