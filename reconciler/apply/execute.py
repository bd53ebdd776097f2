"""execute: run steps in the order that their needs allow, a bounded number at once, and say what became of each.

A failed step blocks only what needs it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from pydantic import SecretStr

from reconciler.apply.attempt import Tried, attempt
from reconciler.apply.means import Means
from reconciler.apply.waiting import pause
from reconciler.core.model.changes import Outcome, Result, Step
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.refs import Ref

HELD_BACK = "not every process of the gateway knows what was granted"
Needs = Mapping[Step, frozenset[Step]]


async def execute(needs: Needs, means: Means) -> AsyncIterator[Outcome]:
    """Outcomes as they come. After `means.stop` is set no step is started; what is in flight is finished and told.

    Steps that `means.waits` holds back start when they are due.
    """
    run = _Run(needs, means)
    try:
        while True:
            if not means.stop.is_set():
                run.start()
            if not run.flying:
                left = means.waits.soonest(run.ready)
                if left is None or means.stop.is_set():
                    break
                means.waiting(left, HELD_BACK)
                await pause(left, means.stop)
                continue
            for outcome in await run.landed():
                yield outcome
    finally:
        await run.drained()
    for outcome in run.never_sent():
        yield outcome


class _Run:
    """The state of one execution: what may start, what is in flight, which objects are busy, what failed."""

    def __init__(self, needs: Needs, means: Means) -> None:
        self.needs, self.means = needs, means
        self.sorter = TopologicalSorter(needs)
        self.sorter.prepare()
        self.ready: deque[Step] = deque()
        self.flying: dict[asyncio.Task[tuple[Tried, float]], tuple[Step, Step]] = {}
        self.busy: set[Ref] = set()
        self.applied: set[Step] = set()
        self.failed: set[Step] = set()

    def start(self) -> None:
        """Fill the free places with ready steps of objects that no other step is at work on."""
        self.ready.extend(self.sorter.get_ready() if self.sorter.is_active() else ())
        chosen = self._choose(self.means.gateway.concurrency - len(self.flying))
        if not chosen:
            return
        sent = self.means.journal.intend(chosen)
        prepared = _prepared(sent, self.means)
        for step, as_sent in zip(chosen, sent, strict=True):
            task = asyncio.create_task(self._timed(as_sent, prepared))
            self.flying[task] = (step, as_sent)

    def _choose(self, places: int) -> list[Step]:
        chosen: list[Step] = []
        skipped: list[Step] = []
        while self.ready and len(chosen) < places:
            step = self.ready.popleft()
            if step.ref in self.busy or self.means.waits.left(step):
                skipped.append(step)
                continue
            self.busy.add(step.ref)
            chosen.append(step)
        self.ready.extendleft(reversed(skipped))
        return chosen

    async def _timed(self, step: Step, prepared: "_Prepared") -> tuple[Tried, float]:
        clock = asyncio.get_running_loop().time
        started = clock()
        if prepared.problem is not None and self.means.makes_key(step):
            why = f"not sent, because its virtual key could not be kept: {prepared.problem}"
            return Tried(Result.FAILED, why, prepared.problem.first_hint), 0.0
        tried = await attempt(step, self.means, prepared.keys.get(step.ref))
        return tried, clock() - started

    async def landed(self) -> list[Outcome]:
        """The outcomes of what has finished, written to the journal."""
        done, _ = await asyncio.wait(self.flying, return_when=asyncio.FIRST_COMPLETED)
        outcomes: list[Outcome] = []
        unknown: set[Step] = set()
        owed: set[Ref] = set()
        for task in done:
            step, as_sent = self.flying.pop(task)
            tried, seconds = task.result()
            self.busy.discard(step.ref)
            self._count(step, tried)
            outcomes.append(_outcome(as_sent, tried, seconds))
            if tried.unknown:
                unknown.add(as_sent)
            if _owes_key(as_sent, tried, self.means):
                owed.add(as_sent.ref)
        self.means.journal.settle(outcomes, unknown=frozenset(unknown), owed=frozenset(owed))
        return outcomes

    def _count(self, step: Step, tried: Tried) -> None:
        if tried.result is Result.APPLIED:
            self.applied.add(step)
            self.means.waits.applied(step)
            self.sorter.done(step)
        else:
            self.failed.add(step)

    async def drained(self) -> None:
        """What is still in flight when the caller goes away is finished and, where that is possible, written down."""
        try:
            while self.flying:
                await self.landed()
        finally:
            if self.flying:
                await asyncio.wait(self.flying)

    def never_sent(self) -> Iterable[Outcome]:
        """Blocked outcomes, each naming the failed step that it waited for (None after an interruption)."""
        causes = _causes(self.needs, self.failed)
        for step in self.needs:
            if step not in self.applied and step not in self.failed:
                cause = causes.get(step)
                why = f"needs {cause}, which failed" if cause else "not started before the stop"
                yield Outcome(step, Result.BLOCKED, why, blocked_by=cause)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The virtual keys that a batch of creations is to make, or why none could be kept."""

    keys: Mapping[Ref, SecretStr] = field(default_factory=dict)
    problem: ReconcilerError | None = None


def _prepared(steps: Sequence[Step], means: Means) -> _Prepared:
    """Keys are on disk, and their file is known to be writable, before any creation is sent."""
    making = [step for step in steps if means.makes_key(step)]
    if not making:
        return _Prepared()
    chosen = {
        step.ref: step.operation
        for step in making
        if step.ref.kind in means.gateway.support.chosen_keys
    }
    try:
        means.keys.ready()
        return _Prepared(means.keys.prepare(list(chosen), chosen) if chosen else {})
    except ReconcilerError as problem:
        return _Prepared(problem=problem)


def _owes_key(step: Step, tried: Tried, means: Means) -> bool:
    exists = tried.result is Result.APPLIED or tried.unknown
    return exists and means.makes_key(step) and not tried.delivered


def _outcome(step: Step, tried: Tried, seconds: float) -> Outcome:
    recovered, doubted = tried.recovered, tried.doubted
    return Outcome(
        step, tried.result, tried.error, tried.hint, seconds, recovered=recovered, doubted=doubted
    )


def _causes(needs: Needs, failed: set[Step]) -> Mapping[Step, str]:
    """Step -> the id of the failed step that it needs, directly or through others."""
    causes: dict[Step, str] = {}
    for step in TopologicalSorter(needs).static_order():
        for need in sorted(needs.get(step, ()), key=lambda needed: needed.id):
            cause = need.id if need in failed else causes.get(need)
            if cause and step not in causes:
                causes[step] = cause
    return causes
