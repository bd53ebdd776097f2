"""As much of LiteLLM Proxy's management API as plans of teams ask for, from memory: `python -m ... PORT [TEAMS]`.

A stand-in is faster than the real proxy, so that a benchmark measures the clients. It holds one model and no groups.
With TEAMS it starts with so many teams, as litellm-as-code declares them.
"""

import sys
from typing import Any

from aiohttp import web

PATHS = {
    "/v2/model/info": "get",
    "/model/new": "post",
    "/model/{model_id}/update": "patch",
    "/model/delete": "post",
    "/v1/access_group": "get",
    "/v1/access_group/{access_group_id}": "put",
    "/v2/team/list": "get",
    "/team/new": "post",
    "/team/{team_id}": "patch",
    "/team/delete": "post",
    "/key/list": "get",
    "/router/settings": "get",
}
Teams = dict[str, dict[str, Any]]
TEAMS: web.AppKey[Teams] = web.AppKey("teams", Teams)


def team(body: dict[str, Any]) -> dict[str, Any]:
    defaults = {
        "team_alias": None,
        "organization_id": None,
        "models": [],
        "access_group_ids": [],
        "max_budget": None,
        "budget_duration": None,
        "tpm_limit": None,
        "rpm_limit": None,
        "blocked": False,
        "metadata": {},
        "litellm_model_table": None,
        "members_with_roles": [],
        "spend": 0.0,
    }
    return {**defaults, **body}


async def list_teams(request: web.Request) -> web.Response:
    teams = list(request.app[TEAMS].values())
    size = int(request.query.get("page_size", len(teams) or 1))
    page = int(request.query.get("page", 1))
    shown = teams[(page - 1) * size : page * size]
    pages = -(-len(teams) // size)
    return web.json_response(
        {"teams": shown, "total": len(teams), "page": page, "page_size": size, "total_pages": pages}
    )


async def team_info(request: web.Request) -> web.Response:
    stored = request.app[TEAMS].get(request.query["team_id"])
    if stored is None:
        return web.json_response({"error": {"message": "no such team"}}, status=404)
    return web.json_response({"team_id": stored["team_id"], "team_info": stored, "keys": []})


async def new_team(request: web.Request) -> web.Response:
    body = await request.json()
    request.app[TEAMS][body["team_id"]] = team(body)
    return web.json_response(request.app[TEAMS][body["team_id"]])


async def patch_team(request: web.Request) -> web.Response:
    stored = request.app[TEAMS][request.match_info["team_id"]]
    stored.update(await request.json())
    return web.json_response(stored)


def empty(key: str | None, **more: Any) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response([] if key is None else {key: [], **more})

    return answer


async def openapi(_: web.Request) -> web.Response:
    paths = {path: {verb: {}} for path, verb in PATHS.items()}
    return web.json_response(
        {"info": {"title": "LiteLLM API", "version": "1.108.7"}, "paths": paths}
    )


async def router_settings(_: web.Request) -> web.Response:
    return web.json_response({"current_values": {"model_group_alias": {}}, "fields": []})


def create_app(teams: int) -> web.Application:
    app = web.Application(client_max_size=2**26)
    app[TEAMS] = {
        f"team-{n:07}": team({"team_id": f"team-{n:07}", "team_alias": f"Team number {n}"})
        for n in range(teams)
    }
    get = {
        "/openapi.json": openapi,
        "/v2/team/list": list_teams,
        "/team/info": team_info,
        "/router/settings": router_settings,
        "/organization/list": empty(None),
        "/v2/model/info": empty("data", total_count=0),
        "/model/info": empty("data"),
        "/key/list": empty("keys", total_count=0),
        "/v1/access_group": empty(None),
        "/user/list": empty("users"),
        "/budget/list": empty(None),
        "/credentials": empty("credentials"),
        "/v2/guardrails/list": empty("guardrails"),
        "/policies/list": empty("policies"),
    }
    app.add_routes([web.get(path, answer) for path, answer in get.items()])
    app.add_routes([web.post("/team/new", new_team), web.patch("/team/{team_id}", patch_team)])
    return app


if __name__ == "__main__":
    web.run_app(
        create_app(int(sys.argv[2]) if len(sys.argv) > 2 else 0),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=None,
        access_log=None,
    )
