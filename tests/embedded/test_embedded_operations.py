"""Writes by an id of the caller's: each takes effect once, or never; and none is made on an older generation."""

import re
import sqlite3
import threading
from contextlib import closing

import pytest
from embedded_world import served
from management_writes import KEY, NO_WRITES, WRITES, named

from reconciler.embedded.app import create_app


def send(gateway, write, **headers):
    method, path, body, _ = write
    return gateway.http.request(method, path, json=body, headers=headers)


def test_the_table_above_holds_every_management_write():
    paths = create_app(":memory:").openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    writes = {
        (method, path)
        for method, path in routes
        if method != "GET" and path.startswith("/api/") and path not in NO_WRITES
    }
    covered = {
        (method, path)
        for method, path in writes
        if any(
            method == write[0] and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), write[1])
            for write in WRITES
        )
    }
    assert {path for _, path in writes} >= {
        "/api/teams/create",
        "/api/credits/add",
        "/api/operations/void",
    }
    assert writes == covered


@pytest.mark.parametrize("write", WRITES, ids=named)
def test_the_same_operation_takes_effect_once(full, write):
    first = send(full, write, **{"Idempotency-Key": "op 1"})
    assert first.status_code == 200, first.text
    assert "Idempotent-Replayed" not in first.headers
    after = full.dump()
    for _ in range(2):
        again = send(full, write, **{"Idempotency-Key": "op 1"})
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
        answer = first.json()
        answer.pop("virtual_key", None)
        assert again.json() == answer
        assert again.headers.get("ETag") == first.headers.get("ETag")
    assert full.dump() == after


@pytest.mark.parametrize("write", WRITES, ids=named)
def test_a_void_operation_takes_no_effect_ever(full, write):
    void = full.post("/api/operations/void", operation_ids=["op 1", "op 2"])
    assert void == {"operations": {"op 1": "void", "op 2": "void"}}
    before = full.dump()
    refused = send(full, write, **{"Idempotency-Key": "op 1"})
    assert refused.status_code == 409
    assert refused.json() == {
        "detail": "operation_id 'op 1' was voided",
        "code": "operation-voided",
    }
    assert full.post("/api/operations/void", operation_ids=["op 2"]) == {
        "operations": {"op 2": "void"}
    }
    assert full.dump() == before


@pytest.mark.parametrize("write", [write for write in WRITES if write[3]], ids=named)
def test_a_write_for_another_generation_is_refused(full, write):
    current = full.get(write[3])["generation"]
    before = full.dump()
    for wanted in (current - 1, current + 1, 10**17):
        refused = send(full, write, **{"If-Match": f'"{wanted}"', "Idempotency-Key": "op 1"})
        assert refused.status_code == 412, refused.text
        assert f"generation {current}, not {wanted}" in refused.json()["detail"]
    assert full.dump() == before
    done = send(full, write, **{"If-Match": f'"{current}"', "Idempotency-Key": "op 1"})
    assert done.status_code == 200, done.text
    replayed = send(full, write, **{"If-Match": f'"{current}"', "Idempotency-Key": "op 1"})
    assert (replayed.status_code, replayed.headers.get("Idempotent-Replayed")) == (200, "true")


@pytest.mark.parametrize("write", [write for write in WRITES if not write[3]], ids=named)
def test_a_generation_makes_no_sense_where_no_object_is_changed(full, write):
    before = full.dump()
    assert send(full, write, **{"If-Match": '"1"'}).status_code == 400
    assert full.dump() == before


@pytest.mark.parametrize("write", WRITES, ids=named)
def test_an_operation_s_id_belongs_to_one_request(full, write):
    full.ok(
        "PUT",
        "/api/organizations/org_empty",
        json={"name": "N"},
        headers={"Idempotency-Key": "op 1"},
    )
    before = full.dump()
    refused = send(full, write, **{"Idempotency-Key": "op 1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "operation-reused")
    assert "'op 1' was another request" in refused.json()["detail"]
    assert full.dump() == before


def test_the_order_of_fields_makes_no_other_request_but_their_values_do(world):
    def put(content, status, path="/api/teams/t"):
        request = {"content": content, "headers": {"Idempotency-Key": "op 1"}}
        return world.http.put(path, **request).status_code == status

    assert put(b'{"team_alias": "x", "metadata": {"a": 1}}', 200)
    assert put(b'{"metadata":{"a":1},"team_alias":"\\u0078"}', 200)
    assert put(b'{"metadata":{"a":1.5},"team_alias":"x"}', 422)
    assert put(b'{"metadata":{"a":true},"team_alias":"x"}', 422)


def test_a_refused_request_is_not_remembered(world):
    header = {"Idempotency-Key": "op 1"}
    body = {"organization_id": "late", "team_id": "u"}
    assert world.http.post("/api/teams/create", json=body, headers=header).status_code == 404
    world.organization("late")
    assert world.http.post("/api/teams/create", json=body, headers=header).status_code == 200


@pytest.mark.parametrize("bad", ["", "x" * 501, "ü", "a\tb"])
def test_an_id_is_printable_and_bounded(world, bad):
    headers = {"Idempotency-Key": bad.encode("latin-1")}
    refused = world.http.put("/api/teams/t", json={"team_alias": "x"}, headers=headers)
    assert (refused.status_code, "Idempotency-Key" in refused.json()["detail"]) == (400, True)


@pytest.mark.parametrize("bad", ["3", '"x"', 'W/"1"', '"1', '""', '"-1"', '"1" "2"'])
def test_a_generation_is_a_quoted_number(world, bad):
    assert world.http.put("/api/teams/t", json={}, headers={"If-Match": bad}).status_code == 400


def test_one_of_several_generations_is_enough_and_a_star_is_any(world):
    for wanted in ('"7", "1"', "*"):
        world.ok("PUT", "/api/teams/t", json={"team_alias": wanted}, headers={"If-Match": wanted})


def test_the_ids_of_credit_operations_are_done_or_void_too(world):
    world.post("/api/credits/add", team_id="t", amount=5, operation_id="granted")
    ids = ["granted", "lost", "ü " * 9]
    states = {"granted": "done", "lost": "void", "ü " * 9: "void"}
    assert world.post("/api/operations/void", operation_ids=ids) == {"operations": states}
    late = {"team_id": "t", "amount": 7, "operation_id": "lost"}
    refused = world.http.post("/api/credits/add", json=late)
    assert (refused.status_code, refused.json()["code"]) == (409, "operation-voided")
    assert (
        world.post("/api/credits/add", team_id="t", amount=5, operation_id="granted")["duplicate"]
        is True
    )
    assert world.post("/api/operations/void", operation_ids=ids) == {"operations": states}
    assert world.get("/api/teams/t")["credits_allocated"] == 105


def test_voiding_takes_up_to_a_thousand(world):
    assert world.post("/api/operations/void", operation_ids=[]) == {"operations": {}}
    many = [f"op:{number}" for number in range(1000)]
    assert set(world.post("/api/operations/void", operation_ids=many)["operations"].values()) == {
        "void"
    }
    world.refused("POST", "/api/operations/void", 422, json={"operation_ids": [*many, "one more"]})


def test_a_request_and_the_void_of_it_have_one_winner(world):
    """Sent at the same time, either it is done and known as done, or it is void and had no effect."""
    for number in range(10):
        name, answers = f"op:{number}", {}

        def add(name=name, answers=answers):
            body = {"team_id": "t", "amount": 1, "operation_id": name}
            answers["add"] = world.http.post("/api/credits/add", json=body).status_code

        def void(name=name, answers=answers):
            answers["void"] = world.post("/api/operations/void", operation_ids=[name])[
                "operations"
            ][name]

        threads = [threading.Thread(target=work) for work in (add, void)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        granted = len(world.get(f"/api/credits/transactions?operation_id={name}")["transactions"])
        assert (answers["add"], answers["void"], granted) in ((200, "done", 1), (409, "void", 0))


def test_credit_operations_of_a_team_may_be_chained(world):
    def add(name, **order):
        body = {"team_id": "t", "amount": 1, "operation_id": name, **order}
        answer = world.http.post("/api/credits/add", json=body)
        return answer.status_code if answer.status_code == 200 else answer.json()["code"]

    assert add("x", previous_operation_id="w") == "operation-order"
    assert add("x", previous_operation_id=None) == 200
    world.post("/api/credits/add", team_id="t", amount=1)  # without an id: not one of them
    assert add("y", previous_operation_id=None) == "operation-order"
    assert add("y", previous_operation_id="x") == 200
    assert add("x", previous_operation_id=None) == 200  # a duplicate, whatever came since
    assert add("z", previous_operation_id="x") == "operation-order"
    assert add("a:1", previous_operation_id=None) == 200  # of another namespace
    assert add("a:2", previous_operation_id=None) == "operation-order"
    assert add("a:2", previous_operation_id="a:1") == 200
    assert add("z") == 200
    assert world.get("/api/teams/t")["credits_allocated"] == 106


def test_generations_count_management_writes_that_change_something(world):
    def generations():
        paths = (
            "/api/organizations/org_acme",
            "/api/model-aliases/b",
            "/api/model-access-groups/g",
            "/api/teams/t",
        )
        one = [world.http.get(path) for path in paths]
        assert [answer.headers["ETag"] for answer in one] == [
            f'"{answer.json()["generation"]}"' for answer in one
        ]
        listed = [
            world.get("/api/organizations")["organizations"][0],
            world.get("/api/model-aliases?after=a")["model_aliases"][0],
            world.get("/api/model-access-groups")["access_groups"][0],
            world.get("/api/teams")["teams"][0],
        ]
        assert [row["generation"] for row in listed] == [
            answer.json()["generation"] for answer in one
        ]
        return [row["generation"] for row in listed]

    assert generations() == [1, 1, 1, 1]
    key = world.post("/api/teams/t/rotate-key")["virtual_key"]
    world.put("/api/model-aliases/a", litellm_params={"mock_response": "hi"})
    assert world.call(key, "a").status_code == 200
    world.post("/api/credits/add", team_id="t", amount=5)
    assert generations() == [1, 1, 1, 2]
    for path, same in (
        ("/api/organizations/org_acme", {"name": "org_acme", "metadata": None}),
        ("/api/model-aliases/b", {"tags": [], "active": True, "litellm_params": None}),
        ("/api/model-access-groups/g", {"model_aliases": ["a", "b"], "description": "first"}),
        (
            "/api/teams/t",
            {"access_groups": ["g"], "metadata": {}, "status": "active", "credits_allocated": 105},
        ),
        ("/api/teams/t/resume", {}),
    ):
        world.put(path, **same)
    world.post("/api/model-access-groups/g/add-models", model_aliases=["a"])
    world.post("/api/model-access-groups/g/remove-models", model_aliases=["c"])
    assert generations() == [1, 1, 1, 2]
    world.put("/api/teams/t", metadata={"a": 1})
    world.put("/api/teams/t", metadata={"a": True})
    world.put("/api/model-access-groups/g", description="x", model_aliases=["b", "a"])
    assert generations() == [1, 1, 2, 4]


def test_what_shows_a_name_changes_with_it(world):
    def group_and_team():
        return world.get("/api/model-access-groups/g")["generation"], world.get("/api/teams")[
            "teams"
        ][0]["generation"]

    world.alias("d", access_groups=["g"])
    assert group_and_team() == (2, 1)
    world.delete("/api/model-aliases/d")
    assert group_and_team() == (3, 1)
    world.delete("/api/model-aliases/c")
    assert group_and_team() == (3, 1)
    world.post("/api/model-aliases/a/rename", alias="e")
    assert group_and_team() == (4, 1)
    world.post("/api/organizations/org_acme/rename", organization_id="org_new")
    assert group_and_team() == (4, 2)
    world.post("/api/model-access-groups/g/rename", group_name="k")
    assert world.get("/api/teams/t")["generation"] == 3
    world.delete("/api/model-access-groups/h")
    world.delete("/api/model-access-groups/k")
    assert world.get("/api/teams/t")["generation"] == 4


def test_a_team_may_be_given_a_key_of_the_caller_s(world):
    made = world.team("u", "g", virtual_key=KEY)
    assert made["virtual_key"] == KEY
    models = world.http.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"})
    assert models.status_code == 200
    for path, body in (
        ("/api/teams/create", {"organization_id": "org_acme", "team_id": "v", "virtual_key": KEY}),
        ("/api/teams/t/rotate-key", {"virtual_key": KEY}),
    ):
        assert "another team" in (detail := world.refused("POST", path, 409, json=body))
        assert KEY not in detail
    assert world.post("/api/teams/u/rotate-key", virtual_key=KEY)["generation"] == 2
    assert world.post("/api/teams/u/rotate-key", virtual_key=KEY + "2")["virtual_key"] == KEY + "2"
    assert world.post("/api/teams/t/rotate-key", virtual_key=KEY)["virtual_key"] == KEY
    assert KEY not in world.dump()


@pytest.mark.parametrize(
    "bad",
    ["", "sk-", "sk-" + "x" * 20, "sk-" + "x" * 198, "pk-" + "x" * 30, "sk-" + "x" * 30 + "\n", 5],
)
def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(world, bad):
    for path, body in (
        ("/api/teams/create", {"organization_id": "org_acme", "team_id": "u"}),
        ("/api/teams/t/rotate-key", {}),
    ):
        detail = world.refused("POST", path, 422, json={**body, "virtual_key": bad})
        assert detail.startswith("virtual_key: ")
        assert "xxx" not in detail


def test_transactions_of_all_teams_are_paged_by_the_prefix_of_their_operation(world):
    world.team("u", credits_allocated=1)
    for number in range(7):
        team = "tu"[number % 2]
        world.post("/api/credits/add", team_id=team, amount=1, operation_id=f"r%:{number}")
        world.post("/api/credits/add", team_id=team, amount=1, operation_id=f"rx:{number}")
        world.post("/api/credits/add", team_id=team, amount=1)

    def pages(query):
        after = ""
        while True:
            page = world.get(f"/api/credits/transactions?limit=3{query}{after}")
            yield [row["operation_id"] for row in page["transactions"]]
            if page["next"] is None:
                return
            after = f"&after={page['next']}"

    mine = [f"r%:{number}" for number in range(7)]
    assert list(pages("&operation_prefix=r%25&order=oldest")) == [mine[:3], mine[3:6], mine[6:]]
    newest = mine[::-1]
    assert list(pages("&operation_prefix=r%25")) == [newest[:3], newest[3:6], newest[6:]]
    assert list(pages("&operation_prefix=r%25&team_id=u&order=oldest")) == [
        ["r%:1", "r%:3", "r%:5"],
        [],
    ]
    assert list(pages("&operation_prefix=r%25:3")) == [["r%:3"]]


def test_pages_by_prefix_are_served_by_an_index(world):
    with closing(sqlite3.connect(world.database)) as db:
        from reconciler.embedded.resources import credits as module

        for given in (
            ("operation_prefix",),
            ("team_id", "operation_prefix"),
            ("operation_id",),
            ("team_id",),
        ):
            query = module._query("newest", given)
            values = dict.fromkeys(
                ("cursor", "limit", "team_id", "operation_id", "operation_prefix"), 1
            )
            plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values))
            assert "INDEX" in plan, plan
            assert "TEMP B-TREE" not in plan, plan


def test_a_gateway_is_known_by_its_id(tmp_path):
    from reconciler.embedded.store import gateway_id

    assert gateway_id(tmp_path / "a.db") is None
    ids = []
    for name in ("a.db", "b.db", "a.db"):
        with served(tmp_path / name) as gateway:
            health, about = gateway.get("/health"), gateway.get("/api/gateway")
            assert (health["status"], about) == ("healthy", {"gateway_id": health["gateway_id"]})
            assert gateway_id(tmp_path / name) == health["gateway_id"]
            ids.append(health["gateway_id"])
        assert gateway_id(tmp_path / name) == ids[-1]
    assert (ids[0], len(set(ids))) == (ids[2], 2)
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in ids)
