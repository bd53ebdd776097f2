"""apply: run steps in the order that their needs allow, a bounded number at once, and say what became of each.

A failed step blocks only what needs it. A step of unknown outcome is looked up before anything is decided: it is
never sent again unless the gateway says that it did not happen and sending it twice could not count twice.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from time import monotonic
from typing import Protocol

from reconciler.core.changes import Action, Outcome, Result, Step
from reconciler.core.findings import ReconcilerError
from reconciler.core.refs import Ref
from reconciler.gateways.base import Gateway, GatewayError, Landed, Receipt
from reconciler.waiting import Waits, pause

ATTEMPTS = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 8.0
Needs = Mapping[Step, frozenset[Step]]


class Journal(Protocol):
    """Where intents and outcomes go: on disk before a request is sent, and again when its outcome is known."""

    def intend(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Writes the intents; returns the steps as they are to be sent (grants with their operation ids)."""
        ...

    def settle(self, outcomes: Sequence[Outcome], *, unknown: frozenset[Step]) -> None:
        """Writes the outcomes; `unknown` are failed steps of which nobody can tell whether they happened."""
        ...


Deliver = Callable[[Step, Receipt], Awaitable[None]]


@dataclass(frozen=True)
class Pace:
    """How a step is tried again: attempts, and pauses in seconds that double, with jitter from `rng`."""

    attempts: int = ATTEMPTS
    first: float = FIRST_PAUSE
    longest: float = LONGEST_PAUSE
    rng: random.Random = field(default_factory=random.Random)

    def pause(self, attempt: int) -> float:
        longest: float = min(self.longest, self.first * 2**attempt)
        return longest * self.rng.uniform(0.5, 1.5)


@dataclass(frozen=True, slots=True)
class Tried:
    """What one step came to."""

    result: Result
    error: str | None = None
    hint: str | None = None
    recovered: bool = False
    unknown: bool = False
    doubted: bool = False


async def execute(
    needs: Needs,
    gateway: Gateway,
    journal: Journal,
    *,
    deliver: Deliver,
    stop: asyncio.Event,
    pace: Pace | None = None,
    waits: Waits | None = None,
    waiting: Callable[[float], None] = lambda _seconds: None,
) -> AsyncIterator[Outcome]:
    """Outcomes as they come. After `stop` is set no step is started; what is in flight is finished and told.

    Steps that `waits` holds back start when they are due; `waiting` is told the seconds when nothing else is left.
    """
    run = _Run(needs, gateway, journal, deliver, pace or Pace(), waits or Waits({}))
    try:
        while True:
            if not stop.is_set():
                run.start()
            if not run.flying:
                left = run.waits.soonest(run.ready)
                if left is None or stop.is_set():
                    break
                waiting(left)
                await pause(left, stop)
                continue
            for outcome in await run.landed():
                yield outcome
    finally:
        await run.drained()
    for outcome in run.never_sent():
        yield outcome


class _Run:
    """The state of one execution: what may start, what is in flight, which objects are busy, what failed."""

    def __init__(
        self, needs: Needs, gateway: Gateway, journal: Journal, deliver: Deliver, pace: Pace, waits: Waits
    ) -> None:
        self.needs, self.gateway, self.journal, self.deliver, self.pace = needs, gateway, journal, deliver, pace
        self.waits = waits
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
        chosen = self._choose(self.gateway.concurrency - len(self.flying))
        sent = self.journal.intend(chosen) if chosen else ()
        for step, as_sent in zip(chosen, sent, strict=True):
            task = asyncio.create_task(self._timed(as_sent))
            self.flying[task] = (step, as_sent)

    def _choose(self, places: int) -> list[Step]:
        chosen: list[Step] = []
        skipped: list[Step] = []
        while self.ready and len(chosen) < places:
            step = self.ready.popleft()
            if step.ref in self.busy or self.waits.left(step):
                skipped.append(step)
                continue
            self.busy.add(step.ref)
            chosen.append(step)
        self.ready.extendleft(reversed(skipped))
        return chosen

    async def _timed(self, step: Step) -> tuple[Tried, float]:
        started = monotonic()
        return await attempt(step, self.gateway, self.deliver, self.pace), monotonic() - started

    async def landed(self) -> list[Outcome]:
        """The outcomes of what has finished, written to the journal."""
        done, _ = await asyncio.wait(self.flying, return_when=asyncio.FIRST_COMPLETED)
        outcomes: list[Outcome] = []
        unknown: set[Step] = set()
        for task in done:
            step, as_sent = self.flying.pop(task)
            tried, seconds = task.result()
            self.busy.discard(step.ref)
            self._count(step, tried)
            outcomes.append(_outcome(as_sent, tried, seconds))
            if tried.unknown:
                unknown.add(as_sent)
        self.journal.settle(outcomes, unknown=frozenset(unknown))
        return outcomes

    def _count(self, step: Step, tried: Tried) -> None:
        if tried.result is Result.APPLIED:
            self.applied.add(step)
            self.waits.applied(step)
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


def _outcome(step: Step, tried: Tried, seconds: float) -> Outcome:
    recovered, doubted = tried.recovered, tried.doubted
    return Outcome(step, tried.result, tried.error, tried.hint, seconds, recovered=recovered, doubted=doubted)


def _causes(needs: Needs, failed: set[Step]) -> Mapping[Step, str]:
    """Step -> the id of the failed step that it needs, directly or through others."""
    causes: dict[Step, str] = {}
    for step in TopologicalSorter(needs).static_order():
        for need in sorted(needs.get(step, ()), key=lambda each: each.id):
            found = need.id if need in failed else causes.get(need)
            if found and step not in causes:
                causes[step] = found
    return causes


async def attempt(step: Step, gateway: Gateway, deliver: Deliver, pace: Pace) -> Tried:
    """Perform one step, trying again only where that is safe."""
    doubt = False
    for number in range(pace.attempts):
        try:
            receipt = await gateway.perform(step)
        except GatewayError as problem:
            doubt = doubt or problem.unknown
            verdict = await _look(step, gateway, pace) if doubt else Landed.ABSENT
            decided = _decide(step, problem, verdict, gateway, doubt=doubt, last=number == pace.attempts - 1)
            if decided is not None:
                found = decided if decided.result is not Result.APPLIED else await reissued(step, gateway, deliver)
                return replace(found, doubted=doubt)
            await asyncio.sleep(problem.after or pace.pause(number))
        else:
            return replace(await _delivered(step, receipt, deliver, recovered=doubt), doubted=doubt)
    raise AssertionError("the last attempt always decides")


async def reissued(step: Step, gateway: Gateway, deliver: Deliver) -> Tried:
    """A step that was found done: its answer was lost, and with it the virtual key of a new team. Fetch or renew it."""
    reissue = getattr(gateway, "reissue", None)
    if step.action is not Action.CREATE or reissue is None:
        return Tried(Result.APPLIED, recovered=True)
    try:
        return await _delivered(step, await reissue(step), deliver, recovered=True)
    except GatewayError as problem:
        return _undelivered(problem, recovered=True)


async def _delivered(step: Step, receipt: Receipt, deliver: Deliver, *, recovered: bool) -> Tried:
    try:
        await deliver(step, receipt)
    except ReconcilerError as problem:
        return _undelivered(problem, recovered=recovered)
    return Tried(Result.APPLIED, recovered=recovered)


def _undelivered(problem: ReconcilerError, *, recovered: bool) -> Tried:
    message = f"it exists, but its virtual key was not delivered: {problem}"
    return Tried(Result.APPLIED, message, "give it a new virtual key on the gateway", recovered=recovered)


def _decide(
    step: Step, problem: GatewayError, verdict: Landed, gateway: Gateway, *, doubt: bool, last: bool
) -> Tried | None:
    """None: try again. `doubt`: this or an earlier try may still take effect, though nothing is seen of it yet."""
    text, hint = str(problem), problem.hint
    if verdict is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    if verdict is Landed.UNKNOWN:
        return Tried(Result.FAILED, f"{text}; whether it happened cannot be told", hint, unknown=True)
    if problem.unknown and step.action is Action.GRANT and not gateway.support.repeatable_grants:
        message = f"{text}; not seen on the gateway so far, and not sent again because it could count twice"
        return Tried(Result.FAILED, message, "run apply again: it looks first", unknown=True)
    if last or not (problem.retry or problem.unknown):
        late = doubt and step.action is Action.GRANT
        return Tried(Result.FAILED, text, "run apply again: it looks first" if late else hint, unknown=late)
    return None


async def _look(step: Step, gateway: Gateway, pace: Pace) -> Landed:
    """What the gateway says about a step in doubt; a look that fails is tried again."""
    for number in range(pace.attempts):
        await asyncio.sleep(pace.pause(number))
        try:
            return await gateway.landed(step)
        except GatewayError:
            continue
    return Landed.UNKNOWN
