"""Texts that somebody else wrote, made harmless: no character of them steers a terminal or a log, or hides.

What is written goes through `printable` (in the command line's `say` and `note`), which leaves alone only what is
`Printed` already: text that a renderer made, with colours or commands of its own.
"""

import json
import re
from typing import Any, Self

# Characters that Python counts as printable and that show nothing: Default_Ignorable_Code_Point beyond category Cf
# (Unicode 15, DerivedCoreProperties.txt), and the blank Braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# GitHub's runner takes such lines of a log as commands, whatever stands before them (ActionCommand.cs: V2 trims).
_COMMAND = re.compile(r"(?m)^([^\S\n]*):(?=:)|#(?=#\[)")
_NOT_IN_JSON = re.compile(r"[^\n -~]|#(?=#\[)")


class Printed(str):
    """Text that may be written as it is. What is added to it is made printable."""

    __slots__ = ()

    def __add__(self, other: str) -> Self:
        return type(self)(str.__add__(self, printable(other)))

    def __radd__(self, other: str) -> Self:
        return type(self)(str.__add__(printable(other), self))


def printable(text: str) -> Printed:
    """The text, with everything in its lines escaped that is no printable character or would be a command of a log."""
    if isinstance(text, Printed):
        return text
    return Printed(without_commands("\n".join(map(safe, text.split("\n")))))


def lines(*parts: str) -> Printed:
    """The parts, made printable, each on lines of its own."""
    return Printed("\n".join(map(printable, parts)))


def without_commands(text: str) -> str:
    return _COMMAND.sub(lambda start: f"{start[1] or ''}\\x{ord(start[0][-1]):02x}", text)


def json_text(value: Any, indent: int | None = 2) -> Printed:
    """The value as JSON in printable ASCII."""
    return ascii_json(json.dumps(value, indent=indent))


def ascii_json(text: str) -> Printed:
    """A text in JSON with everything escaped that is not printable ASCII or would be a command of a log."""
    return Printed(_NOT_IN_JSON.sub(lambda char: _escape(char[0]), text))


def _escape(char: str) -> str:
    """In JSON: two escapes for what lies beyond 16 bits."""
    return f"\\u{ord(char):04x}" if char.isascii() else json.dumps(char)[1:-1]


def safe(text: str) -> str:
    r"""The text on one line, with everything unprintable or invisible escaped: `\x1b`, `\u202e`, `\ud800`."""
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable() and not _INVISIBLE.match(char):
        return char
    return char.encode("unicode_escape").decode()
