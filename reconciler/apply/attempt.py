"""attempt: perform one step, again where that is safe, and find out what became of it.

What is done about a request of which nobody knows whether it happened:

    the gateway counts an operation id once    the same request again; at the end what has not arrived is made void
    it does not                                a look; a grant is never sent again, the rest where it did not happen
"""

from dataclasses import dataclass, replace

from pydantic import SecretStr

from reconciler.apply.means import Means
from reconciler.apply.waiting import pause
from reconciler.core.model.changes import Action, Result, Step
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.gateways.base import Fenced, Gateway, GatewayError, Incomplete, Landed, Receipt

CONFLICT = 409
LOOKS_FIRST = "run apply again: it looks first"
COUNTS_ONCE = "run apply again: it is the same operation, and counts once"
NO_KEY = "it exists, but the gateway did not show its virtual key: the next apply tries again"
NOT_ITS_KEY = "it exists, but the gateway does not know its virtual key: the next apply looks again"


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
            return Tried(Result.FAILED, str(fence), fence.first_hint, unknown=doubt, doubted=doubt)
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
    """What a failure means for the step; None: try again. The first row that fits:

    the gateway voids, the request is safe to repeat, and this was not the last try    again
    the gateway voids, and nothing is in doubt                                         failed
    the gateway voids, and the step is a top-up, which keeps its id for ever           a look; it may stay open
    the gateway voids                                                                  it is voided, which decides
    the gateway does not void                                                          a look where in doubt: `_decided`
    """
    if not means.gateway.support.voids:
        verdict = await _look(step, means) if doubt else Landed.ABSENT
        return _decided(step, problem, verdict, means.gateway, doubt=doubt, last=last)
    if (problem.retry or problem.unknown) and not last:
        return None
    if not doubt:
        return Tried(Result.FAILED, str(problem), problem.hint)
    if step.credit is not None and step.credit.grant_id != ALLOCATION:
        return await _left_open(step, problem, means)
    return await _voided(step, problem, means)


async def _left_open(step: Step, problem: GatewayError, means: Means) -> Tried:
    """A top-up is the same operation for ever: were it voided, it could never be granted."""
    if await _look(step, means) is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    text = f"{problem}; not seen on the gateway so far"
    return Tried(Result.FAILED, text, COUNTS_ONCE, unknown=True)


async def _voided(step: Step, problem: GatewayError, means: Means) -> Tried:
    """The end of a step in doubt where the gateway can say, for good, whether it happened."""
    try:
        verdict = (await means.gateway.void([step]))[step]
    except GatewayError:
        text = f"{problem}; whether it happened could not be asked"
        return Tried(Result.FAILED, text, LOOKS_FIRST, unknown=True)
    if verdict is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    return Tried(Result.FAILED, str(problem), problem.hint)


def _decided(
    step: Step, problem: GatewayError, verdict: Landed, gateway: Gateway, *, doubt: bool, last: bool
) -> Tried | None:
    """What a look says of a failed try. `doubt`: this or an earlier one may still take effect. The first row that fits:

    it is there                                                   applied
    nobody can tell                                               failed, unknown
    not there; a lost grant, which could count twice              failed, unknown: it is not sent again
    not there; safe to repeat, and this was not the last try      again (None)
    not there; in doubt, and a grant or a creation                failed, unknown: it may come late
    not there                                                     failed
    """
    if verdict is Landed.APPLIED:
        return Tried(Result.APPLIED, recovered=True)
    if verdict is Landed.UNKNOWN:
        text = f"{problem}; whether it happened cannot be told"
        return Tried(Result.FAILED, text, problem.hint, unknown=True)
    grant = step.action is Action.GRANT
    if problem.unknown and grant and not gateway.support.repeatable_grants:
        text = f"{problem}; not seen on the gateway so far, and not sent again because it could count twice"
        return Tried(Result.FAILED, text, LOOKS_FIRST, unknown=True)
    if (problem.retry or problem.unknown) and not last:
        return None
    if doubt and (grant or step.action is Action.CREATE):
        return Tried(Result.FAILED, str(problem), LOOKS_FIRST, unknown=True)
    return Tried(Result.FAILED, str(problem), problem.hint)


async def _with_key(step: Step, means: Means, key: SecretStr | None) -> Tried:
    """A creation that was found done: its answer was lost, and with it the virtual key that it may have shown."""
    if not means.makes_key(step):
        return Tried(Result.APPLIED, recovered=True)
    try:
        receipt = Receipt(secret=key) if key else await means.gateway.reissue(step.ref, None)
    except GatewayError as problem:
        return _undelivered(problem, recovered=True)
    return await _delivered(step, receipt, means, recovered=True)


async def _delivered(step: Step, receipt: Receipt, means: Means, *, recovered: bool) -> Tried:
    """Hand over the virtual key of a creation; one whose answer was not plain is tried on the gateway first."""
    if not means.makes_key(step):
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
