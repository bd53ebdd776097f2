"""Questions through the command line: the documentation's troubleshooting chapter, access, lint, policies."""

import json

import pytest
from e2e_world import Place, company

CHAPTER = """\
model_aliases:
  gpt-4: {litellm_model: openai/gpt-4, description: Most capable}
  gpt-3.5-turbo: {litellm_model: openai/gpt-3.5-turbo, description: Fast}
access_groups:
  basic-models: {description: Basic, model_aliases: [gpt-3.5-turbo]}
  gpt-models:
    description: OpenAI
    model_aliases:
      - gpt-4
plans:
  starter: {description: Small, access_groups: [basic-models], credits_allocated: 1000, price_usd_per_month: 99}
organizations:
  org_acme: {name: ACME}
teams:
  acme-prod:
    organization_id: org_acme
    plan: starter
"""


@pytest.fixture
def chapter(tmp_path) -> Place:
    return company(tmp_path, all=CHAPTER)


def test_team_cannot_access_model(chapter):
    """Problem: "Model access denied" for gpt-4. Cause: no group of the team holds it. Fix: add the group."""
    chapter.applied()
    told = chapter.reconciler("explain", "acme-prod", "gpt-4", code=1).out
    assert "config: no, live: no" in told
    assert "FAIL groups: none of its access groups (basic-models) holds gpt-4" in told
    assert "give the team the access group gpt-models  config/all.yaml:15:3" in told
    assert "access_groups: [gpt-models]" in told

    chapter.edit(
        "all.yaml", "    plan: starter\n", "    plan: starter\n    access_groups: [gpt-models]\n"
    )
    pending = chapter.reconciler("explain", "acme-prod", "gpt-4", code=1).out
    assert "config: yes, live: no" in pending
    assert "pending: the team lacks access group gpt-models on the gateway" in pending

    chapter.applied()
    granted = chapter.reconciler("explain", "acme-prod", "gpt-4").out
    assert "config: yes, live: yes" in granted
    assert "access group gpt-models  config/all.yaml:18:21" in granted
    assert "alias gpt-4  config/all.yaml:9:9" in granted
    assert "openai/gpt-4  config/all.yaml:2:26" in granted


def test_model_alias_not_found(chapter):
    """Problem: the group won't accept the alias. Cause: no such alias; validate and explain both say it."""
    chapter.edit("all.yaml", "      - gpt-4\n", "      - gtp-4\n")
    assert "did you mean gpt-4" in chapter.reconciler("validate", code=1).out
    chapter.edit("all.yaml", "      - gtp-4\n", "      - gpt-4\n")
    told = chapter.reconciler("explain", "acme-prod", "gtp-4", "--offline", code=1).out
    assert "FAIL alias: there is no model alias gtp-4 in the config" in told
    assert "did you mean gpt-4?" in told
    assert "declare the alias" not in told


def test_changes_not_taking_effect(chapter):
    """Problem: the group was updated, the team still cannot. Cause: not applied; or changed by hand on the gateway."""
    chapter.applied()
    chapter.edit(
        "all.yaml", "model_aliases: [gpt-3.5-turbo]", "model_aliases: [gpt-3.5-turbo, gpt-4]"
    )
    told = chapter.reconciler("explain", "acme-prod", "gpt-4", code=1).out
    assert "pending: access group basic-models lacks gpt-4 on the gateway" in told
    assert "reconciler apply makes it" in told
    chapter.applied()
    assert "live: yes" in chapter.reconciler("explain", "acme-prod", "gpt-4").out


def test_a_suspended_team_and_an_inactive_alias(chapter):
    chapter.edit(
        "all.yaml",
        "    plan: starter\n",
        "    plan: starter\n    access_groups: [gpt-models]\n    status: suspended\n",
    )
    chapter.applied()
    told = chapter.reconciler("explain", "acme-prod", "gpt-4", code=1).out
    assert told.count("FAIL status: the team is suspended") == 2
    assert "config/all.yaml:19:13" in told
    chapter.edit("all.yaml", "suspended", "active")
    chapter.edit("all.yaml", "description: Most capable", "status: inactive")
    chapter.applied("--allow-loss")
    assert (
        "FAIL alias status: gpt-4 is inactive"
        in chapter.reconciler("explain", "acme-prod", "gpt-4", code=1).out
    )


def test_a_team_without_credits(chapter):
    chapter.edit("all.yaml", "credits_allocated: 1000", "credits_allocated: 0")
    chapter.applied()
    told = chapter.reconciler("explain", "acme-prod", "gpt-3.5-turbo", code=1).out
    assert "config: yes, live: no" in told
    assert "FAIL credits: 0 credits left" in told


def test_a_gateway_that_does_not_answer_is_not_asked(tmp_path):
    settings = "gateways: {embedded: {backend: embedded, url: 'http://127.0.0.1:1'}}\n"
    place = company(tmp_path, settings, all=CHAPTER)
    done = place.reconciler("explain", "acme-prod", "gpt-3.5-turbo")
    assert "live: not asked" in done.out
    assert "The gateway was not asked" in done.err


def test_everything_a_team_can_call(place):
    told = place.reconciler("explain", "acme-dev", "--offline").out
    assert "acme-dev can call  config: 3 models" in told
    assert "grant until 2030-01-01 (Trial of gpt-4-vision)  config/customers/acme.yaml:22:9" in told
    later = place.reconciler("explain", "acme-dev", "--offline", "--as-of", "2030-01-01").out
    assert "config: 2 models" in later
    found = json.loads(place.reconciler("explain", "acme-dev", "--offline", "--format", "json").out)
    assert [each["model"] for each in found["models"]] == [
        "claude-3-haiku",
        "gpt-3.5-turbo",
        "gpt-4-vision",
    ]


def test_the_matrix_live_and_as_declared(chapter):
    assert "0 teams" in chapter.reconciler("access", "--live").out
    chapter.applied()
    assert chapter.reconciler("access", "--live").out == chapter.reconciler("access").out
    assert (
        "1 team can call it"
        in chapter.reconciler("access", "--model", "gpt-3.5-turbo", "--live").out
    )
    assert "did you mean gpt-4?" in chapter.reconciler("access", "--model", "gpt-44", code=1).err


def test_lint_of_the_chapter(chapter):
    told = chapter.reconciler("lint").out
    assert (
        "config/all.yaml:6:3: warning unused-group: no team, plan or grant names gpt-models" in told
    )
    chapter.write("reconciler.yaml", "lint: {unused-group: error, missing-description: off}\n")
    assert "error unused-group" in chapter.reconciler("lint", code=1).out
    found = json.loads(chapter.reconciler("lint", "--format", "json", code=1).out)
    assert "unused-group" in {each["code"] for each in found}
    assert "Fix:" in chapter.reconciler("lint", "--explain", "unused-group").out
    assert (
        "did you mean unused-group?"
        in chapter.reconciler("lint", "--explain", "unusedgroup", code=1).err
    )


POLICY = """\
policies:
  small-plans:
    match: team.plan == 'starter'
    rule: model.price_output < 10
    message: starter teams get cheap models
"""
CASES = """\
cases:
  - {name: dear, policy: small-plans, team: {plan: starter}, model: {price_output: 60}, expect: deny}
  - {name: others, policy: small-plans, team: {plan: pro}, model: {price_output: 60}, expect: allow}
"""


def test_a_policy_stops_plan_and_apply_where_it_is_violated(chapter):
    chapter.write("policies.yaml", POLICY)
    chapter.applied()
    chapter.edit(
        "all.yaml", "    plan: starter\n", "    plan: starter\n    access_groups: [gpt-models]\n"
    )
    told = chapter.reconciler("validate", code=1).out
    assert (
        "config/all.yaml:18:21: error policy: policy small-plans: team acme-prod reaches gpt-4 by access group"
        in told
    )
    assert "small-plans" in chapter.reconciler("plan", code=1).text
    assert "small-plans" in chapter.reconciler("apply", "--yes", code=1).text
    assert "live: no" in chapter.reconciler("explain", "acme-prod", "gpt-4", code=1).out
    chapter.edit("policies.yaml", "    rule:", "    level: warning\n    rule:")
    assert "small-plans" in chapter.pending()


def test_a_mistake_in_a_policy_is_found_where_it_stands(chapter):
    chapter.write("policies.yaml", POLICY.replace("model.price_output", "model.prize_output"))
    told = chapter.reconciler("validate", code=1).out
    assert "config/policies.yaml:4:16: error policy-invalid" in told
    assert "did you mean model.price_output?" in told


def test_policies_are_tested_like_code(chapter):
    chapter.write("policies.yaml", POLICY)
    chapter.write("../tests/policies/small.yaml", CASES)
    assert "2 passed, 0 failed" in chapter.reconciler("policy", "test").out
    chapter.edit("policies.yaml", "< 10", "< 100")
    told = chapter.reconciler("policy", "test", code=1).out
    assert "small.yaml:2:5: FAIL dear (small-plans): expected deny, got allow" in told
    assert "1 passed, 1 failed" in told
