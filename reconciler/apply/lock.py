"""The gateway's lock around an apply: acquired or waited for, renewed, released, and checked before each write.

The ledger refuses whoever lost the lock. The gateway knows nothing of it, so nothing is sent once the lease may have
run out by our own clock, which also counts while this process is paused or the machine sleeps: another apply may have
begun. What is lost that way is lost for the whole apply, also where the lock turns out to be free still.

The lock of a process that died is taken over: not because its end has passed, which another clock wrote, but because
nobody renewed it for a whole lease by our own clock from our own first look. By then its holder, if it lives, sends
nothing any more (`Held.check`), and what it had sent before is looked up by the recovery that follows.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.gateways.base import Fenced
from reconciler.ledger import Holder, LeaseLost, LedgerError, LockHeld
from reconciler.pipeline import Session

if TYPE_CHECKING:
    from reconciler.ledger import Lease

POLL_SECONDS = 0.5


def boot_seconds() -> float:
    """Seconds since the machine started, those included in which it slept."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class Holding:
    """Who holds the lock, by which clocks, and how many seconds they wait for another apply to end.

    `waiting(seconds, why)` is told when a lock that ran out is watched before it is taken over.

    `now` is what the ledger is told, `clock` (seconds, never set back) is what the lease's end is measured by.
    """

    actor: str
    now: Callable[[], datetime]
    wait: float = 0.0
    clock: Callable[[], float] = boot_seconds
    waiting: Callable[[float, str], None] = lambda _seconds, _why: None


@dataclass
class Held:
    """A lease that is held until `deadline` by our own clock, unless it is renewed before that."""

    lease: "Lease"
    clock: Callable[[], float]
    deadline: float
    over: bool = False

    def check(self) -> None:
        """Raises Fenced where the lease may have run out, now or at any time before."""
        if not self.over and self.clock() < self.deadline:
            return
        self.over = True
        raise Fenced(
            error(
                "lock-lost",
                f"the lock on {self.lease.gateway} ran out while this process stood still; nothing was sent since",
                hint="see `reconciler history`, then apply again",
            )
        )


@asynccontextmanager
async def locked(session: Session, holding: Holding, stop: asyncio.Event) -> AsyncIterator[Held]:
    """The gateway's lock, renewed until the context ends; `stop` is set when it is lost."""
    ttl = timedelta(seconds=session.loaded.settings.ledger.lock_seconds)
    held = await _acquire(session, holding, ttl, stop)
    session.gateway.guard(held.check)
    renewal = asyncio.create_task(_renewed(session, held, holding, ttl, stop))
    try:
        yield held
        if held.over:
            held.check()
    except LeaseLost as lost:
        raise ReconcilerError(error("lock-lost", str(lost), hint=lost.hint)) from lost
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError):
            await renewal
        session.ledger.release(held.lease)


async def _acquire(session: Session, holding: Holding, ttl: timedelta, stop: asyncio.Event) -> Held:
    """The lock once it is free, or was not renewed for a whole lease while it was watched.

    | the other's lease             | what happens                              |
    |-------------------------------|-------------------------------------------|
    | runs                          | waited for `holding.wait` seconds          |
    | ran out by the clock it names | watched for a whole lease, then taken over |
    | ran out, and is renewed       | that clock is slow: as one that runs       |

    How long a lease of the other's is stands in its own settings. It is at most from when the lock was acquired to
    when it ends, and ours is the least that is watched.
    """
    seconds = ttl.total_seconds()
    patient_until = holding.clock() + holding.wait
    watched: tuple[Holder, float] | None = None
    alive = False
    while True:
        moment = holding.clock()
        dead = None
        if watched is not None and moment - watched[1] >= _longest_lease(watched[0], seconds):
            dead = watched[0]
        try:
            lease = session.ledger.acquire(
                session.target.identity, holding.actor, holding.now(), ttl, instead_of=dead
            )
            return Held(lease, holding.clock, moment + seconds)
        except LockHeld as held:
            other = held.holder
            if watched is None or not watched[0].same_lease(other):
                alive = alive or watched is not None
                watched = (other, moment)
                if other.stale and not alive:
                    why = f"the lock of {other.owner} ran out; it may be at work"
                    holding.waiting(_longest_lease(other, seconds), why)
            ran_out = other.stale and not alive
            if stop.is_set() or not (ran_out or moment < patient_until):
                raise ReconcilerError(error("locked", held.message, hint=held.hint)) from held
        await asyncio.sleep(POLL_SECONDS)


def _longest_lease(holder: Holder, ours: float) -> float:
    """For how many seconds its holder may still send after a renewal, whatever its settings say."""
    return max(ours, (holder.expires - holder.since).total_seconds())


async def _renewed(
    session: Session, held: Held, holding: Holding, ttl: timedelta, stop: asyncio.Event
) -> None:
    while True:
        await asyncio.sleep(ttl.total_seconds() / 3)
        moment = holding.clock()
        try:
            held.check()
            session.ledger.renew(held.lease, holding.now(), ttl)
        except (Fenced, LedgerError):
            stop.set()
            return
        held.deadline = moment + ttl.total_seconds()
