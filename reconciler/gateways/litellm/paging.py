"""Lists of LiteLLM Proxy: every page until the totals agree, in parallel and bounded; only what a viewer may read.

Source: LiteLLM 1.106.2, observed. Lists of teams, groups and keys come from the database.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.gateways.base import GatewayError
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http

ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list is paged: its path, the names of its parameters and keys, and which key of an item is its id."""

    path: str
    items: str
    total: str
    size_name: str
    size: int
    id: str
    params: Mapping[str, str] = field(default_factory=dict)


async def paged(http: Http, paging: Paging, **params: str) -> list[Body]:
    """Every item of a list, each once. Raises GatewayError where the pages do not add up to the total."""
    for attempt in range(ATTEMPTS):
        found, total = await _pages(http, paging, {**paging.params, **params})
        if len(found) == total:
            return found
        # somebody writes while we read: look again
        await asyncio.sleep(0.2 * attempt)
    raise GatewayError(
        f"GET {paging.path}: {len(found):,} different entries on its pages, but a total of {total:,}",
        hint="is somebody changing the gateway right now? try again",
    )


async def _pages(http: Http, paging: Paging, params: Mapping[str, str]) -> tuple[list[Body], int]:
    first = await page(http, paging, params, 1)
    total = int(first[paging.total])
    if len(first[paging.items]) < min(total, paging.size):
        # What is not even on the first page is not looked for on thousands of others.
        return first[paging.items], total
    count = -(-total // paging.size)
    others = await asyncio.gather(
        *(page(http, paging, params, number) for number in range(2, count + 1))
    )
    found = {
        _identity(item, paging): item
        for answer in (first, *others)
        for item in answer[paging.items]
    }
    return list(found.values()), int(others[-1][paging.total]) if others else total


def _identity(item: Body, paging: Paging) -> str:
    value = item[paging.id]
    # the alias of a router shows the same deployment under another name
    return f"{value['id']} {item['model_name']}" if isinstance(value, Mapping) else str(value)


async def page(
    http: Http, paging: Paging, params: Mapping[str, str], number: int
) -> Mapping[str, Any]:
    """One page of a list. Raises GatewayError where it has no entries or no total."""
    query = {**params, paging.size_name: str(paging.size), "page": str(number)}
    answer = await http.get(paging.path, params=query)
    if (
        not isinstance(answer, Mapping)
        or not isinstance(answer.get(paging.items), list)
        or paging.total not in answer
    ):
        raise GatewayError(
            f"GET {paging.path} answered in an unknown shape: expected {paging.items} and {paging.total}"
        )
    return answer


async def together(*reads: Awaitable[Any]) -> list[Any]:
    """All answers, or the first failure once nothing is under way any more."""
    answers = await asyncio.gather(*reads, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def picked(body: Body, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Those of the facts that the answer has."""
    return {name: body[name] for name in names if body.get(name) is not None}
