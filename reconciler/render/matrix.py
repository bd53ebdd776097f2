"""Access as a table: text that folds alike rows and columns, CSV for spreadsheets, JSON for programs."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.core.explain.matrix import Caller, Difference, Matrix, cells
from reconciler.core.model.printable import json_text, safe
from reconciler.render.layout import WIDTH, column, printed, rows, text
from reconciler.render.words import count, some

if TYPE_CHECKING:
    from rich.text import Text

EXAMPLES = 3
GUTTER = 2
FULL = 40


def render(
    matrix: Matrix, *, color: bool = False, width: int | None = None, full: bool = False
) -> str:
    """A grid where it fits the width, else one line per set of models. Alike rows are one, unless `full`."""
    wide = width or WIDTH
    named = [
        (_names(row.names, None if full else EXAMPLES, matrix.kind), row.models)
        for row in matrix.rows
    ]
    if full:
        named = [(safe(name), row.models) for row in matrix.rows for name in row.names]
        named.sort()
    title = f"{count(sum(len(row.names) for row in matrix.rows), matrix.kind)} by {count(len(matrix.models), 'model')}"
    lines = [text((title, "title")), text()]
    longest = max((len(label) for label, _ in named), default=0)
    if longest + GUTTER + 2 * len(matrix.models) <= wide and longest <= FULL:
        lines += _grid(matrix.models, named, longest)
    else:
        lines += _lists(named, wide)
    return printed(lines, color=color)


def _names(names: Sequence[str], limit: int | None, kind: str) -> str:
    listed = some(names, limit)
    return (
        f"{count(len(names), kind)}: {listed}"
        if len(names) > EXAMPLES and limit is not None
        else str(listed)
    )


def _grid(
    models: Sequence[str], named: Sequence[tuple[str, frozenset[str]]], longest: int
) -> Iterator["Text"]:
    """Model names stand above their columns, each one line higher than the next."""
    for position, model in enumerate(models):
        bars = "│ " * position
        yield text(" " * (longest + GUTTER), (f"{bars}┌ ", "dim"), safe(model))
    for label, reached in named:
        marks = ((("● ", "+") if model in reached else ("· ", "dim")) for model in models)
        yield text(label.ljust(longest + GUTTER), *marks)


def _lists(named: Sequence[tuple[str, frozenset[str]]], width: int) -> Iterator["Text"]:
    labels = [text((label, "title")) for label, _ in named]
    start = column(labels)
    for label, (_, reached) in zip(labels, named, strict=True):
        said = text(str(some(reached, None)) if reached else "nothing")
        yield from rows(label, [said], column=start, width=width)


def render_csv(matrix: Matrix) -> str:
    """One line per name, one column per model, 1 or 0. A name that a spreadsheet would compute is quoted with '."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([matrix.kind, *map(_inert, matrix.models)])
    writer.writerows([_inert(name), *map(int, row)] for name, row in cells(matrix))
    return out.getvalue()


def _inert(name: str) -> str:
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def render_json(matrix: Matrix) -> str:
    """{"kind", "models", "rows": [{"names", "models"}]}; alike ones are one row."""
    found = [{"names": list(row.names), "models": sorted(row.models)} for row in matrix.rows]
    return json_text({"kind": matrix.kind, "models": list(matrix.models), "rows": found}) + "\n"


def render_callers(
    model: str,
    found: Sequence[Caller],
    groups: Sequence[str],
    *,
    color: bool = False,
    width: int | None = None,
) -> str:
    """Who reaches a model, by what they reach it through; then the groups that hold it."""
    wide = width or WIDTH
    together: dict[tuple[str, ...], list[str]] = {}
    for caller in found:
        together.setdefault(caller.through, []).append(caller.team)
    lines = [text((f"{safe(model)}: {count(len(found), 'team')} can call it", "title"))]
    for through, teams in sorted(together.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        label = text(f"  through {', '.join(map(safe, through))}")
        lines += rows(
            label, [text(f"{len(teams):,}: {some(teams, FULL)}")], column=FULL, width=wide
        )
    listed = ", ".join(map(safe, groups)) or "no access group"
    lines += rows(text("  held by"), [text(listed)], column=FULL, width=wide)
    return printed(lines, color=color)


def callers_json(model: str, found: Sequence[Caller], groups: Sequence[str]) -> str:
    """{"model", "groups", "teams": [{"team", "through"}]}."""
    teams = [{"team": caller.team, "through": list(caller.through)} for caller in found]
    return json_text({"model": model, "groups": list(groups), "teams": teams}) + "\n"


def render_difference(found: Difference, *, color: bool = False, width: int | None = None) -> str:
    """Three lines: what only the one reaches, what only the other does, what both do."""
    labels = [
        text((f"only {safe(found.first)}", "-")),
        text((f"only {safe(found.second)}", "+")),
        text("both"),
    ]
    sets = (found.only_first, found.only_second, found.both)
    start = column(labels)
    lines: list[Text] = []
    for label, models in zip(labels, sets, strict=True):
        lines += rows(
            label,
            [text(str(some(models, None)) if models else "nothing")],
            column=start,
            width=width or WIDTH,
        )
    return printed(lines, color=color)


def difference_json(found: Difference) -> str:
    """{"first", "second", "only_first", "only_second", "both"}."""
    sets = {name: sorted(getattr(found, name)) for name in ("only_first", "only_second", "both")}
    return json_text({"first": found.first, "second": found.second, **sets}) + "\n"
