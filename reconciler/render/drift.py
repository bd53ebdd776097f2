"""Drift as text, JSON and markdown."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from reconciler.core.model.printable import json_text, safe
from reconciler.core.plan.drift import Drift, FieldDrift, ObjectDrift, Side, TeamDrift
from reconciler.core.plan.meaning.moved import fact_meaning
from reconciler.core.plan.plan import Target
from reconciler.core.plan.safety import listed
from reconciler.render.layout import column, printed, rows, text
from reconciler.render.words import count, plain, shown

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 100
VERSION = 1
MOST_ROWS = 200
FEW = 5


def render_drift(
    found: Drift,
    target: Target,
    *,
    color: bool = False,
    width: int | None = None,
    full: bool = False,
) -> str:
    """Each drifted object with what was applied, what is live, and what git wants where that is a third thing.

    With `full` the foreign objects are named.
    """
    head = [
        text((f"Drift of {safe(target.name)}", "title"), f"  {safe(target.identity)}"),
        _counts(found),
    ]
    blocks = [text()] if found.objects else []
    labels = [
        text("  ", (_mark(each), _tone(each)), f" {safe(str(each.ref))}") for each in found.objects
    ]
    start = column(labels)
    for each, label in zip(found.objects, labels, strict=True):
        blocks += rows(label, list(_facts(each)), column=start, width=width or WIDTH)
    blocks += [text(), *_meaning(found)] if found.teams else []
    blocks += [text(), *_moved(found)] if found.moved else []
    blocks += [text(), *foreign_lines(map(str, found.foreign))] if full and found.foreign else []
    return printed([*head, *blocks, text(), *_foot(found)], color=color)


def _meaning(found: Drift) -> Iterator["Text"]:
    yield text(("What it means", "title"))
    for team in found.teams[:MOST_ROWS]:
        yield text(f"  team {safe(team.team)}: {meaning_of(team)}")
    if len(found.teams) > MOST_ROWS:
        yield text(f"  and {len(found.teams) - MOST_ROWS:,} more teams")


def _moved(found: Drift) -> Iterator["Text"]:
    yield text(("Who can call what, beside the objects", "title"))
    for fact in found.moved[:MOST_ROWS]:
        yield text(f"  {safe(fact.text)}")
        yield text(f"    {safe(fact_meaning(fact))}")
        if fact.why_left:
            yield text((f"    {safe(fact.why_left)}", "dim"))
    if len(found.moved) > MOST_ROWS:
        yield text(f"  and {len(found.moved) - MOST_ROWS:,} more")


def meaning_of(team: TeamDrift) -> str:
    """What the drift does to a team, in a few words."""
    if team.refused:
        return f"every call is refused: {safe(team.refused)}"
    lost, gained = (
        listed([safe(name) for name in sorted(names)]) for names in (team.lost, team.gained)
    )
    return "; ".join(
        part
        for part in (f"lost {lost}" if lost else "", f"can call {gained}" if gained else "")
        if part
    )


def foreign_lines(refs: Iterable[str]) -> Iterator["Text"]:
    """The live objects that are not ours, one a line."""
    yield text(
        ("Foreign", "title"),
        ("  not ours, left alone; reconciler import --update takes them into the files", "dim"),
    )
    yield from (text(f"    {safe(ref)}") for ref in refs)


def _counts(found: Drift) -> "Text":
    if not found.drifted:
        return text(
            f"No drift: {count(found.unchanged, 'object')} as last applied, {len(found.foreign):,} foreign"
        )
    return text(
        (f"{_changed(found)} changed on the gateway", "~"),
        f", {found.unchanged:,} as last applied, {len(found.foreign):,} foreign",
    )


def _changed(found: Drift) -> str:
    """`2 objects and 1 fact beside them`."""
    facts = count(len(found.moved), "fact")
    if not found.moved:
        return count(len(found.objects), "object")
    return (
        f"{count(len(found.objects), 'object')} and {facts} beside them" if found.objects else facts
    )


def _mark(each: ObjectDrift) -> str:
    return "-" if each.missing else "~"


def _tone(each: ObjectDrift) -> str:
    return "-" if each.missing else "~"


def _facts(each: ObjectDrift) -> Iterator["Text"]:
    if each.missing:
        yield text("is gone from the gateway")
    for field in each.fields:
        yield text(f"{field.name}  ", *_difference(field))
    if each.who or each.when:
        yield text((f"last changed {_by(each)}", "dim"))


def _by(each: ObjectDrift) -> str:
    return " ".join(
        safe(part) for part in (f"by {each.who}" if each.who else "", each.when or "") if part
    )


def _difference(field: FieldDrift) -> list[tuple[str, str]]:
    if isinstance(field.live, frozenset) and isinstance(field.applied, frozenset):
        added = [(f"+ {safe(name)} ", "+") for name in sorted(field.live - field.applied)]
        gone = [(f"- {safe(name)} ", "-") for name in sorted(field.applied - field.live)]
        parts = [*added, *gone, ("(live)", "dim")]
    else:
        parts = [(f"applied {shown(field.applied)}, live {shown(field.live)}", "")]
    if field.side is Side.BOTH:
        parts.append(
            (
                "; git wants what is live"
                if field.agrees
                else f"; git wants {shown(field.desired)}",
                "dim",
            )
        )
    return parts


def _foot(found: Drift) -> Iterator["Text"]:
    if found.owed:
        yield text(
            (
                f"Virtual keys not delivered yet: {safe(', '.join(map(str, found.owed[:FEW])))}",
                "warning",
            )
        )
    if found.ahead:
        yield text(
            f"Git moved on for {count(len(found.ahead), 'object')} since the last apply: reconciler plan"
        )
    if found.objects:
        yield text(
            "Heal it: ",
            ("reconciler apply", "title"),
            "   Keep it: ",
            ("reconciler drift --adopt", "title"),
        )


def drift_sentence(found: Drift, target: Target) -> str:
    """Drift in one line, for a chat: the gateway, how many objects, and the first of them."""
    if not found.drifted:
        return f"No drift of {safe(target.name)}: it is as last applied."
    changed = [f"{safe(str(each.ref))} ({_what(each)})" for each in found.objects[:FEW]]
    changed += [safe(fact.text) for fact in found.moved[: FEW - len(changed)]]
    left = len(found.objects) + len(found.moved) - len(changed)
    more = f" and {left:,} more" if left else ""
    return f"Drift of {safe(target.name)}: {_changed(found)} changed: {', '.join(changed)}{more}"


def _what(each: ObjectDrift) -> str:
    return "is gone" if each.missing else ", ".join(field.name for field in each.fields)


def drift_json(found: Drift, target: Target) -> str:
    """Drift for programs: `version`, the gateway, the objects with their fields from three sides."""
    return json_text(drift_data(found, target)) + "\n"


def drift_data(found: Drift, target: Target) -> dict[str, Any]:
    return {
        "version": VERSION,
        "gateway": {"name": target.name, "identity": target.identity, "backend": target.backend},
        "objects": [_object(each) for each in found.objects],
        "ahead": [str(ref) for ref in found.ahead],
        "owed_keys": [str(ref) for ref in found.owed],
        "unchanged": found.unchanged,
        "foreign": len(found.foreign),
        "teams": [
            {
                "team": each.team,
                "lost": sorted(each.lost),
                "gained": sorted(each.gained),
                "refused": each.refused,
            }
            for each in found.teams
        ],
        "moved": [
            {
                "text": fact.text,
                "meaning": fact_meaning(fact),
                "ref": str(fact.ref) if fact.ref else None,
                "gained": {team: sorted(models) for team, models in fact.gained.items()},
                "lost": {team: sorted(models) for team, models in fact.lost.items()},
                "redirected": sorted(fact.redirected),
                "why_left": fact.why_left,
            }
            for fact in found.moved
        ],
        "foreign_objects": [str(ref) for ref in found.foreign],
    }


def _object(each: ObjectDrift) -> dict[str, Any]:
    fields = [
        {
            "name": field.name,
            "applied": plain(field.applied),
            "live": plain(field.live),
            "desired": plain(field.desired),
            "side": field.side.value,
            "agrees": field.agrees,
        }
        for field in each.fields
    ]
    return {
        "ref": str(each.ref),
        "missing": each.missing,
        "who": each.who,
        "when": each.when,
        "fields": fields,
    }


def drift_markdown(found: Drift, target: Target) -> str:
    """Drift for an issue: the counts, then a table of at most 200 rows."""
    lines = [f"### Drift of `{_cell(target.name)}`", "", str(_counts(found).plain), ""]
    table = [
        f"| `{_cell(str(each.ref))}` | {field.name} | {_cell(shown(field.applied))} | {_cell(shown(field.live))} |"
        for each in found.objects
        for field in each.fields
    ]
    table += [
        f"| `{_cell(str(each.ref))}` | | exists | gone |" for each in found.objects if each.missing
    ]
    lines += [
        f"- team `{_cell(team.team)}`: {_cell(meaning_of(team))}"
        for team in found.teams[:MOST_ROWS]
    ]
    lines += [
        f"- {_cell(fact.text)}: {_cell(fact_meaning(fact))} ({_cell(fact.why_left)})"
        for fact in found.moved[:MOST_ROWS]
    ]
    lines += [""] if found.teams or found.moved else []
    if table:
        lines += [
            "| object | field | applied | live |",
            "|---|---|---|---|",
            *table[:MOST_ROWS],
            "",
        ]
    if len(table) > MOST_ROWS:
        lines += [f"and {len(table) - MOST_ROWS:,} more rows", ""]
    return "\n".join(lines)


def _cell(value: str) -> str:
    inert = (
        safe(value).replace("&", "&amp;").replace("<", "&lt;").replace("`", "'").replace("|", "\\|")
    )
    return inert.replace("@", "@\u200b")
