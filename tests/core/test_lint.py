"""Each rule: a config in which it fires (and where), and the nearest one in which it is silent."""

from datetime import date

import pytest
from questions_world import ALIASES, NOW, PRICES, state

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import CreditsMode
from reconciler.core.plan.resolve import resolve
from reconciler.core.rules.lint import BY_CODE, RULES, lint
from reconciler.core.rules.lint.rule import Linted

M = {
    name: {"litellm_model": f"openai/{name}", "pricing_input": 1, "pricing_output": 1}
    for name in "abcdefghij"
}


def group(*models, **more):
    return {"model_aliases": list(models)} | more


def aliased(**changes):
    return {"model_aliases": {"a": M["a"] | changes}, "access_groups": {"g": group("a")}}


def priced(model):
    return {"model_aliases": {"a": {"litellm_model": model}}}


def family(dearer, cheaper):
    return {
        "model_aliases": {n: M[n] for n in "ab"},
        "access_groups": {"ga": group("a"), "gb": group("b")},
        "plans": {"chat-basic": cheaper, "chat-pro": dearer},
    }


def dev(team, **more):
    return {
        "model_aliases": ALIASES,
        "access_groups": {"dear": group("gpt-4")},
        "teams": team,
    } | more


GRANT = {"access_groups": ["g"], "until": date(2026, 6, 15)}
TEN = list("abcdefghij")

# code -> (a config that has it, {ref and path: ...}, a config that has not)
CASES = {
    "unused-group": (
        {"access_groups": {"g": group()}},
        [("access_group/g", ())],
        {"access_groups": {"g": group()}, "teams": {"t": {"grants": [GRANT]}}},
    ),
    "empty-group": (
        {"model_aliases": {"a": M["a"]}, "access_groups": {"g": {"select": {"tag": "x"}}}},
        [("access_group/g", ())],
        {"model_aliases": {"a": M["a"] | {"tags": ["x"]}}, "access_groups": {"g": {"select": {"tag": "x"}}}},
    ),
    "dead-grant": (
        aliased(status="inactive"),
        [("access_group/g", ("model_aliases", "a"))],
        aliased(sunset=date(2026, 6, 16), replacement="a"),
    ),
    "near-duplicate-groups": (
        {"model_aliases": M, "access_groups": {"g1": group(*TEN), "g2": group(*TEN[:9])}},
        [("access_group/g2", ())],
        {"model_aliases": M, "access_groups": {"g1": group(*TEN), "g2": group(*TEN[:8]), "x": group(*"abc"), "y": group(*"abc")}},
    ),
    "group-equals-plan": (
        {
            "model_aliases": M,
            "access_groups": {"g1": group("a"), "g2": group("b"), "g3": group("a", "b")},
            "plans": {"p": {"access_groups": ["g1", "g2"]}},
        },
        [("access_group/g3", ())],
        {
            "model_aliases": M,
            "access_groups": {"g1": group("a"), "g2": group("b"), "g3": group("a", "b")},
            "plans": {"p": {"access_groups": ["g3"]}, "q": {"access_groups": ["g1", "g2", "g3"]}},
        },
    ),
    "group-name": (
        {"access_groups": {"tier_basic": group()}},
        [("access_group/tier_basic", ())],
        {"access_groups": {"tier-basic": group()}},
    ),
    "odd-group-name": (
        {
            "access_groups": {name: group() for name in ("tier-a", "tier-b", "tier-c", "premium")},
            "plans": {"p": {"access_groups": ["tier-a", "tier-b"]}, "q": {"extends": "p", "access_groups": ["tier-c", "premium"]}},
        },
        [("access_group/premium", ())],
        {
            "access_groups": {name: group() for name in ("basic-models", "pro-models", "fast-models", "chat-models")},
            "plans": {"p": {"access_groups": ["basic-models", "pro-models", "fast-models", "chat-models"]}},
        },
    ),
    "plan-without-teams": (
        {"plans": {"p": {}}},
        [("pricing_plan/p", ())],
        {"plans": {"p": {}, "q": {"extends": "p"}}, "teams": {"t": {"plan": "q"}}},
    ),
    "plan-gives-less": (
        family(
            {"price_usd_per_month": 2, "access_groups": ["gb"], "credits_allocated": 5},
            {"price_usd_per_month": 1, "access_groups": ["ga"], "credits_allocated": 9},
        ),
        [("pricing_plan/chat-pro", ("access_groups",)), ("pricing_plan/chat-pro", ("credits_allocated",))],
        family(
            {"price_usd_per_month": 2, "access_groups": ["gb"], "extends": "chat-basic", "credits_allocated": 9},
            {"price_usd_per_month": 1, "access_groups": ["ga"], "credits_allocated": 9},
        ),
    ),
    "missing-description": (
        {"plans": {"p": {"description": " "}}},
        [("pricing_plan/p", ())],
        {"plans": {"p": {"description": "Small teams"}}},
    ),
    "team-without-plan": (
        {"plans": {"p": {}}, "teams": {"t": {}}},
        [("team/t", ())],
        {"teams": {"t": {}}},
    ),
    "unused-alias": (
        {"model_aliases": {"a": M["a"]}},
        [("model_alias/a", ())],
        {"model_aliases": {"a": M["a"], "b": M["b"] | {"status": "inactive"}}, "teams": {"t": {"models": ["a"]}}},
    ),
    "model-deprecation": (
        {"model_aliases": {"x": {"litellm_model": "openai/gpt-old"}, "y": {"litellm_model": "openai/gpt-3.5-turbo"}}},
        [("model_alias/x", ("litellm_model",)), ("model_alias/y", ("litellm_model",))],
        {"model_aliases": {"x": {"litellm_model": "openai/gpt-new"}, "y": {"litellm_model": "openai/gpt-old", "status": "inactive"}}},
    ),
    "unknown-provider": (
        priced("opnai/gpt-4"),
        [("model_alias/a", ("litellm_model",))],
        priced("azure/our-deployment"),
    ),
    "unknown-model": (
        priced("openai/gpt-44"),
        [("model_alias/a", ("litellm_model",))],
        {"model_aliases": {"a": {"litellm_model": "openai/gpt-44", "pricing_input": 3}}},
    ),
    "sunset-without-replacement": (
        aliased(sunset=date(2027, 1, 1)),
        [("model_alias/a", ("sunset",))],
        aliased(sunset=date(2027, 1, 1), replacement="a"),
    ),
    "replacement-unreachable": (
        {
            "model_aliases": {"a": M["a"] | {"sunset": date(2027, 1, 1), "replacement": "b"}, "b": M["b"]},
            "access_groups": {"g": group("a"), "h": group("b")},
            "teams": {"t": {"access_groups": ["g"]}, "u": {"access_groups": ["g", "h"]}},
        },
        [("model_alias/a", ("replacement",))],
        {
            "model_aliases": {"a": M["a"] | {"sunset": date(2027, 1, 1), "replacement": "b"}, "b": M["b"]},
            "access_groups": {"g": group("a", "b")},
            "teams": {"t": {"access_groups": ["g"]}},
        },
    ),
    "dev-reaches-dear": (
        dev({"x": {"access_groups": ["dear"], "labels": {"env": "dev"}}, "y-test": {"plan": "p"}}, plans={"p": {"access_groups": ["dear"]}}),
        [("team/x", ("access_groups", "dear")), ("team/y-test", ("plan",))],
        dev({"x-dev": {"access_groups": ["dear"], "labels": {"env": "prod"}}, "y": {"access_groups": ["dear"]}}),
    ),
    "team-reaches-everything": (
        {"model_aliases": M, "access_groups": {"g": group(*TEN)}, "teams": {"t": {"access_groups": ["g"]}}},
        [("team/t", ("access_groups",))],
        {"model_aliases": M, "access_groups": {"g": group(*TEN[1:])}, "teams": {"t": {"access_groups": ["g"]}}},
    ),
    "team-without-access": (
        {"access_groups": {"g": group()}, "teams": {"t": {"access_groups": ["g"]}}},
        [("team/t", ())],
        {"teams": {"t": {"status": "suspended"}}},
    ),
    "expired-grant": (
        {"access_groups": {"g": group()}, "teams": {"t": {"grants": [GRANT]}}},
        [("team/t", ("grants", 0, "until"))],
        {"access_groups": {"g": group()}, "teams": {"t": {"grants": [GRANT | {"until": date(2026, 6, 16)}]}}},
    ),
    "expiring-grant": (
        {"access_groups": {"g": group()}, "teams": {"t": {"grants": [GRANT | {"until": date(2026, 6, 29)}]}}},
        [("team/t", ("grants", 0, "until"))],
        {"access_groups": {"g": group()}, "teams": {"t": {"grants": [GRANT | {"until": date(2026, 6, 30)}]}}},
    ),
    "redundant-group": (
        {"access_groups": {"g": group()}, "plans": {"p": {"access_groups": ["g"]}}, "teams": {"t": {"plan": "p", "access_groups": ["g"]}}},
        [("team/t", ("access_groups", "g"))],
        {"access_groups": {"g": group(), "h": group()}, "plans": {"p": {"access_groups": ["g"]}}, "teams": {"t": {"plan": "p", "access_groups": ["h"]}}},
    ),
    "suspended-team": (
        {"teams": {"t": {"status": "suspended", "price_usd_per_month": 9}}},
        [("team/t", ("status",))],
        {"teams": {"t": {"status": "suspended", "credits_allocated": 9, "credits_mode": CreditsMode.INITIAL}}},
    ),
    "secret-in-text": (
        {"teams": {"t": {"labels": {"note": "sk-abcdefghijklmnopqrstuv"}}}},
        [("team/t", ("labels", "note"))],
        {"teams": {"t": {"labels": {"note": "sk-short", "token": "blue"}}}},
    ),
}  # fmt: skip


def linted(sections, levels=None):
    written = state(**sections)
    return lint(Linted(written, resolve(written, NOW, PRICES), NOW, PRICES), levels)


def test_every_rule_has_its_cases():
    assert CASES.keys() == BY_CODE.keys()


@pytest.mark.parametrize("code", CASES)
def test_a_rule_fires_where_it_should(code):
    found = [(str(f.ref), f.path) for f in linted(CASES[code][0]) if f.code == code]
    assert found == CASES[code][1]


@pytest.mark.parametrize("code", CASES)
def test_a_rule_is_silent_where_it_should_be(code):
    assert [f.message for f in linted(CASES[code][2]) if f.code == code] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_says_why(rule):
    assert len(rule.reason) > 90
    assert rule.summary.endswith(".")
    assert rule.hint


def test_settings_change_levels():
    config = CASES["unused-group"][0]
    assert {
        f.level for f in linted(config, {"unused-group": Level.ERROR}) if f.code == "unused-group"
    } == {Level.ERROR}
    assert not [f for f in linted(config, {"unused-group": Level.OFF}) if f.code == "unused-group"]


def test_a_secret_is_never_repeated():
    assert all("abcdefghij" not in f.message for f in linted(CASES["secret-in-text"][0]))


def test_group_pairs_are_found_among_many():
    """Prefix filtering leaves out no pair: compared with all pairs."""
    groups = {
        f"g{n:03}": group(*TEN[n % 3 :], *([f"x{n % 7}"] if n % 2 else [])) for n in range(40)
    }
    models = M | {f"x{n}": M["a"] for n in range(7)}
    found = [
        f.ref.name
        for f in linted({"model_aliases": models, "access_groups": groups})
        if f.code == "near-duplicate-groups"
    ]
    sets = {name: frozenset(spec["model_aliases"]) for name, spec in groups.items()}
    near = lambda a, b: len(sets[a] & sets[b]) >= 0.9 * len(sets[a] | sets[b])  # noqa: E731
    kept, expected = [], []
    for name in sorted(sets):
        (expected if any(near(name, other) for other in kept) else kept).append(name)
    assert found == expected
