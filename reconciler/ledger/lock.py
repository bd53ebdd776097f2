"""The lock of a gateway: one writer at a time, told from its predecessors by a fencing token.

A lock that has expired by the clock that wrote it proves nothing: clocks differ. It is taken over only from a holder
whom the caller watched for a whole lease without seeing it renewed (`instead_of`), and then every write of the old one
is refused here, whatever it believes.
"""

import re
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, select, update

from reconciler.ledger.errors import LeaseLost, LedgerError, LockHeld
from reconciler.ledger.records import Holder, Lease
from reconciler.ledger.soundness import damaged
from reconciler.ledger.statements import inserting
from reconciler.ledger.tables import locks

_CREDENTIALS = re.compile(r"://[^/@\s]*:[^/@\s]*@")


def acquire(
    conn: Connection,
    gateway: str,
    holder: str,
    now: datetime,
    ttl: timedelta,
    instead_of: Holder | None = None,
) -> Lease:
    """Raises LockHeld, also when the other's lease has expired, unless it is still just that of `instead_of`."""
    if _CREDENTIALS.search(gateway):
        raise LedgerError(
            "the gateway's URL holds a password", "give the key in the environment instead"
        )
    free = inserting(conn, locks).values(gateway=gateway, token=0).on_conflict_do_nothing()
    conn.execute(free)
    row = _locked_row(conn, gateway)
    current = _holder(row, gateway, now)
    if current is not None and not (instead_of is not None and current.same_lease(instead_of)):
        raise LockHeld(current)
    token = (row.token if row is not None else 0) + 1
    changed = {"token": token, "holder": holder, "acquired": now, "expires": now + ttl}
    conn.execute(update(locks).where(locks.c.gateway == gateway).values(changed))
    return Lease(gateway, token, holder, now, now + ttl)


def check(conn: Connection, lease: Lease, *, hold: bool = True) -> None:
    """Raises LeaseLost unless the lease is still the current one; `hold` keeps it so for this transaction."""
    row = _locked_row(conn, lease.gateway) if hold else _row(conn, lease.gateway)
    if row is not None and row.holder is not None and row.token == lease.token:
        return
    taken = row is not None and row.holder is not None
    how = f"taken over by {row.holder}" if row is not None and taken else "broken"
    message = f"the lock on {lease.gateway} was {how} while {lease.holder} worked under it; it stopped there"
    hint = "a request that was on its way may still have taken effect; the next apply looks it up"
    raise LeaseLost(message, hint)


def renew(conn: Connection, lease: Lease, now: datetime, ttl: timedelta) -> Lease:
    """A lease that lasts until now + ttl; an expired one that nobody broke can be renewed too."""
    check(conn, lease)
    conn.execute(update(locks).where(locks.c.gateway == lease.gateway).values(expires=now + ttl))
    return Lease(lease.gateway, lease.token, lease.holder, lease.acquired, now + ttl)


def release(conn: Connection, lease: Lease) -> bool:
    """False when the lease was lost before: then there is nothing to release, and the other's lock stays."""
    ours = (
        (locks.c.gateway == lease.gateway)
        & (locks.c.token == lease.token)
        & locks.c.holder.is_not(None)
    )
    return conn.execute(update(locks).where(ours).values(_FREE)).rowcount == 1


def find_holder(conn: Connection, gateway: str, now: datetime) -> Holder | None:
    """Who has the lock at `now`."""
    row = conn.execute(select(locks).where(locks.c.gateway == gateway)).one_or_none()
    return _holder(row, gateway, now)


def break_lock(conn: Connection, gateway: str, now: datetime, token: int | None) -> Holder | None:
    """Frees the lock and says whose it was; raises LockHeld when a token is given and it is not that one's."""
    broken = _holder(_locked_row(conn, gateway), gateway, now)
    if broken is not None and token not in (None, broken.token):
        raise LockHeld(broken)
    conn.execute(update(locks).where(locks.c.gateway == gateway).values(_FREE))
    return broken


_FREE = {"holder": None, "acquired": None, "expires": None}
_LOCK = select(locks).where(locks.c.gateway == bindparam("of_gateway"))
_LOCK_HELD = _LOCK.with_for_update()


def _row(conn: Connection, gateway: str) -> "Row[tuple[object, ...]] | None":
    return conn.execute(_LOCK, {"of_gateway": gateway}).one_or_none()


def _locked_row(conn: Connection, gateway: str) -> "Row[tuple[object, ...]] | None":
    return conn.execute(_LOCK_HELD, {"of_gateway": gateway}).one_or_none()


def _holder(row: "Row[tuple[object, ...]] | None", gateway: str, now: datetime) -> Holder | None:
    if row is None or row.holder is None:
        return None
    if not (
        isinstance(row.acquired, datetime)
        and isinstance(row.expires, datetime)
        and isinstance(row.token, int)
    ):
        raise damaged("the lock")
    age = max(now - row.acquired, timedelta(0))
    return Holder(
        gateway, row.holder, row.token, row.acquired, age, row.expires, stale=row.expires <= now
    )
