"""The ledger's values: what is asked of it and what it answers. Times are aware UTC, amounts are whole credits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

ApplyStatus = Literal["running", "done", "partial", "failed", "interrupted"]
FinalStatus = Literal["done", "partial", "failed", "interrupted"]
StepState = Literal["intended", "applied", "failed", "unknown"]
SettledState = Literal["applied", "failed", "unknown"]
ResolvedState = Literal["applied", "failed"]
GrantState = Literal["intended", "granted", "refused"]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one gateway. `token` is the fencing number: one more than that of the lease before."""

    gateway: str
    token: int
    holder: str
    acquired: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the lock of a gateway, as seen at the `now` that was asked about."""

    gateway: str
    owner: str
    token: int
    since: datetime
    age: timedelta
    expires: datetime
    stale: bool

    def same_lease(self, other: "Holder") -> bool:
        """Whether both are one lease, not renewed in between."""
        return (self.token, self.expires) == (other.token, other.expires)


@dataclass(frozen=True, slots=True)
class Owned:
    """An inventory row: an object that is ours, what we last applied to it, and by which apply (None: by adopt)."""

    kind: str
    name: str
    applied: Mapping[str, Any]
    adopted: bool
    since: datetime
    apply_id: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What to write into the inventory. For an object that is ours already only `applied` counts."""

    kind: str
    name: str
    applied: Mapping[str, Any]
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Renamed:
    """An object that has another name now: its inventory row moves and, of a team, its grants.

    `operations` is how the ids of its operations began before and begin now. `records` are further rows to renew.
    """

    kind: str
    old: str
    new: str
    operations: tuple[str, str] | None = None
    records: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """Credits given to a team, once ever per (gateway, team, grant_id). The ledger fills in apply_id and the times."""

    team: str
    grant_id: str
    amount: int
    operation_id: str
    state: GrantState = "intended"
    apply_id: int | None = None
    intended: datetime | None = None
    settled: datetime | None = None


@dataclass(frozen=True, slots=True)
class OwedKey:
    """A virtual key that was or is being made, and that nobody has been given yet."""

    kind: str
    name: str
    since: datetime
    apply_id: int | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """A request that gives an object whose key is owed another one, and that may have happened or still may."""

    kind: str
    name: str
    operation_id: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A request that is about to be sent. A `grant` must carry the same operation_id, or the intent none.

    `owes_key`: the request makes a virtual key, which is owed from now on until its delivery is confirmed.
    """

    step_id: str
    kind: str
    name: str
    action: str
    operation_id: str | None = None
    detail: Mapping[str, Any] | None = None
    grant: GrantRecord | None = None
    owes_key: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of an intent, and what that changes in the inventory.

    The grant of the intent follows `state` by itself (applied: granted, failed: refused, unknown: stays intended);
    `grant` is only for saying something else about it. `key_settled`: nothing is owed any more, because the key
    was delivered or never made. `doubted`: one of the step's requests was lost on the way and may still arrive.
    """

    step_id: str
    state: SettledState
    error: str | None = None
    seconds: float = 0.0
    own: Claim | None = None
    disown: bool = False
    grant: GrantRecord | None = None
    renamed: Renamed | None = None
    key_settled: bool = False
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An intent and its outcome so far; `note` says how an unknown outcome was decided later."""

    journal_id: int
    apply_id: int
    step_id: str
    kind: str
    name: str
    action: str
    operation_id: str | None
    grant_id: str | None
    detail: Mapping[str, Any]
    state: StepState
    error: str | None
    seconds: float | None
    note: str | None
    intended: datetime
    settled: datetime | None


@dataclass(frozen=True, slots=True)
class ApplyRecord:
    """One apply of the history: `planned` counts at its begin, `counts` of its outcomes (empty until it finished)."""

    apply_id: int
    actor: str
    revision: str | None
    plan_digest: str
    command: str
    status: ApplyStatus
    planned: Mapping[str, int]
    counts: Mapping[str, int]
    started: datetime
    finished: datetime | None
