"""Limits: how much of a plan is shown before the rest is only counted."""

from collections.abc import Iterator
from dataclasses import dataclass

EVERYTHING = 2**62


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows per section, fields per row, groups of impact, notices, findings (of each code, and in all).

    Then names in a list, names of the members of a row, and causes of a row (None: all).
    """

    rows: int
    fields: int
    groups: int
    notices: int
    of_a_code: int
    findings: int
    names: int | None
    examples: int | None
    causes: int | None = None


ALL = EVERYTHING
UNLIMITED = Limits(ALL, ALL, ALL, ALL, ALL, ALL, None, None)
ROOMY = Limits(
    rows=ALL,
    fields=ALL,
    groups=12,
    notices=12,
    of_a_code=5,
    findings=50,
    names=10,
    examples=3,
    causes=5,
)


def tighter() -> Iterator[Limits]:
    """Ever less room, for plans too large to be read whole."""
    for rows, fields, names in (
        (8, 6, 6),
        (5, 5, 6),
        (3, 4, 6),
        (2, 3, 6),
        (1, 3, 6),
        (1, 2, 4),
        (1, 1, 4),
        (0, 1, 3),
    ):
        groups = max(1, rows)
        of_a_code = max(1, rows // 2)
        causes = min(2, rows)
        yield Limits(
            rows, fields, groups, groups, of_a_code, groups, names=names, examples=2, causes=causes
        )
