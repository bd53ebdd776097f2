"""Policies: what they say equals their meaning, mistakes have a place, and alike teams are judged once."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions_world import ALIASES, asked

from reconciler.core.access.rules import access
from reconciler.core.explain.routes import GROUPS
from reconciler.core.model.kinds import Team
from reconciler.core.rules import policies
from reconciler.core.rules.cel import VARIABLES, Expression, Mistake, compiled, names_in
from reconciler.core.rules.policies import compile_policies, violations
from reconciler.core.rules.policy_cases import PolicyCase, run_case
from reconciler.files.policy_cases import load_cases

COMPANY = {
    "model_aliases": ALIASES
    | {"private": {"litellm_model": "ours/private", "tags": ["prod-only"]}},
    "access_groups": {
        "basic": {"model_aliases": ["gpt-3.5-turbo"]},
        "expensive-models": {"model_aliases": ["gpt-4", "claude-3-opus"]},
        "acme-custom": {"model_aliases": ["private"], "labels": {"customer": "org_acme"}},
    },
    "organizations": {"org_acme": {"name": "A"}, "org_b": {"name": "B"}},
    "plans": {
        "free": {"access_groups": ["basic"]},
        "paid": {
            "extends": "free",
            "access_groups": ["expensive-models"],
            "price_usd_per_month": 99,
        },
    },
    "teams": {
        "acme-prod": {
            "organization_id": "org_acme",
            "plan": "paid",
            "access_groups": ["acme-custom"],
        },
        "acme-dev": {"organization_id": "org_acme", "plan": "paid", "labels": {"env": "dev"}},
        "b-prod": {"organization_id": "org_b", "plan": "free", "access_groups": ["acme-custom"]},
        "b-trial": {
            "organization_id": "org_b",
            "plan": "free",
            "grants": [{"access_groups": ["expensive-models"], "until": date(2026, 7, 1)}],
        },
    },
}
SEED_POLICIES = {
    "dev": {
        "match": "team.env == 'dev'",
        "rule": "model.price_output == null || model.price_output <= 10",
        "message": "dev teams never reach a model over $10",
    },
    "paying": {
        "match": "'expensive-models' in via",
        "rule": "team.price_usd_per_month > 0",
        "message": "expensive-models only on paying plans",
    },
    "custom": {
        "match": "has(group.labels.customer)",
        "rule": "group.labels.customer == team.organization_id",
        "message": "a custom group only for its organization",
        "level": "warning",
    },
}


def judged(rules, **more):
    return violations(asked(**COMPANY, policies=rules, **more))


def test_the_examples_of_the_documentation():
    found = [(f.level.value, str(f.ref), f.path, f.message) for f in judged(SEED_POLICIES)]
    plan = "plan paid -> access group expensive-models"
    grant = "grant until 2026-07-01 -> access group expensive-models"
    assert sorted(found) == sorted(
        [
            (
                "warning",
                "team/b-prod",
                ("access_groups", "acme-custom"),
                "policy custom: team b-prod has access group acme-custom: a custom group only for its organization",
            ),
            *(
                (
                    "error",
                    "team/acme-dev",
                    ("plan",),
                    f"policy dev: team acme-dev reaches {m} by {plan} -> alias {m} -> {t}: dev teams never reach a model over $10",
                )
                for m, t in (
                    ("claude-3-opus", "anthropic/claude-3-opus"),
                    ("gpt-4", "openai/gpt-4"),
                )
            ),
            *(
                (
                    "error",
                    "team/b-trial",
                    ("grants", 0),
                    f"policy paying: team b-trial reaches {m} by {grant} -> alias {m} -> {t}: expensive-models only on paying plans",
                )
                for m, t in (
                    ("claude-3-opus", "anthropic/claude-3-opus"),
                    ("gpt-4", "openai/gpt-4"),
                )
            ),
        ]
    )


@pytest.mark.parametrize(
    ("rule", "line", "column", "says", "hint"),
    [
        (
            "team.plann == 'x'",
            1,
            5,
            "undeclared reference to 'team.plann'",
            "did you mean team.plan?",
        ),
        (
            "true &&\n nobody == 1",
            2,
            2,
            "undeclared reference to 'nobody'",
            "there are: team.*, model.*, group.*, via",
        ),
        (
            "team.env == 5",
            1,
            10,
            "found no matching overload for '_==_' applied to '(string, int)'",
            None,
        ),
        ("team.id", 1, 1, "it is a string, not true or false", "compare it with something"),
    ],
)
def test_a_mistake_has_its_place(rule, line, column, says, hint):
    assert compiled(rule) == (Mistake(says, line, column, hint),)
    [finding] = judged({"p": {"rule": rule}})
    assert (finding.code, str(finding.ref), finding.path) == (
        "policy-invalid",
        "policy/p",
        ("rule",),
    )
    assert f"{line}:{column}" in finding.message


def test_a_policy_without_an_answer_says_so_at_its_own_level():
    [finding] = judged({"p": {"rule": "team.labels.tier == 'gold'", "level": "warning"}})
    assert (finding.code, finding.level, finding.path) == ("policy-failed", "warning", ("rule",))
    assert "acme-prod (and 3 more)" in finding.message


def test_what_a_rule_says_of_an_unknown_price_holds():
    assert judged({"p": {"rule": "model.price_output == null || model.price_output < 100"}}) == ()
    denied = judged({"p": {"rule": "model.price_output != null && model.price_output < 100"}})
    assert {finding.code for finding in denied} == {"policy"}
    assert all("reaches private" in finding.message for finding in denied)


PRICED = {
    name: spec
    for name, spec in ALIASES.items()
    if name in ("gpt-4", "gpt-3.5-turbo", "claude-3-opus")
}
RULES = {
    "model.price_output <= 10": lambda price: price <= 10,
    "model.price_output > 10.5": lambda price: price > 10.5,
    "model.price_output < 100 && team.id != ''": lambda price: price < 100,
    "!(model.price_output >= 10)": lambda price: price < 10,
    "model.price_output + 1.0 <= 61.0": lambda price: price + 1 <= 61,
}


@given(
    st.sampled_from(list(RULES)),
    st.dictionaries(st.sampled_from(list(PRICED)), st.sampled_from([0.5, 10, 60, 300])),
    st.sampled_from(["error", "warning"]),
)
def test_a_price_that_is_not_known_is_said_and_violates_nothing(rule, known, level):
    """Known prices are judged as ever; all models without one are in one warning, whatever the policy's level."""
    aliases = {name: {"litellm_model": f"ours/{name}"} for name in PRICED}
    aliases |= {
        name: spec | {"pricing_output": known[name]}
        for name, spec in aliases.items()
        if name in known
    }
    groups = {"all": {"model_aliases": list(aliases)}}
    teams = {"t": {"access_groups": ["all"]}}
    policy = {"p": {"rule": rule, "level": level}}
    found = violations(
        asked(model_aliases=aliases, access_groups=groups, teams=teams, policies=policy)
    )
    unknown = sorted(aliases.keys() - known.keys())
    unpriced = [finding for finding in found if finding.code == "policy-unpriced"]
    assert [(f.level, f.path) for f in unpriced] == ([("warning", ("rule",))] if unknown else [])
    assert all(name in unpriced[0].message for name in unknown)
    denied = {name for name, price in known.items() if not RULES[rule](price)}
    assert {
        f.message.split(" reaches ")[1].split(" by ")[0] for f in found if f.code == "policy"
    } == denied
    assert {f.code for f in found} <= {"policy", "policy-unpriced"}


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_has_its_declared_type(name):
    """A rule that holds exactly when the value is of the documented type, asked about every team."""
    kind = VARIABLES[name][0]
    checks = {
        "string": f"type({name}) == string",
        "map": f"{name}.all(key, type({name}[key]) == string)",
        "list": f"{name}.all(item, type(item) == string)",
        "number": f"{name} == null || {name} >= 0",
    }
    assert judged({"p": {"rule": checks[kind]}}) == ()
    assert judged({"p": {"rule": f"!({checks[kind]})"}}) != ()


def test_only_what_stands_outside_of_texts_is_looked_at():
    assert names_in("team.id == 'model.alias' && team.plan == \"via\"") == ("team.id", "team.plan")


def test_alike_teams_are_judged_once(monkeypatch):
    """A thousand teams of three sorts: as many evaluations as there are sorts and models."""
    teams = {
        f"t{n}": {"plan": ["free", "paid"][n % 2], "labels": {"env": ["dev", "prod"][n % 3 == 0]}}
        for n in range(1000)
    }
    asks = []
    real = policies.verdict_of
    monkeypatch.setattr(
        policies, "verdict_of", lambda rules, values: asks.append(values) or real(rules, values)
    )
    found = violations(asked(**COMPANY | {"teams": teams}, policies={"dev": SEED_POLICIES["dev"]}))
    assert len(asks) <= 6
    assert len(found) == 2 * sum(
        1 for spec in teams.values() if spec["plan"] == "paid" and spec["labels"]["env"] == "dev"
    )


CONDITIONS = [
    ("team.env == 'dev'", lambda t, n, m: t.labels.get("env") == "dev"),
    ("team.id.startsWith('a')", lambda t, n, m: n.startswith("a")),
    ("team.price_usd_per_month > 0", lambda t, n, m: (t.price_usd_per_month or 0) > 0),
    (
        "model.provider == 'openai'",
        lambda t, n, m: ALIASES[m]["litellm_model"].startswith("openai"),
    ),
    ("'basic' in team.access_groups", lambda t, n, m: "basic" in t.access_groups),
    ("team.credits_allocated >= 500", lambda t, n, m: (t.credits_allocated or 0) >= 500),
]


@given(
    st.sampled_from(CONDITIONS),
    st.sampled_from(CONDITIONS),
    st.dictionaries(
        st.sampled_from(["a1", "a2", "b1", "b2", "b3"]),
        st.fixed_dictionaries(
            {
                "labels": st.sampled_from([{}, {"env": "dev"}, {"env": "prod"}]),
                "plan": st.sampled_from(["free", "paid"]),
                "credits_allocated": st.sampled_from([None, 0, 500]),
                "access_groups": st.sampled_from([[], ["basic"], ["expensive-models"]]),
            }
        ),
    ),
)
def test_a_policy_means_what_it_says(match, rule, teams):
    """Against a plain loop in Python over all teams and the models that they reach."""
    policy = {"p": {"match": f"{match[0]} && model.alias != ''", "rule": rule[0]}}
    question = asked(**COMPANY | {"teams": teams}, policies=policy)
    reached = access(question.desired.state, GROUPS)
    expected = {
        (name, model)
        for name, team in question.desired.state.of(Team).items()
        for model in reached.of(name)
        if match[1](team, name, model) and not rule[1](team, name, model)
    }
    [rules], _ = compile_policies(question.written.of(policies.Policy))
    found = policies.violating(rules, question, policies.config_world(question))
    assert {(each.team, each.model) for each in found} == expected


@given(st.text(max_size=60))
def test_no_expression_raises(text):
    found = compiled(text)
    assert isinstance(found, (Expression, tuple))


CASES = """\
cases:
  - {name: dev is denied, policy: dev, team: {labels: {env: dev}}, model: {price_output: 60}, expect: deny}
  - {name: cheap is allowed, policy: dev, team: {labels: {env: dev}}, model: {price_output: 1}, expect: allow}
  - {name: env can be said, policy: dev, team: {env: dev}, model: {price_output: 60}, expect: deny}
  - {name: a team of the config, team: acme-dev, expect: deny}
  - {name: a described team and a model by its name, policy: dev, team: {env: dev}, model: gpt-4, expect: deny}
  - {name: another by its name, policy: dev, team: {labels: {env: dev}}, model: gpt-3.5-turbo, expect: allow}
  - {name: a model alone by its name, policy: dev, model: gpt-4, expect: allow}
  - {name: a team by its name and a described model, policy: dev, team: acme-dev, model: {price_output: 60}, expect: deny}
  - {name: the same in production, policy: dev, team: acme-prod, model: {price_output: 60}, expect: allow}
  - {name: a described team and a group by its name, policy: custom, team: {organization_id: x}, group: acme-custom, expect: deny}
  - {name: the right organization, policy: custom, team: {organization_id: org_acme}, group: acme-custom, expect: allow}
  - {name: a team by its name and a described group, policy: custom, team: b-prod, group: {labels: {customer: org_b}}, expect: allow}
  - {name: another model of it, team: acme-dev, model: gpt-3.5-turbo, expect: allow}
  - {name: by a group, policy: paying, team: {}, model: {}, via: [expensive-models], expect: deny}
  - name: a manifest of its own
    policy: custom
    manifest:
      access_groups: {x: {labels: {customer: org_x}}}
      teams: {t: {organization_id: org_y, access_groups: [x]}}
    expect: deny
"""
WRONG = """\
cases:
  - {name: wrong, policy: dev, team: {env: dev}, model: {price_output: 60}, expect: allow}
  - {name: no such policy, policy: dve, team: {}, model: {}, expect: allow}
  - {name: no such team, team: acme, expect: allow}
  - {name: no model, policy: dev, team: {env: dev}, expect: allow}
"""


def results(directory, text):
    (directory / "cases.yaml").write_text(text)
    found, findings = load_cases(directory)
    assert findings == ()
    question = asked(**COMPANY, policies=SEED_POLICIES)
    return [run_case(each.case, question, each.manifest, each.origin) for each in found]


def test_cases_that_pass(tmp_path):
    assert [(r.name, r.detail) for r in results(tmp_path, CASES) if not r.passed] == []


def test_cases_that_fail_say_why(tmp_path):
    found = results(tmp_path, WRONG)
    assert [(r.actual, r.detail) for r in found] == [
        ("deny", "denied by dev"),
        ("error", "there is no policy dve"),
        ("error", "there is no team acme"),
        ("error", "no policy is about what the case gives: give it a model (or a group)"),
    ]
    assert not any(r.passed for r in found)
    assert found[0].origin.line == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cases: 3", "wrong-type"),
        ("- x", "wrong-type"),
        ("cases: [{name: x}]", None),
        ("cases: [{name: x, expect: maybe}]", None),
        ("cases: [{name: x, expect: allow, team: {nope: 1}}]", None),
        ("cases: [{name: x, expect: allow, manifest: {nope: {}}}]", "unknown-section"),
        ("cases: [", None),
    ],
)
def test_malformed_cases_are_findings(tmp_path, text, code):
    (tmp_path / "cases.yaml").write_text(text)
    cases, findings = load_cases(tmp_path)
    assert cases == ()
    assert findings
    assert code in (None, findings[0].code)
    assert all(finding.origin for finding in findings)


def test_an_empty_directory_is_no_success(tmp_path):
    assert [finding.code for finding in load_cases(tmp_path)[1]] == ["no-policy-tests"]


def test_a_case_is_closed_to_unknown_keys():
    assert PolicyCase(name="x", expect="allow").team is None
