"""With processes that keep what they read, each object for a time of its own: no kept model is denied at any instant.

Every age of every cache entry is looked at: of each object a process may hold any version that was current within the
lifetime of its kind, whatever versions it holds of the others.
"""

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from law_worlds import SUPPORT, owning, perform, states

from reconciler.core.access.rules import access
from reconciler.core.model.changes import Action
from reconciler.core.model.inventory import Known
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.diff import diff
from reconciler.core.plan.order import holding
from reconciler.core.plan.order.holding import MARGIN, Hold, holds, longest
from reconciler.core.plan.order.schedule import schedule

LAW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
LIFETIMES = {"team": 60.0, "access_group": 600.0}
SLOW = 4.0
CACHED = replace(SUPPORT, lifetimes=LIFETIMES)
seeds = st.integers(0, 2**32)


@dataclass
class Processes:
    """What any process may believe: every version of a team or group with the moment at which it was replaced."""

    state: State
    now: float = 0.0
    former: dict = field(default_factory=dict)

    def write(self, step) -> None:
        if step.ref.kind in LIFETIMES and step.ref in self.state:
            self.former.setdefault(step.ref, []).append((self.now, self.state[step.ref]))
        self.state = perform(self.state, step)

    def versions(self, ref):
        """None for an object that is gone: only who reads it anew knows that."""
        kept = (
            LIFETIMES[ref.kind] + SLOW
        )  # it may have begun to read before the write, and kept it a while after
        there = [old for until, old in self.former.get(ref, ()) if self.now - until < kept]
        return [*there, self.state.get(ref)]

    def certain(self, team: str) -> frozenset[str]:
        """What every process lets the team call, however old each of its entries is."""
        active = {
            name
            for name, alias in self.state.of(ModelAlias).items()
            if alias.status is Status.ACTIVE
        }
        beliefs = [
            frozenset().union(*(self._surely(group) for group in each.access_groups))
            for each in self.versions(Ref("team", team))
            if each is not None and each.status is Status.ACTIVE
        ]
        missing = any(
            each is None or each.status is not Status.ACTIVE
            for each in self.versions(Ref("team", team))
        )
        return frozenset() if missing or not beliefs else frozenset.intersection(*beliefs) & active

    def _surely(self, group: str) -> frozenset[str]:
        sets = [
            each.model_aliases if each else frozenset()
            for each in self.versions(Ref("access_group", group))
        ]
        return frozenset.intersection(*sets)


def changes_between(live, desired):
    return diff(desired, live, Known(owning(live)), CACHED).changes


def applied(processes, desired, rng, fresh=None, stop=None, held=holds):
    """Apply with the holds; yields after each step, and just before each next one. `stop` ends it after so many."""
    live = processes.state
    changes = changes_between(live, desired)
    needs = schedule(changes, live, CACHED)
    waits = held(needs, changes, live, CACHED, fresh or {})
    began, at = processes.now, {}
    todo = dict(needs)
    while todo and (stop is None or len(at) < stop):
        ready = [step for step in todo if needs[step] <= at.keys()]
        assert ready, "a circle"
        step = rng.choice(ready)
        due = [
            (at[hold.after] if hold.after else began) + hold.seconds for hold in waits.get(step, ())
        ]
        processes.now = max([processes.now, *due]) + rng.choice([0.001, 0.001, 1, 59, 300])
        yield step
        processes.write(step)
        at[step] = processes.now
        del todo[step]
        yield step
    processes.recent = {
        step.ref: LIFETIMES[step.ref.kind] + MARGIN - (processes.now - when)
        for step, when in at.items()
        if step.action is Action.EXPAND and step.ref.kind in LIFETIMES
    }


def kept_of(processes, desired):
    wanted = access(desired, CACHED.rules)
    return {team: processes.certain(team) & wanted.of(team) for team in processes.state.of(Team)}


def denied(processes, keep):
    return {
        (team, model) for team, models in keep.items() for model in models - processes.certain(team)
    }


@LAW
@given(states(), states(), seeds)
def test_no_process_denies_a_kept_model_at_any_instant(live, desired, seed):
    processes = Processes(live)
    keep = kept_of(processes, desired)
    for step in applied(processes, desired, random.Random(seed)):
        assert not denied(processes, keep), step.id


@LAW
@given(states(), states(), states(), seeds)
def test_nor_does_it_where_an_earlier_apply_was_cut_off_or_has_just_ended(
    live, first, second, seed
):
    rng = random.Random(seed)
    processes = Processes(live)
    for _ in applied(processes, first, rng, stop=rng.randint(0, 6)):
        pass
    later = rng.choice([0.0, 30.0, 500.0])
    processes.now += later
    fresh = {ref: left - later for ref, left in processes.recent.items() if left > later}
    keep = kept_of(processes, second)
    for step in applied(processes, second, rng, fresh):
        assert not denied(processes, keep), step.id


@LAW
@given(states(), states())
def test_only_what_replaces_a_path_is_waited_for_and_no_longer_than_its_lifetime(live, desired):
    changes = changes_between(live, desired)
    needs = schedule(changes, live, CACHED)
    before, after = access(live, CACHED.rules), access(desired, CACHED.rules)
    found = holds(needs, changes, live, CACHED)
    for step, waits in found.items():
        assert step.action in holding.CUTTING
        for hold in waits:
            assert hold.after in needs
            assert hold.after.action is Action.EXPAND
            assert hold.seconds == LIFETIMES[hold.after.ref.kind] + MARGIN
    assert longest(needs, found) <= max(LIFETIMES.values()) + MARGIN
    if not any(before.of(team) & after.of(team) for team in before.teams):
        assert not found
    assert holds(needs, changes, live, SUPPORT) == {}


MUTATIONS = {
    "no hold at all": lambda _self, _team, _cut: iter(()),
    "only groups are waited for": "_for_team",
    "only teams are waited for": "_for_groups",
}


@settings(
    max_examples=600,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(states(), states(), seeds)
def nobody_is_denied(live, desired, seed):
    processes = Processes(live)
    keep = kept_of(processes, desired)
    for _ in applied(processes, desired, random.Random(seed)):
        assert not denied(processes, keep)


@pytest.mark.slow  # the laws above say the same of fewer worlds
def test_with_all_rules_in_place_nobody_is_denied():
    nobody_is_denied()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_breaks_the_law(name, monkeypatch):
    broken = MUTATIONS[name]
    if isinstance(broken, str):
        monkeypatch.setattr(holding._Work, broken, lambda *_: iter(()))
    else:
        monkeypatch.setattr(holding._Work, "held", broken)
    with pytest.raises(AssertionError):
        nobody_is_denied()


def world(groups, **teams):
    return State(
        {
            **{Ref("model_alias", name): ModelAlias(litellm_model="openai/a") for name in "mxy"},
            **{
                Ref("access_group", name): AccessGroup(model_aliases=frozenset(of))
                for name, of in groups.items()
            },
            **{Ref("team", name): Team(access_groups=frozenset(of)) for name, of in teams.items()},
        }
    )


def planned(live, desired):
    changes = changes_between(live, desired)
    needs = schedule(changes, live, CACHED)
    found = holds(needs, changes, live, CACHED)
    return needs, {
        step.id: {(hold.after.id, hold.seconds) for hold in waits} for step, waits in found.items()
    }


def test_a_model_that_moves_between_groups_waits_for_the_group_that_grew():
    _, found = planned(world({"g": "mx", "h": "y"}, t="gh"), world({"g": "x", "h": "ym"}, t="gh"))
    assert found == {"contract access_group/g": {("expand access_group/h", 605.0)}}


def test_an_offboarding_waits_for_nothing_though_others_keep_their_models():
    live = world({"g": "mx", "h": "y"}, t="gh", out="g")
    _, found = planned(live, world({"g": "x", "h": "ym"}, t="gh"))
    assert set(found) == {"contract access_group/g"}


def test_a_team_that_changes_its_tier_waits_for_nothing():
    assert (
        planned(world({"g": "m", "h": "my"}, t="g"), world({"g": "m", "h": "my"}, t="h"))[1] == {}
    )


def test_a_group_is_deleted_only_when_everybody_knows_that_its_team_has_another(monkeypatch):
    live = world({"g": "m", "h": "my"}, t="g")
    desired = live.updated(
        {Ref("access_group", "g"): None, Ref("team", "t"): Team(access_groups=frozenset("h"))}
    )
    assert not any(_denials(live, desired))
    needs, found = planned(live, desired)
    monkeypatch.setattr(holding, "CUTTING", (Action.CONTRACT,))
    assert any(_denials(live, desired))
    assert found == {"delete access_group/g": {("expand team/t", 65.0)}}
    assert (
        longest(needs, {step: {Hold(None, 5)} for step in needs if step.id == "expand team/t"}) == 5
    )


def _denials(live, desired):
    for seed in range(10):
        processes = Processes(live)
        keep = kept_of(processes, desired)
        for _ in applied(processes, desired, random.Random(seed)):
            yield denied(processes, keep)
