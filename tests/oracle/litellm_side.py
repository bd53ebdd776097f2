"""LiteLLM's own authorization code, offline: its Router and its `can_team_access_model`.

Only the database edge is replaced: `get_access_object`, which reads one unified access group.
"""

import asyncio
import logging
import os
import re
import warnings
from types import SimpleNamespace
from unittest import mock

from worlds import Case

from reconciler.core.access.litellm.world import LiteLLMTeam, LiteLLMWorld, invalid_patterns

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_TELEMETRY"] = "False"

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import litellm
    from litellm.proxy._types import LiteLLM_TeamTable, ProxyException
    from litellm.proxy.auth import auth_checks

litellm.telemetry = False
logging.getLogger("LiteLLM").setLevel(logging.ERROR)
litellm.suppress_debug_info = True

FAILURES = (re.error, OverflowError)  # what a broken pattern raises: the call ends with 401
_EDGE = object()


def router(world: LiteLLMWorld) -> litellm.Router:
    rows = [
        {
            "model_name": deployment.model_name,
            "litellm_params": {"model": deployment.litellm_model, "api_key": "sk-not-used"},
            "model_info": {
                "id": f"deployment-{n}",
                "access_groups": sorted(deployment.access_groups),
            },
        }
        for n, deployment in enumerate(world.deployments)
    ]
    return litellm.Router(model_list=rows, model_group_alias=dict(world.router_aliases))


def decide(cases: list[Case]) -> list[bool]:
    """LiteLLM's decision on each case; a case whose outcome hangs on the order of a set counts as allowed if always so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of LiteLLM and its dependencies
        return asyncio.run(_decide(cases))


async def _decide(cases: list[Case]) -> list[bool]:
    routers: dict[int, litellm.Router] = {}
    decisions = []
    for case in cases:
        made = routers.get(id(case.world)) or routers.setdefault(id(case.world), router(case.world))
        decisions.append(
            all([await _can_call(case, made, lookup) for lookup in _lookups(case.world, case.team)])
        )
    return decisions


def _lookups(world: LiteLLMWorld, team: LiteLLMTeam) -> list:
    async def get_access_object(access_group_id, **_):
        if access_group_id not in world.groups:
            raise LookupError(access_group_id)
        return SimpleNamespace(access_model_names=list(world.groups[access_group_id]))

    async def as_litellm(access_group_ids, prisma_client=None, **_):
        with mock.patch.object(auth_checks, "get_access_object", get_access_object):
            edges = {
                "prisma_client": _EDGE,
                "user_api_key_cache": _EDGE,
                "proxy_logging_obj": _EDGE,
            }
            return await auth_checks._get_resources_from_access_groups(
                access_group_ids, "access_model_names", **edges
            )

    async def broken_first(access_group_ids, **_):
        found = await as_litellm(access_group_ids)
        return sorted(found, key=lambda entry: not invalid_patterns([entry]))

    async def broken_last(access_group_ids, **_):
        return (await broken_first(access_group_ids))[::-1]

    entries = [entry for group in team.access_groups for entry in world.groups.get(group, ())]
    return [as_litellm, broken_first, broken_last] if invalid_patterns(entries) else [as_litellm]


async def _can_call(case: Case, made: litellm.Router, get_models_from_access_groups) -> bool:
    table = LiteLLM_TeamTable(
        team_id="team-1",
        models=list(case.team.models),
        access_group_ids=list(case.team.access_groups),
    )
    with mock.patch.object(
        auth_checks, "get_models_from_access_groups", get_models_from_access_groups
    ):
        try:
            return await auth_checks.can_team_access_model(
                model=case.model,
                team_object=table,
                llm_router=made,
                team_model_aliases=dict(case.team.model_aliases),
            )
        except (ProxyException, *FAILURES):
            return False


def guessed_spelling(name: str) -> str | None:
    """The second spelling that LiteLLM matches a wildcard against, None where it guesses none or the same."""
    with mock.patch.object(
        auth_checks, "is_model_allowed_by_pattern", lambda model, allowed_model_pattern: model
    ):
        spelling = auth_checks._model_custom_llm_provider_matches_wildcard_pattern(name, "*")
    return spelling if spelling and spelling != name else None


def blocked(team: LiteLLMTeam, world: LiteLLMWorld, model: str) -> bool:
    """Whether LiteLLM's whole check of a request refuses the team because it is blocked."""
    from fastapi import Request  # only for this check

    table = LiteLLM_TeamTable(team_id="team-1", models=list(team.models), blocked=team.blocked)
    request = Request(
        {
            "type": "http",
            "headers": [],
            "path": "/chat/completions",
            "query_string": b"",
            "method": "POST",
        }
    )
    try:
        asyncio.run(
            auth_checks.common_checks(
                {"model": model},
                table,
                None,
                None,
                None,
                {},
                "/chat/completions",
                router(world),
                _EDGE,
                None,
                request,
                True,
            )
        )
    except Exception as error:  # noqa: BLE001  # common_checks raises a bare Exception for a blocked team
        return "is blocked" in str(error)
    return False
