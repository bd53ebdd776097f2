"""What a gateway says when it refuses, as one line: every known error envelope, never a key or a header."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

LONGEST = 400


def detail(response: httpx.Response) -> str:
    """The reason in an error answer, as one line of at most 400 characters."""
    try:
        reason = _reason(response.json())
    except ValueError:
        reason = response.text if "html" not in response.headers.get("content-type", "") else ""
    line = " ".join((reason or response.reason_phrase or "no reason given").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _reason(body: Any) -> str:
    """The text in `{"detail": ...}`, `{"error": {"message": ...}}`, `{"error", "message"}` or a 422's list."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(_reason(each) for each in body)
    if not isinstance(body, Mapping):
        return ""
    if "loc" in body and "msg" in body:
        # The rejected input stays out: it may be a secret.
        return f"{'.'.join(map(str, body['loc']))}: {body['msg']}"
    return next((_reason(body[key]) for key in ("detail", "message", "error") if body.get(key)), "")


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the answer asks to wait: Retry-After as a number or as a date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        return _until(text)


def _until(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
