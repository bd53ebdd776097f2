"""Where a syntax error began: a parser notices a missing colon, bracket or quote only later, often in another line."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from yaml import MarkedYAMLError, YAMLError
from yaml.tokens import (
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    ScalarToken,
    ValueToken,
)

from reconciler.files.yaml.events import parser

Token = Any  # PyYAML's stubs do not tell the marks of tokens


class Beginning(StrEnum):
    """What was begun and never ended."""

    KEY = "key"
    LIST = "list"
    MAPPING = "mapping"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True)
class Began:
    """What, and where; line and column count from 1."""

    what: Beginning
    line: int
    column: int


# (what libyaml says it was doing and missed, what that means); its mark of the context is the beginning.
_CONTEXTS: tuple[tuple[str, str, Beginning], ...] = (
    ("while scanning a simple key", "could not find expected ':'", Beginning.KEY),
    ("while parsing a flow sequence", "expected ',' or ']'", Beginning.LIST),
    ("while parsing a flow mapping", "expected ',' or '}'", Beginning.MAPPING),
    ("while scanning a quoted scalar", "unexpected end of stream", Beginning.QUOTE),
    ("while scanning a quoted scalar", "unexpected document indicator", Beginning.QUOTE),
)


@dataclass
class _Seen:
    """What stood before an error: the last text, the token before it, and the brackets that were open then."""

    last: Token = None
    before: Token = None
    brackets: tuple[Token, ...] = ()


def beginning(text: str, failure: MarkedYAMLError) -> Began | None:
    """The place that began what the parser could not finish, or None where the mistake is where it was noticed."""
    mark = failure.problem_mark or failure.context_mark
    if mark is None:
        return None
    seen = _seen(text, (mark.line, mark.column))
    if seen.last is not None and seen.last.start_mark.line < seen.last.end_mark.line == mark.line:
        torn = _torn(seen)
        if torn is not None:
            return torn
    for context, problem, what in _CONTEXTS:
        if context in (failure.context or "") and problem in (failure.problem or ""):
            return _began(what, failure.context_mark)
    return None


def _torn(seen: _Seen) -> Began | None:
    """A text over several lines just before the error took lines along that are not its own: its quote closed at the
    next one's opening, a bracket before it is open, or its first line is a key without a colon.
    """
    if seen.last.style in ("'", '"'):
        return _began(Beginning.QUOTE, seen.last.start_mark)
    if seen.brackets:
        bracket = seen.brackets[-1]
        what = Beginning.LIST if isinstance(bracket, FlowSequenceStartToken) else Beginning.MAPPING
        return _began(what, bracket.start_mark)
    is_a_value = (
        isinstance(seen.before, ValueToken)
        and seen.before.start_mark.line == seen.last.start_mark.line
    )
    return (
        None if is_a_value or not seen.last.plain else _began(Beginning.KEY, seen.last.start_mark)
    )


def _seen(text: str, place: tuple[int, int]) -> _Seen:
    """What the scanner, which never looks back, found before the place."""
    scanner = parser(text)
    brackets: list[Token] = []
    before: Token = None
    seen = _Seen()
    with suppress(YAMLError):
        while scanner.check_token():
            token = scanner.get_token()
            if (token.start_mark.line, token.start_mark.column) >= place:
                break
            if isinstance(token, (FlowSequenceStartToken, FlowMappingStartToken)):
                brackets.append(token)
            elif isinstance(token, (FlowSequenceEndToken, FlowMappingEndToken)) and brackets:
                brackets.pop()
            elif isinstance(token, ScalarToken):
                seen = _Seen(token, before, tuple(brackets))
            before = token
    return seen


def _began(what: Beginning, mark: Any) -> Began:
    return Began(what, mark.line + 1, mark.column + 1)
