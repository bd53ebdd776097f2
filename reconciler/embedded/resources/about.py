"""The gateway about itself: is it up, and which one is it."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from reconciler.embedded.context import Here
from reconciler.embedded.http.answers import GatewayAnswer
from reconciler.embedded.http.routing import admin_router, answers
from reconciler.embedded.store import stored_id

SECONDS = 2.0  # a health check waits no longer

health = APIRouter(tags=["health"])
router = admin_router("gateway", "gateway")


@health.get("/health", response_model=None)
async def get_health(here: Here) -> JSONResponse:
    """Is the gateway up, and its database? Which gateway it is, anybody may know."""
    try:
        gateway_id = await asyncio.wait_for(here.store.read(stored_id), SECONDS)
    except TimeoutError:
        return JSONResponse({"status": "unhealthy", "detail": "the database does not answer"}, 503)
    return JSONResponse({"status": "healthy", "gateway_id": gateway_id})


@router.get("", **answers(GatewayAnswer))
async def get_gateway(here: Here) -> JSONResponse:
    """Which gateway it is: the id was made with its database."""
    return JSONResponse({"gateway_id": await here.store.read(stored_id)})
