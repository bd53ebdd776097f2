"""Unified access groups on LiteLLM Proxy. Source: LiteLLM 1.106.2, `/v1/access_group`, observed.

The proxy takes any name (section 7.4), be it of a model, a wildcard or nothing: the plan says which grant nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.model.findings import Finding
from reconciler.core.model.kinds import AccessGroup, Resource
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.checks import wildcards, with_values
from reconciler.gateways.litellm.connection import (
    CONFLICT,
    NOT_FOUND,
    Desk,
    exists,
    gone,
    segment,
    unmoved,
)
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.kind import Kind, Verbs, stored
from reconciler.gateways.litellm.team_codec import TeamCodec
from reconciler.gateways.request import Request


def group_of(body: Body) -> AccessGroup:
    """The unified access group of a row."""
    models = frozenset(body.get("access_model_names") or ())
    return AccessGroup.model_construct(
        None, description=body.get("description") or None, model_aliases=models
    )


async def find_group(desk: Desk, name: str) -> Body | None:
    """The group of that name, by its id where we know it, else out of the list of all."""
    known = desk.groups.get(name)
    if known is not None:
        try:
            body: Body = await desk.http.get(f"/v1/access_group/{segment(known)}")
        except GatewayError as error:
            if error.status != NOT_FOUND:
                raise
        else:
            if body.get("access_group_name") == name:
                return body
    desk.know(await groups_of(desk.http))
    return (
        await desk.http.get(f"/v1/access_group/{segment(desk.groups[name])}")
        if name in desk.groups
        else None
    )


async def create_group(desk: Desk, ref: Ref, after: AccessGroup) -> Receipt:
    body = {
        "access_group_name": ref.name,
        "description": after.description,
        "access_model_names": sorted(after.model_aliases),
    }
    try:
        answer = await desk.http.send(Request("POST", "/v1/access_group", body))
    except GatewayError as error:
        if error.status == CONFLICT:
            raise exists(ref) from error
        raise
    desk.groups[ref.name] = str(answer["access_group_id"])
    return Receipt()


async def update_group(desk: Desk, ref: Ref, before: AccessGroup, after: AccessGroup) -> Receipt:
    found = await find_group(desk, ref.name)
    if found is None:
        raise gone(ref)
    unmoved(ref, ("model_aliases",), before, after, group_of(found))
    body: dict[str, Any] = {}
    if before.description != after.description:
        body["description"] = after.description
    if before.model_aliases != after.model_aliases:
        body["access_model_names"] = sorted(after.model_aliases)
    if body:
        await desk.http.send(
            Request("PUT", f"/v1/access_group/{segment(found['access_group_id'])}", body)
        )
    return Receipt()


async def delete_group(desk: Desk, ref: Ref) -> Receipt:
    found = await find_group(desk, ref.name)
    if found is None:
        return Receipt(note="was already gone")
    try:
        await desk.http.send(
            Request("DELETE", f"/v1/access_group/{segment(found['access_group_id'])}")
        )
    except GatewayError as error:
        if error.status != NOT_FOUND:
            raise
    desk.groups.pop(ref.name, None)
    return Receipt()


async def group_now(desk: Desk, ref: Ref) -> AccessGroup | None:
    body = await find_group(desk, ref.name)
    return group_of(body) if body else None


async def rename_group(desk: Desk, old: str, new: str) -> Receipt:
    """Its id stays, and with it whoever holds it."""
    found = await find_group(desk, old)
    if found is not None:
        body = {"access_group_name": new}
        await desk.http.send(
            Request("PUT", f"/v1/access_group/{segment(found['access_group_id'])}", body)
        )
        desk.groups.pop(old, None)
        desk.groups[new] = str(found["access_group_id"])
    return Receipt()


# ---- reading


async def groups_of(http: Http) -> list[Body]:
    """The unified access groups; they come in one list."""
    answer = await http.get("/v1/access_group")
    if not isinstance(answer, list) or not all(isinstance(each, Mapping) for each in answer):
        raise GatewayError(
            "GET /v1/access_group answered in an unknown shape: expected a list of groups"
        )
    return answer


def _decoded(bodies: list[Body], _codec: TeamCodec) -> Mapping[str, AccessGroup]:
    return {body["access_group_name"]: group_of(body) for body in bodies}


def _check(
    ref: Ref, _before: Resource | None, after: AccessGroup, _facts: Facts
) -> Iterator[Finding]:
    return wildcards(ref, sorted(after.model_aliases))


GROUPS = Kind(
    AccessGroup,
    support=stored(
        "description model_aliases",
        notes={"display_name": "a unified access group has no other name than its own"},
    ),
    verbs=Verbs(create_group, update_group, delete_group, group_now, rename_group),
    read=lambda desk: groups_of(desk.http),
    learn=Desk.know,
    decode=_decoded,
    needed={"/v1/access_group": "get", "/v1/access_group/{access_group_id}": "put"},
    normalise=lambda group: with_values(group, description=group.description or None),
    check=_check,
    lifetime=lambda known: known.groups,
    revoking=True,
    words="access groups",
)
