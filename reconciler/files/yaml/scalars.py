"""What a plain (unquoted) YAML scalar means: YAML 1.2's core schema, and the traps where YAML 1.1 readers differ."""

import math
import re

_NULL = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_WORDS: dict[str, object] = {
    **dict.fromkeys(_NULL),
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
}
_BOOLEANS_OF_YAML_1_1 = frozenset(
    form
    for word in ("y", "n", "yes", "no", "on", "off")
    for form in (word, word.capitalize(), word.upper())
)
_SPECIAL = frozenset(_WORDS) | _BOOLEANS_OF_YAML_1_1
_NUMBER_STARTS = frozenset("+-.0123456789")
_MAX_DIGITS = 18
_MAX_AMBIGUOUS = (
    40  # characters; longer ones are no number that anyone wrote, and regexes would take long
)

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+\Z")
_UNDERSCORES = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?\Z|0b[01_]+\Z|0x[0-9a-fA-F_]+\Z")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?\Z")


class Unquoted(str):
    """A plain scalar that is one `${VARIABLE}`: once substituted it is read again, e.g. as a number."""

    __slots__ = ()


class Trap(Exception):  # noqa: N818  # not an error of ours: a scalar that the user must disambiguate
    """A scalar that readers disagree about, or that JSON cannot carry; `value` is our best guess."""

    def __init__(self, code: str, message: str, hint: str, value: object) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.value = code, message, hint, value


def plain(text: str) -> object:
    """The value of an unquoted scalar: None, bool, int, float or str. Raises Trap.

    Rules: YAML 1.2.2 section 10.3.2 (core schema). Dates and times stay text: the schema knows where one belongs.
    """
    if text in _SPECIAL:
        return _word(text)
    first = text[0]
    if first in _NUMBER_STARTS:
        return _number_or_text(text)
    if first == "$" and text.startswith("${") and text.endswith("}"):
        return Unquoted(text)
    return text


def _word(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    means = "true" if text.lower() in ("y", "yes", "on") else "false"
    raise Trap(
        "yaml-ambiguous",
        f"unquoted {text} is a boolean to some YAML readers and text to others",
        f'quote it ("{text}") where text is meant, or write {means}',
        text,
    )


def _number_or_text(text: str) -> object:
    if _INT.match(text):
        return _whole(text, 10)
    if _OCTAL_OR_HEX.match(text):
        return _whole(text, 0)
    if len(text) <= _MAX_AMBIGUOUS and _is_ambiguous(text):
        raise _ambiguous_number(text)
    if _FLOAT.match(text):
        return _finite(text)
    if _NOT_FINITE.match(text):
        raise Trap(
            "yaml-number",
            f"{text} is not a number that a gateway can keep",
            "write a finite number",
            text,
        )
    return text


def _is_ambiguous(text: str) -> bool:
    return bool(_LEADING_ZERO.match(text) or _UNDERSCORES.match(text) or _SEXAGESIMAL.match(text))


def _whole(text: str, base: int) -> int:
    if len(text) > _MAX_DIGITS:
        raise Trap(
            "yaml-number",
            f"a number of {len(text)} characters is too large",
            "quote it if it is text",
            text,
        )
    return int(text, base)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Trap(
            "yaml-number",
            "the number is too large",
            "write a smaller number, or quote it if it is text",
            text,
        )
    return value


def _ambiguous_number(text: str) -> Trap:
    return Trap(
        "yaml-ambiguous",
        f"unquoted {text} is a different number, or text, to different YAML readers",
        f'write a plain decimal number, or quote it ("{text}") where text is meant',
        text,
    )
