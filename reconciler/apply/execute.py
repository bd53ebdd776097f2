"""apply: run steps in the order that their needs allow, a bounded number at once, and say what became of each.

A failed step blocks only what needs it. What is done about a request of which nobody knows whether it happened:

    the gateway counts an operation id once    the same request again; at the end what has not arrived is made void
    it does not                                a look; a grant is never sent again, the rest where it did not happen
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Protocol

from pydantic import SecretStr

from reconciler.apply.waiting import Waits, pause
from reconciler.core.model.changes import Action, Outcome, Result, Step
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.gateways.base import Fenced, Gateway, GatewayError, Incomplete, Landed, Receipt

ATTEMPTS = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 8.0
CONFLICT = 409
HELD_BACK = "not every process of the gateway knows what was granted"
Needs = Mapping[Step, frozenset[Step]]


class Journal(Protocol):
    """Where intents and outcomes go: on disk before a request is sent, and again when its outcome is known."""

    def intend(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Writes the intents; returns the steps as they are to be sent (with their operation ids)."""
        ...

    def settle(
        self, outcomes: Sequence[Outcome], *, unknown: frozenset[Step], owed: frozenset[Ref]
    ) -> None:
        """Writes the outcomes.

        `unknown` are failed steps of which nobody can tell whether they happened, `owed` what was created without its
        virtual key having been delivered.
        """
        ...

    def check(self) -> None:
        """Raises where the lock under which all this happens is another's by now."""
        ...


class Keys(Protocol):
    """Where virtual keys go: see `reconciler.apply.keys`."""

    def prepare(
        self, refs: Sequence[Ref], operations: Mapping[Ref, str | None] | None = None
    ) -> Mapping[Ref, SecretStr]: ...

    def ready(self) -> None: ...

    async def deliver(self, ref: Ref, key: SecretStr, *, again: bool = False) -> None: ...


@dataclass(frozen=True)
class Pace:
    """How a step is tried again: attempts, and pauses in seconds that double, with jitter from `rng`.

    No pause is longer than `most`, whatever a gateway asks for: a lock is not slept away.
    """

    attempts: int = ATTEMPTS
    first: float = FIRST_PAUSE
    longest: float = LONGEST_PAUSE
    rng: random.Random = field(default_factory=random.Random)
    most: float = 60.0

    def pause(self, attempt: int, asked: float | None = None) -> float:
        if asked is not None:
            return min(asked, self.most)
        longest: float = min(self.longest, self.first * 2**attempt)
        return min(longest * self.rng.uniform(0.5, 1.5), self.most)


@dataclass(frozen=True)
class Means:
    """What every step is carried out with. `waiting(seconds, why)` is told when nothing can be done for so long."""

    gateway: Gateway
    journal: Journal
    keys: Keys
    stop: asyncio.Event
    pace: Pace = field(default_factory=Pace)
    waits: Waits = field(default_factory=lambda: Waits({}))
    waiting: Callable[[float, str], None] = lambda _seconds, _why: None


@dataclass(frozen=True, slots=True)
class Tried:
    """What one step came to. `delivered`: the virtual key that it made is where it belongs."""

    result: Result
    error: str | None = None
    hint: str | None = None
    recovered: bool = False
    unknown: bool = False
    doubted: bool = False
    delivered: bool = False


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
        if prepared.problem is not None and _makes_key(step, self.means.gateway):
            why = f"not sent, because its virtual key could not be kept: {prepared.problem}"
            return Tried(Result.FAILED, why, _hint(prepared.problem)), 0.0
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
            if _owes_key(as_sent, tried, self.means.gateway):
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
    making = [step for step in steps if _makes_key(step, means.gateway)]
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


def _makes_key(step: Step, gateway: Gateway) -> bool:
    return step.action is Action.CREATE and step.ref.kind in gateway.support.keys


def _owes_key(step: Step, tried: Tried, gateway: Gateway) -> bool:
    exists = tried.result is Result.APPLIED or tried.unknown
    return exists and _makes_key(step, gateway) and not tried.delivered


def _hint(problem: ReconcilerError) -> str | None:
    return next((finding.hint for finding in problem.findings if finding.hint), None)


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


async def attempt(step: Step, means: Means, key: SecretStr | None = None) -> Tried:
    """Perform one step, trying again only where that is safe. Raises what `journal.check` raises."""
    doubt = False
    for number in range(means.pace.attempts):
        try:
            if number:
                means.journal.check()
            receipt = await means.gateway.perform(step, key)
        except Fenced as fence:
            means.stop.set()
            return Tried(Result.FAILED, str(fence), _hint(fence), unknown=doubt, doubted=doubt)
        except Incomplete as problem:
            return await _incomplete(step, problem, means)
        except GatewayError as problem:
            doubt = doubt or problem.unknown or _may_be_our_own(step, problem, means.gateway)
            last = number == means.pace.attempts - 1 or means.stop.is_set()
            tried = await _judged(step, problem, means, doubt=doubt, last=last)
            if tried is not None:
                done = tried.result is Result.APPLIED
                final = await _with_key(step, means, key) if done else tried
                return replace(final, doubted=doubt and not means.gateway.support.voids)
            await pause(means.pace.pause(number, problem.after), means.stop)
        else:
            tried = await _delivered(step, receipt, means, recovered=doubt)
            return replace(tried, doubted=doubt and not means.gateway.support.voids)
    raise AssertionError("the last attempt always decides")


async def _incomplete(step: Step, problem: Incomplete, means: Means) -> Tried:
    """A creation of several requests that stopped half-way: what needs it waits, its virtual key is not lost."""
    made = await _delivered(step, problem.receipt, means, recovered=False)
    text = f"{problem}; {made.error}" if made.error else str(problem)
    return Tried(Result.FAILED, text, problem.hint, unknown=True, delivered=made.delivered)


def _may_be_our_own(step: Step, problem: GatewayError, gateway: Gateway) -> bool:
    """A creation that meets its object may have been sent twice on the way; an operation id tells that by itself."""
    exists = problem.exists or problem.status == CONFLICT
    return step.action is Action.CREATE and exists and not gateway.support.voids


async def _judged(
    step: Step, problem: GatewayError, means: Means, *, doubt: bool, last: bool
) -> Tried | None:
    """What a failure means for the step; None: try again."""
    again = problem.retry or problem.unknown
    if means.gateway.support.voids:
        if again and not last:
            return None
        if not doubt:
            return Tried(Result.FAILED, str(problem), problem.hint)
        return await (_left_open if _keeps_its_id(step) else _voided)(step, problem, means)
    verdict = await _look(step, means) if doubt else Landed.ABSENT
    return _decided(step, problem, verdict, means.gateway, doubt=doubt, last=last)


def _keeps_its_id(step: Step) -> bool:
    """A top-up is the same operation for ever: were it voided, it could never be granted."""
    return step.credit is not None and step.credit.grant_id != ALLOCATION


async def _left_open(step: Step, problem: GatewayError, means: Means) -> Tried:
    if await _look(step, means) is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    text = f"{problem}; not seen on the gateway so far"
    return Tried(
        Result.FAILED,
        text,
        "run apply again: it is the same operation, and counts once",
        unknown=True,
    )


async def _voided(step: Step, problem: GatewayError, means: Means) -> Tried:
    """The end of a step in doubt where the gateway can say, for good, whether it happened."""
    try:
        verdict = (await means.gateway.void([step]))[step]
    except GatewayError:
        text = f"{problem}; whether it happened could not be asked"
        return Tried(Result.FAILED, text, "run apply again: it looks first", unknown=True)
    if verdict is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    return Tried(Result.FAILED, str(problem), problem.hint)


def _decided(
    step: Step, problem: GatewayError, verdict: Landed, gateway: Gateway, *, doubt: bool, last: bool
) -> Tried | None:
    """None: try again. `doubt`: this or an earlier try may still take effect, though nothing is seen of it yet."""
    text, hint = str(problem), problem.hint
    if verdict is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    if verdict is Landed.UNKNOWN:
        return Tried(
            Result.FAILED, f"{text}; whether it happened cannot be told", hint, unknown=True
        )
    if problem.unknown and step.action is Action.GRANT and not gateway.support.repeatable_grants:
        message = f"{text}; not seen on the gateway so far, and not sent again because it could count twice"
        return Tried(Result.FAILED, message, "run apply again: it looks first", unknown=True)
    if last or not (problem.retry or problem.unknown):
        late = doubt and step.action in (Action.GRANT, Action.CREATE)
        return Tried(
            Result.FAILED, text, "run apply again: it looks first" if late else hint, unknown=late
        )
    return None


async def _with_key(step: Step, means: Means, key: SecretStr | None) -> Tried:
    """A creation that was found done: its answer was lost, and with it the virtual key that it may have shown."""
    if not _makes_key(step, means.gateway):
        return Tried(Result.APPLIED, recovered=True)
    try:
        receipt = Receipt(secret=key) if key else await means.gateway.reissue(step.ref, None)
    except GatewayError as problem:
        return _undelivered(problem, recovered=True)
    return await _delivered(step, receipt, means, recovered=True)


async def _delivered(step: Step, receipt: Receipt, means: Means, *, recovered: bool) -> Tried:
    """Hand over the virtual key of a creation; one whose answer was not plain is tried on the gateway first."""
    if not _makes_key(step, means.gateway):
        return Tried(Result.APPLIED, recovered=recovered)
    if receipt.secret is None:
        return Tried(Result.APPLIED, NO_KEY, recovered=recovered)
    try:
        if recovered and await means.gateway.accepts(step.ref, receipt.secret) is False:
            return Tried(Result.APPLIED, NOT_ITS_KEY, recovered=True)
        await means.keys.deliver(step.ref, receipt.secret)
    except ReconcilerError as problem:
        return _undelivered(problem, recovered=recovered)
    return Tried(Result.APPLIED, recovered=recovered, delivered=True)


NO_KEY = "it exists, but the gateway did not show its virtual key: the next apply tries again"
NOT_ITS_KEY = "it exists, but the gateway does not know its virtual key: the next apply looks again"


def _undelivered(problem: ReconcilerError, *, recovered: bool) -> Tried:
    message = f"it exists, but its virtual key was not delivered: {problem}"
    hint = "remove the cause, and apply again: the key is still owed"
    return Tried(Result.APPLIED, message, hint, recovered=recovered)


async def _look(step: Step, means: Means) -> Landed:
    """What the gateway says about a step in doubt, once it had a moment; the gateway's own reads are patient."""
    await pause(means.pace.pause(0), means.stop)
    try:
        return await means.gateway.landed(step)
    except GatewayError:
        return Landed.UNKNOWN
