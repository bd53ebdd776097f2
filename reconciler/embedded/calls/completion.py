"""The edge to LiteLLM: imported at the first call that reaches it, in a thread, and offline."""

import asyncio
import importlib
import logging
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal

from reconciler.embedded.calls.bodies import HINTS
from reconciler.embedded.calls.events import as_events
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


# Which errors of a provider's are about the request itself, and stay what they are; others are no caller's fault.
_CALLERS = frozenset({400, 413, 422, 429})
_CODES = {
    "RateLimitError": "rate_limit_exceeded",
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_policy_violation",
}
RATE_LIMITED, NO_ANSWER, NO_ANSWER_IN_TIME = 429, 502, 504
Function = Literal["acompletion", "aembedding", "aresponses"]


class ProviderFailed(Exception):  # noqa: N818 - its name says what happened
    """No answer from the provider. The text never repeats the provider's words: they may quote a key.

    `status` is what the caller is to be answered with, `code` and `headers` go with it.
    """

    def __init__(self, text: str, error: Exception | None = None) -> None:
        super().__init__(text)
        self.status = _status(error)
        self.code = _CODES.get(type(error).__name__)
        self.headers = _retry_after(error) if self.status == RATE_LIMITED else {}


async def complete(
    function: Function,
    litellm_model: str,
    parameters: Mapping[str, Any],
    request: Mapping[str, Any],
    allowed: Allowed,
) -> Any:
    """LiteLLM's answer, or its stream of chunks where the request says `stream`. Raises ProviderFailed."""
    try:
        usable = allowed.resolved(litellm_model, parameters)
        litellm = await asyncio.to_thread(_litellm)
        unknown = _unknown_hints(litellm, litellm_model) if function == "acompletion" else ()
        sent = {name: value for name, value in request.items() if name not in unknown}
        with guarded(allowed.local or ()):
            call = getattr(litellm, function)
            answer = await call(**{"timeout": TIMEOUT, **usable, **sent, "model": litellm_model})
    except Exception as error:
        raise ProviderFailed(why(error), error) from error
    whole = request.get("stream") and not hasattr(answer, "__aiter__")
    return as_events(answer.model_dump(exclude_none=True)) if whole else answer


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
            raise ProviderFailed(why(error), error) from error
        yield chunk if isinstance(chunk, dict) else chunk.model_dump(exclude_none=True)


def why(error: Exception) -> str:
    """What failed, in our words: the kind of error and its status, never its text."""
    if isinstance(error, NotUsable):
        return str(error)
    if any(isinstance(cause, LocalAddress) for cause in _causes(error)):
        return "its address is of the gateway's own machine or link (--allow-local)"
    status = getattr(error, "status_code", None)
    kind = type(error).__name__ + (f" {status}" if isinstance(status, int) else "")
    return f"{_WHY.get(type(error).__name__, 'the call failed')} ({kind})"


def _status(error: Exception | None) -> int:
    status = getattr(error, "status_code", None)
    if status in _CALLERS:
        return int(status)
    return NO_ANSWER_IN_TIME if type(error).__name__ == "Timeout" else NO_ANSWER


def _unknown_hints(litellm: Any, litellm_model: str) -> frozenset[str]:
    """Those hints that the model's provider does not know: LiteLLM would refuse a chat for them."""
    try:
        model, provider, *_ = litellm.get_llm_provider(litellm_model)
        known = litellm.get_supported_openai_params(model, provider)
    except Exception:  # noqa: BLE001  whatever it is, the call itself will say it better
        return frozenset()
    return HINTS - {"metadata"} - set(known or HINTS)


def _retry_after(error: Exception | None) -> dict[str, str]:
    """How long the provider asks to wait, where it says so in seconds."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    seconds = str(headers.get("retry-after", ""))
    return {"Retry-After": seconds} if seconds.isdecimal() and len(seconds) < 6 else {}  # noqa: PLR2004


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
        waiting += [
            next_ for next_ in (cause.__cause__, cause.__context__, *inner) if next_ is not None
        ]


def _litellm() -> Any:
    # Without these, the import fetches a price map and reads a .env file.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    # LiteLLM's own types make pydantic warn at the first stream; the operator can do nothing about it.
    warnings.filterwarnings("ignore", message="Item .* on TypedDict class", category=UserWarning)
    # Nor about what it thinks of prices, which is a warning of every call.
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm
