"""How the gateway says no: management errors as `{"detail": "<reason>"}`, a refused call in the documented words."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

SHOWN = 5  # reasons in one answer


class CallRefused(Exception):  # noqa: N818 - it is an answer, not a fault
    """A team's call that is not answered: `error` is the documented heading, `message` the reason."""

    def __init__(self, status: int, error: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": error, "message": message, **extra}


class Refused(HTTPException):
    """A management request that is refused for a reason that a program may want to tell: it has a code."""

    def __init__(self, status: int, detail: str, *, code: str) -> None:
        super().__init__(status, detail)
        self.code = code


def install(app: FastAPI) -> None:
    """Gives the app its error answers."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CallRefused, _call_refused)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(sqlite3.IntegrityError, _conflict)
    app.add_exception_handler(sqlite3.Error, _database_failed)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    return JSONResponse({"detail": reason(error.errors())}, 422)


async def _call_refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CallRefused)  # noqa: S101 - what it is registered for
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None  # noqa: PLR2004
    return JSONResponse(error.body, error.status, headers)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - what it is registered for
    return JSONResponse({"detail": error.detail, "code": error.code}, error.status_code)


async def _conflict(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"the change contradicts what is stored: {error}"}, 409)


async def _database_failed(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"the database is not available: {error}"}, 503, {"Retry-After": "1"})


def refusal(_path: str, status: int, detail: str, code: str) -> JSONResponse:
    """A request that is refused before the app has seen it."""
    return JSONResponse({"detail": detail, "code": code}, status)


def reason(errors: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong, each with the place of its field; never the values, which may be secret."""
    said = list(dict.fromkeys(_sentence(error) for error in errors))
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return "; ".join(said[:SHOWN]) + more


def _sentence(error: Mapping[str, Any]) -> str:
    whole_body = error["loc"] == ("body",) and error["type"] == "value_error"
    return _words(error) if whole_body else f"{_place(error['loc'])}: {_words(error)}"


def _place(loc: tuple[str | int, ...]) -> str:
    inner = loc[1:] if len(loc) > 1 else loc
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in inner).lstrip(".")


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
