"""The team's request path, compatible with OpenAI: a virtual key, a model alias, and LiteLLM behind it."""

import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request, Security
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from reconciler.embedded.admission import Admitted, admit, no_credits, payer, require_active, team_of
from reconciler.embedded.bodies import PathId
from reconciler.embedded.completion import ProviderFailed, chunks, complete
from reconciler.embedded.context import Context, Here
from reconciler.embedded.credit_rows import deduct, refund
from reconciler.embedded.front import Handler, JsonRoute, bearer
from reconciler.embedded.in_flight import Hold
from reconciler.embedded.refusals import CallRefused
from reconciler.embedded.routing import Refusal
from reconciler.embedded.team_rows import allowed

# What a caller may ask for. Everything else could redirect the call or reach the gateway's own credentials.
PARAMETERS = frozenset(
    (
        *(
            "audio",
            "frequency_penalty",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "max_completion_tokens",
        ),
        *("max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty"),
        *("reasoning_effort", "response_format", "seed", "service_tier", "stop", "store", "stream_options"),
        *("temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options"),
    )
)

_KEY = Security(HTTPBearer(auto_error=False, description="The team's virtual key."))
_WORDS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The virtual key is missing or unknown."},
    403: {"description": "Model access denied (with `available_models`), team suspended, or insufficient credits."},
    422: {"model": Refusal, "description": "The body is not a chat completion; the reason names the field."},
    502: {"description": "The provider gave no answer; no credit was taken."},
}


class CallRoute(JsonRoute):
    """A route of a team's: its virtual key is checked before the body is read."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_call(request: Request) -> Response:
            here: Context = request.app.state.context
            await here.store.read(lambda db: team_of(db, bearer(request)))
            return await handle(request)

        return handle_call


router = APIRouter(tags=["calls"], route_class=CallRoute, dependencies=[_KEY], responses=_WORDS)


class ChatRequest(BaseModel):
    """A chat completion as OpenAI defines it; `model` is one of the team's aliases."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    stream: bool = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := sorted((self.model_extra or {}).keys() - PARAMETERS):
            raise ValueError(f"{unknown[0]}: unknown field")
        return self

    def sent(self) -> dict[str, Any]:
        """What goes on to LiteLLM."""
        return self.model_dump(exclude={"model"}, exclude_unset=True)


@router.post("/v1/chat/completions", response_model=None)
async def chat_completions(body: ChatRequest, request: Request, here: Here) -> Response:
    """Answers a chat through the alias's model. One credit per successful call; `stream: true` answers as SSE."""
    return await _answer(here, bearer(request), body)


@router.post("/api/jobs/{job_id}/llm-call", response_model=None)
async def llm_call(job_id: PathId, body: ChatRequest, request: Request, here: Here) -> Response:  # noqa: ARG001
    """The same call under the path of the access-group documentation; jobs are the caller's own, none is kept here."""
    return await _answer(here, bearer(request), body)


@router.get("/v1/models", response_model=None)
async def list_models(request: Request, here: Here) -> JSONResponse:
    """The aliases that the team may call."""
    virtual_key = bearer(request)

    def answer(db: sqlite3.Connection) -> JSONResponse:
        team = team_of(db, virtual_key)
        require_active(team)
        models = [{"id": alias, "object": "model", "owned_by": "reconciler"} for alias in allowed(db, team["team_id"])]
        return JSONResponse({"object": "list", "data": models})

    return await here.store.read(answer)


async def _answer(here: Context, virtual_key: str | None, body: ChatRequest) -> Response:
    with here.in_flight.call() as hold:
        call = await here.store.read(lambda db: admit(db, virtual_key, body.model, hold))
        return await (_streamed if body.stream else _whole)(here, call, hold, body)


async def _whole(here: Context, call: Admitted, hold: Hold, body: ChatRequest) -> Response:
    try:
        answer = await complete(call.litellm_model, call.parameters, body.sent(), here.allowed)
    except ProviderFailed as failure:
        raise _no_answer(call, failure) from failure
    await _charge(here, call, hold)
    return JSONResponse({**answer.model_dump(), "model": call.alias})


async def _streamed(here: Context, call: Admitted, hold: Hold, body: ChatRequest) -> Response:
    """The first chunk is awaited before anything is answered: a provider that fails at once is a plain 502."""
    try:
        parts = chunks(await complete(call.litellm_model, call.parameters, body.sent(), here.allowed), here.allowed)
        first = await anext(parts, None)
    except ProviderFailed as failure:
        raise _no_answer(call, failure) from failure
    if first is None:
        raise _no_answer(call, ProviderFailed("the provider sent an empty stream"))
    await _charge(here, call, hold)
    return StreamingResponse(_events(here, call, first, parts), media_type="text/event-stream")


async def _events(
    here: Context, call: Admitted, first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[str]:
    try:
        yield _event({**first, "model": call.alias})
        async for part in rest:
            yield _event({**part, "model": call.alias})
    except ProviderFailed as failure:
        broke_off = f"Call to {call.alias} broke off"
        await here.store.write(lambda db: refund(db, payer(db, call), broke_off, here.stamp()))
        yield _event(_no_answer(call, failure).body)
    yield "data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _charge(here: Context, call: Admitted, hold: Hold) -> None:
    def charge(db: sqlite3.Connection) -> None:
        team_id = payer(db, call)
        if not deduct(db, team_id, f"Call to {call.alias}", here.stamp()):
            raise no_credits(team_id)

    await here.store.write(charge, hold.settled())


def _no_answer(call: Admitted, failure: ProviderFailed) -> CallRefused:
    return CallRefused(502, "Provider error", f"No answer for model '{call.alias}': {failure}")
