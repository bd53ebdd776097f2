"""The double's faults: lost answers, lost requests, too many requests, and several creators at once."""

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from saas_litellm import SaasDouble, saas_double
from test_saas_litellm_double import alias, client_of, double, group, http, ok, organization, world

__all__ = ["double", "http", "world"]

ADD = "/api/credits/teams/t/add"


@pytest.mark.parametrize(
    ("mode", "committed"),
    [
        ("500-before", False),
        ("500-after-commit", True),
        ("drop-before", False),
        ("drop-after-commit", True),
    ],
)
def test_a_fault_hits_once_and_commits_or_not(http, double, world, mode, committed):
    double.fail("POST", "/add$", mode)
    if mode.startswith("500"):
        answer = http.post(ADD, json={"credits": 1})
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    else:
        with pytest.raises(httpx.TransportError):
            http.post(ADD, json={"credits": 1})
    assert len(double.dump()["transactions"]) == int(committed)
    assert double.requests[-1].status == (500 if mode.startswith("500") else None)
    ok(http.post(ADD, json={"credits": 1}))


def test_a_fault_hits_only_its_method_and_path_until_healed(http, double, world):
    double.fail("put", "^/api/models/", "500-before", times=None)
    assert [http.put("/api/models/a", json={}).status_code for _ in range(3)] == [500, 500, 500]
    ok(http.get("/api/models/a"))
    ok(http.put("/api/teams/t", json={}))
    double.heal()
    ok(http.put("/api/models/a", json={}))


def test_an_unknown_fault_mode_is_refused(double):
    with pytest.raises(ValueError, match="unknown fault mode"):
        double.fail("*", "", "500")


def test_requests_are_recorded_in_order(http, double):
    ok(alias(http, "a"))
    httpx.get(f"{double.url}/api/models/b")
    seen = [(r.method, r.path, r.status, r.with_admin_key) for r in double.requests]
    assert seen == [("POST", "/api/models/create", 200, True), ("GET", "/api/models/b", 404, False)]
    assert [write.path for write in double.writes] == ["/api/models/create"]


async def _gather(requests: int, url: str, method: str, path: str, body: dict | None) -> Counter:
    limits = httpx.Limits(max_connections=requests)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        answers = await asyncio.gather(
            *(client.request(method, path, json=body) for _ in range(requests))
        )
    return Counter(answer.status_code for answer in answers)


def at_once(
    requests: int, double: SaasDouble, method: str, path: str, body: dict | None = None
) -> Counter:
    """The answers of requests that the server only begins to serve once all of them have arrived."""
    before = len(double.requests)
    with ThreadPoolExecutor(1) as pool:
        with double.held():
            answers = pool.submit(asyncio.run, _gather(requests, double.url, method, path, body))
            while len(double.requests) < before + requests and not answers.done():
                time.sleep(0.005)
        return answers.result()


def test_eight_at_once_are_served_and_counted(double):
    assert at_once(8, double, "GET", "/api/models") == {200: 8}
    assert double.max_in_flight == 8


def test_more_than_eight_at_once_are_500s_and_the_rest_is_served(double):
    assert at_once(12, double, "GET", "/api/models") == {200: 8, 500: 4}
    assert double.max_in_flight == 12


def test_the_bound_is_an_option():
    with saas_double(max_concurrency=2) as double:
        assert at_once(3, double, "GET", "/api/models") == {200: 2, 500: 1}


def test_requests_one_after_another_are_never_in_flight_together(http, double, world):
    assert double.max_in_flight == 1


def test_a_team_created_by_four_at_once_exists_once_without_an_orphan():
    with saas_double(litellm_seconds=0.3) as double:
        with client_of(double) as client:
            for made in (alias(client, "a"), group(client, "g", "a"), organization(client)):
                ok(made)
        body = {"organization_id": "acme", "team_id": "t", "access_groups": ["g"]}
        assert at_once(4, double, "POST", "/api/teams/create", body) == {200: 1, 500: 3}
        assert (list(double.store.teams), len(double.litellm.keys)) == (["t"], 1)


def test_a_group_created_by_eight_at_once_exists_once(double):
    body = {"group_name": "g", "display_name": "g"}
    assert at_once(8, double, "POST", "/api/model-access-groups/create", body) == {200: 1, 400: 7}
