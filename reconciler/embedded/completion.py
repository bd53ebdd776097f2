"""The edge to LiteLLM: imported at the first call that reaches it, in a thread, and offline."""

import asyncio
import importlib
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from reconciler.embedded.egress import LocalAddress, guarded
from reconciler.embedded.parameters import Allowed, NotUsable

TIMEOUT = 600.0  # seconds for one answer, unless the alias's litellm_params say otherwise

_WHY = {
    "AuthenticationError": "the provider refused the gateway's credentials",
    "PermissionDeniedError": "the provider refused the gateway's credentials",
    "NotFoundError": "the provider does not know the model",
    "RateLimitError": "the provider's rate limit is reached",
    "Timeout": "the provider did not answer in time",
    "APIConnectionError": "the provider cannot be reached",
    "ContextWindowExceededError": "the messages are too long for the model",
    "ContentPolicyViolationError": "the provider's content policy refused the messages",
    "UnsupportedParamsError": "the model does not support one of the parameters",
    "BadRequestError": "the provider or LiteLLM refused the request",
    "ServiceUnavailableError": "the provider is not available",
}


class ProviderFailed(Exception):  # noqa: N818 - its name says what happened
    """No answer from the provider. The text never repeats the provider's words: they may quote a key."""


async def complete(
    litellm_model: str, parameters: Mapping[str, Any], request: Mapping[str, Any], allowed: Allowed
) -> Any:
    """LiteLLM's answer, or its stream of chunks where the request says `stream`. Raises ProviderFailed."""
    try:
        usable = allowed.resolved(litellm_model, parameters)
        litellm = await asyncio.to_thread(_litellm)
        with guarded(allowed.local or ()):
            return await litellm.acompletion(**{"timeout": TIMEOUT, **usable, **request, "model": litellm_model})
    except Exception as error:
        raise ProviderFailed(why(error)) from error


async def chunks(stream: Any, allowed: Allowed) -> AsyncIterator[dict[str, Any]]:
    """The chunks of a streamed answer. Raises ProviderFailed."""
    while True:
        try:
            # Some streams connect only when they are first read.
            with guarded(allowed.local or ()):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except Exception as error:
            raise ProviderFailed(why(error)) from error
        yield chunk.model_dump(exclude_none=True)


def why(error: Exception) -> str:
    """What failed, in our words: the kind of error and its status, never its text."""
    if isinstance(error, NotUsable):
        return str(error)
    if any(isinstance(cause, LocalAddress) for cause in _causes(error)):
        return "its address is of the gateway's own machine or link (--allow-local)"
    status = getattr(error, "status_code", None)
    kind = type(error).__name__ + (f" {status}" if isinstance(status, int) else "")
    return f"{_WHY.get(type(error).__name__, 'the call failed')} ({kind})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        waiting += [next_ for next_ in (cause.__cause__, cause.__context__, *inner) if next_ is not None]


def _litellm() -> Any:
    # Without these, the import fetches a price map and reads a .env file.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    # LiteLLM's own types make pydantic warn at the first stream; the operator can do nothing about it.
    warnings.filterwarnings("ignore", message="Item .* on TypedDict class", category=UserWarning)
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm
