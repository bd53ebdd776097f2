"""An alias's `litellm_params`: no secret in the database, references resolved at the call."""

import os
import re
from typing import Any

REFERENCE = "os.environ/"
OWN = frozenset({"model", "messages", "stream"})  # set by every call

_SECRET_NAME = re.compile(
    r"api_?key|secret|passw|credential|authorization|private_?key|access_?key|bearer|(^|_|-)token$", re.IGNORECASE
)
_SECRET_TEXT = re.compile(r"^(Bearer |sk-[A-Za-z0-9_-]{16}|gh[pousr]_|AKIA[A-Z0-9]{12})|^[a-z]+://[^/@\s]*:[^/@\s]*@")
_REFERENCE = re.compile(r"os\.environ/[A-Za-z_][A-Za-z0-9_]*")


class MissingVariable(Exception):  # noqa: N818 - its name says what is wrong
    """An `os.environ/NAME` whose variable the gateway does not have."""


def check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters themselves. Raises ValueError, naming the parameter, for a secret or what a call sets itself."""
    if own := sorted(OWN & parameters.keys()):
        raise ValueError(f"{own[0]} is set by the gateway")
    for name, value in parameters.items():
        if name != "mock_response":
            _refuse_secrets(name, value, secret=bool(_SECRET_NAME.search(name)))
    return parameters


def _refuse_secrets(path: str, value: Any, *, secret: bool) -> None:
    match value:
        case dict():
            for name, inner in value.items():
                _refuse_secrets(f"{path}.{name}", inner, secret=secret or bool(_SECRET_NAME.search(name)))
        case list():
            for inner in value:
                _refuse_secrets(path, inner, secret=secret)
        case str() if _is_secret(value, secret=secret):
            raise ValueError(f"{path} must not hold a secret: write {REFERENCE}NAME and set the variable")


def _is_secret(text: str, *, secret: bool) -> bool:
    if not text or _REFERENCE.fullmatch(text):
        return False
    return secret or _SECRET_TEXT.search(text) is not None


def resolved(value: Any) -> Any:
    """The value with every reference replaced by its variable's text. Raises MissingVariable."""
    match value:
        case dict():
            return {name: resolved(inner) for name, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
        case str() if _REFERENCE.fullmatch(value):
            return _variable(value.removeprefix(REFERENCE))
        case _:
            return value


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise MissingVariable(name) from None
