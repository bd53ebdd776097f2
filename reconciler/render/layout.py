"""Lines of text in columns: a label, and what there is to say about it, wrapped at words and never inside a name."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.core.model.printable import Printed, safe, without_commands

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 100
LABEL = 40
INDENT = 6
NARROWEST = 20
STYLES = {
    "+": "green",
    "-": "red",
    "~": "yellow",
    "=": "cyan",
    "title": "bold",
    "dim": "dim",
    "high": "bold red",
    "low": "yellow",
    "error": "bold red",
    "warning": "yellow",
    "info": "blue",
    "": "",
}
Part = tuple[str, str]


def text(*parts: Part | str) -> "Text":
    """Parts of (text, key of STYLES), joined; nothing in them is markup, and unprintable characters are escaped."""
    from rich.text import Text  # noqa: PLC0415  # rich only where text is made

    styled = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((safe(part), STYLES[style]) for part, style in styled))


def wrapped(content: "Text", width: int, indent: int = 0, hang: int = 0) -> Iterator["Text"]:
    """Lines of at most the width, broken at spaces only: a long name stays whole (rich would break or crop it).

    The first line is indented by `indent`, the others by `hang` more.
    """
    breaks = _breaks(content.plain, max(NARROWEST, width - indent), hang)
    for number, line in enumerate(content.divide(breaks)):
        line.rstrip()
        yield text(" " * (indent + (hang if number else 0))) + line


def _breaks(plain: str, width: int, hang: int) -> list[int]:
    """Offsets at which a new line starts: as many words on each as fit."""
    from rich.cells import cell_len  # noqa: PLC0415  # as above

    breaks, used = [], 0
    for word in re.finditer(r"\s*\S+\s*", plain):
        if used and used + cell_len(word.group().rstrip()) > width:
            breaks.append(word.start())
            used = hang
        used += cell_len(word.group())
    return breaks


def rows(
    label: "Text", contents: Sequence["Text"], *, column: int, width: int, hang: int = 0
) -> Iterator["Text"]:
    """The label, and beside it the contents, one below the other; below the label where that is too long."""
    lines = [line for content in contents for line in wrapped(content, width, column, hang)]
    if label.cell_len + 2 > column or not lines:
        yield from wrapped(label, width, hang=4)
    else:
        head = label.copy()
        head.pad_right(column - label.cell_len)
        yield head + lines.pop(0)[column:]
    yield from lines


def column(labels: Iterable["Text"], most: int = LABEL) -> int:
    """Where the second column starts: right of every label of at most `most` cells."""
    return max((label.cell_len + 2 for label in labels if label.cell_len <= most), default=INDENT)


def printed(lines: Iterable["Text"], *, color: bool) -> Printed:
    """The lines as one string with a final newline, with ANSI colour or without any."""
    if not color:
        return Printed(without_commands("".join(f"{line.plain.rstrip()}\n" for line in lines)))
    from rich.console import Console  # noqa: PLC0415  # as above

    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system="standard", no_color=False, legacy_windows=False
    )
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True, highlight=False, markup=False, emoji=False)
    return Printed(without_commands(out.getvalue()))
