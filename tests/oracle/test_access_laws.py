"""What must hold between the questions one can ask of the rule, on the oracle's worlds and without LiteLLM."""

from dataclasses import replace

import pytest
from worlds import cases

from reconciler.core.access.litellm.lists import (
    PathKind,
    accessible,
    callable_names,
    everything,
    granting_paths,
    team_can_call,
)
from reconciler.core.access.litellm.world import LiteLLMTeam, compile_world, legacy_groups


@pytest.fixture(scope="module")
def asked():
    compiled = {}
    return [
        (
            compiled.get(id(case.world))
            or compiled.setdefault(id(case.world), compile_world(case.world)),
            case.team,
            case.model,
        )
        for case in cases(seed=7, worlds=150)
    ]


def of_teams(asked):
    return {(id(world), id(team)): (world, team) for world, team, _ in asked}.values()


def test_paths_are_there_exactly_when_the_call_is_allowed(asked):
    for world, team, model in asked:
        assert bool(granting_paths(world, team, model)) == team_can_call(world, team, model)


def test_each_path_suffices_on_its_own(asked):
    kinds = set()
    for world, team, model in asked:
        for path in granting_paths(world, team, model):
            kinds.add(path.kind)
            assert team_can_call(world, alone(path, team), model), f"{path} of {team} for {model}"
    assert kinds == set(PathKind)


def alone(path, team):
    if path.kind == PathKind.EMPTY_LIST:
        return LiteLLMTeam(())
    if path.kind == PathKind.TEAM_ALIAS:
        return LiteLLMTeam(("no-default-models",), (), {path.entry: team.model_aliases[path.entry]})
    return LiteLLMTeam((path.entry,))


def test_accessible_is_what_can_be_called(asked):
    for world, team in of_teams(asked):
        can = {name for name in callable_names(world, team) if team_can_call(world, team, name)}
        assert accessible(world, team) == can, f"{team} in {world.world}"


def test_everything_is_any_string(asked):
    for world, team in of_teams(asked):
        if everything(world, team):
            assert team_can_call(world, team, "never-heard-of")
            assert accessible(world, team) == callable_names(world, team)
        elif team_can_call(world, team, "\x00"):
            assert legacy_groups(world, "\x00"), (
                "only the legacy group of a wildcard deployment stops short of everything"
            )
    assert 10 < sum(everything(world, team) for world, team in of_teams(asked)) < 400


def test_a_blocked_team_has_nothing(asked):
    for world, team, model in asked[:500]:
        blocked = replace(team, blocked=True)
        assert not team_can_call(world, blocked, model)
        assert not granting_paths(world, blocked, model)
        assert not accessible(world, blocked)
        assert not everything(world, blocked)
