"""The history of applies: who, which git commit, which plan, how it ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from reconciler.ledger.errors import LedgerError
from reconciler.ledger.records import ApplyRecord, FinalStatus, Lease
from reconciler.ledger.soundness import record_of
from reconciler.ledger.tables import OPEN_STEPS, applies, journal

_COLUMNS = [column for column in applies.c if column.name not in ("gateway", "token")]


def begin(
    conn: Connection,
    lease: Lease,
    *,
    actor: str,
    revision: str | None,
    plan_digest: str,
    counts: Mapping[str, int],
    now: datetime,
    command: str,
) -> int:
    """The new apply's id."""
    row = {
        "gateway": lease.gateway,
        "token": lease.token,
        "actor": actor,
        "revision": revision,
        "plan_digest": plan_digest,
        "command": command,
        "status": "running",
        "planned": dict(counts),
        "counts": {},
        "started": now,
    }
    return cast(
        "int", conn.execute(insert(applies).values(row).returning(applies.c.id)).scalar_one()
    )


def finish(
    conn: Connection,
    lease: Lease,
    apply_id: int,
    *,
    status: FinalStatus,
    counts: Mapping[str, int],
    now: datetime,
) -> None:
    """Raises LedgerError when the apply is not a running one of this lease."""
    require_running(conn, lease, apply_id)
    ended = {"status": status, "counts": dict(counts), "finished": now}
    conn.execute(update(applies).where(applies.c.id == apply_id).values(ended))


def require_running(conn: Connection, lease: Lease, apply_id: int) -> None:
    """Raises LedgerError when the apply is not a running one of this lease."""
    row = conn.execute(_STANDING, {"of_apply": apply_id}).one_or_none()
    if row is None or tuple(row) != (lease.gateway, lease.token, "running"):
        raise LedgerError(
            f"apply {apply_id} is not a running apply of {lease.holder} on {lease.gateway}"
        )


_STANDING = select(applies.c.gateway, applies.c.token, applies.c.status).where(
    applies.c.id == bindparam("of_apply")
)


def interrupt(conn: Connection, gateway: str, now: datetime) -> None:
    """Marks what never finished: called when the lock changes hands, so nothing of this gateway can be running."""
    unfinished = (applies.c.gateway == gateway) & (applies.c.status == "running")
    conn.execute(update(applies).where(unfinished).values(status="interrupted", finished=now))


def latest(conn: Connection, gateway: str, limit: int) -> tuple[ApplyRecord, ...]:
    """Newest first."""
    ours = select(*_COLUMNS).where(applies.c.gateway == gateway)
    return tuple(map(_record, conn.execute(ours.order_by(applies.c.id.desc()).limit(limit))))


def find(conn: Connection, gateway: str, apply_id: int) -> ApplyRecord:
    """Raises LedgerError when this gateway has no such apply."""
    one = select(*_COLUMNS).where(applies.c.gateway == gateway, applies.c.id == apply_id)
    row = conn.execute(one).one_or_none()
    if row is None:
        raise LedgerError(
            f"there is no apply {apply_id} in the history of {gateway}", "see `reconciler history`"
        )
    return _record(row)


def prune(conn: Connection, gateway: str, keep: int) -> int:
    """Deletes older applies with their journals, but none that runs or has a step of unknown outcome."""
    ours = applies.c.gateway == gateway
    kept = select(applies.c.id).where(ours).order_by(applies.c.id.desc()).limit(keep)
    waiting = select(journal.c.apply_id).where(journal.c.gateway == gateway, OPEN_STEPS)
    old = (
        ours
        & applies.c.id.not_in(kept)
        & applies.c.id.not_in(waiting)
        & (applies.c.status != "running")
    )
    return conn.execute(delete(applies).where(old)).rowcount


def _record(row: Any) -> ApplyRecord:
    return record_of(ApplyRecord, row)
