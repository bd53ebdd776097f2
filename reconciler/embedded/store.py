"""The SQLite file: one connection, one transaction per request.

A served process and an in-process client may use one file at once: WAL lets readers and a writer work side by side,
and a writer says so at its start (BEGIN IMMEDIATE), because a transaction that reads first cannot wait for another.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

from reconciler.core.findings import ReconcilerError, error
from reconciler.disk import private_database
from reconciler.embedded.tables import FORMAT, TABLES, UPGRADE

PATIENCE = 10.0  # seconds to wait for another process's transaction
MEMORY = ":memory:"
T = TypeVar("T")


class Store:
    """An open database. Calls may come from several threads; one transaction runs at a time.

    Raises ReconcilerError where the file cannot be opened, is no database, or is of a newer version.
    """

    def __init__(self, database: str | Path) -> None:
        self.database = str(database)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = _open(self.database)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A consistent view for the length of the block."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Everything in the block, or nothing when it raises."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    async def read_apart(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` makes of a consistent view, in a thread with a connection of its own.

        For reads of everything, which take seconds at 100,000 teams: other requests are answered meanwhile.
        """
        if self.database == MEMORY:
            with self.read() as db:
                return work(db)
        return await asyncio.to_thread(self._read_once, work)

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with closing(_connect(self.database)) as db:
            db.execute("BEGIN")
            return work(db)

    def close(self) -> None:
        """Closes the file; the next use opens it again. A database in memory is gone."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._connection = self._connection or _open(self.database)
            db.execute(begin)
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def _open(database: str) -> sqlite3.Connection:
    try:
        if database != MEMORY:
            private_database(Path(database).expanduser().absolute())
        return _ready(_connect(database))
    except (OSError, sqlite3.Error) as failure:
        raise _unusable(database, failure) from failure


def _unusable(database: str, failure: Exception) -> ReconcilerError:
    return ReconcilerError(error("gateway", f"the embedded gateway cannot open its database {database}: {failure}"))


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
        raise sqlite3.DatabaseError(f"its format is {found}, this version knows {FORMAT}: upgrade reconciler")


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
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as db:
            return stored_id(db) if _format(db) == FORMAT else None
    except sqlite3.Error as failure:
        raise _unusable(str(database), failure) from failure


def stored_id(db: sqlite3.Connection) -> str:
    """The gateway's id, in its open database."""
    return str(db.execute("SELECT gateway_id FROM gateway").fetchone()[0])


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
