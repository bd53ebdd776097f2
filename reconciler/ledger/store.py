"""The ledger as its users see it: short synchronous calls, each one transaction."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from reconciler.ledger import (
    facts,
    grants,
    history,
    inventory,
    journal,
    lock,
    names,
    owed,
    renewals,
)
from reconciler.ledger.opening import WRITES, label, open_engine, translated
from reconciler.ledger.records import (
    ApplyRecord,
    Claim,
    FinalStatus,
    GrantRecord,
    Holder,
    Intent,
    JournalEntry,
    Lease,
    OwedKey,
    Owned,
    Renamed,
    Renewal,
    ResolvedState,
    Settlement,
)

# How many applies of a gateway are remembered without anybody asking: with open steps more, credit grants for ever.
KEPT = 200


def open_ledger(url: str) -> "Ledger":
    """The ledger at `sqlite:///PATH`, a plain path or `postgresql://...`, made or migrated when needed.

    Raises LedgerError when it cannot be reached or has a newer format. Safe when several processes open it at once.
    """
    return Ledger(open_engine(url))


class Ledger:
    """What the reconciler remembers of every gateway: inventory, journal, credit grants, facts, history, lock.

    Every call is one transaction and raises LedgerError when the database fails. Every call that takes a lease raises
    LeaseLost, and writes nothing, when that lease is not the current one of its gateway any more. Calls may come from
    several threads.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._where = label(engine.url)

    def __repr__(self) -> str:
        return f"Ledger({self._where!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection; leases stay as they are."""
        self._engine.dispose()

    # --- lock

    def acquire(
        self,
        gateway: str,
        holder: str,
        now: datetime,
        ttl: timedelta,
        instead_of: Holder | None = None,
    ) -> Lease:
        """The lock of the gateway until now + ttl, be it from `instead_of` as it was seen last; raises LockHeld."""
        with self._write() as conn:
            lease = lock.acquire(conn, gateway, holder, now, ttl, instead_of)
            history.interrupt(conn, gateway, now)
            return lease

    def renew(self, lease: Lease, now: datetime, ttl: timedelta) -> Lease:
        """The same lease, lasting until now + ttl."""
        with self._write() as conn:
            return lock.renew(conn, lease, now, ttl)

    def release(self, lease: Lease) -> bool:
        """False when the lease was lost before; never raises LeaseLost."""
        with self._write() as conn:
            return lock.release(conn, lease)

    def holder(self, gateway: str, now: datetime) -> Holder | None:
        """Who has the lock."""
        with self._read() as conn:
            return lock.find_holder(conn, gateway, now)

    def break_lock(self, gateway: str, now: datetime, token: int | None = None) -> Holder | None:
        """Frees the lock, ends its holder's running apply as interrupted, and says whose it was.

        With the `token` of the holder that the user was shown, raises LockHeld when another one has the lock by now.
        """
        with self._write() as conn:
            broken = lock.break_lock(conn, gateway, now, token)
            history.interrupt(conn, gateway, now)
            return broken

    # --- inventory

    def inventory(self, gateway: str) -> Mapping[tuple[str, str], Owned]:
        """What we own, by (kind, name)."""
        with self._read() as conn:
            return inventory.read(conn, gateway)

    def own(self, lease: Lease, entries: Iterable[Claim], now: datetime) -> None:
        """Takes over objects, or records anew what is applied to those that are ours."""
        with self._fenced(lease) as conn:
            inventory.write(
                conn,
                lease.gateway,
                {(entry.kind, entry.name): entry for entry in entries},
                None,
                now,
            )

    def disown(self, lease: Lease, refs: Iterable[tuple[str, str]]) -> None:
        """Forgets objects, by (kind, name); one that is not ours is no error."""
        keys = tuple(refs)
        with self._fenced(lease) as conn:
            inventory.disown(conn, lease.gateway, keys)
            owed.clear(conn, lease.gateway, keys)

    def rename(self, lease: Lease, entries: Iterable[Renamed], now: datetime) -> None:
        """Moves what is known of objects to their new names, where the gateway knows them by these already."""
        with self._fenced(lease) as conn:
            for entry in entries:
                journal.move(conn, lease.gateway, entry, now)

    # --- history

    def begin(
        self,
        lease: Lease,
        *,
        actor: str,
        revision: str | None,
        plan_digest: str,
        counts: Mapping[str, int],
        now: datetime,
        command: str,
    ) -> int:
        """Starts an apply: its id. `revision` is a git commit, `counts` what is planned."""
        with self._fenced(lease) as conn:
            return history.begin(
                conn,
                lease,
                actor=actor,
                revision=revision,
                plan_digest=plan_digest,
                counts=counts,
                now=now,
                command=command,
            )

    def finish(
        self,
        lease: Lease,
        apply_id: int,
        status: FinalStatus,
        counts: Mapping[str, int],
        now: datetime,
    ) -> None:
        """Ends a running apply with the counts of its outcomes; the newest `KEPT` are remembered (`prune_history`)."""
        with self._fenced(lease) as conn:
            history.finish(conn, lease, apply_id, status=status, counts=counts, now=now)
            history.prune(conn, lease.gateway, KEPT)

    def history(self, gateway: str, limit: int = 20) -> tuple[ApplyRecord, ...]:
        """The latest applies, newest first."""
        with self._read() as conn:
            return history.latest(conn, gateway, limit)

    def apply_record(
        self, gateway: str, apply_id: int
    ) -> tuple[ApplyRecord, tuple[JournalEntry, ...]]:
        """One apply and its journal; raises LedgerError when the gateway has none of that id."""
        with self._read() as conn:
            return history.find(conn, gateway, apply_id), journal.of_apply(conn, apply_id)

    def expanded_since(self, gateway: str, moment: datetime) -> Mapping[tuple[str, str], datetime]:
        """(kind, name) of what applies expanded since then (or may have), with the time of the last."""
        with self._read() as conn:
            return journal.expanded_since(conn, gateway, moment)

    def prune_history(self, lease: Lease, keep: int) -> int:
        """Forgets all but the newest `keep` applies and those with open steps; says how many. Grants stay for ever."""
        with self._fenced(lease) as conn:
            return history.prune(conn, lease.gateway, keep)

    # --- journal

    def intend(self, lease: Lease, apply_id: int, entries: Sequence[Intent], now: datetime) -> None:
        """Writes down requests before any is sent; on disk when this returns.

        Raises LedgerError, and nothing is written, for a step intended before and for a grant that could pay twice.
        """
        with self._fenced(lease) as conn:
            history.require_running(conn, lease, apply_id)
            journal.intend(conn, lease, apply_id, entries, now)

    def settle(
        self, lease: Lease, apply_id: int, entries: Sequence[Settlement], now: datetime
    ) -> None:
        """Writes down outcomes with all they change: journal, inventory and grants, or none of them.

        Raises LedgerError for a step that was never intended or is settled otherwise already.
        """
        with self._fenced(lease) as conn:
            history.require_running(conn, lease, apply_id)
            journal.settle(conn, lease, apply_id, entries, now)

    def unsettled(self, gateway: str) -> tuple[JournalEntry, ...]:
        """Steps of whose outcome nothing is known, oldest first: ask after `acquire`, before `begin`."""
        with self._read() as conn:
            return journal.unsettled(conn, gateway)

    def resolve(
        self,
        lease: Lease,
        journal_id: int,
        state: ResolvedState,
        note: str,
        now: datetime,
        *,
        own: Claim | None = None,
        disown: bool = False,
        grant: GrantRecord | None = None,
        renamed: Renamed | None = None,
        key_settled: bool = False,
    ) -> None:
        """Decides one unsettled entry; `note` says by what evidence. Raises LedgerError when it is not open."""
        with self._fenced(lease) as conn:
            decision = journal.Decision(state, note, own, disown, grant, renamed, key_settled)
            journal.resolve(conn, lease, journal_id, decision, now)

    def late(self, gateway: str) -> tuple[JournalEntry, ...]:
        """Steps of the last apply, where it was cut off, of which a lost request may still arrive."""
        with self._read() as conn:
            return journal.late(conn, gateway)

    def unfinished_creations(self, gateway: str) -> frozenset[tuple[str, str]]:
        """(kind, name) of what was created since the last apply that was carried out to its end."""
        with self._read() as conn:
            return journal.unfinished_creations(conn, gateway)

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost unless the lease is the current one."""
        with self._read() as conn:
            lock.check(conn, lease, hold=False)

    # --- keys that are owed

    def owed_keys(self, gateway: str) -> tuple[OwedKey, ...]:
        """Virtual keys that were made, or may have been, and that nobody has been given."""
        with self._read() as conn:
            return owed.read(conn, gateway)

    def key_delivered(self, lease: Lease, refs: Iterable[tuple[str, str]]) -> None:
        """Nothing is owed for these, by (kind, name), and how it was renewed until then does not matter any more."""
        keys = tuple(refs)
        with self._fenced(lease) as conn:
            owed.clear(conn, lease.gateway, keys)
            renewals.clear(conn, lease.gateway, keys)

    def renewals(self, gateway: str) -> tuple[Renewal, ...]:
        """Renewals that may have happened, or still may, and of which nobody has the key; the oldest first."""
        with self._read() as conn:
            return renewals.read(conn, gateway)

    def intend_renewal(self, lease: Lease, renewal: Renewal) -> None:
        """Writes down a renewal before its request is sent; on disk when this returns."""
        with self._fenced(lease) as conn:
            renewals.intend(conn, lease.gateway, renewal)

    def forget_renewals(self, lease: Lease, operations: Collection[str]) -> None:
        """These can never happen any more, or gave a key to what is owed none."""
        with self._fenced(lease) as conn:
            renewals.forget(conn, lease.gateway, operations)

    # --- names of a gateway

    def known_as(self, name: str) -> str:
        """The identity of the gateway that is called this in the settings."""
        with self._read() as conn:
            return names.known_as(conn, name)

    def unite(self, identity: str, others: Collection[str]) -> None:
        """From now on these names are one gateway, and so is what is remembered of it."""
        with self._write() as conn:
            names.unite(conn, identity, others)

    # --- grants

    def grants(self, gateway: str) -> Mapping[tuple[str, str], GrantRecord]:
        """Every grant ever, by (team, grant_id)."""
        with self._read() as conn:
            return grants.read(conn, gateway)

    def remember_grants(self, lease: Lease, records: Sequence[GrantRecord], now: datetime) -> None:
        """Counts grants as given that the gateway has on record and that were not known, or given up."""
        with self._fenced(lease) as conn:
            grants.remember(conn, lease.gateway, records, now)

    # --- facts

    def facts(self, gateway: str) -> Mapping[str, Any]:
        """What of the gateway no manifest says, as it was written down last: name -> JSON."""
        with self._read() as conn:
            return facts.read(conn, gateway)

    def remember_facts(self, lease: Lease, values: Mapping[str, Any], now: datetime) -> None:
        """These facts are so now; those that are not named stay as they are known."""
        with self._fenced(lease) as conn:
            facts.write(conn, lease.gateway, values, now)

    # --- transactions

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with translated(self._where), self._engine.connect() as conn:
            yield conn

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        options = {WRITES: True}
        with (
            translated(self._where),
            self._engine.connect().execution_options(**options) as conn,
            conn.begin(),
        ):
            yield conn

    @contextmanager
    def _fenced(self, lease: Lease) -> Iterator[Connection]:
        with self._write() as conn:
            lock.check(conn, lease)
            yield conn
