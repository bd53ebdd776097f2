"""The gateway's lock around an apply: acquired or waited for, renewed, released."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.core.findings import ReconcilerError, error
from reconciler.ledger import LeaseLost, LedgerError, LockHeld
from reconciler.pipeline import Session

if TYPE_CHECKING:
    from reconciler.ledger import Lease

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Holding:
    """Who holds the lock, by which clock, and how many seconds they wait for another apply to end."""

    actor: str
    now: Callable[[], datetime]
    wait: float = 0.0


@asynccontextmanager
async def locked(session: Session, holding: Holding, stop: asyncio.Event) -> AsyncIterator["Lease"]:
    """The gateway's lock, renewed until the context ends; `stop` is set when it is lost."""
    ttl = timedelta(seconds=session.loaded.settings.ledger.lock_seconds)
    lease = await _acquire(session, holding, ttl, stop)
    renewal = asyncio.create_task(_renewed(session, lease, holding, ttl, stop))
    try:
        yield lease
    except LeaseLost as lost:
        raise ReconcilerError(error("lock-lost", str(lost), hint=lost.hint)) from lost
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError):
            await renewal
        session.ledger.release(lease)


async def _acquire(session: Session, holding: Holding, ttl: timedelta, stop: asyncio.Event) -> "Lease":
    deadline = time.monotonic() + holding.wait
    while True:
        try:
            return session.ledger.acquire(session.target.identity, holding.actor, holding.now(), ttl)
        except LockHeld as held:
            if held.holder.stale or stop.is_set() or time.monotonic() >= deadline:
                raise ReconcilerError(error("locked", held.message, hint=held.hint)) from held
        await asyncio.sleep(POLL_SECONDS)


async def _renewed(session: Session, lease: "Lease", holding: Holding, ttl: timedelta, stop: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(ttl.total_seconds() / 3)
        try:
            session.ledger.renew(lease, holding.now(), ttl)
        except LedgerError:
            stop.set()
            return
