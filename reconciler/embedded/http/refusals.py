"""How the gateway says no: management errors as `{"detail": "<reason>"}`, a refused call in the documented words.

Under /v1 every error has OpenAI's shape, so that its client shows the reason:
https://platform.openai.com/docs/guides/error-codes.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from reconciler.core.model.refs import FieldPath

SHOWN = 5  # reasons in one answer
OPENAI = "/v1/"

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {
    "Invalid API key": "invalid_api_key",
    "Model access denied": "model_access_denied",
    "Team suspended": "team_suspended",
    "Insufficient credits": "insufficient_credits",
    "Provider error": "provider_error",
}


@dataclass(eq=False)
class CallRefused(Exception):  # noqa: N818 - it is an answer, not a fault
    """A team's call that is not answered: `error` is the documented heading, `message` the reason.

    `extra` stands beside them, `param` is the field of the request that it is about.
    """

    status: int
    error: str
    message: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def shaped(self, path: str) -> dict[str, Any]:
        """The answer's body, in the shape of errors under that path."""
        if not path.startswith(OPENAI):
            return {"error": self.error, "message": self.message, **self.extra}
        code = self.code or _CODES.get(self.error)
        return openai_error(self.status, f"{self.error}: {self.message}", code, self.param) | dict(
            self.extra
        )


class Refused(HTTPException):
    """A management request that is refused for a reason that a program may want to tell: it has a code."""

    def __init__(self, status: int, detail: str, *, code: str) -> None:
        super().__init__(status, detail)
        self.code = code


def openai_error(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """An error as OpenAI's client reads it."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")  # noqa: PLR2004
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


def install(app: FastAPI) -> None:
    """Gives the app its error answers."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CallRefused, _call_refused)
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(sqlite3.IntegrityError, _conflict)
    app.add_exception_handler(sqlite3.Error, _database_failed)
    app.add_exception_handler(Exception, _failed)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    first = next(
        (place for place in (_place(one["loc"]) for one in error.errors()) if place != "body"), None
    )
    return refusal(request.url.path, 422, reason(error.errors()), param=first)


async def _call_refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CallRefused)  # noqa: S101 - what it is registered for
    challenge = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}  # noqa: PLR2004
    return JSONResponse(
        error.shaped(request.url.path), error.status, {**challenge, **error.headers}
    )


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AnyHTTPException)  # noqa: S101 - what it is registered for
    code = error.code if isinstance(error, Refused) else None
    return refusal(request.url.path, error.status_code, error.detail, code, headers=error.headers)


async def _conflict(request: Request, error: Exception) -> JSONResponse:
    return refusal(request.url.path, 409, f"the change contradicts what is stored: {error}")


async def _database_failed(request: Request, error: Exception) -> JSONResponse:
    detail = f"the database is not available: {error}"
    return refusal(request.url.path, 503, detail, headers={"Retry-After": "1"})


async def _failed(request: Request, _error: Exception) -> JSONResponse:
    return refusal(request.url.path, 500, "a fault of the gateway: its log tells more")


def refusal(
    path: str,
    status: int,
    detail: str,
    code: str | None = None,
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refused request, in the shape of errors under that path."""
    if path.startswith(OPENAI):
        return JSONResponse(openai_error(status, detail, code, param), status, headers)
    return JSONResponse({"detail": detail, **({"code": code} if code else {})}, status, headers)


def reason(errors: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong, each with the place of its field; never the values, which may be secret."""
    said = list(dict.fromkeys(_sentence(error) for error in errors))
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return "; ".join(said[:SHOWN]) + more


def _sentence(error: Mapping[str, Any]) -> str:
    whole_body = error["loc"] == ("body",) and error["type"] == "value_error"
    return _words(error) if whole_body else f"{_place(error['loc'])}: {_words(error)}"


def _place(loc: FieldPath) -> str:
    inner = loc[1:] if len(loc) > 1 else loc
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in inner).lstrip(
        "."
    )


def _words(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required"
        case "string_pattern_mismatch":
            return "must start with a letter or digit and hold only letters, digits and . _ : -"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")
