"""The gateway about itself: is it up, and which one is it."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from reconciler.embedded.answers import GatewayAnswer
from reconciler.embedded.context import Here
from reconciler.embedded.routing import admin_router, answers
from reconciler.embedded.store import stored_id

health = APIRouter(tags=["health"])
router = admin_router("gateway", "gateway")


@health.get("/health", response_model=None)
async def get_health(here: Here) -> JSONResponse:
    """Is the gateway up, and its database? Which gateway it is, anybody may know."""
    with here.store.read() as db:
        return JSONResponse({"status": "healthy", "gateway_id": stored_id(db)})


@router.get("", **answers(GatewayAnswer))
async def get_gateway(here: Here) -> JSONResponse:
    """Which gateway it is: the id was made with its database."""
    with here.store.read() as db:
        return JSONResponse({"gateway_id": stored_id(db)})
