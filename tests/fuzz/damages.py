"""Damages to answers, as data that hypothesis draws and a corpus file can hold: JSON in, bytes out."""

import json
from collections.abc import Mapping
from typing import Any

from fuzz_gateway import ABORTED, DEAF, Damage, Said, written
from hypothesis import strategies as st

# Values in the place of any other: wrong types, extremes, and what breaks when it is printed, hashed or counted.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 2**53, 2**63, 10**30, 1e308, -0.5, "", " ", "x", "0", "nan", "a/b", "..", "a\nb", "\x1b[31m",
    "\u202e", "\ufffe", "\0", "\U0001f600", "x" * 5000, [], {}, [[]], [None], [{}], {"": None}, {"a": {"b": [1]}}, ["x", 5],
    [["x"]], {"id": 5}, "os.environ/HOME", "2026-13-45", "active", "suspended",
)  # fmt: skip
# Texts that JSON can write and nobody can show, and what is no JSON at all.
RAW_VALUES = (
    '"\\ud800"', "NaN", "Infinity", "1e999", "-", "[" * 3000 + "]" * 3000, "{" * 500, '{"a":' * 3000 + "1" + "}" * 3000,
    "1" * 5000, "'x'", '"\\u00"', "\udcff",
)  # fmt: skip
HEADERS = (
    "content-encoding: gzip", "content-encoding: gzip, gzip", "content-encoding: br", "transfer-encoding: chunked",
    "retry-after: inf", "retry-after: 0", "retry-after: -1", "location: http://elsewhere.invalid/", "set-cookie: =;;=",
    "content-type: text/html; charset=utf-7", "content-type: application/json; charset=idna", "no colon", ": x",
    "x: " + "y" * 9000, "content-length: -1",
)  # fmt: skip
NOISE = (
    "",
    "SSH-2.0-x\r\n",
    "HTTP/1.1 200\r\n\r\n",
    "HTTP/1.1 99 x\r\n\r\n",
    "\x16\x03\x01",
    "{}",
    "HTTP/0.9\r\n\r\n",
)
STATUSES = (
    200,
    201,
    204,
    301,
    304,
    400,
    401,
    403,
    404,
    409,
    418,
    422,
    429,
    500,
    502,
    503,
    599,
    999,
)

SPOTS = st.lists(st.integers(0, 40), max_size=5)
SMALL_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def _edits() -> st.SearchStrategy[dict[str, Any]]:
    value = st.sampled_from(ODD) | SMALL_JSON
    return st.one_of(
        st.builds(lambda spot, v: {"set": spot, "to": v}, SPOTS, value),
        st.builds(lambda spot, v: {"set": spot, "to": v}, SPOTS, value),
        st.builds(lambda spot: {"drop": spot}, SPOTS),
        st.builds(lambda spot: {"double": spot}, SPOTS),
        st.builds(lambda spot, v: {"raw": spot, "to": v}, SPOTS, st.sampled_from(RAW_VALUES)),
    )


def damages() -> st.SearchStrategy[dict[str, Any]]:
    """One damage as JSON."""
    edits = st.builds(lambda found: {"edits": found}, st.lists(_edits(), min_size=1, max_size=3))
    status = st.builds(lambda s: {"status": s}, st.sampled_from(STATUSES))
    header = st.builds(lambda h: {"header": h}, st.sampled_from(HEADERS))
    noise = st.builds(
        lambda n: {"noise": n},
        st.sampled_from(NOISE) | st.text(alphabet="HTP/1. 20\r\n:{}\xff", max_size=40),
    )
    cut = st.builds(lambda n: {"cut": n}, st.integers(0, 400))
    flip = st.builds(lambda n, b: {"flip": n, "to": b}, st.integers(0, 4000), st.integers(0, 255))
    whole = st.builds(lambda v: {"body": v}, st.sampled_from(ODD) | SMALL_JSON)
    return st.one_of(edits, edits, edits, edits, status, header, noise, cut, flip, whole)


def damage_of(plan: Mapping[str, Any]) -> Damage:
    """The damage that a plan of `damages` (or a corpus file) describes."""
    return lambda said: _damaged(plan, said)


def _damaged(plan: Mapping[str, Any], said: Said) -> bytes:
    if "deaf" in plan:
        return DEAF
    if "noise" in plan:
        return plan["noise"].encode("latin-1", "replace") or ABORTED
    answer = written(_changed(plan, said))
    if "cut" in plan:
        return answer[: -plan["cut"] or None] or ABORTED
    if "flip" in plan:
        spot = plan["flip"] % len(answer)
        return answer[:spot] + bytes([plan["to"]]) + answer[spot + 1 :]
    return answer


def _changed(plan: Mapping[str, Any], said: Said) -> Said:
    headers = (
        (plan["header"].encode("latin-1"), b"connection: close")
        if "header" in plan
        else said.headers
    )
    body = plan.get("body", said.body)
    body = edited(body, plan["edits"]) if "edits" in plan else body
    return Said(plan.get("status", said.status), body, headers)


MARK = "\x01raw\x01"


def edited(body: Any, edits: list[dict[str, Any]]) -> bytes:
    """The body with each edit at its spot; a spot counts children, wrapping around, from the outside inwards."""
    body = json.loads(json.dumps(body)) if not isinstance(body, bytes) else None
    raws: list[str] = []
    for edit in edits:
        [(verb, spot)] = [(name, value) for name, value in edit.items() if name != "to"]
        if verb == "raw":
            raws.append(edit["to"])
        body = _at(body, spot, verb, f"{MARK}{len(raws) - 1}" if verb == "raw" else edit.get("to"))
    text = json.dumps(body)
    for number, raw in enumerate(raws):
        text = text.replace(json.dumps(f"{MARK}{number}"), raw)
    return text.encode("utf-8", "surrogateescape")


def _at(value: Any, spot: list[int], verb: str, to: Any) -> Any:
    if not spot or not isinstance(value, (dict, list)) or not value:
        return to if verb in ("set", "raw") else value
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[spot[0] % len(keys)]
    if len(spot) == 1 and verb == "drop":
        del value[key]
    elif len(spot) == 1 and verb == "double" and isinstance(value, list):
        value.append(value[key])
    else:
        value[key] = _at(value[key], spot[1:], verb, to)
    return value
