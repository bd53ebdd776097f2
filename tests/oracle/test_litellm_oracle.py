"""Our rule of access against LiteLLM's own code, decision by decision."""

import pytest
from corners import CORNERS, GPT, corner
from worlds import disagreements

from reconciler.core.access.litellm.lists import team_can_call
from reconciler.core.access.litellm.world import LiteLLMTeam, LiteLLMWorld, compile_world


def test_random_worlds_agree(random_decided):
    decided = random_decided
    allowed = sum(theirs for _, theirs in decided)
    assert len(decided) > 3000
    assert 0.25 < allowed / len(decided) < 0.75, "worlds that are all yes or all no prove little"
    assert disagreements(decided) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_random_worlds_agree(many_decided):
    assert len(many_decided) > 60_000
    assert disagreements(many_decided) == []


@pytest.mark.parametrize("name", CORNERS)
def test_corner(name, decide):
    case, allowed = corner(name)
    assert team_can_call(compile_world(case.world), case.team, case.model) is allowed
    assert decide([case]) == [allowed]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings(
    "ignore"
)  # LiteLLM's whole proxy is imported here, with the warnings of its dependencies
def test_a_blocked_team_calls_nothing():
    from litellm_side import blocked  # as in conftest

    world, team = LiteLLMWorld(GPT), LiteLLMTeam(("gpt-4o",), blocked=True)
    assert blocked(team, world, "gpt-4o")
    assert not blocked(LiteLLMTeam(("gpt-4o",)), world, "gpt-4o")
    assert not team_can_call(compile_world(world), team, "gpt-4o")
