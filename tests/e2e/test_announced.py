"""Dates through the command line: what was applied with a date goes by itself, and holds nothing else up."""

import json

from e2e_world import company

MODELS = """
model_aliases:
  gpt-4o: {litellm_model: openai/gpt-4o}
  gpt-5: {litellm_model: openai/gpt-5}
access_groups:
  base: {model_aliases: [gpt-4o]}
  trial: {model_aliases: [gpt-5]}
"""
TEAM = """
organizations: {o: {name: O}}
teams:
  t1:
    organization_id: o
    access_groups: [base]
    grants: [{access_groups: [trial], until: 2031-12-01, reason: a trial}]
"""
NEXT = "  t4: {organization_id: o, access_groups: [base]}\n"


def applied_company(tmp_path):
    place = company(tmp_path, models=MODELS, teams=TEAM)
    place.applied()
    return place


def losses(place, *args):
    plan = json.loads(place.reconciler("plan", "--format", "json", *args).out)
    return {
        team["team"]: (team["lost"], team["announced"])
        for team in plan["impact"]["teams"]
        if team["lost"]
    }


def test_a_grant_ends_by_itself_and_what_else_is_planned_is_applied(tmp_path):
    place = applied_company(tmp_path)
    place.write("teams.yaml", TEAM + NEXT)
    assert losses(place, "--as-of", "2031-12-02") == {"t1": (["gpt-5"], ["gpt-5"])}
    done = place.applied("--as-of", "2031-12-02")
    assert "as announced" in done.out
    place.settled("--as-of", "2031-12-02")
    assert "t4" in place.reconciler("show", "team", "t4").out


def test_a_sunset_comes_by_itself(tmp_path):
    place = applied_company(tmp_path)
    place.write(
        "models.yaml", MODELS.replace("openai/gpt-4o}", "openai/gpt-4o, sunset: 2032-01-01}")
    )
    place.applied()
    assert losses(place, "--as-of", "2031-12-31", "--only", "access_groups") == {}
    place.applied("--as-of", "2032-01-01")
    assert "Risk: high" not in place.reconciler("plan", "--as-of", "2032-01-01").out


def test_a_date_that_is_moved_into_the_past_is_refused(tmp_path):
    place = applied_company(tmp_path)
    place.write("teams.yaml", TEAM.replace("2031-12-01", "2020-12-01"))
    assert losses(place) == {"t1": (["gpt-5"], [])}
    assert "--allow-loss" in place.reconciler("apply", "--yes", code=1).err


def test_a_date_in_the_past_is_not_announced_by_writing_it_down(tmp_path):
    """Not even where only the alias is applied, without the groups that it leaves."""
    place = applied_company(tmp_path)
    place.write(
        "models.yaml", MODELS.replace("openai/gpt-4o}", "openai/gpt-4o, sunset: 2020-01-01}")
    )
    place.applied("--only", "model_aliases")
    assert losses(place) == {"t1": (["gpt-4o"], [])}
    place.reconciler("apply", "--yes", code=1)


def test_a_grant_that_leaves_git_after_its_end_was_announced(tmp_path):
    place = applied_company(tmp_path)
    place.write(
        "teams.yaml",
        TEAM.replace(
            "    grants: [{access_groups: [trial], until: 2031-12-01, reason: a trial}]\n", ""
        ),
    )
    place.reconciler("apply", "--yes", code=1)
    place.applied("--as-of", "2031-12-02")
