"""What can go wrong with the ledger, in words for the person who runs the reconciler."""

from reconciler.ledger.records import Holder


class LedgerError(Exception):
    """The ledger cannot do what was asked; `hint` says what to do about it. Neither ever holds a password."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class LockHeld(LedgerError):  # noqa: N818 - the name says what is, not that it is an error
    """Another apply has the lock of this gateway; `holder.stale` when its lease ran out without being released."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(_held(holder), _way_out(holder))
        self.holder = holder


class LeaseLost(LedgerError):  # noqa: N818 - as LockHeld
    """The lock was broken or taken since this lease was acquired: nothing was written, and this apply must stop."""


def _held(holder: Holder) -> str:
    since = f"{holder.owner} since {holder.since:%Y-%m-%d %H:%M:%S} UTC"
    if holder.stale:
        return f"{holder.gateway} is locked by {since}; that lock expired at {holder.expires:%H:%M:%S} UTC"
    return f"{holder.gateway} is locked by {since}"


def _way_out(holder: Holder) -> str:
    if holder.stale:
        return "apply takes it over once it was not renewed for a whole lease; `reconciler unlock` frees it at once"
    return "wait until it is done (--lock-wait); if that process is gone for good, run `reconciler unlock`"
