import sqlite3
from contextlib import closing

import httpx
import pytest
from embedded_world import served
from pydantic import SecretStr


def names(rows, key):
    return [row[key] for row in rows]


def test_an_organization_from_create_to_delete(gateway):
    created = gateway.organization("org_acme", name="ACME", metadata={"tier": "Enterprise"})
    assert created["metadata"] == {"tier": "Enterprise"}
    changed = gateway.put("/api/organizations/org_acme", name="ACME Corp", status="suspended")
    assert (changed["name"], changed["status"], changed["metadata"]) == (
        "ACME Corp",
        "suspended",
        {"tier": "Enterprise"},
    )
    assert gateway.put("/api/organizations/org_acme", metadata=None)["metadata"] == {}
    gateway.team("t2", credits_allocated=5)
    gateway.team("t1", credits_allocated=7)
    shown = gateway.get("/api/organizations/org_acme")
    assert (shown["team_count"], shown["total_credits_allocated"]) == (2, 12)
    assert gateway.get("/api/organizations") == {"organizations": [shown]}
    teams = gateway.get("/api/organizations/org_acme/teams?limit=1")
    assert (teams["team_count"], names(teams["teams"], "team_id")) == (2, ["t1"])
    assert "has 2" in gateway.refused("DELETE", "/api/organizations/org_acme", 409)
    for team in ("t1", "t2"):
        gateway.delete(f"/api/teams/{team}")
    gateway.delete("/api/organizations/org_acme")
    assert (
        gateway.refused("GET", "/api/organizations/org_acme", 404)
        == "Organization 'org_acme' not found"
    )


def test_an_alias_from_create_to_delete(world):
    created = world.alias(
        "d",
        status="deprecated",
        tags=["dear", "chat", "dear"],
        pricing_input=30,
        pricing_output=0,
        litellm_params={"mock_response": "hi", "api_key": "os.environ/A_KEY", "max_tokens": 5},
        access_groups=["h", "g"],
    )
    assert created["access_groups"] == ["g", "h"]
    assert (created["tags"], created["pricing_input"], created["pricing_output"]) == (
        ["dear", "chat"],
        30.0,
        0.0,
    )
    assert (created["status"], created["active"]) == ("deprecated", False)
    assert world.get("/api/model-aliases/d") == created
    assert world.get("/api/model-aliases")["model_aliases"][3] == created
    changed = world.put(
        "/api/model-aliases/d", litellm_model="anthropic/x", pricing_input=None, active=True
    )
    same = created.keys() - {
        "litellm_model",
        "pricing_input",
        "status",
        "active",
        "updated_at",
        "generation",
    }
    assert {key: changed[key] for key in same} == {key: created[key] for key in same}
    assert (changed["litellm_model"], changed["pricing_input"], changed["status"]) == (
        "anthropic/x",
        None,
        "active",
    )
    assert world.delete("/api/model-aliases/d")["removed_from_groups"] == ["g", "h"]
    assert names(world.get("/api/model-access-groups/g")["model_aliases"], "alias") == ["a", "b"]


def test_a_group_s_set_is_added_to_taken_from_and_replaced(world):
    path = "/api/model-access-groups/g"
    assert world.post(f"{path}/add-models", model_aliases=["b", "c"])["model_aliases"] == [
        "a",
        "b",
        "c",
    ]
    assert world.post(f"{path}/remove-models", model_aliases=["a", "b"])["model_aliases"] == ["c"]
    assert world.post(f"{path}/remove-models", model_aliases=["a"])["model_aliases"] == ["c"]
    changed = world.put(path, model_aliases=["b", "a"], display_name="G")
    assert (changed["model_aliases"], changed["display_name"], changed["description"]) == (
        ["b", "a"],
        "G",
        "first",
    )
    assert world.put(path, model_aliases=[], description=None)["description"] is None
    assert world.get("/api/model-access-groups?include=model_aliases")["access_groups"] == [
        {
            "group_name": "g",
            "description": None,
            "display_name": "G",
            "model_count": 0,
            "team_count": 1,
            "generation": 5,
            "model_aliases": [],
        },
        {
            "group_name": "h",
            "description": None,
            "display_name": None,
            "model_count": 1,
            "team_count": 0,
            "generation": 1,
            "model_aliases": ["b"],
        },
    ]


def test_a_team_from_create_to_delete(world):
    created = world.team(
        "u", "h", "g", team_alias="Team U", credits_allocated=10, metadata={"env": "prod"}
    )
    key = created.pop("virtual_key")
    assert created["allowed_model_aliases"] == ["a", "b"]
    assert world.get("/api/teams/u") == created
    world.organization("org_other")
    changed = world.put(
        "/api/teams/u",
        organization_id="org_other",
        team_alias="U",
        access_groups=["h"],
        credits_allocated=4,
        status="suspended",
        metadata={"a": [1, {"b": None}]},
    )
    assert (
        changed.items()
        >= {"organization_id": "org_other", "team_alias": "U", "access_groups": ["h"]}.items()
    )
    assert (changed["credits_allocated"], changed["status"]) == (4, "suspended")
    assert changed["metadata"] == {"a": [1, {"b": None}]}
    assert world.put("/api/teams/u")["metadata"] == {"a": [1, {"b": None}]}
    listed = world.get("/api/teams?include=allowed_model_aliases")["teams"]
    assert listed == [world.get("/api/teams/t"), world.get("/api/teams/u")]
    assert key not in world.dump()
    world.delete("/api/teams/u")
    assert world.refused("GET", "/api/teams/u", 404) == "Team 'u' not found"
    assert world.call(key, "a").status_code == 401


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_suspend_and_resume_may_be_repeated(world, method):
    for verb, status in (
        ("suspend", "suspended"),
        ("suspend", "suspended"),
        ("resume", "active"),
        ("resume", "active"),
    ):
        assert world.ok(method, f"/api/teams/t/{verb}")["status"] == status


def test_a_rotated_key_replaces_the_old_one(world):
    old = world.team("u", "g", credits_allocated=1)["virtual_key"]
    new = world.post("/api/teams/u/rotate-key")["virtual_key"]
    answers = [
        world.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
        for key in (old, new)
    ]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert "virtual_key" not in world.get("/api/teams/u")


def test_deleting_a_group_says_which_teams_lost_it(world):
    world.team("s", "g", "h")
    assert world.delete("/api/model-access-groups/g")["removed_from_teams"] == ["s", "t"]
    assert world.get("/api/teams/s")["allowed_model_aliases"] == ["b"]
    assert world.get("/api/teams/t")["allowed_model_aliases"] == []


def test_only_active_aliases_are_allowed(world):
    world.put("/api/model-aliases/a", status="inactive")
    assert world.get("/api/teams/t")["allowed_model_aliases"] == ["b"]


@pytest.mark.parametrize(
    ("path", "key", "ids"),
    [
        ("/api/organizations", "organizations", ["o1", "o2", "o3", "org_acme"]),
        ("/api/model-aliases", "model_aliases", ["a", "b", "c"]),
        ("/api/model-access-groups", "access_groups", ["g", "h"]),
        ("/api/teams", "teams", ["t", "t1", "t2"]),
        ("/api/organizations/org_acme/teams", "teams", ["t", "t1", "t2"]),
    ],
)
def test_lists_come_by_id_and_in_pages(world, path, key, ids):
    for organization in ("o3", "o1", "o2"):
        world.organization(organization)
    for team in ("t2", "t1"):
        world.team(team)
    field = {
        "organizations": "organization_id",
        "model_aliases": "alias",
        "access_groups": "group_name",
    }.get(key, "team_id")
    assert names(world.get(path)[key], field) == ids
    pages, after = [], ""
    while page := names(world.get(f"{path}?limit=1&after={after}")[key], field):
        pages += page
        after = page[-1]
    assert pages == ids


def test_credits_leave_a_trace(world):
    world.put("/api/teams/t", credits_allocated=60)
    world.put("/api/teams/t", credits_allocated=60)
    added = world.post(
        "/api/credits/add", team_id="t", amount=5, reason="promo", operation_id="op/1 x"
    )
    assert (added["credits_allocated"], added["duplicate"]) == (65, False)
    listed = world.get("/api/credits/transactions?team_id=t")["transactions"]
    moves = [
        (row["type"], row["amount"], row["balance_before"], row["balance_after"]) for row in listed
    ]
    assert moves == [
        ("addition", 5, 60, 65),
        ("allocation", -40, 100, 60),
        ("allocation", 100, 0, 100),
    ]
    assert (listed[0]["description"], listed[0]["transaction_id"]) == (
        "promo",
        added["transaction_id"],
    )
    [found] = world.get("/api/credits/transactions?operation_id=op/1%20x")["transactions"]
    assert found == listed[0]
    page = world.get(
        f"/api/credits/transactions?team_id=t&limit=1&after={added['transaction_id']}"
    )["transactions"]
    assert page == [listed[1]]
    assert world.get("/api/credits/balance?team_id=t") == {
        "team_id": "t",
        "credits_allocated": 65,
        "credits_used": 0,
        "credits_remaining": 65,
        "percentage_used": 0.0,
        "status": "active",
    }


def test_an_operation_takes_effect_once_ever(world):
    grant = {"team_id": "t", "amount": 5, "operation_id": "promo"}
    first = world.post("/api/credits/add", **grant)
    world.post("/api/credits/add", team_id="t", amount=1)
    before = world.dump()
    assert world.post("/api/credits/add", **grant) == {**first, "duplicate": True}
    for other in ({"amount": 6}, {"team_id": "u"}):
        assert "already added 5" in world.refused(
            "POST", "/api/credits/add", 409, json={**grant, **other}
        )
    assert world.dump() == before
    world.delete("/api/teams/t")
    world.team("t")
    world.post("/api/credits/add", **grant)
    assert world.get("/api/teams/t")["credits_allocated"] == 0


def test_the_admin_key_guards_management_and_nothing_else(tmp_path):
    with served(tmp_path / "g.db", admin_key=SecretStr("master-key")) as gateway:
        assert gateway.refused("GET", "/api/teams", 401).startswith("Admin key required")
        # The key comes before the body: a stranger learns nothing about what is valid.
        assert gateway.refused("POST", "/api/teams/create", 401, content=b"{") != ""
        for headers in (
            {"X-Admin-Key": "wrong"},
            {"Authorization": "Bearer wrong"},
            {"X-Admin-Key": "ü".encode()},
        ):
            assert gateway.refused("GET", "/api/teams", 401, headers=headers) == "Invalid admin key"
        for headers in ({"X-Admin-Key": "master-key"}, {"Authorization": "bearer master-key"}):
            assert gateway.ok("GET", "/api/teams", headers=headers) == {"teams": []}
        assert gateway.get("/health")["status"] == "healthy"
        assert "/api/model-aliases" in gateway.get("/openapi.json")["paths"]
        assert gateway.http.get("/v1/models").json()["error"]["code"] == "invalid_api_key"


def test_every_management_path_is_guarded(tmp_path):
    with served(tmp_path / "g.db", admin_key=SecretStr("master-key")) as gateway:
        paths = gateway.get("/openapi.json")["paths"]
        guarded = [
            (verb, path)
            for path in paths
            for verb in paths[path]
            if path.startswith("/api/") and "/jobs/" not in path
        ]
        assert len(guarded) > 25
        answers = {
            gateway.http.request(verb, path.replace("{", "").replace("}", "")).status_code
            for verb, path in guarded
        }
    assert answers == {401}


def test_the_documentation_names_itself(gateway):
    assert gateway.get("/openapi.json")["info"]["title"] == "Reconciler embedded gateway"
    assert gateway.http.get("/docs").status_code == 200


def test_every_operation_and_answer_is_described(gateway):
    paths = gateway.get("/openapi.json")["paths"]
    operations = [operation for verbs in paths.values() for operation in verbs.values()]
    assert not [
        operation["summary"] for operation in operations if not operation.get("description")
    ]
    management = {
        path: verbs for path, verbs in paths.items() if "/api/" in path and "/jobs/" not in path
    }
    answers = [
        answer
        for verbs in management.values()
        for op in verbs.values()
        for answer in answers_of(op)
    ]
    assert len(answers) > 100
    assert all("$ref" in answer["schema"] for answer in answers)


def answers_of(operation):
    return [
        answer["content"]["application/json"]
        for answer in operation["responses"].values()
        if "content" in answer
    ]


def test_an_admin_key_may_hold_any_letter(tmp_path):
    with served(tmp_path / "g.db", admin_key=SecretStr("schlüssel")) as gateway:
        assert gateway.ok("GET", "/api/teams", headers={"X-Admin-Key": "schlüssel".encode()}) == {
            "teams": []
        }


def test_a_second_process_sees_every_change(world):
    with served(world.database) as other:
        other.put("/api/teams/t", team_alias="from the other side")
        assert world.get("/api/teams/t")["team_alias"] == "from the other side"
        assert other.get("/api/teams") == world.get("/api/teams")


def test_what_is_stored_survives_a_restart(world):
    before = [
        world.get(path)
        for path in ("/api/teams/t", "/api/model-access-groups/g", "/api/organizations")
    ]
    with served(world.database) as again:
        assert [
            again.get(path)
            for path in ("/api/teams/t", "/api/model-access-groups/g", "/api/organizations")
        ] == before


def test_no_plain_key_is_stored(world):
    key = world.team("u")["virtual_key"]
    with closing(sqlite3.connect(world.database)) as db:
        [stored] = db.execute("SELECT key_hash FROM teams WHERE team_id = 'u'").fetchone()
    assert len(stored) == 64
    assert key not in stored
    assert key.removeprefix("sk-") not in world.dump()


def test_a_body_may_call_itself_anything(gateway):
    for number, kind in enumerate(
        [None, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
    ):
        headers = {"Content-Type": kind} if kind else {}
        body = f'{{"organization_id": "o{number}", "name": "ü"}}'.encode()
        response = httpx.post(
            f"{gateway.url}/api/organizations/create", content=body, headers=headers
        )
        assert (response.status_code, response.json()["name"]) == (200, "ü")
