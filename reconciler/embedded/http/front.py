"""What happens before an endpoint: the admin key is checked, and the body is read as JSON whatever it calls itself."""

import hmac
import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from pydantic import SecretStr

from reconciler.embedded.context import Context

MAX_DEPTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """A route whose body is JSON: `curl -d` without a header calls it a form, as the seed's workflows do."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JsonRequest(_called_json(request.scope), request.receive))

        return handle_json


class AdminRoute(JsonRoute):
    """A JSON route of the management API: where the gateway has an admin key, the caller must send it."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_admin(request: Request) -> Response:
            context: Context = request.app.state.context
            if context.admin_key is not None:
                _check_admin_key(request, context.admin_key)
            return await handle(request)

        return handle_admin


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer TOKEN`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _check_admin_key(request: Request, admin_key: SecretStr) -> None:
    sent = request.headers.get("x-admin-key") or bearer(request)
    if not sent:
        raise HTTPException(
            401,
            "Admin key required: send X-Admin-Key: <key> or Authorization: Bearer <key>",
            {"WWW-Authenticate": "Bearer"},
        )
    if not hmac.compare_digest(sent.encode("latin-1"), admin_key.get_secret_value().encode()):
        raise HTTPException(401, "Invalid admin key", {"WWW-Authenticate": "Bearer"})


def _called_json(scope: Any) -> dict[str, Any]:
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", b"application/json")]}


class _JsonRequest(Request):
    async def json(self) -> Any:
        try:
            return parse(await self.body())
        except json.JSONDecodeError as error:
            raise HTTPException(400, f"the body is not JSON: {error}") from None
        except UnicodeDecodeError:
            raise HTTPException(400, "the body is not JSON: it is not UTF-8") from None
        except RecursionError:
            raise HTTPException(400, "the body is nested too deeply") from None
        except ValueError as error:
            raise HTTPException(400, f"the body cannot be used: {error}") from None


def parse(body: bytes) -> Any:
    """The JSON value of a body. Raises ValueError for what JSON leaves open and nobody means.

    Refused: a key twice in one object, NaN and infinite numbers, NUL and lone surrogates in texts, depth over 64.
    """
    value = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_distinct)
    _check(value)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice!r} is given twice")
    return found


def _check(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        for item in level:
            _check_scalar(item)
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _inside(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []


def _check_scalar(item: Any) -> None:
    if isinstance(item, float) and not math.isfinite(item):
        raise ValueError("a number is too large")
    if isinstance(item, str) and "\x00" in item:
        raise ValueError("a text holds a NUL character")
    if isinstance(item, str) and _SURROGATE.search(item):
        raise ValueError("a text holds half a surrogate pair")
