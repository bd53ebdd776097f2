"""While another process holds the file, whoever only reads is answered; whoever writes waits, each no longer than asked."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from reconciler.embedded.app import create_app

READS = {
    "/health": "/health",
    "/api/gateway": "/api/gateway",
    "/api/organizations": "/api/organizations",
    "/api/organizations/{organization_id}": "/api/organizations/org_acme",
    "/api/organizations/{organization_id}/teams": "/api/organizations/org_acme/teams",
    "/api/model-aliases": "/api/model-aliases",
    "/api/model-aliases/{alias}": "/api/model-aliases/a",
    "/api/model-access-groups": "/api/model-access-groups?include=model_aliases",
    "/api/model-access-groups/{group_name}": "/api/model-access-groups/g",
    "/api/teams": "/api/teams",
    "/api/teams/{team_id}": "/api/teams/t",
    "/api/credits/balance": "/api/credits/balance?team_id=t",
    "/api/credits/transactions": "/api/credits/transactions",
    "/v1/models": "/v1/models",
    "/v1/models/{model}": "/v1/models/a",
}


@contextmanager
def held(gateway):
    """The file as another process sees it within a transaction that it does not end."""
    with closing(sqlite3.connect(gateway.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_every_read_is_answered_while_a_write_waits(world):
    key = world.post("/api/teams/t/rotate-key")["virtual_key"]
    bearer = {"Authorization": f"Bearer {key}"}
    with ThreadPoolExecutor(1) as pool:
        with held(world):
            waiting = pool.submit(world.put, "/api/teams/t", team_alias="later")
            for path in READS.values():
                assert world.ok("GET", path, headers=bearer)
            assert world.post("/api/teams/t/probe", model="a")["allowed"] is True
            assert world.call(key, "c").status_code == 403
            assert not waiting.done()
        assert waiting.result()["team_alias"] == "later"


def test_the_reads_above_are_all_that_there_are():
    paths = create_app(":memory:").openapi()["paths"]
    assert {path for path, methods in paths.items() if "get" in methods} == set(READS)


def test_writes_that_queue_wait_side_by_side(world, monkeypatch):
    """Twenty requests behind one transaction are refused after the patience of one, and none of them is half done."""
    monkeypatch.setattr("reconciler.embedded.store.PATIENCE", 0.3)
    before = world.dump()
    with held(world), ThreadPoolExecutor(20) as pool:
        paths = [f"/api/teams/t/{verb}" for verb in ("suspend", "rotate-key")] * 10
        refused = [pool.submit(world.http.post, path, timeout=5) for path in paths]
        assert {future.result().status_code for future in refused} == {503}
    assert world.dump() == before


@pytest.mark.parametrize("credits_", [9])
def test_as_many_calls_as_credits_go_through_at_once(world, credits_):
    world.put("/api/model-aliases/a", litellm_params={"mock_response": "hi"})
    key = world.team("u", "g", credits_allocated=credits_)["virtual_key"]
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: world.call(key, "a").status_code, range(40)))
    assert statuses.count(200) == credits_
    assert set(statuses) == {200, 403}
    assert world.get("/api/teams/u")["credits_remaining"] == 0
