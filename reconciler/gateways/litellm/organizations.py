"""Organizations on LiteLLM Proxy: rows <-> Organization, and what to send. They need an enterprise licence.

Source: LiteLLM 1.106.2, proxy/management_endpoints/organization_endpoints.py, read and not run (no licence). An
organization is created without a list of models, so that it does not restrict the lists of its teams.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.core.model.kinds import Organization
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.budgets import our_metadata
from reconciler.gateways.litellm.checks import with_values
from reconciler.gateways.litellm.connection import Desk, exists, gone, segment
from reconciler.gateways.litellm.kind import Kind, Verbs, stored
from reconciler.gateways.litellm.team_codec import TeamCodec, user_metadata, without_nulls
from reconciler.gateways.request import Request

FORBIDDEN = 403


def organization_of(body: Body) -> Organization:
    """The organization of a row."""
    name = body.get("organization_alias") or str(body["organization_id"])
    return Organization.model_construct(
        None, name=name, metadata=user_metadata(body.get("metadata"))
    )


def creation(organization_id: str, wanted: Organization) -> dict[str, Any]:
    """The body of POST /organization/new."""
    return {
        "organization_id": organization_id,
        "organization_alias": wanted.name,
        "models": [],
        "metadata": wanted.metadata or {},
    }


def update(before: Organization, after: Organization, found: Body) -> dict[str, Any]:
    """The body of PATCH /v2/organization/{id}: only what changed; it replaces `metadata`, so others' keys go along."""
    body: dict[str, Any] = {} if before.name == after.name else {"organization_alias": after.name}
    if before.metadata != after.metadata:
        dropped = (before.metadata or {}).keys() - (after.metadata or {}).keys()
        kept = {
            name: value
            for name, value in (found.get("metadata") or {}).items()
            if name not in dropped
        }
        body["metadata"] = {**kept, **(after.metadata or {})}
    return body


async def find_organization(desk: Desk, name: str) -> Body | None:
    found = [
        body for body in await organizations_of(desk.http) if body.get("organization_id") == name
    ]
    return found[0] if found else None


async def create_organization(desk: Desk, ref: Ref, after: Organization) -> Receipt:
    if await find_organization(desk, ref.name):
        raise exists(ref)
    await desk.http.send(Request("POST", "/organization/new", creation(ref.name, after)))
    return Receipt()


async def update_organization(
    desk: Desk, ref: Ref, before: Organization, after: Organization
) -> Receipt:
    found = await find_organization(desk, ref.name)
    if found is None:
        raise gone(ref)
    body = update(before, after, found)
    await desk.http.send(Request("PATCH", f"/v2/organization/{segment(ref.name)}", body))
    return Receipt()


async def delete_organization(desk: Desk, ref: Ref) -> Receipt:
    """Never with teams in it: the proxy would delete them along with it, without a trace (read in its code)."""
    found = await find_organization(desk, ref.name)
    if found is None:
        return Receipt(note="was already gone")
    if found.get("teams"):
        raise GatewayError(
            f"{ref} still has teams, which the proxy would delete with it", hint="move them first"
        )
    await desk.http.send(
        Request("DELETE", "/organization/delete", {"organization_ids": [ref.name]})
    )
    return Receipt()


async def organization_now(desk: Desk, ref: Ref) -> Organization | None:
    body = await find_organization(desk, ref.name)
    return organization_of(body) if body else None


# ---- reading


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


def _decoded(bodies: list[Body], _codec: TeamCodec) -> Mapping[str, Organization]:
    return {body["organization_id"]: organization_of(body) for body in bodies}


ORGANIZATIONS = Kind(
    Organization,
    support=stored("name metadata"),
    verbs=Verbs(create_organization, update_organization, delete_organization, organization_now),
    there=lambda desk: desk.organizations,
    read=lambda desk: organizations_of(desk.http),
    decode=_decoded,
    normalise=lambda it: with_values(it, metadata=without_nulls(it.metadata) or None),
    seen=our_metadata,
)
