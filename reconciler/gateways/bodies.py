"""Bodies of answers: read piece by piece up to a bound that counts decompressed bytes, and parsed without surprises.

A gateway may be slow, broken or somebody else's: no answer takes more memory than `Bounds` says, and none ends in
anything but a value or an `UnreadableError`.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic_core import from_json

# What is asked for in Accept-Encoding; one of these at a time, because encodings of encodings grow without bound.
ENCODINGS = "gzip, deflate"
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset({"", "identity"})
# A number with an exponent of three digits may be more than a float holds, which reads as infinity.
_HUGE_NUMBER = re.compile(rb"\d[eE]\+?\d{3}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that is taken of an answer: bytes (decompressed) by what it answers, and how many JSON values.

    100,000 objects with 40 fields each are 4 million values and 100 MB. Of an error, the beginning is enough.
    """

    read_bytes: int = 256 << 20
    write_bytes: int = 16 << 20
    error_bytes: int = 64 << 10
    values: int = 10_000_000


class UnreadableError(Exception):
    """An answer that is too large, not compressed as it says, or no JSON; the message goes after "answered"."""


async def body_of(response: httpx.Response, most: int, *, cut: bool = False) -> bytes:
    """The decompressed body of a response that is being streamed; with `cut` no more than `most` bytes of it.

    Raises UnreadableError where it is larger, or no valid gzip or deflate.
    """
    pieces = _decoder(response.headers.get("content-encoding", ""))
    body = bytearray()
    async for chunk in response.aiter_raw():
        for piece in pieces(chunk, most - len(body)):
            body += piece
        if len(body) > most:
            if cut:
                break
            raise UnreadableError(f"with more than {_size(most)}")
    return bytes(body[:most])


def _size(count: int) -> str:
    return f"{count >> 20:,} MB" if count >= 1 << 20 else f"{count:,} bytes"


def _decoder(encoding: str) -> Callable[[bytes, int], Iterator[bytes]]:
    """A function from a piece of the body and the bytes that are left to at most one byte more than those."""
    name = encoding.strip().lower()
    if name in _PLAIN:
        return lambda chunk, left: iter((chunk[: left + 1],))
    if name not in _COMPRESSED:
        raise UnreadableError("in an encoding that was not asked for")
    # 32: gzip or zlib, by its first bytes (https://docs.python.org/3/library/zlib.html#zlib.decompressobj).
    inflating = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def inflated(chunk: bytes, left: int) -> Iterator[bytes]:
        try:
            yield inflating.decompress(chunk, left + 1)
        except zlib.error as error:
            raise UnreadableError(f"with broken {name}") from error

    return inflated


def parsed(body: bytes, bounds: Bounds) -> Any:
    """The JSON value, None for an empty body. Raises UnreadableError.

    Refused beside what is no JSON: nesting that is too deep, NaN, numbers that no float holds, text that is no UTF-8
    and lone surrogates, which no output could show.
    """
    if not body:
        return None
    if body.count(b",") + body.count(b"[") + body.count(b"{") > bounds.values:
        raise UnreadableError(f"with more than {bounds.values:,} values")
    try:
        value = from_json(body, allow_inf_nan=False)
        return json.loads(body, parse_float=_finite) if _HUGE_NUMBER.search(body) else value
    except (ValueError, RecursionError) as error:
        raise UnreadableError("with something that is not JSON") from error


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return number
