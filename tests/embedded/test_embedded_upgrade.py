"""A file of an older format is brought up to date in place, once, with everything that it held."""

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from embedded_world import served

from reconciler.embedded.app import close, create_app
from reconciler.embedded.store import gateway_id

FORMAT_1 = Path(__file__).with_name("format_1.sql").read_text()  # what release 0.1.0 wrote
KEY = "sk-" + "k" * 30 + "0"


@pytest.fixture
def old(tmp_path):
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as db:
        db.executescript(FORMAT_1)
    return tmp_path / "gateway.db"


def schema(path):
    """Every table's columns and every index, apart from how they are written."""
    with closing(sqlite3.connect(path)) as db:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        columns = {name: db.execute(f"PRAGMA table_xinfo({name})").fetchall() for name in tables}
        indexes = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        )
        return columns, {name: re.sub(r"\s+", " ", sql) for name, sql in indexes}


def test_everything_is_kept(old):
    assert gateway_id(old) is None
    with served(old) as gateway:
        team = gateway.get("/api/teams/t")
        assert (
            team.items()
            >= {"credits_allocated": 15, "access_groups": ["g"], "generation": 1}.items()
        )
        assert gateway.call(KEY, "a").json()["choices"][0]["message"]["content"] == "hi"
        again = gateway.post("/api/credits/add", team_id="t", amount=5, operation_id="op:t:1")
        assert again["duplicate"] is True
        assert gateway.post("/api/operations/void", operation_ids=["op:t:1"]) == {
            "operations": {"op:t:1": "done"}
        }
        for path in ("organizations/o", "model-aliases/b", "model-access-groups/g"):
            assert gateway.get(f"/api/{path}")["generation"] == 1
        assert gateway.put("/api/organizations/o", name="P")["generation"] == 2
        assert gateway_id(old) == gateway.get("/health")["gateway_id"]


def test_it_is_of_the_form_of_a_new_one(old, tmp_path):
    for path in (old, tmp_path / "new.db"):
        close(create_app(path))
    assert schema(old) == schema(tmp_path / "new.db")


def test_many_that_open_it_at_once_upgrade_it_once(old):
    with ThreadPoolExecutor(8) as pool:
        for app in list(pool.map(lambda _: create_app(old), range(8))):
            close(app)
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("SELECT count(*) FROM gateway").fetchone() == (1,)


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(old):
    with closing(sqlite3.connect(old)) as db:
        db.execute("CREATE TABLE operations (theirs TEXT)")
        before = list(db.iterdump())
    with pytest.raises(Exception, match="cannot open its database"):
        create_app(old)
    with closing(sqlite3.connect(old)) as db:
        assert list(db.iterdump()) == before
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
