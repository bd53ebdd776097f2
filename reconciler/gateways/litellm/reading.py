"""Reading LiteLLM Proxy: every page until the totals agree, in parallel and bounded; only what a viewer key may read.

Source: contracts/litellm-proxy.md sections 0, 1, 11. Lists of teams, groups and keys come from the database; models
come from the router of the process that answers, and rows that it does not serve are found by a search.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.gateways.answers import oddity
from reconciler.gateways.base import GatewayError
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.aliases import Row, row_of

ATTEMPTS = 4
FORBIDDEN, NOT_FOUND = 403, 404
# `_` is SQL's wildcard for one character in the proxy's search of model names: it finds every row of the database.
ANY = "_"


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


MODELS = Paging("/v2/model/info", "data", "total_count", "size", 1000, "model_info")
TEAMS = Paging(
    "/v2/team/list", "teams", "total", "page_size", 100, "team_id", {"sort_by": "team_id"}
)
KEYS = Paging(
    "/key/list",
    "keys",
    "total_count",
    "size",
    100,
    "token",
    {"return_full_object": "true", "sort_by": "created_at", "sort_order": "asc"},
)


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
    first = await _page(http, paging, params, 1)
    total = int(first[paging.total])
    if len(first[paging.items]) < min(total, paging.size):
        # What is not even on the first page is not looked for on thousands of others.
        return first[paging.items], total
    count = -(-total // paging.size)
    others = await asyncio.gather(
        *(_page(http, paging, params, page) for page in range(2, count + 1))
    )
    found = {
        _identity(item, paging): item for page in (first, *others) for item in page[paging.items]
    }
    return list(found.values()), int(others[-1][paging.total]) if others else total


def _identity(item: Body, paging: Paging) -> str:
    value = item[paging.id]
    # the alias of a router shows the same deployment under another name
    return f"{value['id']} {item['model_name']}" if isinstance(value, Mapping) else str(value)


async def _page(
    http: Http, paging: Paging, params: Mapping[str, str], page: int
) -> Mapping[str, Any]:
    query = {**params, paging.size_name: str(paging.size), "page": str(page)}
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read found, as rows. `zombies` are in the database, but not served by the process that answered."""

    rows: tuple[Row, ...] = ()
    zombies: tuple[Row, ...] = ()
    groups: tuple[Body, ...] = ()
    teams: tuple[Body, ...] = ()
    keys: tuple[Body, ...] = ()
    organizations: tuple[Body, ...] = ()
    router_aliases: Mapping[str, str] = field(default_factory=dict)


async def snapshot(http: Http, *, organizations: bool) -> Snapshot:
    """Everything that the state is made of. Raises GatewayError; never a part of it."""
    bodies, stored, groups, teams, keys, router, orgs = await _all(
        paged(http, MODELS),
        paged(http, MODELS, search=ANY),
        groups_of(http),
        paged(http, TEAMS),
        paged(http, KEYS),
        router_aliases(http),
        organizations_of(http) if organizations else _nothing(),
    )
    rows = rows_of(bodies, router)
    served = {row.id for row in rows}
    zombies = (row for row in rows_of(stored, router) if row.id not in served and row.db)
    return Snapshot(
        rows, tuple(zombies), tuple(groups), tuple(teams), tuple(keys), tuple(orgs), router
    )


async def _all(*reads: Any) -> list[Any]:
    """All answers, or the first failure once nothing is under way any more."""
    answers = await asyncio.gather(*reads, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


async def _nothing() -> list[Body]:
    return []


def rows_of(bodies: Sequence[Body], router: Mapping[str, str]) -> tuple[Row, ...]:
    """Each deployment once, under its own name; those of one team only are not for everybody and left out."""
    try:
        rows = [row_of(body) for body in bodies]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GatewayError(
            f"GET {MODELS.path} answered a deployment in an unknown shape ({oddity(error)})"
        ) from error
    own = {
        row.id: row for row in sorted(rows, key=lambda row: row.name not in router, reverse=False)
    }
    return tuple(row for row in own.values() if row.team_id is None)


async def groups_of(http: Http) -> list[Body]:
    """The unified access groups; they come in one list."""
    answer = await http.get("/v1/access_group")
    if not isinstance(answer, list) or not all(isinstance(each, Mapping) for each in answer):
        raise GatewayError(
            "GET /v1/access_group answered in an unknown shape: expected a list of groups"
        )
    return answer


async def router_aliases(http: Http) -> Mapping[str, str]:
    """The router's `model_group_alias`: name -> target. A target may be an object (a hidden alias)."""
    answer = await http.get("/router/settings")
    values = answer.get("current_values") if isinstance(answer, Mapping) else None
    found = (values or {}).get("model_group_alias") or {}
    named = {
        name: target.get("model") if isinstance(target, Mapping) else target
        for name, target in found.items()
    }
    return {name: str(target) for name, target in named.items() if target}


async def organizations_of(http: Http) -> list[Body]:
    answer = await http.get("/organization/list")
    if not isinstance(answer, list):
        raise GatewayError("GET /organization/list answered in an unknown shape: expected a list")
    return answer


async def licensed(http: Http) -> bool:
    """Whether the proxy has organizations: without a licence every call about them is 403."""
    try:
        await organizations_of(http)
    except GatewayError as error:
        if error.status == FORBIDDEN and "Enterprise" in str(error):
            return False
        raise
    return True


async def deployments_of(http: Http, name: str) -> tuple[Row, ...]:
    """The deployments of one name, also those that are not served."""
    bodies = await paged(http, MODELS, model=name, search=name)
    return tuple(row for row in rows_of(bodies, {}) if row.name == name)


async def deployment_exists(http: Http, row_id: str) -> bool:
    answer = await _page(http, MODELS, {"modelId": row_id}, 1)
    return bool(answer[MODELS.items])


async def team_body(http: Http, name: str) -> Body | None:
    """The team's row as it is now, None where there is none."""
    try:
        answer = await http.get("/team/info", params={"team_id": name, "key_limit": "1"})
    except GatewayError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    found: Body = answer["team_info"]
    return found


async def key_bodies(http: Http, alias: str) -> list[Body]:
    """The keys of an alias; nothing keeps two from having the same one (contract 1.6)."""
    return [
        body for body in await paged(http, KEYS, key_alias=alias) if body.get("key_alias") == alias
    ]
