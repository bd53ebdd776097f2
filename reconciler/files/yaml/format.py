"""The canonical form of a manifest's text: two spaces, short lists inline, sections in the order of the kinds.

Works on the text's own parts: scalars stay as they are written (dates, `null`, quotes), comments keep their place and
move with what they stand at. What comes out must read the same and hold the same comments, or the file is left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.model.findings import Finding, Origin, errors, warning
from reconciler.core.model.kinds import SECTIONS
from reconciler.files.yaml.comments import comments_of
from reconciler.files.yaml.layout import Layout
from reconciler.files.yaml.nodes import documents
from reconciler.files.yaml.pieces import Pieces, UnsupportedError
from reconciler.files.yaml.read import read_yaml

_SEPARATOR = re.compile(r"^---[ \t]*$", re.MULTILINE)
_MARKERS = re.compile(r"^(---|\.\.\.|%)", re.MULTILINE)
_SCHEMA = "yaml-language-server:"
_SECTION_PLACES = {section: place for place, section in enumerate(SECTIONS)}


@dataclass(frozen=True, slots=True)
class Formatted:
    """The canonical text; with findings it is the text as it was."""

    text: str
    findings: tuple[Finding, ...] = ()


def formatted(text: str, file: str) -> Formatted:
    """The canonical form; `file` is the name that findings carry. A text with errors stays as it is."""
    read = read_yaml(text.encode("utf-8"), file)
    if errors(read.findings):
        return Formatted(text, errors(read.findings))
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark).replace("\r\n", "\n")
    try:
        result = mark + _stream(body)
    except UnsupportedError as problem:
        return Formatted(text, (_left_alone(file, str(problem)),))
    again = read_yaml(result.encode("utf-8"), file)
    if (
        again.documents != read.documents
        or again.findings
        or sorted(_remarks(body)) != sorted(_remarks(result))
    ):
        return Formatted(
            text, (_left_alone(file, "comments or values stand where they would be lost"),)
        )
    return Formatted(result)


def _left_alone(file: str, why: str) -> Finding:
    return warning("fmt-left-alone", f"the file is not formatted: {why}", origin=Origin(file, 1, 1))


def _remarks(text: str) -> Iterator[str]:
    text = text.removeprefix("\ufeff")
    roots = documents(text)
    return (remark.text for remark in comments_of(text, roots))


def _stream(text: str) -> str:
    """Each document of the stream by itself."""
    if not text.strip():
        return ""
    chunks = (
        _SEPARATOR.split(text) if len(documents(text)) > 1 or _SEPARATOR.match(text) else [text]
    )
    if any(_MARKERS.search(chunk) for chunk in chunks):
        raise UnsupportedError(
            "it has document markers or directives that are not lines of their own"
        )
    starts = chunks[0].strip() == ""
    laid_out = [_document(chunk.lstrip("\n")) for chunk in (chunks[1:] if starts else chunks)]
    return ("---\n" if starts else "") + "---\n".join(laid_out)


def _document(text: str) -> str:
    ordered = _ordered_sections(text)
    roots = documents(ordered)
    lines = list(Layout(ordered, comments_of(ordered, roots), Pieces(ordered)).root(roots))
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join((*lines, "")) if lines else ""


def _ordered_sections(text: str) -> str:
    """The text with its sections in the order of the kinds; each takes the comment right above it along."""
    roots = documents(text)
    if len(roots) != 1 or roots[0].kind != "mapping" or roots[0].flow:
        return text
    names = [name.text for name, _ in roots[0].entries]
    if not set(names) <= set(_SECTION_PLACES) or names == sorted(
        names, key=_SECTION_PLACES.__getitem__
    ):
        return text
    starts = [_start_with_comments(text, name.start) for name, _ in roots[0].entries]
    ends = [*starts[1:], len(text)]
    blocks = {
        name: text[start:end].strip("\n")
        for name, start, end in zip(names, starts, ends, strict=True)
    }
    head = text[: starts[0]].rstrip("\n")
    sections = [blocks[name] for name in sorted(names, key=_SECTION_PLACES.__getitem__)]
    return (f"{head}\n" if head else "") + "\n\n".join(sections) + "\n"


def _start_with_comments(text: str, start: int) -> int:
    """Where the comment lines right above begin; the line that names the schema belongs to the file."""
    while start:
        previous = text.rfind("\n", 0, start - 1) + 1
        line = text[previous:start]
        if not line.startswith("#") or _SCHEMA in line:
            break
        start = previous
    return start
