"""A rename keeps everything but the name, at one instant, for whoever refers to it."""

import asyncio

from embedded_world import dump

from reconciler.embedded.calls import answering
from reconciler.embedded.http.in_flight import InFlight


def company(gateway):
    gateway.organization("org_acme")
    gateway.alias("gpt-4", litellm_params={"mock_response": "hello"})
    gateway.group("pro", "gpt-4")
    made = gateway.post(
        "/api/teams/create",
        team_id="acme-prod",
        organization_id="org_acme",
        access_groups=["pro"],
        credits_allocated=10,
        metadata={"env": "prod"},
    )
    return made["virtual_key"]


def test_a_renamed_team_keeps_key_groups_credits_and_transactions(gateway):
    key = company(gateway)
    assert gateway.call(key, "gpt-4").status_code == 200
    gateway.post(
        "/api/credits/add", team_id="acme-prod", amount=5, operation_id="op:acme-prod:promo"
    )
    before = gateway.get("/api/teams/acme-prod")
    trace = gateway.get("/api/credits/transactions?team_id=acme-prod")["transactions"]

    names = {"old": "op:acme-prod:", "new": "op:acme-live:"}
    after = gateway.post("/api/teams/acme-prod/rename", team_id="acme-live", operation_ids=names)

    still = {
        name: value
        for name, value in before.items()
        if name not in ("team_id", "updated_at", "generation")
    }
    assert {name: after[name] for name in still} == still
    moved = gateway.get("/api/credits/transactions?team_id=acme-live")["transactions"]
    assert [row["transaction_id"] for row in moved] == [row["transaction_id"] for row in trace]
    assert {row["operation_id"] for row in moved} == {None, "op:acme-live:promo"}
    assert gateway.call(key, "gpt-4").status_code == 200
    assert gateway.get("/api/credits/balance?team_id=acme-live")["credits_remaining"] == 13
    gateway.refused("GET", "/api/teams/acme-prod", 404)
    again = gateway.post(
        "/api/credits/add", team_id="acme-live", amount=5, operation_id="op:acme-live:promo"
    )
    assert again["duplicate"]


def test_the_old_name_is_free_for_another_team(gateway):
    company(gateway)
    gateway.post(
        "/api/credits/add", team_id="acme-prod", amount=5, operation_id="op:acme-prod:promo"
    )
    names = {"old": "op:acme-prod:", "new": "op:acme-live:"}
    gateway.post("/api/teams/acme-prod/rename", team_id="acme-live", operation_ids=names)
    gateway.post("/api/teams/create", team_id="acme-prod", organization_id="org_acme")
    fresh = gateway.post(
        "/api/credits/add", team_id="acme-prod", amount=5, operation_id="op:acme-prod:promo"
    )
    assert not fresh["duplicate"]
    assert gateway.get("/api/teams/acme-live")["credits_allocated"] == 15


def test_references_follow_groups_aliases_and_organizations(gateway):
    key = company(gateway)
    gateway.post("/api/model-access-groups/pro/rename", group_name="premium")
    gateway.post("/api/model-aliases/gpt-4/rename", alias="gpt-4-classic")
    gateway.post("/api/organizations/org_acme/rename", organization_id="org_acme_inc")
    team = gateway.get("/api/teams/acme-prod")
    assert team["access_groups"] == ["premium"]
    assert team["allowed_model_aliases"] == ["gpt-4-classic"]
    assert team["organization_id"] == "org_acme_inc"
    assert gateway.call(key, "gpt-4-classic").status_code == 200
    assert gateway.call(key, "gpt-4").status_code == 403


def test_a_rename_to_a_name_that_is_taken_or_of_nothing_changes_nothing(gateway):
    company(gateway)
    gateway.group("basic")
    before = dump(gateway.database)
    gateway.refused(
        "POST", "/api/model-access-groups/pro/rename", 409, json={"group_name": "basic"}
    )
    gateway.refused("POST", "/api/model-access-groups/none/rename", 404, json={"group_name": "new"})
    gateway.refused("POST", "/api/teams/acme-prod/rename", 409, json={"team_id": "acme-prod"})
    gateway.refused("POST", "/api/teams/acme-prod/rename", 422, json={"team_id": "no/slash"})
    assert dump(gateway.database) == before


def test_a_call_on_its_way_is_paid_by_the_team_under_its_new_name(gateway, monkeypatch):
    key = company(gateway)
    real = answering.complete

    async def renamed_meanwhile(*given):
        await asyncio.to_thread(gateway.post, "/api/teams/acme-prod/rename", team_id="acme-live")
        return await real(*given)

    monkeypatch.setattr(answering, "complete", renamed_meanwhile)
    assert gateway.call(key, "gpt-4").status_code == 200
    assert gateway.get("/api/teams/acme-live")["credits_used"] == 1


def test_a_call_on_its_way_holds_one_credit():
    """A call holds its credit until it is charged, and none where its caller has left before it was admitted."""
    flying = InFlight()

    def held():
        with flying.counted() as numbers:
            return numbers[1]

    with flying.call() as hold:
        with hold.counted():
            hold.take(1)
        assert held() == 1
        with hold.settled():
            pass
        assert held() == 0
    assert held() == 0
    hold.take(1)
    assert held() == 0
