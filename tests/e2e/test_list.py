"""`list`: every object of a kind once, with counts that agree with what other commands say."""

import json

import pytest
from e2e_world import Place, company

from reconciler.core.model.kinds import KINDS

WORDS = ["model", "groups", "organizations", "orgs", "plan", "plans", "team", "key", "aliases"]
WORDS += ["access-group", "model_aliases", "Teams", "policies"]
POLICY = """
policies:
  cheap: {rule: "model.alias != 'gpt-4-vision'", level: warning, description: Nobody needs it}
keys:
  one: {team_id: acme-dev}
"""


def listed(place: Place, *words: str):
    return json.loads(place.reconciler("list", *words, "--format", "json").out)


def test_every_kind_lists_what_the_files_declare(place: Place):
    place.write("policies.yaml", POLICY)
    counts = {row["kind"]: row["objects"] for row in listed(place)}
    assert counts.keys() == KINDS.keys()
    for kind, count in counts.items():
        rows = listed(place, kind)
        assert len({row["name"] for row in rows}) == len(rows) == count > 0
        text = place.reconciler("list", kind).out
        assert all(row["name"] in text for row in rows)


@pytest.mark.parametrize("word", WORDS)
def test_a_kind_has_the_names_that_people_use(place: Place, word):
    place.reconciler("list", word)


def test_the_counts_are_those_of_effective_access_and_of_who_holds_what(place: Place):
    teams = {row["name"]: row for row in listed(place, "teams")}
    reach = json.loads(place.reconciler("access", "--format", "json").out)
    for row in reach["rows"]:
        assert {teams[name]["models"] for name in row["names"]} == {len(row["models"])}
    for row in listed(place, "models"):
        who = json.loads(place.reconciler("access", "--model", row["name"], "--format", "json").out)
        assert (row["teams"], row["groups"]) == (len(who["teams"]), len(who["groups"]))
    on_plans = [row["plan"] for row in teams.values()]
    for row in listed(place, "plans"):
        assert row["teams"] == on_plans.count(row["name"])


def test_live_shows_the_gateway_and_what_is_left_there(place: Place):
    assert listed(place, "teams", "--live") == []
    assert "No team." in place.reconciler("list", "teams", "--live").out
    place.applied()
    here, there = listed(place, "teams"), listed(place, "teams", "--live")
    assert [row["name"] for row in here] == [row["name"] for row in there]
    assert all(row["credits_left"] is None for row in here)
    assert all(row["credits_left"] == row["credits"] for row in there if row["credits"])


def test_foreign_names_what_is_not_ours(place: Place):
    place.applied()
    assert listed(place, "--foreign") == []
    settings = (place.config / "reconciler.yaml").read_text()
    other = company(place.directory / "other", settings)
    other.write("reconciler.yaml", settings)
    database = f"{place.config}/.reconciler/gateway.db"
    other.write(
        "reconciler.yaml", f"gateways: {{embedded: {{backend: embedded, database: {database}}}}}\n"
    )
    foreign = listed(other, "--foreign")
    assert {row["kind"] for row in foreign} == {
        "organization",
        "model_alias",
        "access_group",
        "team",
    }
    assert [row["name"] for row in listed(other, "teams", "--foreign")] == [
        row["name"] for row in listed(place, "teams")
    ]


@pytest.mark.parametrize("word", ["modle", "rule", "--nothing"])
def test_a_kind_that_there_is_not(place: Place, word):
    done = place._run(("list", word))
    assert done.code in (1, 2)
    assert (
        "did you mean model" in done.text or "one of" in done.text or "No such option" in done.text
    )
