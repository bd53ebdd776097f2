"""Objects of a kind as a table and as JSON."""

from collections.abc import Mapping
from typing import Any

from reconciler.core.explain.listing import Listing
from reconciler.core.model.printable import json_text, safe
from reconciler.render.layout import printed, text
from reconciler.render.words import count, kind_noun, plain

GAP = "  "
LONGEST = 60


def render_listing(listing: Listing, *, color: bool = False) -> str:
    """One line for each object; a column that is empty for all of them is left out."""
    noun = kind_noun(listing.kind) if listing.kind else "object"
    if not listing.rows:
        return f"No {noun}.\n"
    columns = [
        name for name in listing.rows[0] if any(row[name] is not None for row in listing.rows)
    ]
    cells = [{name: _cell(row[name]) for name in columns} for row in listing.rows]
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in columns}
    numbers = {name for name in columns if _are_numbers(listing, name)}
    lines = [text((_line({name: _heading(name) for name in columns}, widths, numbers), "title"))]
    lines += [text(_line(row, widths, numbers)) for row in cells]
    if listing.kind:
        lines += [text((count(len(listing.rows), noun), "dim"))]
    return printed(lines, color=color)


def listing_json(listing: Listing) -> str:
    """A list of objects, every column in each; null is what an object has not."""
    return json_text([plain(dict(row)) for row in listing.rows]) + "\n"


def _heading(column: str) -> str:
    return column.replace("_", " ")


def _are_numbers(listing: Listing, column: str) -> bool:
    return all(isinstance(row[column], (int, float, type(None))) for row in listing.rows)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}".removesuffix(".00")
    if isinstance(value, int):
        return f"{value:,}"
    said = safe(str(value))
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def _line(cells: Mapping[str, str], widths: Mapping[str, int], numbers: set[str]) -> str:
    padded = (
        cell.rjust(widths[name]) if name in numbers else cell.ljust(widths[name])
        for name, cell in cells.items()
    )
    return GAP.join(padded)
