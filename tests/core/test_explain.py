"""Explanations: every route, every check in order, why config and gateway differ, the smallest change."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from questions_world import ALIASES, NOW, PRICES, asked, state

from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.access.rules import access
from reconciler.core.explain.explain import explain, overview
from reconciler.core.explain.routes import GROUPS, Facts
from reconciler.core.model.inventory import Record, record_of
from reconciler.core.model.kinds import Status
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import resolve
from reconciler.render.explain import render, render_json, render_overview

COMPANY = {
    "model_aliases": ALIASES,
    "access_groups": {
        "basic": {"model_aliases": ["gpt-3.5-turbo"]},
        "best": {"model_aliases": ["gpt-4", "claude-3-opus"]},
        "openai": {"select": {"provider": "openai"}},
        "only-gpt-4": {"model_aliases": ["gpt-4"]},
    },
    "plans": {
        "starter": {"access_groups": ["basic"]},
        "pro": {"extends": "starter", "access_groups": ["best"], "price_usd_per_month": 99},
    },
    "teams": {
        "acme": {
            "plan": "pro",
            "access_groups": ["openai"],
            "grants": [
                {"access_groups": ["only-gpt-4"], "until": date(2026, 7, 1), "reason": "trial"}
            ],
        },
        "small": {"plan": "starter"},
        "late": {
            "plan": "starter",
            "grants": [{"access_groups": ["best"], "until": date(2026, 1, 1), "reason": "trial"}],
        },
    },
}


def changed(section, name, **fields):
    specs = COMPANY[section] | {name: {**COMPANY[section].get(name, {}), **fields}}
    return COMPANY | {section: specs}


def texts(verdict):
    return [[link.text for link in route] for route in verdict.routes]


def failing(verdict):
    return [check.name for check in verdict.checks if check.result == "fail"]


def live_of(sections) -> State:
    """The gateway's state as it would be after an apply: teams hold their groups themselves."""
    written = state(**sections)
    return resolve(written, NOW, PRICES).state


def owned(live: State):
    return {ref: Record(record_of(resource)) for ref, resource in live.resources.items()}


def test_every_route_in_full():
    found = explain(asked(**COMPANY), "acme", "gpt-4")
    assert found.config.allowed
    assert texts(found.config) == [
        ["team acme", "plan pro", "access group best", "alias gpt-4", "openai/gpt-4"],
        [
            "team acme",
            "grant until 2026-07-01 (trial)",
            "access group only-gpt-4",
            "alias gpt-4",
            "openai/gpt-4",
        ],
        [
            "team acme",
            "access group openai",
            "alias gpt-4 (selected: provider openai)",
            "openai/gpt-4",
        ],
    ]
    assert found.remedies == ()


def test_a_plans_parents_are_links_of_their_own():
    [route, _] = explain(asked(**COMPANY), "acme", "gpt-3.5-turbo").config.routes
    assert [(link.text, str(link.ref), link.path) for link in route] == [
        ("team acme", "team/acme", ()),
        ("plan pro", "team/acme", ("plan",)),
        ("extends starter", "pricing_plan/pro", ("extends",)),
        ("access group basic", "pricing_plan/starter", ("access_groups", "basic")),
        ("alias gpt-3.5-turbo", "access_group/basic", ("model_aliases", "gpt-3.5-turbo")),
        ("openai/gpt-3.5-turbo", "model_alias/gpt-3.5-turbo", ("litellm_model",)),
    ]


def test_routes_and_access_agree_for_every_team_and_model():
    question = asked(**COMPANY)
    reached = access(question.desired.state, GROUPS)
    for team in COMPANY["teams"]:
        for model in ALIASES:
            found = explain(question, team, model)
            assert found.config.allowed == (model in reached.of(team)) == bool(found.config.routes)
        assert {each.model for each in overview(question, team).models} == reached.of(team)


def test_the_checks_come_in_the_order_of_a_request():
    found = explain(asked(**COMPANY), "small", "gpt-4")
    names = ["team", "status", "groups", "alias", "alias status", "credits", "provider"]
    assert [check.name for check in found.config.checks] == names
    assert failing(found.config) == ["groups"]


@pytest.mark.parametrize(
    ("sections", "team", "model", "fails", "says"),
    [
        (COMPANY, "acm", "gpt-4", ["team"], "did you mean acme?"),
        (
            changed("teams", "acme", status="suspended"),
            "acme",
            "gpt-4",
            ["status"],
            "set status: active",
        ),
        (COMPANY, "small", "gpt-4", ["groups"], None),
        (COMPANY, "late", "gpt-4", ["groups"], "a grant until 2026-01-01 (trial) has ended"),
        (COMPANY, "acme", "gpt4", ["groups", "alias"], "did you mean gpt-4?"),
        (COMPANY, "acme", "claude-3-opus-2", ["groups", "alias"], "did you mean claude-3-opus?"),
        (
            changed("model_aliases", "gpt-4", status="inactive"),
            "acme",
            "gpt-4",
            ["alias status"],
            "set status: active",
        ),
        (
            changed(
                "model_aliases", "gpt-4", sunset=date(2026, 6, 15), replacement="claude-3-opus"
            ),
            "acme",
            "gpt-4",
            ["groups", "alias status"],
            "call claude-3-opus instead",
        ),
    ],
)
def test_what_fails_and_what_to_do(sections, team, model, fails, says):
    found = explain(asked(**sections), team, model)
    assert not found.config.allowed
    assert failing(found.config) == fails
    assert says in [check.hint for check in found.config.checks if check.result == "fail"]


def test_the_smallest_change_comes_first():
    found = explain(asked(**COMPANY), "small", "gpt-4")
    assert [(remedy.text, remedy.extra) for remedy in found.remedies] == [
        ("give the team the access group only-gpt-4", ()),
        ("give the team the access group openai", ()),
        ("give the team the access group best", ("claude-3-opus",)),
        ("move the team to plan pro ($99/month)", ("claude-3-opus",)),
    ]


def merged(sections, *texts):
    """The sections with the YAML of remedies merged in; no list of it may name anything twice."""
    found = {name: dict(specs) for name, specs in sections.items()}
    for text in texts:
        for section, specs in yaml.safe_load(text).items():
            for name, spec in specs.items():
                assert all(
                    len(set(item)) == len(item) for item in spec.values() if isinstance(item, list)
                ), text
                found.setdefault(section, {})[name] = found.get(section, {}).get(name, {}) | spec
    return found


SUNSETS = st.sampled_from([None, date(2026, 1, 1), date(2030, 1, 1)])
STATUSES = st.sampled_from(["active", "active", "inactive"])
ALIAS = st.fixed_dictionaries({"sunset": SUNSETS, "status": STATUSES})
GROUP = st.one_of(
    st.fixed_dictionaries(
        {"model_aliases": st.lists(st.sampled_from(["gpt-4", "haiku", "mistral"]), unique=True)}
    ),
    st.sampled_from([{"select": {"provider": "ours"}}, {"select": {"tag": "none"}}]),
)
NAMES = st.lists(st.sampled_from(["a", "b", "c"]), unique=True)
TEAM = st.fixed_dictionaries(
    {
        "access_groups": NAMES,
        "plan": st.sampled_from([None, "low", "high"]),
        "status": st.sampled_from(["active", "active", "suspended"]),
    }
)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries({name: ALIAS for name in ("gpt-4", "haiku", "mistral")}),
    st.fixed_dictionaries({name: GROUP for name in "abc"}),
    st.fixed_dictionaries({"low": NAMES, "high": NAMES}),
    st.dictionaries(st.sampled_from(["one", "another", "third-team"]), TEAM, min_size=1),
    st.sampled_from(["gpt-4", "haiku", "mistral", "quite-new"]),
)
def test_what_is_needed_and_any_way_to_grant_it_grant_it(aliases, groups, plans, teams, model):
    """In random companies, with sunsets that have come, what is inactive, and a model that nobody declared."""
    sections = {
        "model_aliases": {
            name: {"litellm_model": f"ours/{name}", **spec} for name, spec in aliases.items()
        },
        "access_groups": groups,
        "plans": {
            "low": {"access_groups": plans["low"]},
            "high": {"extends": "low", "access_groups": plans["high"]},
        },
        "teams": teams,
    }
    team = min(teams)
    found = explain(asked(**sections), team, model)
    needed = [each.yaml for each in found.remedies if each.needed]
    ways = [each for each in found.remedies if not each.needed and each.yaml]
    assert found.config.allowed or needed or ways
    for texts_ in [[*needed, way.yaml] for way in ways] or [needed]:
        assert explain(asked(**merged(sections, *texts_)), team, model).config.allowed, texts_
    before = {each.model for each in overview(asked(**merged(sections, *needed)), team).models}
    for way in ways:
        after = {
            each.model
            for each in overview(asked(**merged(sections, *needed, way.yaml)), team).models
        }
        assert after - before == {model, *way.extra}


@pytest.mark.parametrize(
    ("team", "model"),
    [
        ("acme", "gpt4"),
        ("acme", "gtp-4"),
        ("acme", "GPT-4"),
        ("acmee", "gpt-4"),
        ("acme", "claude-3-opsu"),
        ("smal", "x"),
    ],
)
def test_a_slip_of_the_pen_is_named_and_never_created(team, model):
    found = explain(asked(**COMPANY), team, model)
    said = render(found)
    assert (
        f"did you mean {'acme' if team == 'acmee' else 'small' if team == 'smal' else ''}" in said
    )
    assert all(each.yaml == "" for each in found.remedies)
    assert [each.text for each in found.remedies if team == "acme"] == [
        f"call {'claude-3-opus' if 'claude' in model else 'gpt-4'}, which is what it is called: the team reaches it"
    ] * (team == "acme")


@pytest.mark.parametrize("model", ["gpt-5", "gpt-4.1", "mistral-large"])
def test_another_model_is_no_slip(model):
    remedies = explain(asked(**COMPANY), "small", model).remedies
    assert [each.text for each in remedies if each.needed] == [f"declare the alias {model}"]


def test_after_a_sunset_there_is_its_replacement_or_another_date():
    sections = changed(
        "model_aliases", "gpt-4", sunset=date(2026, 1, 1), replacement="claude-3-opus"
    )
    found = explain(asked(**sections), "acme", "gpt-4")
    assert [(each.text, each.needed) for each in found.remedies] == [
        ("call claude-3-opus, its replacement: the team reaches it", False),
        ("move the sunset of gpt-4", True),
    ]


def test_the_deployments_of_an_alias_are_one_link():
    spec = {
        "litellm_model": None,
        "deployments": [{"litellm_model": "azure/gpt-4"}, {"litellm_model": "openai/gpt-4"}],
    }
    for route in explain(
        asked(**changed("model_aliases", "gpt-4", **spec)), "acme", "gpt-4"
    ).config.routes:
        assert route[-1].text == "azure/gpt-4 or openai/gpt-4"


def test_an_alias_in_no_group_goes_into_the_group_of_the_fewest_teams():
    sections = changed("model_aliases", "new", litellm_model="mistral/new")
    found = explain(asked(**sections), "small", "new")
    assert [remedy.text for remedy in found.remedies] == [
        "add new to the team's access group basic",
        "make an access group of its own for new",
    ]
    assert found.remedies[0].other_teams == 2


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"team/acme": None}, "the gateway has no team acme"),
        ({"team/acme": {"status": Status.SUSPENDED}}, "the team is suspended on the gateway"),
        (
            {"model_alias/gpt-4": {"status": Status.INACTIVE}},
            "the alias is inactive on the gateway",
        ),
        ({"model_alias/gpt-4": None}, "the gateway has no model alias gpt-4"),
        (
            {"team/acme": {"access_groups": frozenset()}},
            "the team lacks access group best on the gateway",
        ),
        (
            {
                f"access_group/{g}": {"model_aliases": frozenset()}
                for g in ("best", "openai", "only-gpt-4")
            },
            "access group best lacks gpt-4 on the gateway",
        ),
    ],
)
def test_changes_not_taking_effect_have_a_cause(change, cause):
    """Config says yes, the gateway no: drift where it was applied once, pending where it never was."""
    full = live_of(COMPANY)
    update = {}
    for name, fields in change.items():
        ref = Ref.parse(name)
        update[ref] = None if fields is None else full[ref].model_copy(update=fields)
    live = full.updated(update)
    for inventory, kind in ((owned(full), "drift"), ({}, "pending")):
        found = explain(asked(**COMPANY, live=live, inventory=inventory), "acme", "gpt-4")
        assert (found.config.allowed, found.live.allowed) == (True, False)
        assert (kind, cause) in [(gap.kind, gap.text) for gap in found.gaps]


def test_what_the_gateway_still_grants():
    live = live_of(COMPANY)
    sections = changed("teams", "small", access_groups=["best"])
    given = live_of(sections)
    for inventory, kind in ((owned(given), "pending"), (owned(live), "drift")):
        found = explain(asked(**COMPANY, live=given, inventory=inventory), "small", "gpt-4")
        assert (found.config.allowed, found.live.allowed) == (False, True)
        assert [(gap.kind, gap.text) for gap in found.gaps] == [
            (kind, "the team still has access group best on the gateway")
        ]


def test_no_credits_refuse_only_where_the_gateway_asks_for_them():
    live = live_of(COMPANY)
    runtime = {Ref("team", "acme"): {"credits_remaining": 0}}
    for facts, allowed in ((Facts(credits=True), False), (Facts(credits=False), True)):
        found = explain(asked(**COMPANY, live=live, runtime=runtime, facts=facts), "acme", "gpt-4")
        assert found.live.allowed is allowed
    assert found.notes == ("the team has no credits left; its calls are answered but not charged",)


def test_a_stale_copy_is_sent_again_and_not_restarted():
    found = explain(
        asked(**COMPANY, live=live_of(COMPANY), facts=Facts(copies=True)), "small", "gpt-3.5-turbo"
    )
    assert found.gaps == ()
    assert 'PUT /api/teams/small {"access_groups": ["basic"]}' in found.notes[0]
    assert "A restart does not help" in found.notes[0]


def test_a_provider_that_the_gateway_cannot_call():
    found = explain(
        asked(**COMPANY, facts=Facts(providers=frozenset({"anthropic"}))), "acme", "gpt-4"
    )
    assert failing(found.config) == ["provider"]


def test_another_day_is_another_answer():
    later = replace(asked(now=datetime(2026, 8, 1, tzinfo=UTC), **COMPANY))
    assert [
        "grant until 2026-07-01 (trial)" in str(texts(explain(q, "acme", "gpt-4").config))
        for q in (asked(**COMPANY), later)
    ] == [
        True,
        False,
    ]


PROXY = {
    "model_aliases": {
        name: {"litellm_model": name} for name in ("openai/gpt-4", "openai/gpt-5", "fast")
    },
    "access_groups": {"g": {"model_aliases": ["openai/*"]}},
    "teams": {
        "t": {
            "models": ["openai/gpt-4"],
            "access_groups": ["g"],
            "model_aliases": {"fast": "openai/gpt-4"},
        }
    },
}


@pytest.mark.parametrize(
    ("model", "routes"),
    [
        (
            "openai/gpt-4",
            [["models: openai/gpt-4"], ["access group g", "alias openai/gpt-4 (by openai/*)"]],
        ),
        ("openai/gpt-5", [["access group g", "alias openai/gpt-5 (by openai/*)"]]),
        ("fast", [["model_aliases: fast -> openai/gpt-4"]]),
    ],
)
def test_litellm_has_lists_wildcards_and_aliases_of_teams(model, routes):
    question = asked(**PROXY, rules=LiteLLMRules())
    found = explain(question, "t", model)
    assert found.config.allowed
    assert [route[1:-1] for route in texts(found.config)] == routes


def test_a_spent_budget_refuses():
    runtime = {Ref("team", "t"): {"spend": 5.0, "max_budget": 5.0}}
    found = explain(
        asked(**PROXY, rules=LiteLLMRules(), live=live_of(PROXY), runtime=runtime), "t", "fast"
    )
    assert found.config.allowed
    assert failing(found.live) == ["credits"]


GOLDEN = """\
May late call gpt-4?  config: no, live: not asked

In the config: no
  ok   team: late is declared
  ok   status: the team is active
  FAIL groups: none of its access groups (basic) holds gpt-4
       a grant until 2026-01-01 (trial) has ended
  ok   alias: gpt-4 is declared
  ok   alias status: gpt-4 is active
  note credits: none declared; what is left, only the gateway knows
  ok   provider: openai

What would grant it, one of
  1. give the team the access group only-gpt-4
       teams:
         late:
           access_groups: [only-gpt-4]
  2. give the team the access group openai
       teams:
         late:
           access_groups: [openai]
  3. give the team the access group best (also gains claude-3-opus)
       teams:
         late:
           access_groups: [best]
  4. move the team to plan pro ($99/month) (also gains claude-3-opus)
       teams:
         late:
           plan: pro
"""


def test_the_text_of_a_refusal():
    assert render(explain(asked(**COMPANY), "late", "gpt-4")) == GOLDEN


ROUTES = """\
May acme call gpt-4?  config: yes, live: not asked

In the config: yes, 3 ways
  team acme
  - plan pro
    - access group best
      - alias gpt-4
        - openai/gpt-4
  - grant until 2026-07-01 (trial)
    - access group only-gpt-4
      - alias gpt-4
        - openai/gpt-4
  - access group openai
    - alias gpt-4 (selected: provider openai)
      - openai/gpt-4
  note credits: none declared; what is left, only the gateway knows
"""


def test_the_text_of_routes():
    assert render(explain(asked(**COMPANY), "acme", "gpt-4")) == ROUTES


def test_json_and_hostile_names():
    found = json.loads(render_json(explain(asked(**COMPANY), "acme", "gpt-4")))
    assert found["config"]["routes"][0][1] == {
        "text": "plan pro",
        "ref": "team/acme",
        "path": ["plan"],
        "origin": None,
    }
    assert "\x1b" not in render(explain(asked(**COMPANY), "a\x1b[31m", "b\x1b[0m"))
    assert "\x1b" not in render_overview(overview(asked(**COMPANY), "a\x1b[31m"))
