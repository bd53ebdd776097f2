"""Which teams are refused every call after a plan: an independent computation says the same, from what a gateway does.

The other side performs the plan's own steps on the world and then asks of each team, in plain words, whether the
gateway would answer any call at all.
"""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law_worlds import KINDS, owning, random_state, run, states

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.inventory import Known
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.order.schedule import schedule
from reconciler.core.plan.plan import Target
from reconciler.core.plan.support import Support, everything

LAW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32)
SUPPORTED = {kind: everything(kind) for kind in KINDS}
IN_CREDITS = Support("test", SUPPORTED, GroupRules(), balance="credits")
IN_USD = Support("test", SUPPORTED, GroupRules(), balance="usd")
FREE = Support("test", SUPPORTED, GroupRules(), balance="credits", answers_when_spent=True)


def limited(state: State, rng: random.Random) -> State:
    """The state with budgets and rates on some teams."""
    found = {}
    for name, team in state.of(Team).items():
        limits = {
            "rpm_limit": rng.choice([None, None, None, 0, 60]),
            "tpm_limit": rng.choice([None, None, None, 0, 9]),
        }
        limits["max_budget_usd"] = rng.choice([None, 0, 5, 50])
        found[Ref("team", name)] = team.model_copy(update=limits)
    return state.updated(found)


def used(state: State, rng: random.Random):
    return {
        ref: {
            "credits_used": rng.choice([0, 0, 50, 100, 300]),
            "spend": rng.choice([0.0, 4.0, 5.0, 70.0]),
        }
        for ref in state
        if ref.kind == "team"
    }


def planned(live, desired, runtime, support):
    known = Known(owning(live))
    return make_plan(
        Inputs(Target("t", "t", "test"), desired, live, known, support, runtime=runtime)
    )


def answers(state: State, name: str, facts: dict, support: Support) -> bool:
    """Whether a gateway would answer any call of the team. Knows nothing of the product's rules but their words."""
    team = state[Ref("team", name)]
    if 0 in (team.rpm_limit, team.tpm_limit):
        return False
    if support is IN_CREDITS and (team.credits_allocated or 0) - facts.get("credits_used", 0) <= 0:
        return False
    return not (
        support is IN_USD
        and team.max_budget_usd is not None
        and facts.get("spend", 0) >= team.max_budget_usd
    )


def models(state: State, name: str) -> set[str]:
    team = state[Ref("team", name)]
    if team.status is Status.SUSPENDED:
        return set()
    members = (state[Ref("access_group", group)].model_aliases for group in team.access_groups)
    return {
        m
        for group in members
        for m in group
        if state[Ref("model_alias", m)].status is Status.ACTIVE
    }


def callable_models(state: State, name: str, facts: dict, support: Support) -> set[str]:
    if Ref("team", name) not in state:
        return set()
    return models(state, name) if answers(state, name, facts, support) else set()


@LAW
@given(states(), states(), seeds, st.sampled_from([IN_CREDITS, IN_USD, FREE]))
def test_the_teams_that_are_refused_every_call_are_those_of_an_independent_computation(
    live, desired, seed, support
):
    rng = random.Random(seed)
    live, desired = limited(live, rng), limited(desired, rng)
    runtime = used(live, rng)
    plan = planned(live, desired, runtime, support)
    after = live
    for _, state in run(schedule(plan.changes, live, support), live, rng.choice):
        after = state

    for name in after.of(Team):
        facts = runtime.get(Ref("team", name), {})
        assert (name in plan.impact.silent) == (not callable_models(after, name, facts, support)), (
            name
        )
    told = {team.team: team for team in plan.impact.teams}
    cut = set()
    for name in live.of(Team):
        facts = runtime[Ref("team", name)]
        before, now = (
            callable_models(live, name, facts, support),
            callable_models(after, name, facts, support),
        )
        refused = Ref("team", name) in after and not answers(after, name, facts, support)
        if before and refused:
            cut.add(name)
        if answers(live, name, facts, support) or not refused:
            lost = set(told[name].lost) if name in told else set()
            assert before - now <= lost, (
                "whoever could call a model and cannot any more has lost it"
            )
    assert {name for name, team in told.items() if team.cut_off} == cut


@LAW
@given(states(), states(), seeds)
def test_a_plan_that_takes_every_call_from_a_team_is_refused_and_is_no_low_risk(
    live, desired, seed
):
    rng = random.Random(seed)
    live, desired = limited(live, rng), limited(desired, rng)
    plan = planned(live, desired, used(live, rng), IN_CREDITS)
    cut = [team.team for team in plan.impact.teams if team.cut_off]
    said = [finding for finding in plan.refusals if finding.code == "loss"]
    assert bool(said) == any(team.lost for team in plan.impact.teams)
    assert all(finding.flag == "--allow-loss" for finding in said)
    if cut:
        assert plan.impact.risk.value == "high"
        named = [line.split(" (")[0] for finding in said for line in finding.details if "(" in line]
        assert set(cut) <= set(named), "the whole list is there, however long"


def test_the_worlds_are_worth_something():
    rng = random.Random(1)
    cut = 0
    for seed in range(150):
        live, desired = (
            limited(random_state(random.Random(f"{seed}{side}")), rng) for side in "ab"
        )
        cut += any(
            team.cut_off
            for team in planned(live, desired, used(live, rng), IN_CREDITS).impact.teams
        )
    assert cut > 3


@pytest.mark.parametrize(
    ("declared", "spent", "says"),
    [(20, 30, "970 credits left -> -10"), (30, 30, "970 credits left -> 0")],
)
def test_a_cut_below_what_is_used_says_what_is_left(declared, spent, says):
    held = frozenset({"g"})
    world = {
        Ref("organization", "o"): Organization(name="O"),
        Ref("model_alias", "m"): ModelAlias(litellm_model="openai/a"),
        Ref("access_group", "g"): AccessGroup(model_aliases=frozenset({"m"})),
    }
    live = State(
        {
            **world,
            Ref("team", "t"): Team(organization_id="o", access_groups=held, credits_allocated=1000),
        }
    )
    wish = State(
        {
            **world,
            Ref("team", "t"): Team(
                organization_id="o", access_groups=held, credits_allocated=declared
            ),
        }
    )
    plan = planned(live, wish, {Ref("team", "t"): {"credits_used": spent}}, IN_CREDITS)
    assert [finding.message for finding in plan.refusals] == [
        f"1 team would be refused every call: t ({says})"
    ]
