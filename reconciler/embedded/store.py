"""The SQLite file: one thread writes, a few read, so that no request waits on the event loop.

A served process and an in-process client may use one file at once: WAL lets readers and a writer work side by side,
and a writer says so at its start (BEGIN IMMEDIATE), because a transaction that reads first cannot wait for another.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.embedded.tables import FORMAT, TABLES, UPGRADE
from reconciler.system.disk import private_database, readable_database

PATIENCE = 10.0  # seconds to wait for another process's transaction
READERS = 4
MEMORY = ":memory:"
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Store:
    """A database for one event loop at a time. Closed, it is opened again at its next use.

    Raises ReconcilerError where the file cannot be opened, is no database, or is of a newer version.
    """

    def __init__(self, database: str | Path) -> None:
        self.database = str(database)
        self._file: _File | None = _File(self.database)

    async def read(self, work: Work[T]) -> T:
        """What `work` makes of a consistent view; others may read and write meanwhile."""
        return await self._opened().read(work)

    async def write(
        self, work: Work[T], settling: AbstractContextManager[object] | None = None
    ) -> T:
        """Everything that `work` does, or nothing when it raises. It is committed within `settling`."""
        return await self._opened().write(work, settling or nullcontext())

    def close(self) -> None:
        """Waits for what is being written and closes the file. A database in memory is gone."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _opened(self) -> "_File":
        self._file = self._file or _File(self.database)
        return self._file


class _File:
    """The open file: a connection that writes in a thread of its own, and one in each thread that reads."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connection = _open(database)
        self._writer = ThreadPoolExecutor(1, "gateway-writer")
        self._readers = ThreadPoolExecutor(READERS, "gateway-reader")
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []

    async def read(self, work: Work[T]) -> T:
        # A database in memory is one connection's: its thread reads, too.
        in_memory = self._database == MEMORY
        pool, read = (self._writer, self._read_own) if in_memory else (self._readers, self._read)
        return await asyncio.get_running_loop().run_in_executor(pool, partial(read, work))

    async def write(self, work: Work[T], settling: AbstractContextManager[object]) -> T:
        until = monotonic() + PATIENCE
        run = partial(self._write, work, settling, until)
        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    def close(self) -> None:
        for pool in (self._readers, self._writer):
            pool.shutdown(wait=True, cancel_futures=True)
        for db in (*self._reading, self._connection):
            db.close()

    def _read(self, work: Work[T]) -> T:
        db: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if db is None:
            db = self._local.connection = _connect(self._database)
            self._reading.append(db)
        return _viewed(db, work)

    def _read_own(self, work: Work[T]) -> T:
        return _viewed(self._connection, work)

    def _write(self, work: Work[T], settling: AbstractContextManager[object], until: float) -> T:
        """Those that queued behind one that waits have waited as well: the patience is counted from their arrival."""
        db = self._connection
        db.execute(f"PRAGMA busy_timeout = {max(0, round(1000 * (until - monotonic())))}")
        db.execute("BEGIN IMMEDIATE")
        try:
            done = work(db)
            with settling:
                db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return done


def _viewed(db: sqlite3.Connection, work: Work[T]) -> T:
    db.execute("BEGIN")
    try:
        return work(db)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _open(database: str) -> sqlite3.Connection:
    try:
        if database != MEMORY:
            private_database(Path(database).expanduser().absolute())
        return _ready(_connect(database))
    except (OSError, sqlite3.Error) as failure:
        raise _unusable(database, failure) from failure


def _unusable(database: str, failure: Exception) -> ReconcilerError:
    return ReconcilerError(
        error("gateway", f"the embedded gateway cannot open its database {database}: {failure}")
    )


def _connect(database: str) -> sqlite3.Connection:
    path = database if database == MEMORY else str(Path(database).expanduser().absolute())
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def _ready(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        _switch_to_wal(db)
        # NORMAL: a killed process loses nothing; a power cut may lose the last commits, never half of one.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        _bring_up_to_date(db)
    except BaseException:
        db.close()
        raise
    return db


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait by itself where two processes open a new file at once."""
    until = monotonic() + PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as failure:
            if "locked" not in str(failure) or monotonic() > until:
                raise
            sleep(0.02)
        else:
            return


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    if _format(db) == FORMAT:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        _upgrade(db, _format(db))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    if (found := _format(db)) != FORMAT:
        raise sqlite3.DatabaseError(
            f"its format is {found}, this version knows {FORMAT}: upgrade reconciler"
        )


def _upgrade(db: sqlite3.Connection, found: int) -> None:
    if found == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise sqlite3.DatabaseError("the file holds somebody else's tables")
    steps = {0: TABLES, 1: UPGRADE}.get(found)
    if steps is None:
        return
    for step in steps:
        db.execute(step)
    db.execute("INSERT INTO gateway (gateway_id) VALUES (?)", (uuid4().hex,))
    db.execute(f"PRAGMA user_version = {FORMAT}")


def gateway_id(database: str | Path) -> str | None:
    """The id of the gateway whose file it is, without starting or changing it.

    None where there is no file yet, or one of format 1: it gets its id when a gateway opens it. Raises ReconcilerError
    where it cannot be read.
    """
    path = Path(database).expanduser().absolute()
    if not path.exists():
        return None
    try:
        with readable_database(path) as readable:
            url = f"{readable.as_uri()}?mode=ro"
            with closing(sqlite3.connect(url, uri=True, timeout=PATIENCE)) as db:
                return stored_id(db) if _format(db) == FORMAT else None
    except sqlite3.Error as failure:
        raise _unusable(str(database), failure) from failure


def stored_id(db: sqlite3.Connection) -> str:
    """The gateway's id, in its open database."""
    return str(db.execute("SELECT gateway_id FROM gateway").fetchone()[0])


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
