"""SARIF: valid by the OASIS schema, every finding at its place, nothing that a code host would refuse."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import HINTED
from test_render_golden import GOLDEN, agree

from reconciler.core.model.findings import Finding, Level, Origin, error
from reconciler.core.model.refs import Ref
from reconciler.core.rules.lint import RULES
from reconciler.render.findings.sarif import render_sarif, uri

# The schema of SARIF 2.1.0 errata 01 (OASIS) without its descriptions.
VALIDATOR = jsonschema_rs.Draft4Validator(
    json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")),
    validate_formats=True,
)
TEXT = st.text(max_size=20)
ORIGINS = st.builds(
    Origin, st.text(min_size=1, max_size=20), st.integers(0, 10**6), st.integers(0, 10**4)
)
FINDINGS = st.builds(
    Finding,
    st.sampled_from(Level),
    st.sampled_from(["unused-group", "dangling-reference", "x"]),
    TEXT,
    st.none() | TEXT,
    st.none() | st.builds(Ref, st.just("team"), st.text(min_size=1)),
    st.just(()),
    st.none() | ORIGINS,
)


def run(findings, **options) -> dict:
    document = json.loads(render_sarif(findings, tool_version="1.2.3", **options))
    VALIDATOR.validate(document)
    (only,) = document["runs"]
    return only


def place(result: dict) -> tuple[str, int, int]:
    physical = result["locations"][0]["physicalLocation"]
    return (
        physical["artifactLocation"]["uri"],
        physical["region"]["startLine"],
        physical["region"]["startColumn"],
    )


def test_golden_sarif():
    agree(GOLDEN / "findings" / "findings.sarif", render_sarif(HINTED, tool_version="1.2.3"))


def test_the_schema_refuses_what_is_no_sarif():
    document = json.loads(render_sarif(HINTED, tool_version="1"))
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert not VALIDATOR.is_valid(document)


@given(st.lists(FINDINGS, max_size=8))
def test_every_finding_is_a_valid_result_with_a_place_and_a_rule(findings):
    found = run(findings, rules=RULES, anchor="config/reconciler.yaml")
    told = {finding for finding in findings if finding.level is not Level.OFF}
    assert len(found["results"]) == len(told)
    rules = found["tool"]["driver"]["rules"]
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        file, line, column = place(result)
        assert file
        assert line >= 1 <= column


def test_levels_places_and_hints():
    results = {result["ruleId"]: result for result in run(HINTED)["results"]}
    dangling = results["dangling-reference"]
    assert dangling["level"] == "error"
    assert place(dangling) == ("config/teams.yaml", 12, 23)
    assert "did you mean gpt-models?" in dangling["message"]["text"]
    assert dangling["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "team/acme-prod"
    assert results["missing-description"]["level"] == "warning"
    assert results["unused-plan"]["level"] == "note"


def test_a_finding_without_a_place_is_at_the_anchor():
    (result,) = run(
        [error("empty-config", "nothing is declared")], anchor="config/reconciler.yaml"
    )["results"]
    assert place(result) == ("config/reconciler.yaml", 1, 1)


def test_rules_say_why_and_how_to_fix():
    found = [replace(HINTED[0], code=rule.code) for rule in RULES]
    said = {rule["id"]: rule for rule in run(found, rules=RULES)["tool"]["driver"]["rules"]}
    for rule in RULES:
        assert said[rule.code]["help"]["text"] == rule.hint
        assert said[rule.code]["fullDescription"]["text"] == rule.reason


def test_uris_are_relative_and_encoded():
    assert uri("config/teams.yaml") == "config/teams.yaml"
    assert uri("my config/a#b:c.yaml") == "my%20config/a%23b%3Ac.yaml"
    assert uri("/srv/config/teams.yaml") == "file:///srv/config/teams.yaml"
