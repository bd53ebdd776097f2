"""What the product computes from equal values again and again is computed once: it is pure, and its values are frozen.

Nothing here answers otherwise than the product (`test_sim_remembered`). What a mutation breaks is never remembered:
the functions it swaps are called from here, and all that is remembered is forgotten before and after.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Self

from pydantic_core import to_json
from tenacity import AsyncRetrying, Future, RetryCallState

from reconciler import gateways
from reconciler.core.model.refs import Ref
from reconciler.core.plan.make import Inputs
from reconciler.core.plan.plan import Plan
from reconciler.gateways import http
from reconciler.gateways.base import Live
from reconciler.gateways.saas.gateway import RestGateway
from reconciler.pipeline import planning

MOST_LIVES, MOST_PLANS = 5_000, 8

_read, _make_plan = RestGateway._live, planning.make_plan
_lives: dict[tuple[str, bytes], Live] = {}
_plans: list[tuple[Inputs, Plan]] = []
foundings: dict[Any, Any] = {}


def forget() -> None:
    for memory in (_lives, _plans, foundings):
        memory.clear()


def forget_plans() -> None:
    _plans.clear()


def _live(self: RestGateway, lists: Any) -> Live:
    """The same answers are the same live state; what the connection notes of each object is noted each time."""
    key = (self.support.backend, to_json([rows for _, rows in lists]))
    live = _lives.get(key)
    if live is None:
        if len(_lives) >= MOST_LIVES:
            _lives.clear()
        live = _lives[key] = _read(self, lists)
        return live
    for endpoint, rows in lists:
        for body in rows:
            self.memory.see(Ref(endpoint.kind, body[endpoint.id]), body)
    return live


def _planned(given: Inputs) -> Plan:
    for inputs, plan in _plans:
        if _same(inputs, given):
            return plan
    plan = _make_plan(given)
    _plans.append((given, plan))
    del _plans[:-MOST_PLANS]
    return plan


# Where a thing is written is a function of what is desired.
_BY_IDENTITY = ("desired", "live", "support", "settings", "prices", "plans", "written")
_BY_VALUE = (
    "revision",
    "order",
    "target",
    "now",
    "scope",
    "fresh",
    "approved",
    "findings",
    "runtime",
    "known",
)


def _same(one: Inputs, other: Inputs) -> bool:
    return all(getattr(one, name) is getattr(other, name) for name in _BY_IDENTITY) and all(
        getattr(one, name) == getattr(other, name) for name in _BY_VALUE
    )


class Retrying:
    """tenacity.AsyncRetrying as the HTTP layer uses it, without its cost where the first attempt is the last."""

    def __init__(self, *, retry: Any, wait: Any, stop: Any, reraise: bool) -> None:
        self.retry, self.wait, self.stop = retry, wait, stop
        self.attempt: _Attempt | None = None
        self.state: RetryCallState | None = None
        assert reraise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "_Attempt":
        if self.attempt is not None:
            await self._judged(self.attempt.problem)
        self.attempt = _Attempt()
        return self.attempt

    async def _judged(self, problem: BaseException | None) -> None:
        if problem is None:
            raise StopAsyncIteration
        if self.state is None:
            self.state = RetryCallState(AsyncRetrying(), None, (), {})
        state = self.state
        state.outcome = Future(state.attempt_number)
        state.outcome.set_exception(problem)
        if not self.retry(state):
            raise problem
        state.upcoming_sleep = self.wait(state)
        if self.stop(state):
            raise problem
        state.idle_for += state.upcoming_sleep
        state.attempt_number += 1
        await asyncio.sleep(state.upcoming_sleep)


class _Attempt:
    __slots__ = ("problem",)

    def __init__(self) -> None:
        self.problem: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> bool:
        self.problem = problem
        return problem is not None


_PLACES: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (RestGateway, "_live", _live),
    (planning, "make_plan", _planned),
    (http, "AsyncRetrying", Retrying),
    (gateways, "_host", cache(gateways._host)),
    (gateways, "_canonical", cache(gateways._canonical)),
)


@contextmanager
def remembering() -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in _PLACES]
    for owner, name, value in _PLACES:
        setattr(owner, name, value)
    forget()
    try:
        yield
    finally:
        forget()
        for owner, name, value in before:
            setattr(owner, name, value)
