"""The double's teams: what reaches LiteLLM, what burns an id, who may call, and what credits do."""

import httpx
import pytest
from saas_litellm import SaasDouble, saas_double
from test_saas_litellm_double import (
    alias,
    client_of,
    double,
    group,
    http,
    names,
    ok,
    organization,
    refused,
    team,
    world,
)

__all__ = ["double", "http", "world"]


def test_a_team_is_created_in_litellm_with_budget_and_models(double: SaasDouble, world):
    assert world["allowed_model_aliases"] == ["a"]
    held, key = double.litellm.teams["t"], double.litellm.keys[world["virtual_key"]]
    assert (held.team_alias, held.models, held.max_budget) == ("t", ["a"], pytest.approx(10.0))
    assert (key.key_alias, key.models, key.max_budget) == ("t_key", ["a"], pytest.approx(10.0))


def test_a_team_without_groups_reaches_every_model_in_litellm_and_none_in_saas(http, double, world):
    key = ok(team(http, "none"))["virtual_key"]
    assert double.litellm.key_allows(key, "of somebody else")
    assert double.can_call(key, "a")[0] == 403


def test_team_answers(http, world):
    (listed,) = ok(http.get("/api/teams"))
    assert listed["virtual_key"] == world["virtual_key"]
    assert "tokens_per_credit" not in listed
    detail = ok(http.get("/api/teams/t"))
    assert (detail["credits"]["tokens_per_credit"], detail["credits"]["status"]) == (
        10_000,
        "active",
    )
    assert (detail["access_groups"], detail["virtual_key"]) == (["g"], world["virtual_key"])


def test_team_refusals_before_litellm_burn_nothing(http, double, world):
    before = double.dump()
    refused(team(http, "t"), 400, "Team 't' already exists")
    refused(team(http, "u", "no"), 404, "Model access group 'no' not found")
    refused(team(http, "u", organization_id="no"), 404, "Organization 'no' not found")
    assert team(http, "u", metadata=None).status_code == 500
    assert double.dump() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"budget_mode": "unlimited"},
        {"credits_allocated": 2**31},
        {"tokens_per_credit": 2**31},
        {"credits_per_dollar": 10**8},
    ],
)
def test_a_failure_after_litellm_burns_the_id(http, double, world, fields):
    assert team(http, "u", "g", **fields).status_code in (400, 500)
    refused(http.get("/api/teams/u"), 404, "Team 'u' not found")
    again = team(http, "u", "g")
    assert again.status_code == 500
    assert "Failed to create team in LiteLLM" in again.json()["detail"]
    assert "Team id = u already exists" in again.json()["detail"]
    double.litellm.delete_team("u")
    ok(team(http, "u", "g"))


def test_a_failed_key_burns_the_id_and_a_refused_team_does_not(http, double, world):
    double.litellm.fail_next("team/new")
    assert team(http, "u").status_code == 500
    double.litellm.fail_next("key/generate")
    refused(team(http, "u"), 500, "Failed to create team in LiteLLM: timed out")
    assert "already exists" in team(http, "u").json()["detail"]


def test_a_litellm_timeout_after_the_work_burns_the_id(http, double, world):
    double.litellm.fail_next("team/new", after_effect=True)
    assert team(http, "u").json()["detail"] == "Failed to create team in LiteLLM: timed out"
    assert "already exists" in team(http, "u").json()["detail"]


def test_new_groups_reach_the_litellm_team_but_not_its_key(http, double, world):
    ok(http.put("/api/teams/t", json={"access_groups": ["g", "h"]}))
    assert double.litellm.teams["t"].models == ["a", "b"]
    assert double.litellm.keys[world["virtual_key"]].models == ["a"]
    assert double.can_call(world["virtual_key"], "b")[0] == 200


@pytest.mark.parametrize("path", ["/api/teams/t", "/api/teams/t/access-groups"])
def test_litellm_errors_are_swallowed_and_touching_again_repairs(http, double, world, path):
    body = ["h"] if path.endswith("groups") else {"access_groups": ["h"]}
    double.litellm.down = True
    ok(http.put(path, json=body))
    assert ok(http.get("/api/teams/t"))["access_groups"] == ["h"]
    assert double.litellm.teams["t"].models == ["a"]
    double.litellm.down = False
    ok(http.put(path, json=body))
    assert double.litellm.teams["t"].models == ["b"]


def test_group_and_alias_changes_are_live_in_saas_and_never_pushed(http, double, world):
    before = double.litellm.dump()
    ok(http.put("/api/model-access-groups/g/models", json={"model_aliases": ["b"]}))
    assert [double.can_call(world["virtual_key"], name)[0] for name in "ab"] == [403, 200]
    ok(http.put("/api/models/a", json={"access_groups": ["g"]}))
    assert double.can_call(world["virtual_key"], "a")[0] == 200
    assert double.litellm.dump() == before


def test_suspend_resume_and_delete_are_not_pushed(http, double, world):
    key, before = world["virtual_key"], double.litellm.dump()
    for _ in range(2):
        assert ok(http.put("/api/teams/t/suspend"))["status"] == "suspended"
    assert double.can_call(key, "a")[0] == 403
    ok(http.put("/api/teams/t/resume"))
    assert double.can_call(key, "a")[0] == 200
    ok(http.delete("/api/teams/t"))
    assert double.can_call(key, "a") == (401, {"detail": "Invalid API key"})
    assert (double.litellm.dump(), double.litellm.key_allows(key, "a")) == (before, True)
    assert "already exists" in team(http, "t", "g").json()["detail"]


def test_the_access_rule(http, double, world):
    key = world["virtual_key"]
    assert double.can_call(key, "a") == (
        200,
        {"model": "a", "provider": "openai", "resolved_model": "gpt-4o"},
    )
    assert double.can_call(key, "b") == (
        403,
        {"detail": "Team 't' does not have access to model alias 'b'"},
    )
    assert double.can_call(key, "x") == (
        403,
        {"detail": "Team 't' does not have access to model group 'x'"},
    )
    ok(http.put("/api/model-access-groups/g", json={"status": "inactive"}))
    double.sql("organizations", "acme", status="suspended")
    ok(http.put("/api/teams/t", json={"credits_allocated": 0}))
    assert double.can_call(key, "a")[0] == 200
    ok(http.put("/api/models/a", json={"status": "inactive"}))
    assert double.can_call(key, "a") == (
        403,
        {"detail": "Team 't' does not have access to model group 'a'"},
    )


def test_the_access_rule_over_the_socket(double, world):
    with httpx.Client(
        base_url=double.url, headers={"Authorization": f"Bearer {world['virtual_key']}"}
    ) as caller:
        job = ok(caller.post("/api/jobs/create", json={"team_id": "t", "job_type": "chat"}))[
            "job_id"
        ]
        path, messages = f"/api/jobs/{job}/llm-call", [{"role": "user", "content": "hi"}]
        assert (
            ok(caller.post(path, json={"model": "a", "messages": messages}))["resolved_model"]
            == "gpt-4o"
        )
        detail = "Team 't' does not have access to model alias 'b'"
        refused(caller.post(path, json={"model": "b", "messages": messages}), 403, detail)
        double.sql("teams", "t", status="paused")
        detail = "Team access is suspended. Please contact support."
        refused(caller.post(path, json={"model": "a", "messages": messages}), 403, detail)


def test_update_team_is_absolute_atomic_and_leaves_no_transaction(http, double, world):
    answer = ok(
        http.put("/api/teams/t", json={"credits_allocated": 40, "credits_per_dollar": 12.345})
    )
    assert (answer["credits_allocated"], answer["credits_per_dollar"]) == (40, 12.35)
    assert "access_groups" not in answer
    assert double.dump()["transactions"] == []
    before = double.dump()
    bad = [
        ({"budget_mode": "soft"}, 400),
        ({"access_groups": ["no"]}, 404),
        ({"credits_allocated": 2**31}, 500),
    ]
    for body, status in bad:
        assert http.put("/api/teams/t", json={"credits_used": 7, **body}).status_code == status
    assert double.dump() == before
    assert (
        ok(http.put("/api/teams/t", json={"credits_per_dollar": 0}))["credits_per_dollar"] == 10.0
    )


def test_adding_credits_is_not_idempotent_and_may_be_negative(http, double, world):
    path = "/api/credits/teams/t/add"
    for amount in (10, 10, -5):
        ok(http.post(path, json={"credits": amount, "reason": "gitops:grant/1"}))
    assert ok(http.get("/api/teams/t"))["credits_allocated"] == 115
    assert double.litellm.teams["t"].max_budget == pytest.approx(10.0)
    caller = {"Authorization": f"Bearer {world['virtual_key']}"}
    listed = ok(http.get("/api/credits/teams/t/transactions", headers=caller))["transactions"]
    assert names(listed, "credits_amount") == [-5, 10, 10]
    assert (listed[0]["credits_before"], listed[0]["credits_after"]) == (120, 115)
    assert (
        len(
            ok(http.get("/api/credits/teams/t/transactions?limit=1", headers=caller))[
                "transactions"
            ]
        )
        == 1
    )


def test_credits_for_an_unknown_team_make_a_ghost_that_blocks_the_real_one(http, world):
    ok(http.post("/api/credits/teams/ghost/add", json={"credits": 5}))
    ghost = ok(http.get("/api/teams/ghost"))
    assert (ghost["organization_id"], ghost["virtual_key"], ghost["credits_remaining"]) == (
        None,
        None,
        5,
    )
    refused(team(http, "ghost"), 400, "Team 'ghost' already exists")


def test_transactions_need_the_key_of_an_active_team(http, double, world):
    path = "/api/credits/teams/t/transactions"
    assert http.get(path).status_code == 401
    own = {"Authorization": f"Bearer {world['virtual_key']}"}
    other = {"Authorization": f"Bearer {ok(team(http, 'u'))['virtual_key']}"}
    assert (
        http.get(path, headers={"Authorization": f"Bearer {double.admin_key}"}).status_code == 401
    )
    assert http.get(path, headers=other).status_code == 403
    ok(http.put("/api/teams/t/suspend"))
    refused(http.get(path, headers=own), 403, "Team access is suspended. Please contact support.")


CREDIT_WRITES = [
    ("POST", "add", {"credits": 1}),
    ("POST", "replenish", {"credits": 1, "payment_type": "subscription", "payment_amount_usd": 1}),
    (
        "POST",
        "configure-auto-refill",
        {"enabled": True, "refill_amount": 5, "refill_period": "monthly"},
    ),
    ("PATCH", "conversion-rates", {"tokens_per_credit": 500}),
    ("PATCH", "budget-mode", {"budget_mode": "consumption_usd", "credits_per_dollar": 20}),
]


@pytest.mark.parametrize(("method", "verb", "body"), CREDIT_WRITES)
def test_credit_writes_demand_the_admin_key(http, double, world, method, verb, body):
    url, before = f"{double.url}/api/credits/teams/t/{verb}", double.dump()
    bearer = {"Authorization": f"Bearer {double.admin_key}"}
    for headers in ({}, {"X-Admin-Key": "wrong"}, bearer):
        answer = httpx.request(method, url, json=body, headers=headers)
        assert (answer.status_code, answer.json()["detail"][:24]) == (
            401,
            "Authentication required.",
        )
    assert double.dump() == before
    ok(http.request(method, url, json=body))
    assert double.dump() != before


def test_rates_are_read_back_from_the_team(http, world):
    ok(http.patch("/api/credits/teams/t/conversion-rates", json={"tokens_per_credit": 500}))
    assert ok(http.get("/api/teams/t"))["credits"]["tokens_per_credit"] == 500
    assert (
        http.patch(
            "/api/credits/teams/t/conversion-rates", json={"tokens_per_credit": 0}
        ).status_code
        == 400
    )


def test_management_is_open_unless_told_otherwise(double, world):
    assert httpx.get(f"{double.url}/api/teams").status_code == 200
    with saas_double(require_admin_everywhere=True) as closed, client_of(closed) as http:
        for path in ("models", "model-access-groups", "organizations", "teams"):
            assert httpx.get(f"{closed.url}/api/{path}").status_code == 401
            ok(http.get(f"/api/{path}"))
        assert httpx.get(f"{closed.url}/openapi.json").status_code == 200


def test_a_migrated_schema_refuses_duplicates_and_burns_the_id():
    with saas_double(migrated_schema=True) as double, client_of(double) as http:
        for made in (alias(http, "a"), group(http, "g", "a"), organization(http)):
            ok(made)
        assert (
            http.put(
                "/api/model-access-groups/g/models", json={"model_aliases": ["a", "a"]}
            ).status_code
            == 500
        )
        assert names(
            ok(http.get("/api/model-access-groups/g"))["model_aliases"], "model_alias"
        ) == ["a"]
        assert team(http, "t", "g", "g").status_code == 500
        assert "already exists" in team(http, "t", "g").json()["detail"]
