"""What the reconciler remembers: inventory, journal, credit grants, lock and history, in SQLite or PostgreSQL.

Importing this costs nothing: SQLAlchemy is loaded by the first `open_ledger`.
"""

from typing import TYPE_CHECKING, Any

from reconciler.ledger.errors import LeaseLost, LedgerError, LockHeld
from reconciler.ledger.records import (
    ApplyRecord,
    Claim,
    GrantRecord,
    Holder,
    Intent,
    JournalEntry,
    Lease,
    OwedKey,
    Owned,
    Renamed,
    Renewal,
    Settlement,
)

if TYPE_CHECKING:
    from reconciler.ledger.store import Ledger, open_ledger

__all__ = [
    "ApplyRecord",
    "Claim",
    "GrantRecord",
    "Holder",
    "Intent",
    "JournalEntry",
    "Lease",
    "LeaseLost",
    "Ledger",
    "LedgerError",
    "LockHeld",
    "OwedKey",
    "Owned",
    "Renamed",
    "Renewal",
    "Settlement",
    "open_ledger",
]


def __getattr__(name: str) -> Any:
    if name not in ("Ledger", "open_ledger"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reconciler.ledger import store  # noqa: PLC0415 - loads SQLAlchemy

    return getattr(store, name)
