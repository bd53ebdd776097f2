"""The gateway's lock around an apply: acquired or waited for, renewed, released, and checked before each write.

The ledger refuses whoever lost the lock. The gateway knows nothing of it, so nothing is sent once the lease may have
run out by our own clock, which also counts while this process is paused or the machine sleeps: another apply may have
begun. What is lost that way is lost for the whole apply, also where the lock turns out to be free still.
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
from reconciler.ledger import LeaseLost, LedgerError, LockHeld
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

    `now` is what the ledger is told, `clock` (seconds, never set back) is what the lease's end is measured by.
    """

    actor: str
    now: Callable[[], datetime]
    wait: float = 0.0
    clock: Callable[[], float] = boot_seconds


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
    waited_until = holding.clock() + holding.wait
    while True:
        asked = holding.clock()
        try:
            lease = session.ledger.acquire(
                session.target.identity, holding.actor, holding.now(), ttl
            )
            return Held(lease, holding.clock, asked + ttl.total_seconds())
        except LockHeld as held:
            if held.holder.stale or stop.is_set() or holding.clock() >= waited_until:
                raise ReconcilerError(error("locked", held.message, hint=held.hint)) from held
        await asyncio.sleep(POLL_SECONDS)


async def _renewed(
    session: Session, held: Held, holding: Holding, ttl: timedelta, stop: asyncio.Event
) -> None:
    while True:
        await asyncio.sleep(ttl.total_seconds() / 3)
        asked = holding.clock()
        try:
            held.check()
            session.ledger.renew(held.lease, holding.now(), ttl)
        except (Fenced, LedgerError):
            stop.set()
            return
        held.deadline = asked + ttl.total_seconds()
