import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import httpx
import pytest

from reconciler.core.model.findings import ReconcilerError
from reconciler.embedded.app import close, create_app
from reconciler.embedded.server import running, serve


def test_folders_are_made(tmp_path):
    close(create_app(tmp_path / "a" / "b" / "gateway.db"))
    assert (tmp_path / "a" / "b" / "gateway.db").exists()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("PRAGMA user_version = 99", "its format is 99, this version knows 2: upgrade reconciler"),
        ("CREATE TABLE theirs (x)", "the file holds somebody else's tables"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(tmp_path, statement, words):
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute(statement)
        db.commit()
        with pytest.raises(ReconcilerError, match=words):
            create_app(tmp_path / "other.db")
        assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'teams'").fetchone() == (
            0,
        )


def test_what_is_no_database_is_an_expected_error(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, only a long enough text " * 10)
    for path in (tmp_path / "notes.txt", tmp_path, tmp_path / "notes.txt" / "gateway.db"):
        with pytest.raises(ReconcilerError, match="cannot open its database"):
            create_app(path)


def test_a_database_in_memory_is_served_too():
    app = create_app(":memory:")
    with running(app) as url:
        created = httpx.post(
            f"{url}/api/organizations/create", json={"organization_id": "o", "name": "O"}
        )
        assert created.status_code == 200
        assert [
            row["name"] for row in httpx.get(f"{url}/api/organizations").json()["organizations"]
        ] == ["O"]
    close(app)


def test_a_database_that_stays_locked_is_503_and_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.setattr("reconciler.embedded.store.PATIENCE", 0.05)
    app = create_app(tmp_path / "gateway.db")
    with (
        running(app) as url,
        closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        body = {"organization_id": "o", "name": "O"}
        answer = httpx.post(f"{url}/api/organizations/create", json=body)
        assert (answer.status_code, answer.json()) == (
            503,
            {"detail": "the database is not available: database is locked"},
        )
        assert httpx.get(f"{url}/api/organizations").json() == {"organizations": []}
        other.execute("ROLLBACK")
        assert httpx.post(f"{url}/api/organizations/create", json=body).status_code == 200
    close(app)


def test_an_address_in_use_is_an_expected_error():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ReconcilerError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"
        ):
            serve(create_app(":memory:"), port=port)


SERVE = """
import sys
from reconciler.embedded.app import create_app
from reconciler.embedded.server import serve
serve(create_app(":memory:"), port=0, announce=lambda url: print(url, flush=True))
assert "litellm" not in sys.modules
print("done")
"""


@pytest.mark.parametrize("stop", [signal.SIGINT])
def test_it_stops_quietly_when_asked(stop):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip()
    until = time.monotonic() + 30
    while httpx.get(f"{url}/health").status_code != 200:
        assert time.monotonic() < until
    process.send_signal(stop)
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("done\n", "", 0)
