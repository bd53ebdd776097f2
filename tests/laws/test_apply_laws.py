"""In every intermediate state of every order of completion: no team loses what it keeps, and nothing dangles."""

import random

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from law_worlds import SUPPORT, TOUCHING, dangling, owning, run, states

from reconciler.core.access.rules import access
from reconciler.core.model.changes import Action
from reconciler.core.model.inventory import Known
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.diff import diff
from reconciler.core.plan.order import schedule as scheduling
from reconciler.core.plan.order.schedule import Order, expanded_state, schedule

LAW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32)


def changes_between(live, desired, support=SUPPORT):
    return diff(desired, live, Known(owning(live)), support).changes


def kept(live: State, desired: State):
    before, after = access(live, SUPPORT.rules), access(desired, SUPPORT.rules)
    return {team: before.of(team) & after.of(team) for team in before.teams}


def losses(keep, state):
    now = access(state, SUPPORT.rules)
    return {(team, model) for team, models in keep.items() for model in models - now.of(team)}


def chooser(seed):
    return random.Random(seed).choice


@LAW
@given(states(), states(), seeds)
def test_no_team_loses_what_it_keeps(live, desired, seed):
    keep = kept(live, desired)
    for step, state in run(
        schedule(changes_between(live, desired), live, SUPPORT), live, chooser(seed)
    ):
        assert not losses(keep, state), step.id


@LAW
@given(states(), states(), seeds)
def test_nothing_ever_dangles(live, desired, seed):
    for order in Order:
        for step, state in run(
            schedule(changes_between(live, desired), live, SUPPORT, order=order),
            live,
            chooser(seed),
        ):
            assert not dangling(state), step.id


@LAW
@given(states(), states(), seeds)
def test_with_failing_steps_it_stays_hitless_and_the_rerun_converges(live, desired, seed):
    keep, rng, state = kept(live, desired), random.Random(seed), live
    for step, state in run(
        schedule(changes_between(live, desired), live, SUPPORT),
        live,
        rng.choice,
        lambda _: rng.random() < 0.3,
    ):
        assert not losses(keep, state), step.id
        assert not dangling(state), step.id
    # What was owned stays owned, what was created meanwhile is ours too.
    owned = owning(State({**live.resources, **state.resources}))
    again = diff(desired, state, Known(owned), SUPPORT).changes
    for step, state in run(schedule(again, state, SUPPORT), state, rng.choice):
        assert not losses(kept(live, desired), state), step.id
    assert_desired(state, desired)


def assert_desired(state, desired):
    assert set(state) == set(desired)
    for ref in desired:
        ours, wanted = state[ref], desired[ref]
        if ref.kind == "team" and wanted.credits_allocated is None:
            ours = ours.model_copy(update={"credits_allocated": None})
        if ref.kind == "team":
            ours = ours.model_copy(update={"credits_allocated": wanted.credits_allocated})
        assert ours == wanted


@LAW
@given(states(), states(), seeds)
def test_apply_ends_at_desired_and_the_second_plan_is_empty(live, desired, seed):
    for order in Order:
        state = live
        for _, state in run(
            schedule(changes_between(live, desired), live, SUPPORT, order=order),
            live,
            chooser(seed),
        ):
            pass
        assert_desired(state, desired)
        assert diff(desired, state, Known(owning(desired)), SUPPORT).changes == ()


@LAW
@given(states(), states(), seeds)
def test_grant_first_exposes_nothing_that_the_plan_does_not_list(live, desired, seed):
    changes = changes_between(live, desired)
    widest = access(expanded_state(changes, live), SUPPORT.rules)
    for step, state in run(schedule(changes, live, SUPPORT), live, chooser(seed)):
        now = access(state, SUPPORT.rules)
        assert all(now.of(team) <= widest.of(team) for team in now.teams), step.id


@LAW
@given(states(), states(), seeds)
def test_revoke_first_never_shows_more_than_before_and_after(live, desired, seed):
    same_aliases = {ref: res for ref, res in desired.resources.items() if ref.kind != "model_alias"}
    aliases = {ref: res for ref, res in live.resources.items() if ref.kind == "model_alias"}
    desired = State({**same_aliases, **aliases})
    assume(not dangling(desired))
    before, after = access(live, SUPPORT.rules), access(desired, SUPPORT.rules)
    changes = changes_between(live, desired)
    assume(not any(_swaps(change) for change in changes))
    for step, state in run(
        schedule(changes, live, SUPPORT, order=Order.REVOKE_FIRST), live, chooser(seed)
    ):
        now = access(state, SUPPORT.rules)
        for team in now.teams:
            assert now.of(team) <= before.of(team) | after.of(team), step.id


def _swaps(change):
    """A name set of which nothing stays is swapped grant-first, so that it is never empty on the way."""
    fields = [
        f
        for f in change.fields
        if isinstance(f.after, frozenset) and change.before and change.after
    ]
    return any(f.before and f.after and not f.before & f.after for f in fields)


@LAW
@given(states(), states(), seeds)
def test_foreign_objects_never_change(live, desired, seed):
    """Objects of the live world that we neither own nor declare are the same in every state."""
    owned_refs = {ref for ref in live if random.Random(f"{seed}{ref}").random() < 0.5}
    inventory = {ref: record for ref, record in owning(live).items() if ref in owned_refs}
    changes = diff(desired, live, Known(inventory), SUPPORT).changes
    foreign = [ref for ref in live if ref not in owned_refs and ref not in desired]
    for step, state in run(schedule(changes, live, SUPPORT), live, chooser(seed)):
        assert step.ref not in foreign
        assert all(state.get(ref) == live[ref] for ref in foreign)
        assert not dangling(state)


@LAW
@given(states(), states(), seeds)
def test_the_schedule_is_the_same_whatever_the_order_of_the_input(live, desired, seed):
    rng = random.Random(seed)
    shuffled = [State(dict(rng.sample(list(s.resources.items()), len(s)))) for s in (live, desired)]
    first = schedule(changes_between(live, desired), live, SUPPORT)
    second = schedule(list(reversed(changes_between(*shuffled))), shuffled[0], SUPPORT)
    assert _named(first) == _named(second)


def _named(steps):
    return [(step.id, sorted(need.id for need in needs)) for step, needs in steps.items()]


@LAW
@given(states(), states(), seeds)
def test_teams_are_sent_again_after_every_change_of_their_groups(live, desired, seed):
    changes = changes_between(live, desired, TOUCHING)
    sent_with: dict = {}
    state = live
    for step, state in run(
        schedule(changes, live, TOUCHING, ours=set(desired)), live, chooser(seed)
    ):
        if step.ref.kind == "team" and step.action is not Action.DELETE:
            team = state[step.ref]
            sent_with[step.ref] = {
                g: state[Ref("access_group", g)].model_aliases for g in team.access_groups
            }
    for ref, groups in sent_with.items():
        if ref in state:
            assert groups == {
                g: state[Ref("access_group", g)].model_aliases for g in state[ref].access_groups
            }


@LAW
@given(states())
def test_equal_states_need_nothing(state):
    assert changes_between(state, state) == ()


# ---- The laws have teeth: each rule, broken on purpose, breaks its law.


def first_violation(live, desired, seeds=range(12)):
    keep = kept(live, desired)
    for seed in seeds:
        for step, state in run(
            schedule(changes_between(live, desired), live, SUPPORT), live, chooser(seed)
        ):
            if losses(keep, state):
                return step.id
            if dangling(state):
                return step.id
    return None


MUTATIONS = {
    "rule 1: no union on the way": ("expanded", lambda before, after: after),
    "rule 2: references do not order": ("_by_references", lambda steps, by_ref: iter(())),
    "rule 3: replaced paths do not order": (
        "_replacements_first",
        lambda transition, by_ref: iter(()),
    ),
}


@settings(
    max_examples=400,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(states(), states())
def no_rule_is_broken(live, desired):
    try:
        found = first_violation(live, desired)
    except AssertionError as refused:
        found = str(refused)
    assert found is None


@pytest.mark.slow  # the laws above say the same of fewer worlds
def test_with_all_rules_in_place_no_law_is_broken():
    no_rule_is_broken()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_breaks_a_law(name, monkeypatch):
    attribute, broken = MUTATIONS[name]
    monkeypatch.setattr(scheduling, attribute, broken)
    with pytest.raises(AssertionError):
        no_rule_is_broken()
