"""The double behaves as the contract saw the real server behave: catalog, organizations, teams, credits."""

import json
from http import client as http_client

import httpx
import pytest
from saas_litellm import SaasDouble, saas_double

MISSING = {"detail": "Not Found"}


@pytest.fixture
def double():
    with saas_double() as running:
        yield running


@pytest.fixture
def http(double: SaasDouble):
    with client_of(double) as client:
        yield client


def client_of(double: SaasDouble) -> httpx.Client:
    # No keep-alive: after a 500 the server drops the connection unannounced, and the next request on it may be lost.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(
        base_url=double.url, headers={"X-Admin-Key": double.admin_key}, timeout=10, limits=limits
    )


def ok(response: httpx.Response):
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int, detail: str) -> None:
    assert (response.status_code, response.json()) == (status, {"detail": detail})


def alias(http: httpx.Client, name: str, **fields):
    body = {
        "model_alias": name,
        "display_name": name,
        "provider": "openai",
        "actual_model": "gpt-4o",
        **fields,
    }
    return http.post("/api/models/create", json=body)


def group(http: httpx.Client, name: str, *aliases: str):
    body = {"group_name": name, "display_name": name, "model_aliases": aliases}
    return http.post("/api/model-access-groups/create", json=body)


def organization(http: httpx.Client, name: str = "acme", **fields):
    body = {"organization_id": name, "name": name, "create_default_team": False, **fields}
    return http.post("/api/organizations/create", json=body)


def team(http: httpx.Client, name: str, *groups: str, **fields):
    body = {"organization_id": "acme", "team_id": name, "access_groups": groups, **fields}
    return http.post("/api/teams/create", json=body)


def names(listed, key):
    return [row[key] for row in listed]


@pytest.fixture
def world(http: httpx.Client):
    """Aliases a and b, group g with a, group h with b, organization acme, team t with g."""
    for made in (alias(http, "a"), alias(http, "b"), group(http, "g", "a"), group(http, "h", "b")):
        ok(made)
    ok(organization(http))
    return ok(team(http, "t", "g", credits_allocated=100))


def test_openapi_is_open_and_names_the_generation(double):
    answer = ok(httpx.get(f"{double.url}/openapi.json"))
    assert answer["info"]["version"] == "2.0.0"
    assert {
        "/api/models",
        "/api/model-access-groups",
        "/api/organizations",
        "/api/teams",
    } <= answer["paths"].keys()
    assert "/api/provider-credentials" in answer["paths"]
    assert "/api/credits/teams/{team_id}/add" in answer["paths"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/model-access-groups/g/add-models", 404),
        ("POST", "/api/credits/add", 404),
        ("GET", "/api/model-aliases", 404),
        ("PUT", "/api/teams/t/pause", 404),
        ("POST", "/api/teams/t/suspend", 405),
        ("PUT", "/api/organizations/acme", 405),
        ("PATCH", "/api/organizations/acme", 405),
        ("DELETE", "/api/organizations/acme", 405),
    ],
)
def test_what_is_documented_but_does_not_exist(http, world, method, path, status):
    assert http.request(method, path, json={}).status_code == status


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_a_body_without_the_json_content_type_is_refused(http, double, headers):
    content = b'{"group_name": "g", "display_name": "g"}'
    assert (
        http.post("/api/model-access-groups/create", content=content, headers=headers).status_code
        == 422
    )
    assert double.dump()["groups"] == []


def test_lists_are_bare_and_an_updated_row_moves_to_the_end(http, world):
    assert names(ok(http.get("/api/models")), "model_alias") == ["a", "b"]
    ok(http.put("/api/models/a", json={"description": "first"}))
    assert names(ok(http.get("/api/models")), "model_alias") == ["b", "a"]
    ok(http.put("/api/models/b", json={"description": None, "unknown": 1}))
    assert names(ok(http.get("/api/models")), "model_alias") == ["b", "a"]


def test_unknown_fields_are_ignored_and_null_leaves(http, world, double):
    ok(http.put("/api/model-access-groups/g", json={"description": "text"}))
    before = double.dump()
    ok(http.put("/api/model-access-groups/g", json={"description": None, "dispaly_name": "typo"}))
    ok(
        http.put(
            "/api/teams/t", json={"team_alias": "new", "metadata": {"a": 1}, "status": "suspended"}
        )
    )
    assert double.dump() == before
    assert ok(http.put("/api/model-access-groups/g", json={"description": ""}))["description"] == ""


@pytest.mark.parametrize("name", ["", "Upper Case", "ü"])
def test_no_name_is_too_odd(http, name):
    ok(alias(http, name))
    assert names(ok(http.get("/api/models")), "model_alias") == [name]


def test_a_name_with_a_slash_is_created_and_listed_but_never_reached_again(http):
    ok(alias(http, "a/b"))
    assert names(ok(http.get("/api/models")), "model_alias") == ["a/b"]
    for path in ("/api/models/a/b", "/api/models/a%2Fb"):
        assert (http.get(path).status_code, http.delete(path).json()) == (404, MISSING)


@pytest.mark.parametrize("name", ["x" * 201, "nul\0"])
def test_a_name_that_the_column_cannot_hold_is_a_plain_500(http, double, name):
    answer = alias(http, name)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert double.dump()["aliases"] == []


def test_timestamps_of_aliases_are_naive_and_of_credits_zulu(http, world):
    assert not ok(http.get("/api/models/a"))["created_at"].endswith("Z")
    assert ok(http.get("/api/teams/t"))["credits"]["created_at"].endswith("Z")


def test_alias_answers_and_refusals(http, world):
    answer = ok(http.get("/api/models/a"))
    assert (answer["access_groups"], answer["teams_using"], answer["litellm_model_id"]) == (
        ["g"],
        None,
        None,
    )
    refused(alias(http, "a"), 400, "Model alias 'a' already exists")
    refused(alias(http, "c", access_groups=["no"]), 404, "Model access group 'no' not found")
    refused(http.get("/api/models/c"), 404, "Model alias 'c' not found")
    assert names(ok(http.get("/api/models", params={"access_group": "h"})), "model_alias") == ["b"]


def test_a_refused_alias_update_saves_nothing(http, world, double):
    before = double.dump()
    answer = http.put("/api/models/a", json={"display_name": "new", "access_groups": ["g", "no"]})
    assert (answer.status_code, double.dump()) == (404, before)


@pytest.mark.parametrize(
    ("sent", "read"),
    [(0, None), (2.5, 2.5), (1.23456789, 1.234568), (-1, -1.0), (9999.999999, 9999.999999)],
)
def test_prices_are_rounded_and_zero_reads_as_null(http, sent, read):
    assert ok(alias(http, "a", pricing_input=sent))["pricing_input"] == read
    ok(alias(http, "b", pricing_input=7))
    assert ok(http.put("/api/models/b", json={"pricing_input": sent}))["pricing_input"] == read


def test_a_price_beyond_the_column_is_a_plain_500_that_drops_the_connection(http, double, world):
    before = double.dump()
    kept = http_client.HTTPConnection(double.url.removeprefix("http://"), timeout=10)
    body = json.dumps({"pricing_output": 10_000, "display_name": "new"})
    kept.request("PUT", "/api/models/a", body, {"Content-Type": "application/json"})
    answer = kept.getresponse()
    assert (answer.status, answer.read(), answer.getheader("connection")) == (
        500,
        b"Internal Server Error",
        None,
    )
    assert kept.sock.recv(1) == b""
    kept.close()
    assert double.dump() == before


def test_deleting_an_alias_leaves_the_groups_silently(http, world, double):
    ok(http.delete("/api/models/a"))
    assert ok(http.get("/api/model-access-groups/g"))["model_aliases"] == []
    assert double.litellm.teams["t"].models == ["a"]
    refused(http.delete("/api/models/a"), 404, "Model alias 'a' not found")


def test_a_group_needs_a_display_name_and_known_aliases(http, double):
    assert http.post("/api/model-access-groups/create", json={"group_name": "g"}).status_code == 422
    refused(group(http, "g", "no"), 404, "Model alias 'no' not found")
    assert double.dump()["groups"] == []
    ok(group(http, "g"))
    refused(group(http, "g"), 400, "Model access group 'g' already exists")


def test_group_answers(http, world):
    shown = {
        "model_alias": "a",
        "display_name": "a",
        "provider": "openai",
        "actual_model": "gpt-4o",
    }
    used, unused = ok(http.get("/api/model-access-groups"))
    assert (used["model_aliases"], used["teams_using"], used["status"]) == (
        [shown],
        ["t"],
        "active",
    )
    assert unused["teams_using"] is None


def test_only_the_models_path_changes_models_and_it_replaces_the_set(http, world):
    before = ok(http.get("/api/model-access-groups/g"))
    assert ok(http.put("/api/model-access-groups/g", json={"model_aliases": ["b"]})) == before
    after = ok(http.put("/api/model-access-groups/g/models", json={"model_aliases": ["b"]}))
    assert names(after["model_aliases"], "model_alias") == ["b"]
    assert after["updated_at"] == before["updated_at"]
    refused(
        http.put("/api/model-access-groups/g/models", json={"model_aliases": ["a", "x"]}),
        404,
        "Model alias 'x' not found",
    )
    assert ok(http.get("/api/model-access-groups/g")) == after
    assert (
        ok(http.put("/api/model-access-groups/g/models", json={"model_aliases": []}))[
            "model_aliases"
        ]
        == []
    )


def test_a_group_is_not_deleted_while_teams_use_it(http, world):
    detail = "Cannot delete access group 'g' - still in use by teams: t"
    refused(http.delete("/api/model-access-groups/g"), 400, detail)
    ok(http.put("/api/teams/t", json={"access_groups": []}))
    ok(http.delete("/api/model-access-groups/g"))
    assert ok(http.get("/api/models/a"))["access_groups"] == []


def test_duplicates_are_stored_twice(http, world):
    ok(http.put("/api/teams/t/access-groups", json=["g", "g"]))
    assert ok(http.get("/api/teams/t"))["access_groups"] == ["g", "g"]
    ok(http.put("/api/model-access-groups/g/models", json={"model_aliases": ["a", "a"]}))
    assert ok(http.get("/api/models/a"))["access_groups"] == ["g", "g"]


def test_an_organization_is_created_once_with_an_undeletable_default_team(http, world, double):
    made = ok(
        organization(http, "big", create_default_team=True, default_team_access_groups=["g", "no"])
    )
    assert made["default_team"]["access_groups"] == ["g", "no"]
    assert made["default_team"]["virtual_key"] == double.virtual_key("big_default")
    assert ok(http.get("/api/organizations/big/teams"))["teams"][0]["access_groups"] == ["g"]
    refused(organization(http, "big"), 400, "Organization with ID 'big' already exists")
    detail = "Cannot delete default team 'big_default'. Default teams are protected from deletion."
    refused(http.delete("/api/teams/big_default"), 400, detail)


def test_the_default_team_comes_unasked_and_without_groups_has_no_key(http, double):
    made = ok(http.post("/api/organizations/create", json={"organization_id": "o", "name": "O"}))
    assert (made["default_team"]["team_alias"], made["default_team"]["virtual_key"]) == ("O", None)
    assert double.litellm.teams["o_default"].models == []
    assert double.litellm.keys == {}


def test_a_failed_default_team_is_still_a_200(http, double):
    double.litellm.fail_next("team/new")
    made = ok(organization(http, "o", create_default_team=True))
    assert made["default_team"] == {"error": "Failed to create default team: timed out"}
    assert ok(http.get("/api/teams")) == []


def test_null_metadata_poisons_the_list_for_everybody(http, double):
    ok(organization(http, "good"))
    assert ok(organization(http, "bad", metadata=None))["metadata"] is None
    assert [
        http.get(f"/api/organizations{path}").status_code for path in ("", "/bad", "/good")
    ] == [500, 500, 200]
    double.sql("organizations", "bad", status="suspended")
    assert names(ok(http.get("/api/organizations")), "organization_id") == ["good"]
    refused(organization(http, "bad"), 400, "Organization with ID 'bad' already exists")
