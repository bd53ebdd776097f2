"""200,000 findings are told in a few pages: the counts are true, JSON has all, SARIF says how many it leaves out."""

import json
from pathlib import Path

import pytest

from reconciler.cli.output import findings_as
from reconciler.core.model.findings import Origin, error, warning
from reconciler.render.findings.text import MOST, render_findings

MANY = 20_000


@pytest.fixture(scope="module")
def many():
    places = [Origin("config/teams.yaml", line, 3) for line in range(1, MANY + 1)]
    warned = [warning("name-style", f"w{place.line}", origin=place) for place in places]
    wrong = [
        error("name-invalid", f"team {place.line} has a bad id", origin=place)
        for place in places[-40:]
    ]
    return [*warned, *wrong]


@pytest.mark.parametrize("form", ["text", "github"])
def test_text_and_annotations_are_short_and_count_all(many, form):
    said = str(findings_as(form, many, Path("config")))
    assert len(said) < 200_000
    assert f"40 errors, {MANY:,} warnings" in said
    assert f"... and {MANY + 40 - MOST:,} more: --format json has all of them" in said
    assert sum(f"team {n} has a bad id" in said for n in range(MANY - 39, MANY + 1)) == 40


def test_json_has_all_and_sarif_says_what_it_leaves_out(many):
    assert len(json.loads(str(findings_as("json", many, Path("config"))))) == len(many)
    [run] = json.loads(str(findings_as("sarif", many, Path("config"))))["runs"]
    assert len(run["results"]) == 5_000
    assert run["properties"] == {"leftOut": MANY + 40 - 5_000}
    assert sum(result["level"] == "error" for result in run["results"]) == 40


def test_few_are_told_as_they_are():
    said = render_findings([error("x", f"m{n}") for n in range(MOST)])
    assert "more:" not in said
    assert said.count("error x") == MOST


def test_a_message_without_end_is_cut():
    assert len(render_findings([error("x", "y" * 1_000_000)])) < 3_000
