"""The differences of two environments as text, JSON and markdown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reconciler.core.explain.compare import EnvironmentComparison, TeamGap
from reconciler.core.model.printable import json_text, safe
from reconciler.render.layout import WIDTH, column, printed, rows, text
from reconciler.render.plan.fields import fields_of
from reconciler.render.plan.groups import Section, grouped, sections
from reconciler.render.plan.limits import ROOMY
from reconciler.render.plan.text import change_lines
from reconciler.render.words import count, plain, some

if TYPE_CHECKING:
    from rich.text import Text

VERSION = 1
EXAMPLES = 3
MOST_NAMES = 10
MOST_ROWS = 200
WHERE = {"create": "from", "delete": "to"}


def render_comparison(
    found: EnvironmentComparison, *, color: bool = False, width: int | None = None
) -> str:
    """What differs per kind and field, then which teams can call what in only one of the environments."""
    wide = width or WIDTH
    lines = [text((_title(found), "title"))]
    if found.changes:
        lines += _legend(found)
    for section in sections(found.changes, ROOMY):
        lines += [text(), text((section.title.capitalize(), "title"), f": {_counts(section)}")]
        lines += change_lines(section, wide)
    lines += _access(found, wide)
    return printed(lines, color=color)


def _title(found: EnvironmentComparison) -> str:
    if not found.changes:
        return (
            f"{safe(found.target)} is as {safe(found.source)}: {count(found.same, 'object')} alike"
        )
    number = len(found.changes)
    differ = f"{count(number, 'object')} {'differs' if number == 1 else 'differ'}"
    return f"{safe(found.source)} -> {safe(found.target)}: {differ}, {found.same:,} alike"


def _legend(found: EnvironmentComparison) -> Iterator["Text"]:
    here, there = safe(found.source), safe(found.target)
    signs = [
        ("+", f"only in {here}"),
        ("~", f"in both, {there} -> {here}"),
        ("-", f"only in {there}"),
    ]
    parts: list[tuple[str, str] | str] = []
    for sign, says in signs:
        parts += ["  ", (sign, sign), f" {says}"]
    yield text(*parts)


def _counts(section: Section) -> str:
    says = {"create": "missing", "update": "different", "delete": "beyond"}
    return ", ".join(
        f"{section.counts[verb]:,} {word}"
        for verb, word in says.items()
        if section.counts.get(verb)
    )


def _access(found: EnvironmentComparison, width: int) -> Iterator["Text"]:
    if found.changes and not found.teams:
        yield from (text(), text("Every team can call the same models in both."))
    if not found.teams:
        return
    yield from (text(), text((f"Access of {count(len(found.teams), 'team')}", "title")))
    alike = grouped(found.teams, lambda gap: (gap.lacks, gap.beyond, gap.only))
    labels = [text(f"  {_teams([gap.team for gap in group])}") for _, group in alike]
    start = column(labels)
    for (_, group), label in zip(alike, labels, strict=True):
        yield from rows(label, list(_gap(group[0], found)), column=start, width=width, hang=2)


def _teams(names: list[str]) -> str:
    listed = str(some(names, EXAMPLES))
    return listed if len(names) == 1 else f"{count(len(names), 'team')}: {listed}"


def _gap(gap: TeamGap, found: EnvironmentComparison) -> Iterator["Text"]:
    if gap.only:
        yield text(f"only in {safe(found.source if gap.only == 'from' else found.target)}")
    if gap.lacks:
        yield text((f"{safe(found.target)} lacks {some(gap.lacks, MOST_NAMES)}", "-"))
    if gap.beyond:
        yield text((f"{safe(found.target)} has beyond it {some(gap.beyond, MOST_NAMES)}", "+"))


def comparison_json(found: EnvironmentComparison) -> str:
    """{"version", "from", "to", "same", "objects": [{"ref", "only", "fields"}], "teams": [...]}.

    A team is {"team", "only", "lacks", "beyond"}. `only` is `from`, `to` or null; the fields of an object that is in
    both are {"name", "from", "to"}.
    """
    content: dict[str, Any] = {
        "version": VERSION,
        "from": found.source,
        "to": found.target,
        "same": found.same,
    }
    content["objects"] = [
        {
            "ref": str(change.ref),
            "only": WHERE.get(change.verb),
            "fields": [
                {"name": field.name, "from": plain(field.after), "to": plain(field.before)}
                for field in fields_of(change)
            ],
        }
        for change in found.changes
    ]
    content["teams"] = [
        {
            "team": gap.team,
            "only": gap.only,
            "lacks": sorted(gap.lacks),
            "beyond": sorted(gap.beyond),
        }
        for gap in found.teams
    ]
    return json_text(content) + "\n"


def comparison_markdown(found: EnvironmentComparison) -> str:
    """Counts, a table of the teams (at most 200 rows), and the objects folded."""
    lines = [f"### {_inert(_title(found))}", ""]
    if found.teams:
        lines += [
            f"| team | {_inert(found.target)} lacks | {_inert(found.target)} has beyond it |",
            "|---|---|---|",
        ]
        lines += [_row(gap) for gap in found.teams[:MOST_ROWS]]
        rest = len(found.teams) - MOST_ROWS
        lines += ["", f"_and {count(rest, 'more team')}_"] * (rest > 0)
    for section in sections(found.changes, ROOMY):
        inside = printed(change_lines(section, WIDTH), color=False)
        title = f"{section.title.capitalize()}: {_counts(section)}"
        lines += [
            "",
            f"<details><summary>{title}</summary>",
            "",
            "````text",
            inside.rstrip("\n"),
            "````",
            "</details>",
        ]
    return "\n".join(lines) + "\n"


def _row(gap: TeamGap) -> str:
    cells = (gap.team, str(some(gap.lacks, MOST_NAMES)), str(some(gap.beyond, MOST_NAMES)))
    return f"| {' | '.join(map(_inert, cells))} |"


def _inert(said: str) -> str:
    """A name in a table: no markup, no mention."""
    kept = {"-", " ", ".", ",", "/", ":", ">"}
    return "".join(
        char if char.isalnum() or char in kept else f"&#{ord(char)};" for char in safe(said)
    )
