"""An alias's `litellm_params`: no secret in the database; references to variables that are allowed, at the call."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from reconciler.embedded.egress import Locals, redirects, refused_url

REFERENCE = "os.environ/"
_WHOLE = f"{REFERENCE}NAME must be the whole of a value, and is the only reference that there is"
OWN = frozenset({"model", "messages", "input", "stream"})  # set by every call

_SECRET_NAME = re.compile(
    r"api_?key|secret|passw|credential|authorization|private_?key|access_?key|bearer|(^|_|-)token$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"^(Bearer |sk-[A-Za-z0-9_-]{16}|gh[pousr]_|AKIA[A-Z0-9]{12})|^[a-z]+://[^/@\s]*:[^/@\s]*@"
)
_REFERENCE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
# LiteLLM resolves both by itself where it meets them: to variables, files and tokens of the gateway's own.
_RESOLVED_BY_LITELLM = re.compile(r"os\.environ/|^\s*oidc/", re.IGNORECASE)
# They find credentials of the machine's own where a call brings none, and would send them wherever the alias says.
_AMBIENT = frozenset(
    {
        *(
            "bedrock",
            "databricks",
            "github_copilot",
            "oci",
            "sagemaker",
            "sagemaker_chat",
            "snowflake",
        ),
        *("vertex_ai", "vertex_ai_beta", "watsonx"),
    }
)


class NotUsable(Exception):  # noqa: N818 - it is an answer, not a fault
    """Parameters that a call cannot be made with; the text says why, and never repeats a value."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What aliases may use of the machine: variables by name, and addresses. Never a variable with the admin key.

    None is where nobody calls, as in a plan: any name may be written then, and none is resolved.
    """

    env: frozenset[str] | None = None
    local: Locals | None = None
    admin_key: SecretStr | None = None

    def check(self, litellm_model: str, parameters: Mapping[str, Any]) -> None:
        """Raises NotUsable for what a call could not use."""
        if _RESOLVED_BY_LITELLM.search(litellm_model):
            raise NotUsable("litellm_model: it is a name, and refers to nothing")
        if path := _misplaced(parameters):
            raise NotUsable(f"{path}: {_WHOLE}")
        for place, name in _references(parameters):
            if self.env is not None and name not in self.env:
                raise NotUsable(
                    f"{place}: the variable {name} is not one that this gateway allows (--allow-env)"
                )
        if self.local is None:
            return
        if path := refused_url(parameters, self.local):
            raise NotUsable(
                f"{path}: an address of the gateway's own machine or link (--allow-local)"
            )
        if redirects(parameters) and litellm_model.partition("/")[0] in _AMBIENT:
            raise NotUsable(
                "the provider takes credentials from the machine: its address cannot be changed"
            )

    def resolved(self, litellm_model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a call, each reference replaced by its variable's text. Raises NotUsable."""
        own = Allowed(self.env or frozenset(), self.local or ())
        own.check(litellm_model, parameters)
        found = _mapped(parameters, self._variable)
        # Without one LiteLLM sends the provider's own key from the environment, to whatever address it was given.
        return {"api_key": "none", **found} if redirects(parameters) else found

    def _variable(self, text: str) -> str:
        reference = _REFERENCE.fullmatch(text)
        if reference is None:
            return text
        value = os.environ.get(reference[1])
        if value is None:
            raise NotUsable(f"the environment variable {reference[1]} is not set in the gateway")
        if self.admin_key is not None and value == self.admin_key.get_secret_value():
            raise NotUsable(f"the environment variable {reference[1]} holds the gateway's own key")
        return value


def check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters themselves. Raises ValueError, naming the parameter, for a secret or what a call sets itself."""
    if own := sorted(OWN & parameters.keys()):
        raise ValueError(f"{own[0]} is set by the gateway")
    if path := _misplaced(parameters):
        raise ValueError(f"{path}: {_WHOLE}")
    for name, value in parameters.items():
        if name != "mock_response":
            _refuse_secrets(name, value, secret=bool(_SECRET_NAME.search(name)))
    return parameters


def references(parameters: Mapping[str, Any]) -> set[str]:
    """The names of the variables that they refer to."""
    return {name for _, name in _references(parameters)}


def _references(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, text in _texts(parameters):
        if reference := _REFERENCE.fullmatch(text):
            yield path, reference[1]


def _misplaced(parameters: Mapping[str, Any]) -> str | None:
    """Where a reference is part of a text, the name of a field, or of another kind than a variable."""
    for path, text in _texts(parameters):
        if _RESOLVED_BY_LITELLM.search(text) and not _REFERENCE.fullmatch(text):
            return path
    return next(
        (path for path, name in _names(parameters) if _RESOLVED_BY_LITELLM.search(name)), None
    )


def _names(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield path or "a name", name
                yield from _names(inner, f"{path}.{name}" if path else name)
        case list():
            for inner in value:
                yield from _names(inner, path)


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it with its path."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _texts(inner, f"{path}.{name}" if path else name)
        case list():
            for inner in value:
                yield from _texts(inner, path)
        case str():
            yield path, value


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case dict():
            return {name: _mapped(inner, change) for name, inner in value.items()}
        case list():
            return [_mapped(inner, change) for inner in value]
        case str():
            return change(value)
        case _:
            return value


def _refuse_secrets(path: str, value: Any, *, secret: bool) -> None:
    match value:
        case dict():
            for name, inner in value.items():
                _refuse_secrets(
                    f"{path}.{name}", inner, secret=secret or bool(_SECRET_NAME.search(name))
                )
        case list():
            for inner in value:
                _refuse_secrets(path, inner, secret=secret)
        case str() if _is_secret(value, secret=secret):
            raise ValueError(
                f"{path} must not hold a secret: write {REFERENCE}NAME and set the variable"
            )


def _is_secret(text: str, *, secret: bool) -> bool:
    if not text or _REFERENCE.fullmatch(text):
        return False
    return secret or _SECRET_TEXT.search(text) is not None
