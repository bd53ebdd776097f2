"""Limits: how much of a plan is shown before the rest is only counted."""

from collections.abc import Iterator
from dataclasses import dataclass

EVERYTHING = 2**62


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows per section, fields per row, groups of impact, notices, findings per code; names in a list (None: all)."""

    rows: int
    fields: int
    groups: int
    notices: int
    findings: int
    names: int | None
    examples: int | None


UNLIMITED = Limits(EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, None, None)
ROOMY = Limits(rows=EVERYTHING, fields=EVERYTHING, groups=12, notices=12, findings=5, names=10, examples=3)


def tighter() -> Iterator[Limits]:
    """Ever less room, for plans too large to be read whole."""
    for rows, fields in ((8, 6), (5, 5), (3, 4), (2, 3), (1, 3), (1, 2), (1, 1)):
        yield Limits(rows, fields, groups=rows, notices=rows + 1, findings=max(1, rows // 2), names=6, examples=2)
