"""Findings as text: one line each where an editor can jump to it, its hint below, a count at the end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.core.model.findings import Finding, Level, ordered
from reconciler.core.model.printable import safe
from reconciler.render.layout import printed, text
from reconciler.render.words import count

if TYPE_CHECKING:
    from rich.text import Text

# What a person reads, a log keeps and a terminal scrolls; --format json has all of them.
MOST = 500
MOST_CHARACTERS = 2_000
NOUNS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}


def render_findings(findings: Iterable[Finding], *, color: bool = False) -> str:
    """`file:line:column: error code: message` with the hint indented below, sorted by place, then a count."""
    told = [finding for finding in in_order(findings) if finding.level is not Level.OFF]
    lines = [line for finding in shortest(told) for line in finding_lines(finding)]
    lines += [text((rest(len(told)), "dim"))] if len(told) > MOST else []
    return printed(
        [*lines, text((tally(Counter(finding.level for finding in told)), "title"))], color=color
    )


def shortest(told: Sequence[Finding]) -> Sequence[Finding]:
    """The first `MOST`, and among them every error that has room."""
    if len(told) <= MOST:
        return told
    errors = [finding for finding in told if finding.level is Level.ERROR]
    others = [finding for finding in told if finding.level is not Level.ERROR]
    return in_order([*errors, *others][:MOST])


def rest(count: int) -> str:
    return f"... and {count - MOST:,} more: --format json has all of them"


def cut(message: str) -> str:
    """A message that quotes what has no end."""
    return message if len(message) <= MOST_CHARACTERS else f"{message[:MOST_CHARACTERS]}..."


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """As `ordered`, and stable even between findings that differ in their level or hint alone."""
    return ordered(sorted(findings, key=lambda finding: (finding.level, finding.hint or "")))


def finding_lines(finding: Finding, indent: str = "") -> Iterator["Text"]:
    """Lines are not wrapped: editors and CI match them as they are."""
    head = (finding.level.value, finding.level.value)
    yield text(
        indent,
        (place(finding), "title"),
        head,
        f" {safe(finding.code)}: {safe(cut(finding.message))}",
    )
    if finding.hint:
        yield text(indent, "    ", (safe(finding.hint), "dim"))


def place(finding: Finding) -> str:
    """Where it is: the place in a file, else the resource it is about, else nothing."""
    where = finding.origin or finding.ref
    return f"{safe(str(where))}: " if where else ""


def tally(counts: Mapping[Level, int]) -> str:
    """`2 errors, 1 warning`; no findings at all say so."""
    said = [count(counts[level], noun) for level, noun in NOUNS.items() if counts.get(level)]
    return ", ".join(said) or "no findings"
