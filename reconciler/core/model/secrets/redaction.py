"""Known secrets, cut out of a text that somebody else wrote: whole, in pieces, and in the usual encodings."""

import base64
import html
import json
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

from reconciler.core.model.secrets.literal import without_literals

SECRET = "(secret)"  # noqa: S105  # what a secret prints as
# Servers quote values cut short ('sk-0123...cdef', or up to their own limit), so that many characters in a row count.
PIECE = 8
# One space: what follows belongs to the secret, be it white space.
_SCHEME = re.compile(r"(?is)(?:bearer|basic|token)\s(?=.*\S)")


def redacted(text: str, secrets: Collection[str]) -> str:
    """The text with `(secret)` in place of the secrets and of whatever else has a secret's form."""
    values = {_SCHEME.sub("", value, count=1) for value in secrets} - {""}
    for value in sorted((value for value in values if len(value) < PIECE), key=len, reverse=True):
        text = re.sub(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", SECRET, text)
    return without_literals(_without_pieces(text, values), SECRET)


def _without_pieces(text: str, values: Collection[str]) -> str:
    pieces = frozenset().union(*map(_pieces, values))
    kept: list[str] = []
    start = place = 0
    while place <= len(text) - PIECE:
        if text[place : place + PIECE] not in pieces:
            place += 1
            continue
        end = place + PIECE
        while end < len(text) and text[end - PIECE + 1 : end + 1] in pieces:
            end += 1
        kept += (text[start:place], SECRET)
        start = place = end
    return "".join((*kept, text[start:]))


@lru_cache(maxsize=4096)
def _pieces(value: str) -> frozenset[str]:
    """Every run of PIECE characters in a value and in its encodings."""
    spellings = frozenset(_spellings(value))
    return frozenset(
        text[place : place + PIECE] for text in spellings for place in range(len(text) - PIECE + 1)
    )


def _spellings(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogatepass")
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield html.escape(value)
    # Of a value that stands at any place in what was encoded, some characters at either end depend on the neighbours.
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw).decode("ascii").rstrip("=")
        yield encoded[4 if shift else 0 : -1]
        yield encoded[4 if shift else 0 : -1].translate({43: "-", 47: "_"})
