"""What the simulator does not compute twice is what it would have computed."""

import asyncio
import random
from dataclasses import fields

import pytest
from sim_history import COMPANIES, FOUNDING, history
from sim_loop import Loop
from sim_remembered import _BY_IDENTITY, _BY_VALUE, Retrying, forget
from sim_run import carried_out
from sim_seams import begun
from sim_world import simulation
from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from reconciler.core.plan.make import Inputs

DIALECTS = ("embedded", "saas-litellm")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_history_is_the_same_whatever_is_remembered(dialect):
    wanted = history(11, dialect)
    assert wanted.events[0] == FOUNDING
    with simulation() as home:
        carried_out(history(11 + COMPANIES, dialect), home)  # the same company
        remembered = carried_out(wanted, home)
        forget()
        anew = carried_out(wanted, home)
        ends = remembered, anew, carried_out(wanted, home, traced=True)
    assert len({(end.steps, end.requests, end.broken, end.accounts) for end in ends}) == 1


class Lost(Exception):  # noqa: N818 - a request that was lost
    pass


async def tries(retrying, failures, times):
    """What becomes of a call that fails so often, and when it was tried."""

    def stop(state):
        return state.attempt_number >= 4 or state.idle_for + state.upcoming_sleep > 60

    jitter = wait_random_exponential(multiplier=0.5, max=30)

    def again(problem):
        return not isinstance(problem, ValueError)

    left = list(failures)
    async for attempt in retrying(
        retry=retry_if_exception(again), wait=jitter, stop=stop, reraise=True
    ):
        with attempt:
            times.append(asyncio.get_running_loop().time())
            if left:
                raise left.pop(0)
            return "answered"
    raise AssertionError("the last one is raised")


def ending(retrying, kinds, seed):
    loop, times = Loop(), []
    with begun(loop, seed):
        task = loop.create_task(tries(retrying, [kind("lost") for kind in kinds], times))
        loop.run(task.done)
        problem = task.exception()
    return type(problem).__name__ if problem else task.result(), times


def test_requests_are_tried_again_as_tenacity_does():
    with simulation():
        for seed in range(30):
            rng = random.Random(seed)
            kinds = [rng.choice((Lost, Lost, Lost, ValueError)) for _ in range(rng.randint(0, 5))]
            plain, double = (ending(each, kinds, seed) for each in (AsyncRetrying, Retrying))
            assert plain == double
            assert plain[1]


def test_a_plan_is_remembered_by_all_that_it_depends_on():
    compared = {*_BY_IDENTITY, *_BY_VALUE}
    assert compared | {"find"} == {each.name for each in fields(Inputs)}
