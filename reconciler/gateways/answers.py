"""What a gateway says when it refuses, as one line: every known error envelope, and no secret in it.

An error may quote the request: its headers, its body, the value that was refused. None of that is shown.
"""

import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import ValidationError
from pydantic_core import from_json

from reconciler.core.model.printable import safe
from reconciler.core.model.secrets.redaction import redacted

LONGEST = 400
LONGEST_UNKNOWN = 160  # of a text in no known envelope, which may be anything
MOST_BYTES = 64 << 10
MOST_READ = 20 * LONGEST
MOST_PROBLEMS = 3
# Where a validator or a debugger starts to quote what it was given.
_QUOTED_REQUEST = re.compile(
    r"""['"](?:input|(?:request_)?(?:body|headers))['"]\s*[:=]|\binput_value\s*="""
)
# Nobody holds a lock for a whole day because an answer asks for it.
LONGEST_WAIT = 90.0


def detail(response: httpx.Response, secrets: Collection[str] = ()) -> str:
    """The reason in an error answer, as one printable line of at most 400 characters, without the secrets."""
    most = LONGEST
    beginning = response.content[:MOST_BYTES]
    try:
        reason = _reason(from_json(beginning))
    except ValueError:
        most = LONGEST_UNKNOWN
        html = "html" in response.headers.get("content-type", "")
        reason = "" if html else beginning.decode("utf-8", "replace")
    return quoted(reason or response.reason_phrase or "no reason given", secrets, most=most)


def quoted(text: str, secrets: Collection[str], *, most: int = LONGEST) -> str:
    """What somebody else wrote, fit to be shown and kept: no secret, no quoted request, one line, at most so long."""
    text = redacted(text[:MOST_READ], secrets)
    request = _QUOTED_REQUEST.search(text)
    if request:
        text = text[: request.start()].rstrip(" {[(,") + "..."
    line = safe(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 3] + "..."


def oddity(error: Exception) -> str:
    """What is wrong with a row that cannot be read, without any value of it: `lacks alias`, `name: Field required`."""
    if isinstance(error, KeyError):
        return f"lacks {error.args[0]}"
    if isinstance(error, ValidationError):
        problems = error.errors(include_input=False, include_context=False, include_url=False)
        return "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems[:MOST_PROBLEMS]
        )
    return f"a value of an unexpected form, {type(error).__name__}"


def _reason(body: Any) -> str:
    """The text in `{"detail": ...}`, `{"error": {"message": ...}}`, `{"error", "message"}` or a 422's list."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(_reason(each) for each in body)
    if not isinstance(body, Mapping):
        return ""
    if isinstance(body.get("loc"), list) and "msg" in body:
        # The rejected input stays out: it may be a secret.
        return f"{'.'.join(map(str, body['loc']))}: {body['msg']}"
    return next((_reason(body[key]) for key in ("detail", "message", "error") if body.get(key)), "")


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the answer asks to wait, between 0 and 90: Retry-After as a number or as a date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text)
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT)


def _until(text: str) -> float:
    """Seconds until a date (RFC 9110, 10.2.3); not a number where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError, IndexError, TypeError):
        return math.nan
