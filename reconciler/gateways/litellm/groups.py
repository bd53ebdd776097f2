"""Writing unified access groups to LiteLLM Proxy. Source: contracts/litellm-proxy.md section 1.2 (B).

The proxy takes any name (section 7.4), be it of a model, a wildcard or nothing: the plan says which grant nothing.
"""

from typing import Any

from reconciler.core.model.kinds import AccessGroup
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm.connection import (
    CONFLICT,
    NOT_FOUND,
    Desk,
    Verbs,
    exists,
    gone,
    segment,
    unmoved,
)
from reconciler.gateways.litellm.reading import groups_of
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


GROUPS = Verbs(create_group, update_group, delete_group, group_now, rename_group)
