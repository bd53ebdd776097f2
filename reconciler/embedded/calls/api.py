"""The team's request path, compatible with OpenAI: a virtual key, a model alias, and LiteLLM behind it."""

import sqlite3
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Security
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer

from reconciler.embedded.calls.admission import require_active, team_of
from reconciler.embedded.calls.answering import answer
from reconciler.embedded.calls.bodies import ChatRequest, EmbeddingRequest, ResponseRequest
from reconciler.embedded.context import Context, Here
from reconciler.embedded.http.bodies import PathId
from reconciler.embedded.http.front import Handler, JsonRoute, bearer
from reconciler.embedded.http.refusals import CallRefused
from reconciler.embedded.resources.team_rows import allowed_rows

_KEY = Security(HTTPBearer(auto_error=False, description="The team's virtual key."))
_WORDS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The provider refused the request."},
    401: {"description": "The virtual key is missing or unknown."},
    403: {
        "description": "Model access denied (with `available_models`), team suspended, or insufficient credits."
    },
    422: {
        "description": "The body is none that OpenAI's API describes; the reason names the field."
    },
    429: {"description": "The provider's rate limit is reached."},
    502: {"description": "The provider gave no answer; no credit was taken."},
}


class CallRoute(JsonRoute):
    """A route of a team's: its virtual key is checked before the body is read."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_call(request: Request) -> Response:
            here: Context = request.app.state.context
            virtual_key = bearer(request)
            await here.store.read(lambda db: team_of(db, virtual_key))
            return await handle(request)

        return handle_call


router = APIRouter(tags=["calls"], route_class=CallRoute, dependencies=[_KEY], responses=_WORDS)


@router.post("/v1/chat/completions", response_model=None)
async def chat_completions(body: ChatRequest, request: Request, here: Here) -> Response:
    """Answers a chat through the alias's model. One credit per successful call; `stream: true` answers as SSE."""
    return await answer(here, request, "acompletion", body)


@router.post("/api/jobs/{job_id}/llm-call", response_model=None)
async def llm_call(job_id: PathId, body: ChatRequest, request: Request, here: Here) -> Response:  # noqa: ARG001
    """The same call under the path of the access-group documentation; jobs are the caller's own, none is kept here.

    Its errors have that documentation's shape: `{"error": "Model access denied", "message": ...}`.
    """
    return await answer(here, request, "acompletion", body)


@router.post("/v1/embeddings", response_model=None)
async def create_embeddings(body: EmbeddingRequest, request: Request, here: Here) -> Response:
    """Embeds texts or tokens through the alias's model, for one credit."""
    return await answer(here, request, "aembedding", body)


@router.post("/v1/responses", response_model=None)
async def create_response(body: ResponseRequest, request: Request, here: Here) -> Response:
    """OpenAI's Responses API, for one credit. What a provider stored can be continued, but is not shown here."""
    return await answer(here, request, "aresponses", body)


@router.get("/v1/models", response_model=None)
async def list_models(request: Request, here: Here) -> JSONResponse:
    """The aliases that the team may call."""
    models = await here.store.read(lambda db: _models(db, request))
    return JSONResponse({"object": "list", "data": models})


@router.get("/v1/models/{model}", response_model=None)
async def get_model(
    model: Annotated[str, Path(max_length=200)], request: Request, here: Here
) -> JSONResponse:
    """One of the aliases that the team may call."""
    models = await here.store.read(lambda db: _models(db, request))
    for one in models:
        if one["id"] == model:
            return JSONResponse(one)
    words = f"The team has no model '{model}'"
    available = {"available_models": [one["id"] for one in models]}
    raise CallRefused(
        404, "Model not found", words, available, param="model", code="model_not_found"
    )


def _models(db: sqlite3.Connection, request: Request) -> list[dict[str, Any]]:
    team = team_of(db, bearer(request))
    require_active(team)
    return [
        {
            "id": row["alias"],
            "object": "model",
            "created": int(datetime.fromisoformat(row["created_at"]).timestamp()),
            "owned_by": "reconciler",
        }
        for row in allowed_rows(db, team["team_id"])
    ]
