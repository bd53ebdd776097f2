"""Opening a ledger: the URL, the engine, the format.

A ledger in the newest format is recognised with one query; the migrations are only imported to change it.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from reconciler.ledger.errors import LedgerError
from reconciler.ledger.soundness import HINT
from reconciler.ledger.tables import FORMATS, VERSION_TABLE
from reconciler.system.disk import private_database
from reconciler.system.extras import require

PATIENCE = 30  # seconds to wait for another process's transaction
WRITES = (
    "ledger_writes"  # the execution option that makes a transaction a writing one from its start
)
_VERSION = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
_MIGRATION_LOCK = 0x1ED6E4  # any number that other users of the same PostgreSQL database do not use
_SECRETS = ("password", "sslpassword")
_EXPECTED = "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def open_engine(url: str) -> Engine:
    """An engine on a ledger in the newest format. Raises LedgerError, which never repeats the password."""
    parsed = _parse(url)
    engine = _engine(parsed)
    try:
        with translated(label(parsed)):
            _bring_up_to_date(engine, label(parsed))
    except BaseException:
        engine.dispose()
        raise
    return engine


def label(url: URL) -> str:
    """Where the ledger is, without anything that could be secret."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{url.host or ''}{port}/{url.database or ''}"


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turns what SQLAlchemy raises into LedgerError: the database's words, never the values or the URL."""
    try:
        yield
    except StatementError as error:
        raise LedgerError(
            f"the ledger {where} failed: {str(error.orig).strip()}", _hint(error)
        ) from None
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger {where} failed: {type(error).__name__}") from None
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # A time, a number or JSON in a column that is none: SQLite keeps whatever is written into it.
        raise LedgerError(f"the ledger {where} holds a value that cannot be read", HINT) from error


def _hint(error: StatementError) -> str:
    if not isinstance(error, DBAPIError):
        return "the value cannot be stored: the ledger takes JSON values and aware times"
    if isinstance(error.orig, sqlite3.OperationalError) and "locked" in str(error.orig):
        return f"another process has been writing for {PATIENCE} seconds; see `reconciler history`"
    return "check the ledger's URL, that the database is up and that it may be written"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except (SQLAlchemyError, ValueError):
        raise LedgerError("the ledger's URL cannot be read", _EXPECTED) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        return _postgresql(parsed)
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(parsed)
    raise LedgerError(f"a ledger cannot be kept in {parsed.drivername!r}", _EXPECTED)


def _postgresql(url: URL) -> URL:
    # An unescaped @ in the password ends up in the host or the database, and from there in every error.
    if "@" in f"{url.host}{url.database}":
        raise LedgerError(
            "the ledger's URL holds a second @", "write @ in a password as %40, / as %2F"
        )
    return url


def _sqlite(url: URL) -> URL:
    if url.query:
        raise LedgerError("a ledger in SQLite is named by its path alone", _EXPECTED)
    if url.database in (None, "", ":memory:"):
        raise LedgerError("a ledger in memory would remember nothing", _EXPECTED)
    return url.set(database=str(Path(url.database or "").expanduser().absolute()))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    require("postgresql", "psycopg")
    secrets = {name: str(url.query[name]) for name in _SECRETS if name in url.query}
    public = url.difference_update_query(_SECRETS)
    arguments: dict[str, Any] = {"connect_timeout": 10, "application_name": "reconciler", **secrets}
    try:
        engine = create_engine(
            public, pool_pre_ping=True, hide_parameters=True, connect_args=arguments
        )
    except ImportError:  # psycopg is there, and the library of PostgreSQL's that it loads is not
        raise LedgerError("psycopg cannot be loaded", "pip install 'psycopg[binary]'") from None
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _sqlite_engine(url: URL) -> Engine:
    path = Path(url.database or "")
    try:
        private_database(path)
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be made: {error.strerror}") from None
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": PATIENCE})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
    connection.execute(
        "PRAGMA synchronous = FULL"
    )  # WAL alone may lose the last commits when the power goes
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(conn: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for another writer, so writers say so at once.
    writes = conn.get_execution_options().get(WRITES, False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{PATIENCE}s'")
    connection.commit()


def _bring_up_to_date(engine: Engine, where: str) -> None:
    with engine.connect() as conn:
        conn.rollback()  # connecting may fail; from here on, a failure means that there is no ledger yet
        if _format(conn, where) == FORMATS[-1]:
            return
    if engine.dialect.name == "sqlite":
        _switch_to_wal(engine)
    with engine.connect().execution_options(**{WRITES: True}) as conn, conn.begin():
        if engine.dialect.name == "postgresql":
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        current = _format(conn, where) if _has_table(conn) else None
        if current != FORMATS[-1]:
            _migrate(conn, current)


def _has_table(conn: Connection) -> bool:
    return bool(conn.dialect.has_table(conn, VERSION_TABLE))


def _format(conn: Connection, where: str) -> str | None:
    """None when the ledger is empty; raises LedgerError when it is newer than this program."""
    try:
        found = conn.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    except DBAPIError as error:
        if _is_missing_table(error):
            return None
        raise
    if found is None or found in FORMATS:
        return found
    message = f"the ledger {where} has format {found}; this version of reconciler knows up to {FORMATS[-1]}"
    raise LedgerError(message, "it was written by a newer version: upgrade reconciler")


def _is_missing_table(error: DBAPIError) -> bool:
    undefined = getattr(error.orig, "sqlstate", None) == "42P01"
    return undefined or re.match("no such table", str(error.orig)) is not None


def _switch_to_wal(engine: Engine) -> None:
    """SQLite does not wait by itself when another process is opening the same file; some file systems cannot do it."""
    connection = engine.raw_connection()
    until = monotonic() + PATIENCE
    try:
        while not _is_wal(connection.cursor(), until):
            sleep(0.02)
    finally:
        connection.close()


def _is_wal(cursor: Any, until: float) -> bool:
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if monotonic() > until:
            raise LedgerError(
                "the ledger is busy", f"another process has it for {PATIENCE} seconds"
            ) from error
        return False
    return True


def _migrate(conn: Connection, current: str | None) -> None:
    """From the current format (None: there is nothing) to the newest, in the caller's transaction."""
    _VERSION.create(conn, checkfirst=True)
    for number in FORMATS[FORMATS.index(current) + 1 :] if current else FORMATS:
        import_module(f"reconciler.ledger.migrations.format_{number}").upgrade(conn)
    conn.execute(_VERSION.delete())
    conn.execute(_VERSION.insert().values(version_num=FORMATS[-1]))
