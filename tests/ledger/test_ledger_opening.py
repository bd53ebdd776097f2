import json
import pkgutil
import sqlite3
import traceback
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from reconciler.ledger import Claim, LedgerError, migrations, open_ledger, opening, tables

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TTL = timedelta(minutes=5)


def test_what_was_written_is_there_when_opened_again(url):
    with open_ledger(url) as first:
        lease = first.acquire("gw", "alice", NOW, TTL)
        first.own(lease, [Claim("team", "a", {"n": 1})], NOW)
    with open_ledger(url) as second:
        assert second.holder("gw", NOW).owner == "alice"
        assert second.inventory("gw")["team", "a"].applied == {"n": 1}


def test_migrations_lead_to_the_tables_of_the_code(ledger):
    with ledger._engine.connect() as conn:
        options = {"version_table": tables.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(conn, opts=options)
        assert compare_metadata(context, tables.metadata) == []
        assert context.get_current_revision() == tables.FORMATS[-1]


def test_the_known_formats_are_the_migrations():
    modules = sorted(module.name for module in pkgutil.iter_modules(migrations.__path__))
    assert modules == [f"format_{number}" for number in tables.FORMATS]


# What the first three formats made when they were released, by alembic.
FORMAT_3 = Path(__file__).with_name("format_3.sql")


def schema(file: Path) -> list[str]:
    """Every table and index, one a line."""
    with closing(sqlite3.connect(file)) as db:
        rows = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [" ".join(sql.split()) for (sql,) in rows]


def at_format(file: Path, count: int) -> None:
    """A ledger as the first formats left it, with a team in it."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        for number in tables.FORMATS[:count]:
            import_module(f"reconciler.ledger.migrations.format_{number}").upgrade(conn)
        opening._VERSION.create(conn)
        conn.execute(opening._VERSION.insert().values(version_num=tables.FORMATS[count - 1]))
        row = "'gw', 'team', 'a', '{\"n\": 1}', false, '2026-11-01 00:00:00', null"
        conn.execute(text(f"INSERT INTO ledger_inventory VALUES ({row})"))
    engine.dispose()


def test_a_released_format_is_never_edited(tmp_path):
    at_format(tmp_path / "ledger.db", 3)
    assert schema(tmp_path / "ledger.db") == FORMAT_3.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("count", range(1, len(tables.FORMATS) + 1))
def test_a_ledger_of_every_earlier_format_becomes_the_newest_and_keeps_what_it_holds(
    count, tmp_path
):
    open_ledger(str(tmp_path / "new.db")).close()
    at_format(tmp_path / "old.db", count)
    with open_ledger(str(tmp_path / "old.db")) as ledger:
        assert ledger.inventory("gw")["team", "a"].applied == {"n": 1}
    assert schema(tmp_path / "old.db") == schema(tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "old.db")) as db:
        versions = db.execute("SELECT version_num FROM ledger_version").fetchall()
    assert versions == [(tables.FORMATS[-1],)]


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    at_format(tmp_path / "old.db", 1)
    before = schema(tmp_path / "old.db")

    def broken(conn):
        conn.execute(text("CREATE TABLE half (x)"))
        conn.execute(text("no SQL"))

    monkeypatch.setattr("reconciler.ledger.migrations.format_0003.upgrade", broken)
    with pytest.raises(LedgerError):
        open_ledger(str(tmp_path / "old.db"))
    assert schema(tmp_path / "old.db") == before
    monkeypatch.undo()
    open_ledger(str(tmp_path / "old.db")).close()


def test_a_ledger_of_a_newer_format_is_refused_and_left_alone(url):
    with open_ledger(url) as ledger, ledger._engine.connect() as conn, conn.begin():
        conn.execute(text("UPDATE ledger_version SET version_num = '0999'"))

    with pytest.raises(LedgerError, match=r"0999.*knows up to") as caught:
        open_ledger(url)

    assert "upgrade" in caught.value.hint


OPENER = """
import sys
from reconciler.ledger import open_ledger

print("ready", flush=True)
sys.stdin.readline()
with open_ledger(sys.argv[1]) as ledger:
    print(len(ledger.inventory("gw")))
"""


def test_processes_may_open_a_new_ledger_at_once(url, process):
    openers = [process(OPENER, url) for _ in range(5)]
    assert [opener.stdout.readline() for opener in openers] == ["ready\n"] * 5
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()

    assert [opener.communicate(timeout=60) for opener in openers] == [("0\n", "")] * 5


IMPORTS = """
import json, sys
import reconciler.ledger
before = "sqlalchemy" in sys.modules
reconciler.ledger.open_ledger(sys.argv[1]).close()
migrated = any(name.startswith("reconciler.ledger.migrations.") for name in sys.modules)
print(json.dumps([before, "sqlalchemy" in sys.modules, migrated]))
"""


def test_what_is_not_needed_is_not_imported(url, process):
    new, _ = process(IMPORTS, url).communicate(timeout=60)
    again, _ = process(IMPORTS, url).communicate(timeout=60)

    assert json.loads(new) == [False, True, True]
    assert json.loads(again) == [False, True, False]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:port/db",
        "postgresql://u:hunter2@127.0.0.1:1/db",
        "postgresql://u:x@hunter2@127.0.0.1:1/db",
        "postgresql://u:x@y/hunter2@127.0.0.1:1/db",
        "postgresql://u@127.0.0.1:1/db?password=hunter2",
        "postgres://u:hunter2@127.0.0.1:1/db",
        "mysql://u:hunter2@127.0.0.1:1/db",
        "://hunter2",
    ],
)
def test_a_password_is_in_no_error(url):
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in repr(caught.value) + caught.value.hint
    assert caught.value.hint


def test_a_password_is_in_no_repr():
    engine = opening._engine(
        opening._parse("postgresql://u:hunter2@h/db?password=hunter2&sslpassword=hunter2")
    )

    assert "hunter2" not in repr(engine) + opening.label(engine.url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?mode=memory&uri=true",
        "sqlite:///a.db?mode=memory",
    ],
)
def test_a_ledger_in_memory_is_refused(url):
    with pytest.raises(LedgerError, match=r"memory|path alone"):
        open_ledger(url)


def test_a_plain_path_is_a_sqlite_ledger_that_loses_nothing_when_the_power_goes(tmp_path):
    path = tmp_path / "some where" / "100%.db"
    with open_ledger(str(path)) as ledger, ledger._engine.connect() as conn:
        assert path.exists()
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert conn.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_what_cannot_be_a_ledger_is_said_plainly(tmp_path):
    (tmp_path / "file").write_text(
        "This is not a database, but it is long enough to have a header." * 50
    )

    with pytest.raises(LedgerError, match="not a database"):
        open_ledger(str(tmp_path / "file"))
    with pytest.raises(LedgerError, match="cannot be made"):
        open_ledger(str(tmp_path / "file" / "ledger.db"))


def test_a_busy_ledger_is_said_to_be_busy(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "PATIENCE", 0.05)
    path = tmp_path / "ledger.db"
    with open_ledger(str(path)) as ledger, sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked") as caught:
            ledger.acquire("gw", "alice", NOW, TTL)
        other.execute("ROLLBACK")
        assert "another process" in caught.value.hint
        assert ledger.acquire("gw", "alice", NOW, TTL).token == 1
    other.close()


def test_a_time_without_zone_is_refused(ledger):
    with pytest.raises(LedgerError, match="aware"):
        ledger.acquire("gw", "alice", datetime(2026, 11, 1), TTL)  # noqa: DTZ001 - that is the point
