import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st
from questions_world import ALIASES, state

from reconciler.core.access.rules import access
from reconciler.core.explain.matrix import (
    callers,
    cells,
    difference,
    groups_with,
    plan_access,
    plan_matrix,
    team_matrix,
)
from reconciler.core.explain.routes import GROUPS
from reconciler.core.plan.resolve import expand_plans
from reconciler.render.matrix import (
    render,
    render_callers,
    render_csv,
    render_difference,
    render_json,
)

WORLD = state(
    model_aliases=ALIASES,
    access_groups={
        "basic": {"model_aliases": ["gpt-3.5-turbo"]},
        "best": {"model_aliases": ["gpt-4", "claude-3-opus"]},
    },
    teams={
        "a": {"access_groups": ["basic"]},
        "b": {"access_groups": ["basic"]},
        "c": {"access_groups": ["basic", "best"]},
        "d": {"access_groups": ["best"], "status": "suspended"},
    },
    plans={
        "starter": {"access_groups": ["basic"]},
        "pro": {"extends": "starter", "access_groups": ["best"]},
    },
)
PLANS = expand_plans(
    {ref.name: plan for ref, plan in WORLD.resources.items() if ref.kind == "pricing_plan"}
)

GRID = """\
4 teams by 3 models

      ┌ claude-3-opus
      │ ┌ gpt-3.5-turbo
      │ │ ┌ gpt-4
c     ● ● ●
a, b  · ● ·
d     · · ·
"""


def test_alike_teams_are_one_row():
    assert render(team_matrix(WORLD, GROUPS)) == GRID


def test_full_shows_each_of_them():
    assert [
        line.split()[0] for line in render(team_matrix(WORLD, GROUPS), full=True).splitlines()[5:]
    ] == list("abcd")


def test_what_does_not_fit_is_a_list():
    text = render(team_matrix(WORLD, GROUPS), width=10)
    assert "c     claude-3-opus," in text
    assert "d     nothing" in text


def test_plans_are_rows_too():
    rows = {row.names: row.models for row in plan_matrix(WORLD, PLANS, GROUPS).rows}
    assert rows == {("pro",): frozenset(ALIASES), ("starter",): frozenset({"gpt-3.5-turbo"})}


def test_csv_and_json_say_what_access_says():
    table = list(csv.DictReader(io.StringIO(render_csv(team_matrix(WORLD, GROUPS)))))
    reached = access(WORLD, GROUPS)
    assert {row["team"]: {m for m in ALIASES if row[m] == "1"} for row in table} == {
        t: set(reached.of(t)) for t in "abcd"
    }
    found = json.loads(render_json(team_matrix(WORLD, GROUPS)))
    assert found["rows"][1] == {"names": ["a", "b"], "models": ["gpt-3.5-turbo"]}


def test_a_spreadsheet_computes_no_name():
    matrix = team_matrix(state(teams={"=1+1": {}}), GROUPS)
    assert "'=1+1" in render_csv(matrix)


def test_who_reaches_a_model_and_through_what():
    found = callers(access(WORLD, GROUPS), "gpt-3.5-turbo")
    assert [(caller.team, caller.through) for caller in found] == [
        ("a", ("basic",)),
        ("b", ("basic",)),
        ("c", ("basic",)),
    ]
    text = render_callers("gpt-3.5-turbo", found, groups_with(WORLD, "gpt-3.5-turbo"))
    assert "3 teams can call it" in text
    assert "3: a, b, c" in text


def test_differences():
    plans = plan_access(WORLD, PLANS, GROUPS)
    found = difference(("starter", plans.of("starter")), ("pro", plans.of("pro")))
    assert render_difference(found).splitlines() == [
        "only starter  nothing",
        "only pro      claude-3-opus, gpt-4",
        "both          gpt-3.5-turbo",
    ]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from(["basic", "best"])))
)
def test_the_matrix_is_access(teams):
    world = WORLD.updated(
        state(teams={n: {"access_groups": sorted(g)} for n, g in teams.items()}).resources
    )
    matrix, reached = team_matrix(world, GROUPS), access(world, GROUPS)
    assert {
        name: {m for m, yes in zip(matrix.models, row, strict=True) if yes}
        for name, row in cells(matrix)
    } == {name: set(models) for name, models in reached.teams.items()}
