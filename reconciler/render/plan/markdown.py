"""A plan as Markdown for a pull request comment: counts first, details folded, never longer than GitHub takes."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.core.model.findings import Finding, errors
from reconciler.core.model.printable import safe
from reconciler.core.plan.plan import Risk
from reconciler.render.findings.text import place, tally
from reconciler.render.plan.fields import FieldRow
from reconciler.render.plan.groups import NAMED, SIGNS, ChangeRow, ImpactRow, Section, labelled
from reconciler.render.plan.view import Notice, PlanView, Problems, flags_of
from reconciler.render.words import NameList, count, plural, shown

LIMIT = 65_536
RESERVE = 4_000
SENTENCE = 250
EXAMPLES = 5
LONGEST_FENCE = 40
ACTIVE = re.compile(r"[#$&*<>@\[\\\]^_`{|}~]|:(?=//)|(?<=www)\.")
FLAG = re.compile(r"(?<!\S)(--[a-z][a-z-]*(?:=[\w-]+)?)(?!\S)", re.ASCII)
LABEL = "reconciler:"  # what a reviewer sets for a flag: reconciler:allow-loss
AS_CODE = r"`\1`"
SIMPLE = re.compile(r"[\w./:+@#=$%~^,;()'-]+(?: [\w./:+@#=$%~^,;()'-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """Lines that stay together, and for how many things they stand."""

    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """Rows between a head and a tail; `noun` names what a row's count counts. With a `fence`, the rows are code."""

    head: str
    rows: tuple[Row, ...]
    tail: str = ""
    noun: str = "line"
    fence: str | None = None


def render(view: PlanView, *, limit: int = LIMIT) -> str:
    """The plan in at most `limit` UTF-16 units (as GitHub counts); what does not fit is counted in its place."""
    blocks = [
        _summary(view),
        *_risk(view),
        *_refusals(view.refusals),
        *_impact(view),
        *_notices(view),
        *_problems(view.problems),
    ]
    blocks += [_section(section) for section in view.sections]
    room = limit - RESERVE - sum(_size(_frame(block)) for block in blocks)
    parts: list[str] = []
    for block in blocks:
        part, used = _fitted(block, room)
        parts.append(part)
        room -= used
    return "\n".join([*parts, f"{_next(view)}\n"])


def _next(view: PlanView) -> str:
    """What to do where the comment stands: in a pull request there is no command line, but labels."""
    labels = [_label(flag) for flag in flags_of(view.plan.refusals)]
    if not view.next or not labels or errors(view.plan.findings):
        return _prose(shown(view.next, SENTENCE))
    what = "the label" if len(labels) == 1 else "the labels"
    return f"Apply refuses this. If all of it is meant, set {what} {' and '.join(labels)}."


def _size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _frame(block: Block) -> str:
    """What a block takes without any row: its ends, its fences and a line about the rows that are not there."""
    return (
        f"{block.head}\n{block.tail}\nand 999,999,999 more {plural(block.noun)} (too long for a comment)\n"
        + "`" * 80
    )


def _fitted(block: Block, room: int) -> tuple[str, int]:
    kept, used = [], 0
    for row in block.rows:
        size = _size(row.text) + 1
        if used + size <= room:
            kept.append(row)
            used += size
    missing = sum(row.count for row in block.rows) - sum(row.count for row in kept)
    body = _fenced(kept, block.fence) if block.fence is not None else [row.text for row in kept]
    more = (
        f"\n_and {count(missing, f'more {block.noun}')} (too long for a comment)_\n"
        if missing
        else ""
    )
    return "\n".join(part for part in (block.head, *body, more, block.tail) if part) + "\n", used


def _fenced(rows: Iterable[Row], language: str) -> list[str]:
    """The rows as code. None can close the fence: no line of theirs is nothing but backticks."""
    text = "\n".join(row.text for row in rows)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * min(LONGEST_FENCE, max(3, longest + 1))
    return [f"{fence}{language}", text, fence] if text else []


def _summary(view: PlanView) -> Block:
    made = [f"{each.number:,} to {each.verb}" for each in view.counts if each.number]
    rest = [f"only {', '.join(map(_code, view.plan.scope))}"] * bool(view.plan.scope)
    rest += [f"{view.noted:,} to write down"] * bool(view.noted)
    rest += [f"{view.unchanged:,} unchanged"] * bool(view.unchanged)
    rest += [f"{view.foreign:,} foreign (not ours, left alone)"] * bool(view.foreign)
    marker = (
        f"<!-- reconciler plan: {re.sub('[^a-z0-9]+', '-', view.gateway.lower())[:SENTENCE]} -->"
    )
    none = "no changes on the gateway" if view.noted else "no changes"
    head = f"### Plan for {_code(shown(view.gateway, SENTENCE))}: {', '.join(made) or none}\n"
    about = " · ".join([_code(shown(view.identity, SENTENCE)), *rest])
    return Block("\n".join([marker, head, about, *_table_of_counts(view)]), ())


def _risk(view: PlanView) -> Iterator[Block]:
    if view.risk is not Risk.NONE or view.reasons:
        rows = tuple(Row(f"- {_item(reason)}") for reason in view.reasons)
        yield Block(f"**Risk: {view.risk.value}**\n", rows, noun="reason")


def _table_of_counts(view: PlanView) -> Iterator[str]:
    if view.sections:
        yield "\n| | " + " | ".join(f"{sign} {verb}" for verb, sign in SIGNS.items()) + " |"
        yield "|---|" + "--:|" * len(SIGNS)
    for section in view.sections:
        cells = [f"{section.counts[verb]:,}" if section.counts[verb] else "" for verb in SIGNS]
        yield f"| {section.title} | {' | '.join(cells)} |"


def _refusals(refusals: Problems) -> Iterator[Block]:
    if refusals.shown:
        rows = [Row(f"- {_item(each.message)}{_hint(each)}") for each in refusals.shown]
        yield Block("#### Refused unless allowed\n", (*rows, *_repeated(refusals)), noun="refusal")


def _hint(finding: Finding) -> str:
    if finding.flag:
        return f" (the label {_label(finding.flag)} allows it)"
    return f" ({FLAG.sub(AS_CODE, _prose(finding.hint))})" if finding.hint else ""


def _label(flag: str) -> str:
    return f"`{LABEL}{flag.removeprefix('--')}`"


def _repeated(problems: Problems) -> Iterator[Row]:
    for _, code, number in problems.more:
        yield Row(f"- and {number:,} more {_code(code)}", number)


def _impact(view: PlanView) -> Iterator[Block]:
    if not view.impact and not view.totals:
        return
    lines = [f"#### Impact on {count(view.teams, 'team')}\n"]
    lines += [f"- {name}: **{_prose(said)}**" for name, said in view.totals]
    if view.impact:
        lines += [
            "\n| teams | gains | loses | pricing plan and price | credits |",
            "|---|---|---|---|--:|",
        ]
    rows = [Row(_impact_row(row), row.count) for row in view.impact]
    tail = f"\n_and {count(view.more_impact_teams, 'more team')}_" if view.more_impact else ""
    yield Block("\n".join(lines), tuple(rows), tail, noun="team")


def _impact_row(row: ImpactRow) -> str:
    said = [_prose(fact) for fact in (row.fate, row.plan, row.price, row.standing) if fact]
    said += [f"<sub>{_prose(cause)}</sub>" for cause in row.causes]
    said += [f"<sub>and {count(row.more_causes, 'more cause')}</sub>"] * bool(row.more_causes)
    each = " each" if row.count > 1 and row.credits else ""
    cells = [
        _labelled(row),
        _names(row.gained),
        _names(row.lost),
        ", ".join(said),
        f"{row.credits or ''}{each}",
    ]
    return f"| {' | '.join(cells)} |"


def _labelled(row: ImpactRow) -> str:
    names = _names(row.names.first(EXAMPLES))
    return names if row.count <= NAMED else f"**{count(row.count, 'team')}**: {names}"


def _names(names: NameList) -> str:
    listed = ", ".join(_code(name) for name in names.names)
    return f"{listed} and {names.more:,} more" if names.more else listed


def _notices(view: PlanView) -> Iterator[Block]:
    if view.notices:
        tail = f"- and {count(view.more_notices, 'more notice')}" if view.more_notices else ""
        yield Block("", tuple(Row(_notice(notice)) for notice in view.notices), tail, noun="notice")


def _notice(notice: Notice) -> str:
    mark = "**" if notice.danger else ""
    return f"- {mark}{count(notice.total, 'team')}{mark} ({_names(notice.teams.first(EXAMPLES))}): {_prose(notice.say)}"


def _problems(problems: Problems) -> Iterator[Block]:
    if problems.shown:
        rows = [Row(_finding(finding)) for finding in problems.shown]
        alike = (
            (f"and {number:,} more {safe(code)}", number) for level, code, number in problems.more
        )
        more = [Row(said, number) for said, number in alike]
        yield Block(
            _summary_tag(tally(problems.counts)), (*rows, *more), "\n</details>", "finding", "text"
        )


def _finding(finding: Finding) -> str:
    hint = f"\n    {safe(finding.hint)}" if finding.hint else ""
    return (
        f"{place(finding)}{finding.level.value} {safe(finding.code)}: {safe(finding.message)}{hint}"
    )


def _summary_tag(title: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>\n"


def _section(section: Section) -> Block:
    made = ", ".join(f"{number:,} to {verb}" for verb, number in section.counts.items() if number)
    rows = [Row(_change(row), row.count) for row in section.rows]
    tail = f"\n_and {count(section.more, 'more change')}_" if section.more else ""
    head = _summary_tag(f"{section.title.capitalize()}: {made}")
    return Block(head, tuple(rows), f"{tail}\n</details>", "change", "diff")


def _change(row: ChangeRow) -> str:
    head = f"{row.sign} {labelled(row.names.first(EXAMPLES), row.noun)}"
    return "\n".join(
        [head, *(line for field in row.fields for line in _field(field, row)), *_rest(row)]
    )


def _rest(row: ChangeRow) -> Iterator[str]:
    if row.note:
        yield f"      {row.note}"
    if row.more_fields:
        yield f"      and {count(row.more_fields, 'field')} more"
    if row.adopt and row.verb == "update":
        yield "      adopted: it exists and becomes ours"


def _field(field: FieldRow, row: ChangeRow) -> Iterator[str]:
    """Signs stand first, where a diff is coloured by them."""
    wide = max(len(each.name) for each in row.fields)
    for sign, said in (("+", str(field.added)), ("-", str(field.removed))):
        if said:
            yield f"{sign}     {field.name:{wide}}  {said}"
    if field.after is not None:
        arrow = f"{field.before} -> " if field.before is not None else ""
        yield f"{'+' if row.verb == 'create' else '!'}     {field.name:{wide}}  {arrow}{field.after}"


def _code(text: str) -> str:
    """A name as code; where it holds what Markdown or a table could take for markup, as HTML with entities only."""
    if SIMPLE.fullmatch(text):
        return f"`{text}`"
    return f"<code>{_entities(text)}</code>"


def _prose(text: str) -> str:
    """A sentence that may quote names: nothing in it is markup, a formula, a mention or a link."""
    return ACTIVE.sub(
        lambda found: _inert(found.group()), safe(text).strip().replace(" -> ", " → ")
    )


def _item(text: str) -> str:
    """A sentence at the start of a list item, where a sign would start another list."""
    prose = _prose(text)
    return f"&#{ord(prose[0])};{prose[1:]}" if prose[:1] in ("-", "+") else prose


def _inert(char: str) -> str:
    """GitHub reads mentions, issue numbers and formulas after the markup: entities do not stop it, tags do."""
    if char in "@#":
        return f"{char}<!-- -->"
    return "<span>$</span>" if char == "$" else f"&#{ord(char)};"


def _entities(text: str) -> str:
    return "".join(char if char.isalnum() or char in " -" else f"&#{ord(char)};" for char in text)
