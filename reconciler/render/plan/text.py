"""A plan as text for a terminal, or plain and stable for a log."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.core.model.printable import safe
from reconciler.core.plan.plan import Risk
from reconciler.render.drift import foreign_lines
from reconciler.render.findings.text import finding_lines, tally
from reconciler.render.layout import WIDTH, Part, column, printed, rows, text, wrapped
from reconciler.render.plan.fields import FieldRow
from reconciler.render.plan.groups import SIGNS, ChangeRow, ImpactRow, Section
from reconciler.render.plan.view import Notice, PlanView, Problems
from reconciler.render.words import count

if TYPE_CHECKING:
    from rich.text import Text

LONGEST_FIELD = 32


def render(view: PlanView, *, color: bool = False, width: int | None = None) -> str:
    """The plan as text, wrapped at `width` (100 cells by default); names and findings are never broken."""
    wide = width or WIDTH
    blocks = [list(_head(view, wide)), *(list(_section(part, wide)) for part in view.sections)]
    blocks += [
        list(_impact(view, wide)),
        list(_totals(view, wide)),
        list(_problems(view.problems, wide)),
    ]
    blocks += [
        list(_refusals(view.refusals, wide, full=view.full)),
        list(_foreign(view)),
        list(_foot(view, wide)),
    ]
    lines = [line for block in blocks if block for line in (text(), *block)]
    return printed(lines[1:], color=color)


def _head(view: PlanView, width: int) -> Iterator["Text"]:
    yield text(("Plan for ", "title"), (view.gateway, "title"), (f"  {view.identity}", "dim"))
    if view.plan.scope:
        yield from wrapped(text(("only ", "dim"), safe(", ".join(view.plan.scope))), width, hang=5)
    yield from wrapped(text(*_counts(view)), width)
    if view.risk is not Risk.NONE or view.reasons:
        reasons = "; ".join(view.reasons)
        yield from wrapped(
            text("Risk: ", (view.risk.value, _tone(view.risk)), f"  {reasons}" if reasons else ""),
            width,
        )


def _tone(risk: Risk) -> str:
    return "" if risk is Risk.NONE else risk.value


def _counts(view: PlanView) -> Iterator[Part]:
    made = [counted for counted in view.counts if counted.number]
    for position, counted in enumerate(made):
        yield ", " if position else "", ""
        yield f"{counted.sign} {counted.number:,} to {counted.verb}", counted.sign
        if counted.verb == "update" and view.adopting_updates:
            yield f" ({view.adopting_updates:,} of them adopted)", "="
    if not made:
        yield "No changes on the gateway" if view.noted else "No changes", "title"
    if view.noted:
        yield f", {view.noted:,} to write down", "~"
    for number, word in (
        (view.unchanged, "unchanged"),
        (view.foreign, "foreign (not ours, left alone)"),
    ):
        if number:
            yield f", {number:,} {word}", "dim"


def _section(section: Section, width: int) -> Iterator["Text"]:
    counts = ", ".join(
        f"{SIGNS[verb]} {number:,} to {verb}" for verb, number in section.counts.items() if number
    )
    yield text((section.title.capitalize(), "title"), "" if section.rows else f": {counts}")
    yield from change_lines(section, width)


def change_lines(section: Section, width: int) -> Iterator["Text"]:
    """The rows of a section: sign, name, fields."""
    labels = [text("  ", (row.sign, row.sign), f" {row.label}") for row in section.rows]
    start = column(labels)
    names = min(
        LONGEST_FIELD,
        max((len(field.name) for row in section.rows for field in row.fields), default=0),
    )
    for row, label in zip(section.rows, labels, strict=True):
        yield from rows(label, list(_fields(row, names)), column=start, width=width, hang=names + 2)
    if section.more and section.rows:
        yield text((f"    and {count(section.more, 'more change')}", "dim"))


def _fields(row: ChangeRow, names: int) -> Iterator["Text"]:
    for field in row.fields:
        yield text((f"{field.name:{names}}  ", "dim"), *_values(field, new=row.verb == "create"))
    if row.more_fields:
        yield text((f"and {count(row.more_fields, 'more field')}", "dim"))
    if row.note:
        yield text((row.note, "dim"))
    if row.adopt and row.verb == "update":
        yield text(("adopted: it exists and becomes ours", "="))


def _values(field: FieldRow, *, new: bool) -> Iterator[Part]:
    if field.added:
        yield str(field.added) if new else f"+ {field.added}", "+"
    if field.removed:
        yield f"{'  ' if field.added else ''}- {field.removed}", "-"
    if field.before is not None:
        yield f"{field.before} -> ", ""
    if field.after is not None:
        yield field.after, "+" if new else ""


def _impact(view: PlanView, width: int) -> Iterator["Text"]:
    if not view.impact:
        return
    yield text((f"Impact on {count(view.teams, 'team')}", "title"))
    labels = [text(f"  {row.label}") for row in view.impact]
    start = column(labels)
    for row, label in zip(view.impact, labels, strict=True):
        yield from rows(label, list(_facts(row)), column=start, width=width, hang=2)
    if view.more_impact:
        teams = count(view.more_impact_teams, "more team")
        yield text((f"    and {teams} in {count(view.more_impact, 'other group')}", "dim"))


def _facts(row: ImpactRow) -> Iterator["Text"]:
    if row.standing:
        yield text((row.standing, "high" if row.lost else ""))
    if row.lost:
        yield text(("- loses ", "-"), (str(row.lost), "-"))
    if row.gained:
        yield text(("+ gains ", "+"), (str(row.gained), "+"))
    for cause in row.causes:
        yield text((f"  {cause}", "dim"))
    if row.more_causes:
        yield text((f"  and {count(row.more_causes, 'more cause')}", "dim"))
    each = " each" if row.count > 1 else ""
    price = f"{row.price}{each}" if row.price else None
    granted = f"{row.credits}{each}" if row.credits else None
    plan = f"pricing plan {row.plan}" if row.plan else None
    said = [fact for fact in (row.fate, plan, price, granted) if fact]
    if said:
        yield text(", ".join(said))


def _totals(view: PlanView, width: int) -> Iterator["Text"]:
    for name, said in view.totals:
        yield text((f"{name.capitalize():9}", "title"), said)
    for notice in view.notices:
        yield from wrapped(_notice(notice), width, hang=2)
    if view.more_notices:
        yield text((f"and {count(view.more_notices, 'more notice')}", "dim"))


def _notice(notice: Notice) -> "Text":
    mark, tone = ("! ", "high") if notice.danger else ("* ", "")
    return text(
        (mark, tone), (count(notice.total, "team"), tone), f" ({notice.teams}): {notice.say}"
    )


def _problems(problems: Problems, width: int) -> Iterator["Text"]:
    for finding in problems.shown:
        for line in finding_lines(finding):
            yield from wrapped(line, width, hang=4)
    yield from _more(problems, width)
    if problems.shown:
        yield text((tally(problems.counts), "title"))


def _more(problems: Problems, width: int) -> Iterator["Text"]:
    said = ", ".join(f"{number:,} more {safe(code)}" for _, code, number in problems.more)
    if said:
        yield from wrapped(text((f"and {said}", "dim")), width, hang=4)


def _refusals(refusals: Problems, width: int, *, full: bool) -> Iterator["Text"]:
    if refusals.shown:
        yield text(("Refused unless allowed", "high"))
    for refusal in refusals.shown:
        yield from wrapped(text(("! ", "high"), safe(refusal.message)), width, hang=2)
        for line in refusal.details if full and refusal.cut else ():
            yield from wrapped(text("    ", safe(line)), width, hang=6)
        if refusal.hint:
            yield from wrapped(text("    ", (safe(refusal.hint), "dim")), width, hang=4)
    yield from _more(refusals, width)


def _foreign(view: PlanView) -> Iterator["Text"]:
    if view.foreign_names:
        yield from foreign_lines(view.foreign_names)


def _foot(view: PlanView, width: int) -> Iterator["Text"]:
    if view.next:
        yield from wrapped(text((view.next, "title")), width)
    if not view.complete:
        yield text(("Lists are cut; --full shows everything.", "dim"))
