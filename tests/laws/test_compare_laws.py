"""What compare says of two environments, for random pairs: what is said is what differs, from both sides alike."""

import json

from hypothesis import given, settings
from law_worlds import states

from reconciler.core.access.rules import GroupRules, access
from reconciler.core.explain.compare import compare_environments
from reconciler.core.plan.resolve import Resolved
from reconciler.render.compare import comparison_json, comparison_markdown, render_comparison


def compared(source, target):
    return compare_environments(
        ("here", Resolved(source, {})), ("there", Resolved(target, {})), GroupRules()
    )


@given(states(), states())
@settings(max_examples=60, deadline=None)
def test_taking_every_difference_over_makes_the_environments_equal(source, target):
    found = compared(source, target)
    taken = target.updated({change.ref: change.after for change in found.changes})
    assert not compared(source, taken).differs
    assert found.same == len(source.resources.keys() | target.resources.keys()) - len(found.changes)


@given(states(), states())
@settings(max_examples=60, deadline=None)
def test_the_other_way_round_it_says_the_opposite(source, target):
    there, back = compared(source, target), compared(target, source)
    assert [(c.ref, c.before, c.after) for c in there.changes] == [
        (c.ref, c.after, c.before) for c in back.changes
    ]
    assert [(gap.team, gap.lacks, gap.beyond) for gap in there.teams] == [
        (gap.team, gap.beyond, gap.lacks) for gap in back.teams
    ]


@given(states(), states())
@settings(max_examples=60, deadline=None)
def test_every_team_that_can_call_other_models_is_named_and_no_other(source, target):
    here, there = access(source, GroupRules()), access(target, GroupRules())
    teams = {team for team in (*here.teams, *there.teams) if here.of(team) != there.of(team)}
    assert {gap.team for gap in compared(source, target).teams} == teams


@given(states(), states())
@settings(max_examples=30, deadline=None)
def test_every_format_names_every_team_that_lacks_a_model(source, target):
    found = compared(source, target)
    said = {team["team"]: team["lacks"] for team in json.loads(comparison_json(found))["teams"]}
    assert said == {gap.team: sorted(gap.lacks) for gap in found.teams}
    assert (
        render_comparison(found) == render_comparison(compared(source, target))
    ) and comparison_markdown(found)


@given(states())
@settings(max_examples=20, deadline=None)
def test_an_environment_is_as_itself(state):
    found = compared(state, state)
    assert not found.differs
    assert found.teams == ()
    assert f"there is as here: {len(state):,} object" in render_comparison(found)
