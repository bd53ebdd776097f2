"""Explanations as text, a tree of links with file:line:column beside each, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from reconciler.core.explain.checks import Check, Checked, Verdict
from reconciler.core.explain.explain import Explanation, Gap, Overview, Reachable
from reconciler.core.explain.remedies import Remedy
from reconciler.core.explain.routes import Link, Route
from reconciler.core.model.findings import Origin
from reconciler.core.model.printable import json_text, safe
from reconciler.core.model.refs import Ref
from reconciler.render.layout import WIDTH, printed, text, wrapped
from reconciler.render.words import count, plain, some

if TYPE_CHECKING:
    from rich.text import Text

MARKS: Mapping[Checked, tuple[str, str]] = {
    Checked.YES: ("ok  ", "+"),
    Checked.NO: ("FAIL", "-"),
    Checked.NOTE: ("note", "~"),
    Checked.UNKNOWN: ("?   ", "dim"),
}
WHERE = {"config": "In the config", "live": "On the gateway"}
SHOWN = 6


def render(found: Explanation, *, color: bool = False, width: int | None = None) -> str:
    """One question's answer: the verdicts, the ways there or the checks that fail, and what would change it."""
    wide = width or WIDTH
    blocks = [list(_head(found)), list(_verdict(found.config, wide))]
    blocks += [list(_verdict(found.live, wide))] if found.live else []
    blocks += [
        list(_gaps(found.gaps, wide)),
        list(_remedies(found.remedies, wide)),
        list(_notes(found.notes, wide)),
    ]
    lines = [line for block in blocks if block for line in (text(), *block)]
    return printed(lines[1:], color=color)


def _head(found: Explanation) -> Iterator["Text"]:
    live = "not asked" if found.live is None else _yes(found.live.allowed)
    question = f"May {safe(found.team)} call {safe(found.model)}?"
    yield text((question, "title"), f"  config: {_yes(found.config.allowed)}, live: {live}")


def _yes(allowed: bool) -> str:
    return "yes" if allowed else "no"


def _verdict(found: Verdict, width: int) -> Iterator["Text"]:
    ways = f", {count(len(found.routes), 'way')}" if found.routes else ""
    yield text(
        (f"{WHERE[found.world]}: ", "title"),
        (_yes(found.allowed), "+" if found.allowed else "-"),
        ways,
    )
    yield from tree(found.routes, "  ")
    for check in found.checks:
        if not found.allowed or check.result is not Checked.YES:
            yield from _check(check, width)


def tree(routes: Sequence[Route], indent: str = "") -> Iterator["Text"]:
    """Routes as one tree; what they share at their beginning is written once."""
    heads: dict[Link, list[Route]] = {}
    for route in routes:
        heads.setdefault(route[0], []).append(route[1:])
    for head, rests in heads.items():
        yield _link(indent, head)
        below = [rest for rest in rests if rest]
        if below:
            yield from tree(
                below, f"{indent.replace('- ', '  ')}- " if indent.strip() else f"{indent}- "
            )


def _link(indent: str, link: Link) -> "Text":
    place = f"  {safe(str(link.origin))}" if link.origin else ""
    return text(indent, safe(link.text), (place, "dim"))


def _check(check: Check, width: int) -> Iterator["Text"]:
    place = f"  {check.origin}" if check.origin and check.result is not Checked.YES else ""
    head = text(
        "  ", MARKS[check.result], f" {check.name}: {safe(check.fact)}", (safe(place), "dim")
    )
    yield from wrapped(head, width, hang=7)
    if check.hint:
        yield from wrapped(text((safe(check.hint), "dim")), width, 7)


def _gaps(gaps: Sequence[Gap], width: int) -> Iterator["Text"]:
    if gaps:
        yield text(("Why they differ", "title"))
    for gap in gaps:
        yield from wrapped(text((f"{gap.kind}: ", "~"), safe(gap.text)), width, 2, 2)
    for hint in dict.fromkeys(gap.hint for gap in gaps):
        yield from wrapped(text((hint, "dim")), width, 4)


def _remedies(remedies: Sequence[Remedy], width: int) -> Iterator["Text"]:
    needed = [remedy for remedy in remedies if remedy.needed]
    ways = [remedy for remedy in remedies if not remedy.needed]
    yield from _numbered("What is needed first" if ways else "What would grant it", needed, width)
    yield from _numbered(
        "What would grant it, one of" if len(ways) > 1 else "What would grant it", ways, width
    )


def _numbered(title: str, remedies: Sequence[Remedy], width: int) -> Iterator["Text"]:
    if remedies:
        yield text((title, "title"))
    for number, remedy in enumerate(remedies, 1):
        place = f"  {remedy.origin}" if remedy.origin else ""
        yield from wrapped(
            text(f"{number}. {safe(remedy.text)}{_beside(remedy)}", (safe(place), "dim")),
            width,
            2,
            3,
        )
        for line in remedy.yaml.splitlines():
            yield text("       ", (safe(line), "+"))


def _beside(remedy: Remedy) -> str:
    parts = [f"also gains {some(remedy.extra, SHOWN)}"] if remedy.extra else []
    parts += [f"also for {count(remedy.other_teams, 'other team')}"] if remedy.other_teams else []
    return f" ({'; '.join(parts)})" if parts else ""


def _notes(notes: Sequence[str], width: int) -> Iterator["Text"]:
    for note in notes:
        yield from wrapped(text(("note: ", "~"), safe(note)), width, hang=6)


def render_overview(found: Overview, *, color: bool = False, width: int | None = None) -> str:
    """All that a team can call, each model with its routes, then what differs on the gateway."""
    del width  # one line per link: nothing to wrap
    callable_ = [each for each in found.models if each.config.allowed]
    live = sum(1 for each in found.models if each.live)
    asked = "" if found.exists is None else f", live: {live if found.exists else 'no such team'}"
    declared = count(len(callable_), "model") if found.declared else "no such team"
    lines = [text((f"{safe(found.team)} can call", "title"), f"  config: {declared}{asked}")]
    for each in found.models:
        lines += [text(), *_reachable(each)]
    return printed(lines, color=color)


def _reachable(found: Reachable) -> Iterator["Text"]:
    behind = f" = {', '.join(map(safe, found.targets))}" if found.targets else ""
    yield text((safe(found.model), "title"), behind, (_difference(found), "~"))
    for route in found.config.routes:
        yield from tree([route[1:-1] if len(route) > 2 else route], "  ")  # noqa: PLR2004  # the team and the model are in the heads
    for check in found.config.checks:
        if check.result is Checked.NO:
            yield text("  ", MARKS[check.result], f" {check.name}: {safe(check.fact)}")


def _difference(found: Reachable) -> str:
    if found.live is None or found.live == bool(found.config.routes):
        return ""
    return "  live: no" if found.config.routes else "  only live, not in the config"


def render_json(found: Explanation | Overview) -> str:
    """The same facts for other programs; refs as `kind/name`, origins as file, line and column."""
    return json_text(data(found)) + "\n"


def data(value: object) -> Any:
    """Dataclasses as mappings, all the way down."""
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Origin) or (is_dataclass(value) and not isinstance(value, type)):
        return {each.name: data(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, (tuple, list)):
        return [data(item) for item in value]
    return plain(value)
