"""A lock is taken over only from a holder that, by its own settings, cannot be sending any more."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply import lock
from reconciler.core.model.findings import ReconcilerError
from reconciler.ledger import open_ledger

GATEWAY = "embedded http://gw"
THEN = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = st.integers(1, 400)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with open_ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/l.db") as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def no_pauses():
    before, lock.POLL_SECONDS = lock.POLL_SECONDS, 0
    yield
    lock.POLL_SECONDS = before


def acquired_after(ledger, ours: int, skew: int, wait: float) -> int:
    """How many seconds of our clock, which goes on by one with each look, it took to get the lock."""
    clock = count()
    holding = lock.Holding(
        "bob", lambda: THEN + timedelta(seconds=skew), wait, lambda: float(next(clock))
    )
    session = SimpleNamespace(ledger=ledger, target=SimpleNamespace(identity=GATEWAY))
    held = asyncio.run(lock._acquire(session, holding, timedelta(seconds=ours), asyncio.Event()))
    return int(held.deadline - ours)


@settings(max_examples=25, deadline=None)
@given(theirs=SECONDS, renewed=st.integers(0, 300), ours=SECONDS, day=st.booleans())
def test_law_nobody_takes_a_lock_over_before_its_holders_own_lease_is_over(
    ledger, theirs, renewed, ours, day
):
    """Whatever the two settings, the time it ran before, and a clock that is a day ahead."""
    ledger.break_lock(GATEWAY, THEN)
    lease = ledger.acquire(GATEWAY, "alice", THEN, timedelta(seconds=theirs))
    ledger.renew(lease, THEN + timedelta(seconds=renewed), timedelta(seconds=theirs))
    skew = 86_400 if day else 0
    seconds = acquired_after(ledger, ours, skew, wait=float("inf"))
    assert max(theirs, ours) <= seconds <= max(theirs + renewed, ours) + 3


def test_a_lock_that_runs_is_not_waited_for_unasked(ledger):
    ledger.break_lock(GATEWAY, THEN)
    ledger.acquire(GATEWAY, "alice", THEN, timedelta(seconds=60))
    with pytest.raises(ReconcilerError, match="locked by alice"):
        acquired_after(ledger, 1, 0, wait=0.0)
