"""Plain values to YAML text in the style of this project: two spaces, short lists inline, quotes only where needed.

A scalar is quoted wherever any YAML reader could take it for something else (`yaml_scalars`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.files.yaml.scalars import Trap, plain

WIDTH = 120
_INLINE_MAPPING = 100  # a mapping stays on its line up to this column
_PLAIN = re.compile(r"(?!\.{3})[A-Za-z0-9_./(+$~^][^\x00-\x1f\x7f#]*\Z")
_ONE_BYTE, _BASIC_PLANE = 0xFF, 0xFFFF
# YAML 1.2.2 section 5.7.
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
}
# YAML allows the last two inside of a word; yamlfmt quotes them.
_QUOTED_IN_FLOW = frozenset(",[]{}?:")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")


def scalar(value: Any, *, flow: bool = False) -> str:
    """One scalar on one line; `flow` where it stands inside of brackets."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return str(value) if _is_plain(value, flow=flow) else quoted(value)


def _is_plain(text: str, *, flow: bool) -> bool:
    if not (_PLAIN.match(text) and text.isprintable()) or text[-1] in " :" or ": " in text:
        return False
    if flow and not _QUOTED_IN_FLOW.isdisjoint(text):
        return False
    # Days stay unquoted: this project's reader takes them as text, and the schema makes dates of them.
    if _DATE.match(text) and len(text) != len("2026-12-31"):
        return False
    try:
        return isinstance(plain(text), str)
    except Trap:
        return False


def quoted(text: str) -> str:
    """In double quotes, with every character escaped that does not print."""
    inner = "".join(_escaped(each) for each in text)
    return f'"{inner}"'


def _escaped(char: str) -> str:
    """As yamlfmt and other emitters spell it: a name where YAML has one, else the shortest code."""
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code <= _ONE_BYTE:
        return f"\\x{code:02X}"
    return f"\\U{code:08X}" if code > _BASIC_PLANE else f"\\u{code:04X}"


def key(name: str) -> str:
    """A mapping's key."""
    return scalar(name, flow=True) if name != "<<" else '"<<"'


def inline(value: Any) -> str:
    """The value on one line, in brackets where it is a collection."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(name)}: {inline(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(inline, value)) + "]"
    return scalar(value, flow=True)


def entry(name: str, value: Any, indent: int) -> Iterator[str]:
    """The lines of one `name: value`, without line ends."""
    start = f"{' ' * indent}{key(name)}:"
    if not isinstance(value, (Mapping, list, tuple)):
        yield from _scalar_entry(start, value, indent)
    elif _fits(start, value):
        yield f"{start} {inline(value)}"
    else:
        yield start
        yield from block(value, indent + 2)


def block(value: Any, indent: int) -> Iterator[str]:
    """The lines of a collection that is not on its key's line."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from entry(name, item, indent)
    else:
        for item in value:
            yield from _item(item, indent)


def _item(item: Any, indent: int) -> Iterator[str]:
    start = f"{' ' * indent}-"
    if not isinstance(item, (Mapping, list, tuple)):
        yield f"{start} {scalar(item)}"
    elif not item or len(f"{start} {inline(item)}") <= WIDTH:
        yield f"{start} {inline(item)}"
    else:
        first, *rest = block(item, indent + 2)
        yield f"{start} {first[indent + 2 :]}"
        yield from rest


def _fits(start: str, value: Any) -> bool:
    if not value:
        return True
    text = f"{start} {inline(value)}"
    if isinstance(value, Mapping):
        return len(text) <= _INLINE_MAPPING and not any(
            isinstance(item, Mapping) and item for item in value.values()
        )
    return len(text) <= WIDTH and not any(isinstance(item, Mapping) for item in value)


def _scalar_entry(start: str, value: Any, indent: int) -> Iterator[str]:
    if isinstance(value, str) and _is_literal(value):
        yield f"{start} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (
            f"{' ' * (indent + 2)}{line}" if line else ""
            for line in value.removesuffix("\n").split("\n")
        )
    else:
        yield f"{start} {scalar(value)}"


def _is_literal(text: str) -> bool:
    """Several lines that a literal block shows exactly: nothing that does not print, no blanks at line ends."""
    lines: Sequence[str] = text.removesuffix("\n").split("\n")
    shown = all(line.isprintable() and line == line.rstrip() for line in lines)
    return (
        len(lines) > 1 and shown and bool(lines[0]) and lines[0][0] not in " #" and bool(lines[-1])
    )


def escaped(value: Any) -> Any:
    """The value with `${` written so that no variable is read from it (`files.variables`); keys are never read so."""
    if isinstance(value, Mapping):
        return {name: escaped(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
