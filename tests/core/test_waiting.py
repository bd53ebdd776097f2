"""A step that is held back starts when it is due, holds up nothing else, and never starts after a stop."""

import asyncio
from time import monotonic

from reconciler.apply.execute import execute
from reconciler.apply.means import Means
from reconciler.apply.waiting import Waits
from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Action, Result, Step
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.order.holding import Hold
from reconciler.core.plan.support import Support
from reconciler.gateways.base import Receipt


class Ready:
    """A gateway that does everything at once."""

    support = Support("ready", {}, GroupRules())
    concurrency = 4

    async def perform(self, step, key=None):
        return Receipt()


class Paper:
    def intend(self, steps):
        return steps

    def settle(self, outcomes, *, unknown, owed):
        return None


def step(name, action=Action.EXPAND):
    return Step(Ref("team", name), action, Team(), Team())


GROWS, SHRINKS, LEAVES = step("a"), step("b", Action.CONTRACT), step("c", Action.CONTRACT)
NEEDS = {SHRINKS: frozenset({GROWS}), GROWS: frozenset(), LEAVES: frozenset()}
SECONDS = 0.02


def executed(hold, waiting=lambda _seconds, _why: None, stop=None):
    waits = Waits({SHRINKS: frozenset({hold})})
    began, done = monotonic(), {}

    async def run():
        means = Means(Ready(), Paper(), None, stop or asyncio.Event(), waits=waits, waiting=waiting)
        async for outcome in execute(NEEDS, means):
            done[outcome.step.ref.name] = (outcome.result, monotonic() - began)

    asyncio.run(run())
    return done


def test_only_the_held_step_waits_and_the_wait_is_told():
    told = []
    done = executed(Hold(GROWS, SECONDS), lambda seconds, _why: told.append(seconds))
    assert list(done)[-1] == "b"
    assert all(result is Result.APPLIED for result, _ in done.values())
    assert done["b"][1] - done["a"][1] >= SECONDS / 2
    assert told
    assert max(told) <= SECONDS


def test_a_hold_of_an_earlier_apply_counts_from_the_begin():
    assert executed(Hold(None, SECONDS))["b"][1] >= SECONDS


def test_a_stop_ends_the_wait_and_nothing_more_is_started():
    stop = asyncio.Event()
    done = executed(Hold(GROWS, 3600.0), lambda _seconds, _why: stop.set(), stop)
    assert {name: result for name, (result, _) in done.items()} == {
        "a": Result.APPLIED,
        "b": Result.BLOCKED,
        "c": Result.APPLIED,
    }
