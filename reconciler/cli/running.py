"""Coroutines run to their end, from the command line."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` would return, of a task that itself returns nothing.

    When `asyncio.run` ends, Python 3.11 formats the task's result with `repr` (`signal.getsignal` makes an enum of the
    handler, whose failure quotes it): 4 seconds where the result is a plan of 100,000 objects.
    """
    results: list[T] = []

    async def kept() -> None:
        results.append(await work)

    asyncio.run(kept())
    return results[0]
