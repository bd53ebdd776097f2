"""What the management routers share: admin routes, the documented answers, paging."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, Field

from reconciler.embedded.http.front import AdminRoute

NO_LIMIT = -1  # SQLite's word for everything

_SECURITY = (
    Security(
        APIKeyHeader(name="X-Admin-Key", auto_error=False, description="The gateway's admin key.")
    ),
    Security(HTTPBearer(auto_error=False, description="The admin key, as a bearer token.")),
)


class Refusal(BaseModel):
    """Why a request was refused; nothing has changed."""

    detail: str
    code: str | None = Field(
        None, description="For programs, where a refusal has one: operation-voided and others."
    )


_REASONS = {
    401: "The admin key is missing or wrong.",
    404: "Something that is named does not exist.",
    409: "It exists already, or something else stands in the way.",
    412: "The object is of another generation than If-Match says.",
    422: "The body or a parameter is not valid; the reason names the field.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": text} for status, text in _REASONS.items()
}


def admin_router(prefix: str, tag: str) -> APIRouter:
    """A router of the management API under /api."""
    return APIRouter(
        prefix=f"/api/{prefix}",
        tags=[tag],
        route_class=AdminRoute,
        dependencies=list(_SECURITY),
        responses=REFUSALS,
    )


def answers(model: type[BaseModel]) -> Mapping[str, Any]:
    """Documents the answer of an endpoint that renders its JSON itself: lists of 100,000 objects are not validated."""
    return {"response_model": None, "responses": {200: {"model": model}}}


def page(after: str | None, limit: int | None) -> dict[str, Any]:
    """The SQL parameters of a page."""
    return {"after": after or "", "limit": NO_LIMIT if limit is None else limit}
