"""One call of a team, from its admission to the credit that it costs: whole, or as a stream of events."""

import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from reconciler.embedded.calls.admission import Admitted, admit, no_credits, payer
from reconciler.embedded.calls.bodies import CallBody
from reconciler.embedded.calls.completion import Function, ProviderFailed, chunks, complete
from reconciler.embedded.context import Context
from reconciler.embedded.http.front import bearer
from reconciler.embedded.http.in_flight import Hold
from reconciler.embedded.http.refusals import CallRefused
from reconciler.embedded.resources.credit_rows import deduct, refund


async def answer(here: Context, request: Request, function: Function, body: CallBody) -> Response:
    """The answer of the team's alias, for one credit. Raises CallRefused."""
    virtual_key = bearer(request)
    with here.in_flight.call() as hold:
        call = await here.store.read(lambda db: admit(db, virtual_key, body.model, hold))
        if body.stream:
            return await _streamed(here, request.url.path, call, hold, function, body)
        return await _whole(here, call, hold, function, body)


async def _whole(
    here: Context, call: Admitted, hold: Hold, function: Function, body: CallBody
) -> Response:
    try:
        given = await complete(
            function, call.litellm_model, call.parameters, body.sent(), here.allowed
        )
    except ProviderFailed as failure:
        raise _no_answer(call, failure) from failure
    await _charge(here, call, hold)
    return JSONResponse({**given.model_dump(), "model": call.alias})


async def _streamed(
    here: Context, path: str, call: Admitted, hold: Hold, function: Function, body: CallBody
) -> Response:
    """The first chunk is awaited before anything is answered: a provider that fails at once is a plain error."""
    try:
        stream = await complete(
            function, call.litellm_model, call.parameters, body.sent(), here.allowed
        )
        parts = chunks(stream, here.allowed)
        first = await anext(parts, None)
    except ProviderFailed as failure:
        raise _no_answer(call, failure) from failure
    if first is None:
        raise _no_answer(call, ProviderFailed("the provider sent an empty stream"))
    await _charge(here, call, hold)
    events = (
        _responses(here, call, first, parts)
        if function == "aresponses"
        else _chat(here, path, call, first, parts)
    )
    return StreamingResponse(events, media_type="text/event-stream")


async def _chat(
    here: Context,
    path: str,
    call: Admitted,
    first: dict[str, Any],
    rest: AsyncIterator[dict[str, Any]],
) -> AsyncIterator[str]:
    try:
        yield _event({**first, "model": call.alias})
        async for part in rest:
            yield _event({**part, "model": call.alias})
    except ProviderFailed as failure:
        await _give_back(here, call)
        yield _event(_no_answer(call, failure).shaped(path))
    yield "data: [DONE]\n\n"


async def _responses(
    here: Context, call: Admitted, first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[str]:
    """Events of the Responses API, each with its type as the event's name, numbered in their order."""
    number = -1
    try:
        for number, part in enumerate([first]):
            yield _named_event(call, number, part)
        async for part in rest:
            number += 1
            yield _named_event(call, number, part)
    except ProviderFailed as failure:
        await _give_back(here, call)
        refused = _no_answer(call, failure)
        error = {
            "type": "error",
            "code": "provider_error",
            "message": refused.message,
            "param": None,
        }
        yield _named_event(call, number + 1, error)


def _named_event(call: Admitted, number: int, part: dict[str, Any]) -> str:
    if isinstance(part.get("response"), dict):
        part = {**part, "response": {**part["response"], "model": call.alias}}
    return f"event: {part['type']}\n{_event({**part, 'sequence_number': number})}"


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _charge(here: Context, call: Admitted, hold: Hold) -> None:
    def charge(db: sqlite3.Connection) -> None:
        team_id = payer(db, call)
        if not deduct(db, team_id, f"Call to {call.alias}", here.stamp()):
            raise no_credits(team_id)

    await here.store.write(charge, hold.settled())


async def _give_back(here: Context, call: Admitted) -> None:
    broke_off = f"Call to {call.alias} broke off"
    await here.store.write(lambda db: refund(db, payer(db, call), broke_off, here.stamp()))


def _no_answer(call: Admitted, failure: ProviderFailed) -> CallRefused:
    """What the caller did wrong, or too often, stays the caller's; everything else is the gateway's or provider's."""
    message = f"No answer for model '{call.alias}': {failure}"
    return CallRefused(
        failure.status, "Provider error", message, code=failure.code, headers=failure.headers
    )
