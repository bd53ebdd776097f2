"""Reports for CI through the command line: files beside the plan, SARIF of findings, JUnit of policy tests."""

import json
from xml.etree import ElementTree as ET

import pytest


def results(sarif: str) -> list[dict]:
    return json.loads(sarif)["runs"][0]["results"]


def region(result: dict) -> tuple[str, int]:
    place = result["locations"][0]["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"]


@pytest.fixture
def losing(place):
    """acme-prod falls to the starter plan and would lose models."""
    place.applied()
    place.edit("customers/acme.yaml", "plan: professional", "plan: starter")
    return place


def test_one_plan_prints_text_and_writes_every_report(losing):
    endings = ("html", "md", "json", "sarif")
    asked = [arg for ending in endings for arg in ("--report", f"out/plan.{ending}")]
    done = losing.reconciler("plan", *asked)
    assert "acme-prod" in done.out
    html, markdown, report, sarif = (
        (losing.directory / f"out/plan.{e}").read_text(encoding="utf-8") for e in endings
    )
    lost = json.loads(report)["impact"]["teams"][0]["lost"]
    assert lost
    assert all(model in html and model in markdown for model in lost)
    assert 'id="matrix"' in html, "the report knows access before and after"
    assert [result["ruleId"] for result in results(sarif)] == ["loss"]
    assert region(results(sarif)[0])[0].startswith("config/")
    assert [
        file.name for file in (losing.directory / "out").iterdir() if file.name.startswith(".")
    ] == []


def test_html_on_standard_output(losing):
    done = losing.reconciler("plan", "--format", "html")
    assert done.out.startswith("<!DOCTYPE html>")
    assert 'id="matrix"' in done.out


def test_an_invalid_config_still_yields_sarif(place):
    place.edit("customers/acme.yaml", "plan: professional", "plan: profesional")
    place.reconciler("plan", "--report", "out/plan.sarif", "--report", "out/plan.html", code=1)
    (result,) = results((place.directory / "out/plan.sarif").read_text(encoding="utf-8"))
    file, line = region(result)
    assert (
        "profesional" in (place.directory / file).read_text(encoding="utf-8").splitlines()[line - 1]
    )
    assert not (place.directory / "out/plan.html").exists()


def test_a_report_of_an_unknown_kind_is_refused_before_anything_is_done(place):
    done = place.reconciler("plan", "--report", "plan.pdf", code=1)
    assert ".json, .md, .html, .sarif" in done.err
    assert not place.database.exists()


def test_a_report_that_cannot_be_written_is_said(losing):
    (losing.directory / "out").write_text("a file", encoding="utf-8")
    assert (
        "cannot write out/plan.html"
        in losing.reconciler("plan", "--report", "out/plan.html", code=1).err
    )


@pytest.mark.parametrize("command", ["validate", "lint"])
def test_findings_as_sarif_and_json(place, command):
    place.edit("customers/acme.yaml", "plan: professional", "plan: profesional")
    found = json.loads(place.reconciler("validate", "--format", "json", code=1).out)
    assert [finding["code"] for finding in found] == ["dangling-reference"]
    text = place.reconciler(command, "--format", "sarif", code=1).out
    (result,) = [each for each in results(text) if each["level"] == "error"]
    assert region(result) == (found[0]["file"], found[0]["line"])


def test_policy_tests_as_junit(place):
    cases = "cases:\n- {name: ours, policy: cheap, team: {labels: {env: prod}}, expect: allow}\n- {name: theirs, policy: cheap, team: {labels: {env: dev}}, expect: allow}\n"
    place.write("policies.yaml", "policies:\n  cheap: {rule: team.env != 'dev'}\n")
    (place.directory / "tests" / "policies").mkdir(parents=True)
    (place.directory / "tests" / "policies" / "cheap.yaml").write_text(cases, encoding="utf-8")
    root = ET.fromstring(place.reconciler("policy", "test", "--format", "junit", code=1).out)
    assert [(case.get("name"), len(case)) for case in root.iter("testcase")] == [
        ("ours", 0),
        ("theirs", 1),
    ]
