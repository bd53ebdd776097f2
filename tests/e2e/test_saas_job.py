"""The main job on SaaS LiteLLM: on the double, and on a real server where one is given."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2e_world import company
from saas_litellm import saas_double

SETTINGS = "default_gateway: saas\ngateways: {{saas: {{backend: saas-litellm, url: '{url}', admin_key_env: KEY}}}}\n"
MANIFEST = """
model_aliases:
  P-gpt-4: {litellm_model: openai/gpt-4, display_name: GPT-4, pricing_input: 30, pricing_output: 60}
  P-gpt-4-turbo: {litellm_model: openai/gpt-4-turbo}
  P-gpt-3.5-turbo: {litellm_model: openai/gpt-3.5-turbo, description: Fast and efficient}
access_groups:
  P-basic: {description: Fast, model_aliases: [P-gpt-3.5-turbo]}
  P-pro: {description: Balanced, model_aliases: [P-gpt-4-turbo]}
  P-all: {description: Everything of ours, select: {provider: openai}}
plans:
  starter: {price_usd_per_month: 99, access_groups: [P-basic], credits_allocated: 1000}
  professional: {extends: starter, price_usd_per_month: 299, access_groups: [P-pro], credits_allocated: 5000}
organizations:
  org_P: {name: Customer}
teams:
  P-prod: {organization_id: org_P, team_alias: Production, plan: professional}
  P-staging: {organization_id: org_P, team_alias: Staging, plan: professional, status: suspended}
  P-dev: {organization_id: org_P, team_alias: Development, plan: starter, budget_mode: job_based}
  P-lab: {organization_id: org_P, access_groups: [P-all], top_ups: [{id: gift, amount: 250}]}
"""
TEAMS = ("P-prod", "P-staging", "P-dev", "P-lab")


@pytest.fixture(params=["double", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """URL and admin key."""
    if request.param == "double":
        with saas_double() as double:
            yield double.url, double.admin_key
        return
    url, key = (
        os.environ.get("RECONCILER_TEST_SAAS_URL"),
        os.environ.get("RECONCILER_TEST_SAAS_KEY"),
    )
    if not (url and key):
        pytest.skip(
            "no real SaaS LiteLLM: set RECONCILER_TEST_SAAS_URL and RECONCILER_TEST_SAAS_KEY"
        )
    yield url, key


class Customer:
    """A company whose every id starts with a prefix of its own: ids of deleted teams can never be used again."""

    def __init__(self, directory: Path, url: str, key: str) -> None:
        self.prefix = f"e2e{uuid.uuid4().hex[:8]}"
        self.place = company(directory, SETTINGS.format(url=url), all=self._named(MANIFEST))
        self.place.environ["KEY"] = key
        self.http = httpx.Client(
            base_url=url, headers={"X-Admin-Key": key}, timeout=60, verify=False
        )

    def _named(self, text: str) -> str:
        return text.replace("P-", f"{self.prefix}-").replace("org_P", f"org_{self.prefix}")

    def edit(self, old: str, new: str) -> None:
        self.place.edit("all.yaml", self._named(old), self._named(new))

    def team(self, name: str) -> dict[str, object]:
        answer = self.http.get(f"/api/teams/{self._named(name)}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def groups(self, name: str) -> list[str]:
        return sorted(
            str(group).removeprefix(f"{self.prefix}-") for group in self.team(name)["access_groups"]
        )

    def hand_edit(self, name: str, **body: object) -> None:
        answer = self.http.put(f"/api/teams/{self._named(name)}", json=body)
        assert answer.status_code == 200, answer.text

    def named_in(self, text: str) -> list[str]:
        return [name for name in TEAMS if self._named(name) in text]


@pytest.fixture
def customer(server: tuple[str, str], tmp_path: Path) -> Iterator[Customer]:
    made = Customer(tmp_path, *server)
    made.place.applied()
    with made.http:
        yield made
        made.place.write("all.yaml", "")
        made.place._run(("apply", "--yes", "--allow-empty", "--allow-loss", "--allow-deletes"))


def test_apply_then_an_empty_plan_and_no_drift(customer):
    customer.place.settled()
    customer.place.reconciler("drift")
    assert customer.groups("P-prod") == ["basic", "pro"]
    assert customer.team("P-staging")["credits"]["status"] == "suspended"
    assert customer.team("P-prod")["credits"]["credits_allocated"] == 5000
    assert customer.team("P-lab")["credits"]["credits_remaining"] == 250


def test_a_group_removed_from_a_plan_changes_only_the_teams_on_that_plan(customer):
    before = {name: customer.team(name) for name in TEAMS}
    customer.edit("access_groups: [P-pro], credits", "access_groups: [], credits")
    assert customer.named_in(customer.place.pending()) == ["P-prod", "P-staging"]
    assert "--allow-loss" in customer.place.reconciler("apply", "--yes", code=1).err
    assert customer.groups("P-prod") == ["basic", "pro"]
    customer.place.applied("--allow-loss")
    customer.place.settled()
    assert customer.groups("P-prod") == customer.groups("P-staging") == ["basic"]
    assert {name: customer.team(name) for name in ("P-dev", "P-lab")} == {
        name: before[name] for name in ("P-dev", "P-lab")
    }


def test_a_hand_edit_shows_as_drift_and_apply_heals_it(customer):
    groups = [f"{customer.prefix}-basic", f"{customer.prefix}-all"]
    customer.hand_edit("P-dev", access_groups=groups)
    found = customer.place.reconciler("drift", code=2).out
    assert customer.named_in(found) == ["P-dev"]
    customer.place.applied("--allow-loss")
    customer.place.reconciler("drift")
    customer.place.settled()
    assert customer.groups("P-dev") == ["basic"]


def test_what_the_server_cannot_do_is_said_and_leaves_no_phantom_change(customer):
    customer.edit("team_alias: Production", "team_alias: Live")
    customer.edit("{name: Customer}", "{name: Renamed}")
    said = customer.place.reconciler("plan", "--exit-code").text
    assert "name" in said
    assert "cannot" in said
    assert "organization" in said


def test_a_team_without_groups_is_refused_because_it_could_call_everything(customer):
    customer.edit("access_groups: [P-basic], credits_allocated: 1000", "credits_allocated: 1000")
    done = customer.place.reconciler("apply", "--yes", "--allow-loss", code=1)
    assert "without access groups" in done.err
    assert customer.groups("P-dev") == ["basic"]


def test_a_wrong_key_is_said(customer):
    customer.place.environ["KEY"] = "wrong"
    customer.edit("amount: 250}", "amount: 250}, {id: second, amount: 5}")
    text = customer.place._run(("apply", "--yes")).text
    customer.place.environ["KEY"] = customer.http.headers["X-Admin-Key"]
    assert "KEY" in text or "key" in text
    assert "Traceback" not in text
    customer.place.applied()
    customer.place.settled()
    assert customer.team("P-lab")["credits"]["credits_remaining"] == 255


def test_a_group_under_another_name_is_replaced_and_nobody_loses_anything(customer):
    customer.edit(
        "P-pro: {description: Balanced", "P-premium: {renamed_from: P-pro, description: Balanced"
    )
    customer.edit("access_groups: [P-pro], credits", "access_groups: [P-premium], credits")
    said = customer.place.pending()
    assert customer._named("P-premium (renamed from P-pro)") in said
    assert "loses" not in said
    customer.place.applied()
    customer.place.settled()
    assert customer.groups("P-prod") == ["basic", "premium"]


def test_a_team_under_another_name_is_refused_because_its_key_would_be_lost(customer):
    before = customer.team("P-dev")
    customer.edit("P-dev: {", "P-devel: {renamed_from: P-dev, ")
    done = customer.place.reconciler("apply", "--yes", code=1)
    assert "cannot-rename" in done.text
    assert customer.team("P-dev") == before
