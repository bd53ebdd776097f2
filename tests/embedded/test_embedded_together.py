"""Several writers on one file, and a server that is killed: credits come out exact, nothing is half done."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest
from embedded_world import served
from pydantic import SecretStr

from reconciler.embedded.store import Store

SERVE = """
import sys
from reconciler.embedded.app import create_app
from reconciler.embedded.server import serve
serve(create_app(sys.argv[1]), port=0, announce=lambda url: print(url, flush=True))
"""


def in_a_process(database):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, database], stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with served(tmp_path_factory.mktemp("together") / "gateway.db") as gateway:
        gateway.alias("a")
        gateway.group("g", "a")
        gateway.organization()
        yield gateway


@pytest.fixture(scope="module")
def send(world):
    """Sends a request to one of two servers on one file: a thread of this process, and another process."""
    process, url = in_a_process(world.database)
    with process, httpx.Client(base_url=url, timeout=30) as other:
        yield lambda number, path, headers=None, **body: (world.http, other)[number % 2].post(
            path, json=body, headers=headers
        )
        process.terminate()


def in_parallel(work, calls):
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, calls))


def test_two_writers_add_credits_to_the_unit(world, send):
    world.team("writers", credits_allocated=100)
    answers = in_parallel(
        lambda n: send(n, "/api/credits/add", team_id="writers", amount=n), range(1, 61)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert world.get("/api/teams/writers")["credits_allocated"] == 100 + sum(range(1, 61))
    chain = world.get("/api/credits/transactions?team_id=writers")["transactions"]
    assert [row["balance_before"] for row in chain[:-1]] == [
        row["balance_after"] for row in chain[1:]
    ]


def test_one_operation_sent_twenty_times_is_one_grant(world, send):
    world.team("granted", credits_allocated=100)
    grant = {"team_id": "granted", "amount": 7, "operation_id": "promo"}
    answers = in_parallel(
        lambda n: send(n, "/api/credits/add", **grant).json()["duplicate"], range(20)
    )
    assert Counter(answers) == {False: 1, True: 19}
    assert world.get("/api/teams/granted")["credits_allocated"] == 107


def test_one_team_created_by_many_has_one_key_that_works(world, send):
    team = {"organization_id": "org_acme", "team_id": "wanted", "access_groups": ["g"]}
    answers = in_parallel(lambda n: send(n, "/api/teams/create", **team), range(8))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 7}
    [key] = [answer.json()["virtual_key"] for answer in answers if answer.status_code == 200]
    assert (
        world.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    )


def test_one_write_sent_by_many_at_once_takes_effect_once(world, send):
    """To two servers on one file: one answer shows the team's key, the others say that they repeat it."""
    body = {"organization_id": "org_acme", "team_id": "once", "access_groups": ["g"]}

    def create(number):
        return send(number, "/api/teams/create", headers={"Idempotency-Key": "once"}, **body)

    answers = in_parallel(create, range(16))
    assert Counter(answer.status_code for answer in answers) == {200: 16}
    first = [answer.json() for answer in answers if "Idempotent-Replayed" not in answer.headers]
    again = [answer.json() for answer in answers if "Idempotent-Replayed" in answer.headers]
    assert (len(first), len(again)) == (1, 15)
    key = first[0].pop("virtual_key")
    assert again == first * 15
    assert (
        world.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    )


def test_two_gateways_of_one_process_keep_to_themselves(tmp_path):
    """Their routes are the same objects; databases, admin keys and addresses are each gateway's own."""
    with (
        served(tmp_path / "open.db") as one,
        served(tmp_path / "locked.db", admin_key=SecretStr("k" * 20)) as other,
    ):
        one.organization("org_one")
        assert other.http.get("/api/organizations").status_code == 401
        other.http.headers["X-Admin-Key"] = "k" * 20
        other.organization("org_other")
        for gateway, own in ((one, "org_one"), (other, "org_other")):
            shown = gateway.get("/api/organizations")["organizations"]
            assert [row["organization_id"] for row in shown] == [own]
        assert one.get("/openapi.json") == other.get("/openapi.json")


def test_many_may_open_a_new_file_at_once(tmp_path):
    def open_and_ask(_number):
        store = Store(tmp_path / "new" / "gateway.db")
        count = "SELECT count(*) FROM sqlite_schema WHERE name = 'teams'"
        tables = asyncio.run(store.write(lambda db: db.execute(count).fetchone()[0]))
        store.close()
        return tables

    assert in_parallel(open_and_ask, range(24)) == [1] * 24


def test_a_killed_server_leaves_whole_changes_only(tmp_path):
    """Each request creates a team with a group, credits and their transaction: all of it is there, or nothing."""
    database = tmp_path / "gateway.db"
    acknowledged = killed_under_load(database)
    assert len(acknowledged) > 60
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        teams = {name for (name,) in db.execute("SELECT team_id FROM teams")}
        assert teams >= set(acknowledged)
        for members in ("SELECT team_id FROM team_groups", "SELECT team_id FROM transactions"):
            assert sorted(teams) == sorted(name for (name,) in db.execute(members))
    with served(database) as gateway:
        shown = gateway.get("/api/teams")["teams"]
        assert {(*team["access_groups"], team["credits_allocated"]) for team in shown} == {("g", 5)}


def killed_under_load(database):
    process, url = in_a_process(database)
    acknowledged, enough = [], threading.Event()
    with process, httpx.Client(base_url=url, timeout=10) as http:
        http.post("/api/organizations/create", json={"organization_id": "o", "name": "o"})
        http.post("/api/model-access-groups/create", json={"group_name": "g"})

        def load(worker):
            for number in range(10_000):
                name = f"t-{worker}-{number}"
                body = {
                    "organization_id": "o",
                    "team_id": name,
                    "access_groups": ["g"],
                    "credits_allocated": 5,
                }
                try:
                    if http.post("/api/teams/create", json=body).status_code == 200:
                        acknowledged.append(name)
                except httpx.TransportError:
                    return
                if len(acknowledged) > 60:
                    enough.set()

        with ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(load, worker) for worker in range(4)]
            enough.wait(timeout=30)
            os.kill(process.pid, signal.SIGKILL)
            for worker in workers:
                worker.result(timeout=30)
    return acknowledged
