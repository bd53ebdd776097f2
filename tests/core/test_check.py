from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import SECTIONS
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.rules.check import check

SECRET = "sk-abcdefghijklmnopqrstuv"


def state(**sections: dict[str, dict[str, object]]) -> State:
    return State(
        {
            Ref(SECTIONS[section].kind, name): SECTIONS[section].model_validate(spec)
            for section, specs in sections.items()
            for name, spec in specs.items()
        }
    )


ALIAS = {"litellm_model": "openai/gpt-4"}
GROUP = {"model_aliases": []}

CASES = {
    "plan that is not there": (
        {"plans": {"professional": {}}, "teams": {"t": {"plan": "profesional"}}},
        [("team/t", ("plan",), "dangling-reference", "did you mean professional?")],
    ),
    "group that is not there, in a list": (
        {"access_groups": {"gpt-models": GROUP}, "teams": {"t": {"access_groups": ["gpt-modles"]}}},
        [
            (
                "team/t",
                ("access_groups", "gpt-modles"),
                "dangling-reference",
                "did you mean gpt-models?",
            )
        ],
    ),
    "group that is not there, in a grant": (
        {"teams": {"t": {"grants": [{"access_groups": ["g"], "until": date(2026, 1, 1)}]}}},
        [
            (
                "team/t",
                ("grants", 0, "access_groups", "g"),
                "dangling-reference",
                "declare it under access_groups",
            )
        ],
    ),
    "name that differs in case only": (
        {"plans": {"starter": {}}, "teams": {"t": {"plan": "STARTER"}}},
        [("team/t", ("plan",), "dangling-reference", "did you mean starter?")],
    ),
    "model of blanks": (
        {"model_aliases": {"gpt": {"litellm_model": "  "}}},
        [("model_alias/gpt", (), "alias-target", "add litellm_model: provider/model")],
    ),
    "name of another kind": (
        {"model_aliases": {"gpt": ALIAS}, "teams": {"t": {"access_groups": ["gpt"]}}},
        [
            (
                "team/t",
                ("access_groups", "gpt"),
                "dangling-reference",
                "there is a model alias of that name",
            )
        ],
    ),
    "alias, organization, parent, team that are not there": (
        {
            "access_groups": {"g": {"model_aliases": ["a"]}},
            "plans": {"p": {"extends": "q"}},
            "teams": {"t": {"organization_id": "o"}},
            "keys": {"k": {"team_id": "x"}},
            "model_aliases": {"m": ALIAS | {"replacement": "n"}},
        },
        [
            (
                "access_group/g",
                ("model_aliases", "a"),
                "dangling-reference",
                "there is no model alias a",
            ),
            ("key/k", ("team_id",), "dangling-reference", "there is no team x"),
            ("model_alias/m", ("replacement",), "dangling-reference", "there is no model alias n"),
            ("pricing_plan/p", ("extends",), "dangling-reference", "there is no pricing plan q"),
            ("team/t", ("organization_id",), "dangling-reference", "there is no organization o"),
        ],
    ),
    "plan that extends itself": (
        {"plans": {"p": {"extends": "p"}}},
        [("pricing_plan/p", ("extends",), "extends-cycle", "p -> p")],
    ),
    "circle of three plans, and one that leads into it": (
        {
            "plans": {
                "c": {"extends": "a"},
                "a": {"extends": "b"},
                "b": {"extends": "c"},
                "into": {"extends": "a"},
            }
        },
        [("pricing_plan/a", ("extends",), "extends-cycle", "a -> b -> c -> a")],
    ),
    "circle of replacements": (
        {"model_aliases": {"a": ALIAS | {"replacement": "b"}, "b": ALIAS | {"replacement": "a"}}},
        [("model_alias/a", ("replacement",), "replacement-cycle", "a -> b -> a")],
    ),
    "uppercase name": (
        {"teams": {"ACME-Prod": {}}},
        [("team/ACME-Prod", (), "name-style", "e.g. acme-prod")],
    ),
    "name with a blank": (
        {"teams": {"acme prod": {}}},
        [("team/acme prod", (), "name-invalid", "e.g. acme-prod")],
    ),
    "name with a slash": ({"teams": {"a/b": {}}}, [("team/a/b", (), "name-invalid", "e.g. a-b")]),
    "name with a control character": (
        {"teams": {"a\x07": {}}},
        [("team/a\x07", (), "name-invalid", "e.g. a")],
    ),
    "empty name": ({"teams": {"": {}}}, [("team/", (), "name-invalid", "empty")]),
    "long name": ({"teams": {"a" * 201: {}}}, [("team/" + "a" * 201, (), "name-style", "200")]),
    "alias without a model": (
        {"model_aliases": {"a": {}}},
        [("model_alias/a", (), "alias-target", "litellm_model")],
    ),
    "alias with a model and deployments": (
        {"model_aliases": {"a": ALIAS | {"deployments": [ALIAS]}}},
        [("model_alias/a", ("deployments",), "alias-target", "exclude each other")],
    ),
    "soft budget that never alerts": (
        {"plans": {"p": {"soft_budget_usd": 10, "max_budget_usd": 10}}},
        [("pricing_plan/p", ("soft_budget_usd",), "budget-order", "10")],
    ),
    "prices nothing can have": (
        {"access_groups": {"g": {"select": {"min_price_output": 3, "max_price_output": 2}}}},
        [("access_group/g", ("select", "min_price_output"), "price-range", "above")],
    ),
    "grant that ends before it begins": (
        {
            "access_groups": {"g": GROUP},
            "teams": {
                "t": {
                    "grants": [
                        {
                            "access_groups": ["g"],
                            "since": "2026-02-01",
                            "until": "2026-02-01T00:00:00Z",
                        }
                    ]
                }
            },
        },
        [("team/t", ("grants", 0, "since"), "grant-period", "before")],
    ),
    "top-up twice": (
        {"teams": {"t": {"top_ups": [{"id": "a", "amount": 1}, {"id": "a", "amount": 2}]}}},
        [("team/t", ("top_ups", 1, "id"), "duplicate-top-up", "another id")],
    ),
    "top-up of exact credits": (
        {"teams": {"t": {"credits_mode": "exact", "top_ups": [{"id": "a", "amount": 1}]}}},
        [("team/t", ("top_ups",), "credits-exact-top-ups", "drop one")],
    ),
    "top-up of credits that a plan's parent makes exact": (
        {
            "plans": {"p": {"extends": "q"}, "q": {"credits_mode": "exact"}},
            "teams": {"t": {"plan": "p", "top_ups": [{"id": "a", "amount": 1}]}},
        },
        [("team/t", ("top_ups",), "credits-exact-top-ups", "drop one")],
    ),
    "former name that is still declared": (
        {"teams": {"a": {}, "b": {"renamed_from": "a"}}},
        [("team/b", ("renamed_from",), "renamed-from-declared", "still declared")],
    ),
    "former name of two": (
        {"teams": {"a": {"renamed_from": "x"}, "b": {"renamed_from": "x"}}},
        [("team/b", ("renamed_from",), "renamed-from-twice", "team/a")],
    ),
    "secret by its key": (
        {"model_aliases": {"a": ALIAS | {"litellm_params": {"api_key": "short"}}}},
        [("model_alias/a", ("litellm_params", "api_key"), "secret-in-manifest", "os.environ/")],
    ),
    "secret by its form, deep in metadata": (
        {"organizations": {"o": {"name": "O", "metadata": {"x": [{"y": SECRET}]}}}},
        [("organization/o", ("metadata", "x", 0, "y"), "secret-in-manifest", "os.environ/")],
    ),
    "secret in a deployment": (
        {
            "model_aliases": {
                "a": {"deployments": [ALIAS | {"litellm_params": {"aws_secret_access_key": "x"}}]}
            }
        },
        [
            (
                "model_alias/a",
                ("deployments", 0, "litellm_params", "aws_secret_access_key"),
                "secret-in-manifest",
                "os",
            )
        ],
    ),
    "password in a url": (
        {"model_aliases": {"a": {"deployments": [ALIAS | {"api_base": "https://u:hunter2@host"}]}}},
        [("model_alias/a", ("deployments", 0, "api_base"), "secret-in-manifest", "os")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_found_once_where_it_is(name):
    sections, expected = CASES[name]
    found = check(state(**sections))
    assert [(str(f.ref), f.path, f.code) for f in found] == [
        (ref, path, code) for ref, path, code, _ in expected
    ]
    for finding, (*_, words) in zip(found, expected, strict=True):
        assert words in f"{finding.message} {finding.hint}"
        assert SECRET not in str(finding)
        assert "hunter2" not in str(finding)


FINE = {
    "names of models and ids": {
        "model_aliases": {"gpt-3.5-turbo": ALIAS},
        "organizations": {"org_acme": {"name": "A"}},
    },
    "references to secrets": {
        "model_aliases": {
            "a": ALIAS
            | {"litellm_params": {"api_key": "os.environ/KEY", "max_tokens": 5, "token": ""}}
        }
    },
    "unset prices and budgets": {
        "access_groups": {"g": {"select": {"min_price_input": 3}}},
        "plans": {"p": {"soft_budget_usd": 1}},
    },
    "models that need not be declared": {"teams": {"t": {"models": ["openai/*"]}}},
    "plans in a row": {
        "plans": {"a": {}, "b": {"extends": "a"}, "c": {"extends": "b"}, "d": {"extends": "b"}}
    },
    "same former name in two kinds": {"teams": {"a": {"renamed_from": "x"}}, "plans": {"x": {}}},
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_fine_is_not_found(name):
    assert check(state(**FINE[name])) == ()


@pytest.mark.parametrize("name", ["openai/gpt-4", "openai/*", "*", "anthropic.claude-3:0"])
def test_names_that_only_litellm_proxy_knows_are_warnings(name):
    (finding,) = check(state(model_aliases={name: ALIAS}))
    assert (finding.level, finding.code) == (Level.WARNING, "name-style")


def test_a_select_without_a_condition_is_a_warning():
    (finding,) = check(state(access_groups={"g": {"select": {}}}))
    assert (finding.level, finding.code, finding.path) == (
        Level.WARNING,
        "select-everything",
        ("select",),
    )


def test_a_link_to_an_invalid_declaration_does_not_dangle():
    world = state(teams={"t": {"plan": "p"}})
    assert check(world, declared={Ref("pricing_plan", "p")}) == ()


def test_nothing_dangles_where_files_could_not_be_read():
    assert check(state(teams={"t": {"plan": "p"}}), complete=False) == ()


def test_a_near_name_is_found_among_many():
    teams = {f"team-{number}": {} for number in range(3000)} | {"acme-production": {}}
    (finding,) = check(state(teams=teams, keys={"k": {"team_id": "acme-prodution"}}))
    assert finding.hint == "did you mean acme-production?"


NAMES = st.sampled_from("abcde")


@given(st.dictionaries(NAMES, st.none() | NAMES))
def test_law_a_cycle_is_reported_exactly_where_following_the_links_never_ends(parents):
    found = check(state(plans={name: {"extends": parent} for name, parent in parents.items()}))
    reported = {f.message for f in found if f.code == "extends-cycle"}

    def ring(name: str) -> frozenset[str]:
        seen: list[str] = []
        while name in parents and name not in seen:
            seen.append(name)
            name = parents[name]
        return frozenset(seen[seen.index(name) :]) if name in seen else frozenset()

    assert len(reported) == len({ring(name) for name in parents} - {frozenset()})
