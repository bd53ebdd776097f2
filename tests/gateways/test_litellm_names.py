"""Names that only the proxy knows: served by a wildcard, of a legacy group, a router alias, of a model nobody declares."""

import json

import pytest
from click.testing import CliRunner

from reconciler.cli import group as cli
from reconciler.core.access.litellm.lists import team_can_call
from reconciler.core.access.litellm.providers import Inferred
from reconciler.core.access.litellm.world import (
    Deployment,
    LiteLLMTeam,
    LiteLLMWorld,
    compile_world,
)
from reconciler.core.explain.explain import explain
from reconciler.core.explain.routes import Asked
from reconciler.core.imports.export import Source, export
from reconciler.core.model.findings import errors
from reconciler.core.model.kinds import AccessGroup
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import Resolved
from reconciler.core.rules.check import check
from reconciler.core.rules.undeclared import UNSERVED, decided, put_off
from reconciler.gateways.litellm.aliases import Deployments
from reconciler.gateways.litellm.deployments import row_of
from reconciler.gateways.litellm.live import facts_of, live_of, rules_of
from reconciler.gateways.litellm.reading import Snapshot
from reconciler.gateways.litellm.support import support
from reconciler.gateways.litellm.team_codec import TeamCodec
from reconciler.pipeline import load, utc_now
from reconciler.pipeline.policies import VIOLATION, Judging, judged

NAMES = {
    "openai/*": (),
    "azure-*": ("wild-legacy",),
    "gpt-4o": ("prod-models",),
    "claude": (),
    "hidden": (),
}
ROUTER = {"best": "gpt-4o"}
MODELS = (*NAMES, "openai/gpt-9", "azure-eu", "gpt-9", "nothing", "best", "vertex_ai/x")
TEAMS = {
    "star": ["*"],
    "empty": [],
    "all": ["all-proxy-models"],
    "everyone": ["all-team-models"],
    "wild": ["openai/*"],
    "legacy": ["prod-models"],
    "wild-legacy": ["wild-legacy"],
    "router": ["best"],
    "plain": ["claude"],
    "grouped": ["no-default-models"],
    "none": ["no-default-models"],
}
HELD = {"g": ["openai/gpt-9", "azure-*", "prod-models", "claude", "stale"]}


def infer(name):
    """As the price map has it: gpt-... is OpenAI's."""
    prefix, slash, rest = name.partition("/")
    if slash:
        return Inferred(prefix, rest)
    return Inferred("openai", name) if name.startswith("gpt-") else None


def row(name, groups):
    info = {"id": name, "db_model": True, "access_groups": list(groups)}
    return row_of({"model_name": name, "litellm_params": {"model": name}, "model_info": info})


def proxy():
    groups = tuple(
        {"access_group_name": n, "access_group_id": n, "access_model_names": m}
        for n, m in HELD.items()
    )
    teams = tuple(
        {"team_id": n, "models": m, "access_group_ids": ["g"] * (n == "grouped")}
        for n, m in TEAMS.items()
    )
    rows = tuple(row(*each) for each in NAMES.items())
    deployments = Deployments(rows, router_aliases=ROUTER)
    found = Snapshot({"model_alias": deployments, "access_group": groups, "team": teams})
    live = live_of(found, TeamCodec({"g": "g"}))
    return live.state, support(rules_of(found, infer), facts_of(found), rate=None)


@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("model", MODELS)
def test_explain_says_what_litellms_rule_says_of_any_name(team, model):
    live, able = proxy()
    asked = Asked(live, Resolved(live, {}), utc_now(), live=live, rules=able.rules)
    found = explain(asked, team, model)
    deployments = tuple(Deployment(name, name, frozenset(groups)) for name, groups in NAMES.items())
    world = compile_world(
        LiteLLMWorld(deployments, {n: tuple(m) for n, m in HELD.items()}, ROUTER, infer)
    )
    granted = team_can_call(
        world, LiteLLMTeam(tuple(TEAMS[team]), ("g",) if team == "grouped" else ()), model
    )
    served = model in {*NAMES, "openai/gpt-9", "azure-eu", "gpt-9", "best"}
    assert (found.config.allowed, found.live.allowed) == (granted and served, granted and served), (
        team,
        model,
    )


def test_groups_and_teams_with_such_names_are_exported_and_planned():
    live, able = proxy()
    found = export(Source(live, able))
    assert {Ref("access_group", "g"), Ref("team", "grouped")} <= found.objects.keys()
    assert not found.skipped


def test_a_plan_knows_which_names_grant_something():
    live, able = proxy()
    state = State({Ref("access_group", "g"): AccessGroup(model_aliases=HELD["g"])})
    findings = put_off(_dangling(state))
    told = decided(findings, (), able.serving(live))
    assert [(f.code, f.path[-1], f.level.value) for f in told] == [(UNSERVED, "stale", "warning")]
    assert {f.code for f in decided(findings, (), None)} == {"dangling-reference"}


def _dangling(state):
    return check(state)


POLICY = """
policies:
  barred:
    match: team.id.startsWith("held")
    rule: model.alias != "gpt-4o" && model.alias != "hidden"
model_aliases:
  gpt-4o: {litellm_model: openai/gpt-4o}
  claude: {litellm_model: anthropic/claude}
teams:
  held: {models: %s}
"""


@pytest.mark.parametrize(
    ("models", "reaches"),
    [
        ("[claude]", ()),
        ("[gpt-4o]", ("gpt-4o",)),
        ("[prod-models, claude]", ("gpt-4o",)),
        ('["gpt-*"]', ("gpt-4o",)),
        ('["openai/*", claude]', ("gpt-4o",)),
        ('["*"]', ("gpt-4o", "hidden")),
        ("[hidden]", ("hidden",)),
    ],
)
def test_policies_are_judged_by_what_the_gateway_really_lets_through(tmp_path, models, reaches):
    (tmp_path / "all.yaml").write_text(POLICY % models)
    (tmp_path / "reconciler.yaml").write_text(
        'default_gateway: proxy\ngateways:\n  proxy: {backend: litellm, url: "http://127.0.0.1:1"}\n'
    )
    loaded = load(tmp_path, variables={})
    assert not [f for f in errors(loaded.findings) if f.code != VIOLATION]
    live, able = proxy()
    by = Judging(loaded.manifests, loaded.desired, loaded.now, loaded.prices, able.rules)
    found = [f.message for f in judged(loaded.findings, by, live, {}) if f.code == VIOLATION]
    assert sorted(
        name for name in ("gpt-4o", "hidden") for text in found if f" {name} " in text
    ) == sorted(reaches)


def test_without_the_gateway_access_and_lint_say_what_they_cannot_know(tmp_path):
    (tmp_path / "all.yaml").write_text(POLICY % "[prod-models]")
    (tmp_path / "reconciler.yaml").write_text(
        'default_gateway: proxy\ngateways:\n  proxy: {backend: litellm, url: "http://127.0.0.1:1"}\n'
    )
    told = CliRunner().invoke(cli, ["access", "--config", str(tmp_path), "--model", "gpt-4o"])
    assert "the proxy was not asked" in told.stderr
    linted = CliRunner().invoke(cli, ["lint", "--config", str(tmp_path), "--format", "json"])
    assert "the proxy was not asked" in linted.stderr
    codes = {(each["code"], each.get("ref")) for each in json.loads(linted.stdout)}
    assert ("team-without-access", "team/held") not in codes
