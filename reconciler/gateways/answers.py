"""What a gateway says when it refuses, as one line: every known error envelope, never a key or a header."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic_core import from_json

LONGEST = 400
MOST_BYTES = 64 << 10
# Nobody holds a lock for a whole day because an answer asks for it.
LONGEST_WAIT = 90.0


def detail(response: httpx.Response) -> str:
    """The reason in an error answer, as one line of at most 400 characters."""
    beginning = response.content[:MOST_BYTES]
    try:
        reason = _reason(from_json(beginning))
    except ValueError:
        html = "html" in response.headers.get("content-type", "")
        reason = "" if html else beginning.decode("utf-8", "replace")
    return one_line(reason or response.reason_phrase or "no reason given")


def one_line(text: str) -> str:
    """The words of a text, at most 400 characters of it."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


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
