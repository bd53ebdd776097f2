"""Syntax errors of the YAML parser as findings in plain words, at the place where they began."""

import re

from yaml import MarkedYAMLError, YAMLError

from reconciler.core.model.findings import Finding, Origin, error
from reconciler.files.yaml.beginnings import Beginning, beginning

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")

# (what the parser says, what we say, the hint); the first that fits counts.
_WORDING: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        "a ':' stands where no key can be",
        "check the indentation, or quote the value",
    ),
    (
        "did not find expected key",
        "the line does not fit the ones above it",
        "check the indentation and the quotes",
    ),
    (
        "did not find expected '-'",
        "the line does not fit the list above it",
        "start the item with '- ', aligned",
    ),
    (
        "block sequence entries are not allowed",
        "a list item cannot start here",
        "put '- ' on a line of its own",
    ),
    ("expected ',' or ']'", "a list is not closed", "write , between items and ] at the end"),
    ("expected ',' or '}'", "a mapping is not closed", "write , between entries and } at the end"),
    (
        "unknown escape character",
        "an unknown \\ escape in a text",
        "use single quotes, or write \\\\",
    ),
    ("cannot start any token", "a value cannot start with this character", "quote the value"),
    ("undefined tag handle", "an unknown tag", "leave the tag out"),
    ("invalid leading UTF-8", "the text is not valid UTF-8", "save the file as UTF-8"),
)

_BEGAN: dict[Beginning, tuple[str, str]] = {
    Beginning.KEY: ("a ':' is missing after a key", "write key: value"),
    Beginning.LIST: ("a list is not closed", "write , between items and ] at the end"),
    Beginning.MAPPING: ("a mapping is not closed", "write , between entries and } at the end"),
    Beginning.QUOTE: ("a quoted text is not closed", "add the closing quote"),
}
# git's conflict markers stand at the beginning of a line: `<<<<<<< ours`, `=======`, `>>>>>>> theirs`.
_MARKER = re.compile(r"^(<{7}|={7}|>{7})(?=[ \r\n]|$)", re.MULTILINE)


def origin(file: str, mark: object) -> Origin:
    """The place of a parser's mark (which counts from 0)."""
    return Origin(file, getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1)


def encoding_finding(file: str, data: bytes, failure: UnicodeDecodeError) -> Finding:
    before = data[: failure.start]
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    place = Origin(file, before.count(b"\n") + 1, column)
    return error(
        "yaml-encoding", "the file is not UTF-8 text", hint="save the file as UTF-8", origin=place
    )


def conflict_findings(file: str, text: str) -> tuple[Finding, ...]:
    """One finding for each merge conflict that a file still holds; a marker that was left behind is one, too."""
    markers = list(_MARKER.finditer(text))
    begun = [marker for marker in markers if marker[1].startswith("<")]
    return tuple(_conflict(file, text, marker.start()) for marker in begun or markers[:1])


def _conflict(file: str, text: str, start: int) -> Finding:
    line = text.count("\n", 0, start) + 1
    says = f"a merge conflict is not resolved: {text[start : start + 7]}"
    hint = "keep what is right of both sides, and take the lines <<<<<<<, ======= and >>>>>>> out"
    return error("yaml-conflict", says, hint=hint, origin=Origin(file, line, 1))


def syntax_finding(file: str, text: str, failure: YAMLError) -> Finding:
    """The one finding of a file that the parser gave up on."""
    if not isinstance(failure, MarkedYAMLError):
        return _unreadable_character(file, text)
    noticed = origin(file, failure.problem_mark or failure.context_mark)
    tab = _tab_near(text, noticed.line)
    if tab:
        return error(
            "yaml-tab",
            "a tab is used for indentation",
            hint="indent with spaces",
            origin=Origin(file, *tab),
        )
    began = beginning(text, failure)
    if began is None:
        message, hint = _wording(f"{failure.context or ''} {failure.problem or ''}".strip())
        return error("yaml-syntax", message, hint=hint, origin=noticed)
    message, hint = _BEGAN[began.what]
    place = Origin(file, began.line, began.column)
    if place.line != noticed.line:
        message = f"{message} (noticed in line {noticed.line})"
    return error("yaml-syntax", message, hint=hint, origin=place)


def _wording(said: str) -> tuple[str, str | None]:
    for pattern, message, hint in _WORDING:
        if pattern in said:
            return message, hint
    return f"not valid YAML: {said or 'the parser gave up'}", None


def _tab_near(text: str, line: int) -> tuple[int, int] | None:
    """Line and column of a tab in the indentation of the given line or the one before it."""
    lines = text.split("\n")
    for number in (line, line - 1):
        content = lines[number - 1] if 0 < number <= len(lines) else ""
        indentation = content[: len(content) - len(content.lstrip())]
        if "\t" in indentation:
            return number, indentation.index("\t") + 1
    return None


def _unreadable_character(file: str, text: str) -> Finding:
    found = _UNPRINTABLE.search(text)
    start = found.start() if found else 0
    place = Origin(file, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
    named = f"U+{ord(text[start]):04X}" if found else "a character"
    return error(
        "yaml-encoding",
        f"{named} is not allowed in YAML",
        hint="remove the character",
        origin=place,
    )
