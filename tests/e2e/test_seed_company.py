"""The example company shows every setup and plan of the documentation of model access groups, and works as one."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from e2e_world import EXAMPLE

from reconciler.core.access.rules import GroupRules, access
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, PricingPlan, Team
from reconciler.pipeline import Loaded, load

BASIC = {"gpt-3.5-turbo", "claude-3-haiku"}
PRO = {"gpt-4-turbo", "claude-3-sonnet", "gemini-pro"}
BEST = {"gpt-4", "claude-3-opus", "gemini-1.5-pro"}
CLAUDE = {"claude-3-opus", "claude-3-sonnet", "claude-3-haiku"}
GPT = {"gpt-4", "gpt-4-turbo", "gpt-3.5-turbo"}
GOOGLE = {"gemini-pro", "gemini-1.5-pro"}

GROUPS = {
    "openai-models": GPT,
    "anthropic-models": CLAUDE,
    "google-models": GOOGLE,
    "gpt-models": GPT,
    "claude-models": CLAUDE,
    "basic-models": BASIC,
    "pro-models": PRO,
    "enterprise-models": BEST,
    "chat-models": {"gpt-3.5-turbo", "claude-3-sonnet"},
    "analysis-models": {"gpt-4", "claude-3-opus"},
    "fast-models": BASIC,
    "current-models": BASIC,
    "experimental-models": {"gpt-4-vision"},
    "acme-custom": BEST,
    "starter-models": BASIC,
}

# plan: USD per month, credits, the models that a team on it can call
PLANS = {
    "starter": (99, 1000, BASIC),
    "professional": (299, 5000, BASIC | PRO),
    "enterprise": (999, 20000, BASIC | PRO | BEST),
    "openai-only": (149, 2000, GPT),
    "multi-provider": (299, 5000, GPT | CLAUDE | GOOGLE),
    "chat-bundle": (199, 3000, {"gpt-3.5-turbo", "claude-3-sonnet"}),
    "analysis-bundle": (399, 5000, {"gpt-4", "claude-3-opus", "gpt-3.5-turbo", "claude-3-sonnet"}),
}


def company(now: datetime | None = None) -> Loaded:
    loaded = load(EXAMPLE, variables={}, now=now or datetime(2026, 1, 1, tzinfo=UTC))
    assert loaded.findings == ()
    return loaded


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_of_the_documentation_is_there_with_its_models(name):
    assert company().desired.state.of(AccessGroup)[name].model_aliases == GROUPS[name]


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_of_the_documentation_is_there_with_price_credits_and_models(name):
    loaded = company()
    plan = loaded.desired.plans[name]
    groups = loaded.desired.state.of(AccessGroup)
    models = set().union(*(groups[group].model_aliases for group in plan.access_groups))
    assert (plan.price_usd_per_month, plan.credits_allocated, models) == PLANS[name]


def test_every_plan_and_every_group_has_a_team_that_shows_it():
    loaded = company()
    teams = loaded.desired.state.of(Team)
    assert {team.plan for team in teams.values()} - {None} == loaded.manifests.state.of(
        PricingPlan
    ).keys()
    shown = set().union(*(team.access_groups for team in teams.values()))
    assert shown == GROUPS.keys()


def test_access_of_the_teams_of_the_documentation():
    state = company().desired.state
    found = access(state, GroupRules()).teams
    assert found["acme-prod"] == BASIC | PRO | BEST
    assert found["techco-dev"] == GPT | CLAUDE
    assert found["client-staging"] == GPT
    assert found["newclient-prod"] == BASIC
    assert found["shop-trial"] == frozenset()
    assert {"org_acme", "org_newclient"} <= state.of(Organization).keys()


def test_development_stays_apart_from_production_and_cheaper():
    loaded = company()
    teams = loaded.manifests.state.of(Team)
    assert teams["acme-prod"].labels == {"env": "prod"}
    assert teams["acme-dev"].labels == {"env": "dev"}
    reached = access(loaded.desired.state, GroupRules()).teams
    assert not reached["acme-dev"] & BEST


def test_the_trial_ends_by_itself():
    until = company().manifests.state.of(Team)["acme-dev"].grants[0].until
    last = datetime(until.year, until.month, until.day, tzinfo=UTC)
    during = access(company(last - timedelta(seconds=1)).desired.state, GroupRules()).teams[
        "acme-dev"
    ]
    after = access(company(last).desired.state, GroupRules()).teams["acme-dev"]
    assert during == BASIC | {"gpt-4-vision"}
    assert after == BASIC


def test_every_alias_answers_without_a_provider():
    aliases = company().desired.state.of(ModelAlias)
    assert all(
        alias.litellm_params and "mock_response" in alias.litellm_params
        for alias in aliases.values()
    )


def test_every_file_names_its_schema_by_a_path_that_exists():
    for file in EXAMPLE.rglob("*.yaml"):
        if ".reconciler" in file.parts:
            continue
        named = re.match(
            r"# yaml-language-server: \$schema=(\S+)\n", file.read_text(encoding="utf-8")
        )
        assert named, file
        schema = (file.parent / named[1]).resolve()
        layer = "overlay" if "environments" in file.parts else "manifest"
        kind = "settings" if file.name == "reconciler.yaml" else layer
        assert schema.name == f"{kind}.schema.json"
        assert json.loads(schema.read_text(encoding="utf-8"))
