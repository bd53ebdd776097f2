"""Groups: changes that read alike and teams that are hit alike, each told once with a count and examples."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import TypeVar

from reconciler.core.changes import Change
from reconciler.core.kinds import KINDS, links
from reconciler.core.plan import TeamImpact
from reconciler.render.fields import FieldRow, alike, field_rows
from reconciler.render.limits import UNLIMITED, Limits
from reconciler.render.words import NameList, count, count_signed, kind_noun, per_month, plural, safe, some

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

SIGNS: Mapping[str, str] = {"create": "+", "update": "~", "adopt": "=", "delete": "-"}
NAMED = 3


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change, or several that read alike. `more_fields` counts the fields that were left out.

    `label` is short, with examples; `listed` holds every name where everything is shown, else it is the label.
    """

    sign: str
    verb: str
    label: str
    listed: str
    count: int
    fields: tuple[FieldRow, ...]
    more_fields: int = 0
    adopt: bool = False

    @property
    def cut(self) -> bool:
        return bool(
            self.listed.endswith(" more")
            or self.more_fields
            or any(f.added.more or f.removed.more for f in self.fields)
        )


@dataclass(frozen=True, slots=True)
class Section:
    """The changes of one kind. `more` counts changes left out, `counts` all of them by verb."""

    kind: str
    title: str
    counts: Mapping[str, int]
    rows: tuple[ChangeRow, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class ImpactRow:
    """Teams for which the plan means the same. Texts are None where nothing of the sort changes.

    `label` is short, with examples; `listed` holds every name where everything is shown, else it is the label.
    """

    label: str
    listed: str
    count: int
    gained: NameList
    lost: NameList
    plan: str | None
    price: str | None
    credits: str | None
    fate: str | None

    @property
    def cut(self) -> bool:
        return bool(self.count > NAMED or self.gained.more or self.lost.more)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> tuple[tuple[K, list[T]], ...]:
    """Items by key, in the order in which keys come up, largest group first."""
    found: dict[K, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return tuple(sorted(found.items(), key=lambda entry: -len(entry[1])))


@cache
def kinds_in_order() -> tuple[str, ...]:
    """What is referred to before what refers to it."""
    needs = {kind: {to.kind for to in links(cls).values()} - {kind} for kind, cls in KINDS.items()}
    return tuple(TopologicalSorter(needs).static_order())


def sections(changes: Sequence[Change], limits: Limits) -> tuple[Section, ...]:
    by_kind = dict(grouped(sorted(changes, key=lambda change: change.ref), lambda change: change.ref.kind))
    return tuple(_section(kind, by_kind[kind], limits) for kind in kinds_in_order() if kind in by_kind)


def _section(kind: str, changes: list[Change], limits: Limits) -> Section:
    verbs = [change.verb for change in changes]
    groups = [group for _, group in grouped(changes, alike)]
    groups.sort(key=lambda group: group[0].verb != "delete")
    kept = sorted(groups[: limits.rows], key=lambda group: (list(SIGNS).index(group[0].verb), group[0].ref))
    return Section(
        kind=kind,
        title=plural(kind_noun(kind)),
        counts={verb: verbs.count(verb) for verb in SIGNS},
        rows=tuple(_row(kind, group, limits) for group in kept),
        more=len(changes) - sum(map(len, kept)),
    )


def _row(kind: str, group: list[Change], limits: Limits) -> ChangeRow:
    first, names = group[0], [change.ref.name for change in group]
    fields = field_rows(first, limits.names)
    return ChangeRow(
        sign=SIGNS[first.verb],
        verb=first.verb,
        label=_label(kind_noun(kind), names),
        listed=_listed(kind_noun(kind), names, limits),
        count=len(group),
        fields=fields[: limits.fields],
        more_fields=max(0, len(fields) - limits.fields),
        adopt=first.adopt,
    )


def _label(noun: str, names: list[str]) -> str:
    examples = str(some(names, NAMED if len(names) <= NAMED else 2))
    return examples if len(names) <= NAMED else f"{count(len(names), noun)}: {examples}"


def _listed(noun: str, names: list[str], limits: Limits) -> str:
    everything = limits is UNLIMITED and len(names) > NAMED
    return f"{count(len(names), noun)}: {some(names, None)}" if everything else _label(noun, names)


def impact_rows(teams: Sequence[TeamImpact], limits: Limits) -> tuple[ImpactRow, ...]:
    """Losses first, then the most teams."""
    groups = grouped(sorted(teams, key=lambda team: team.team), _hit_alike)
    dangerous = sorted(groups, key=lambda entry: not entry[1][0].lost)
    return tuple(_impact_row([team.team for team in group], group[0], limits) for _, group in dangerous)


def credits_delta(team: TeamImpact) -> int:
    """Credits more than before; none for a team whose credits we do not manage, or that goes."""
    return 0 if team.credits_after is None else team.credits_after - (team.credits_before or 0)


def _hit_alike(team: TeamImpact) -> Hashable:
    plan, price = (team.plan_before, team.plan_after), (team.price_before, team.price_after)
    moves = (plan if _moved(*plan) else None, price if _moved(*price) else None)
    return (team.gained, team.lost, *moves, credits_delta(team), team.created, team.deleted)


def _moved(before: object, after: object) -> bool:
    return before != after


def _impact_row(names: list[str], team: TeamImpact, limits: Limits) -> ImpactRow:
    return ImpactRow(
        label=_label("team", names),
        listed=_listed("team", names, limits),
        count=len(names),
        gained=some(team.gained, limits.names),
        lost=some(team.lost, limits.names),
        plan=_plan(team),
        price=_arrow(team, per_month(team.price_before), per_month(team.price_after)),
        credits=count_signed(credits_delta(team), "credit"),
        fate="new team" if team.created else "deleted" if team.deleted else None,
    )


def _plan(team: TeamImpact) -> str | None:
    before, after = (safe(name or "none") for name in (team.plan_before, team.plan_after))
    arrow = _arrow(team, before, after)
    return None if arrow is None else f"pricing plan {arrow}"


def _arrow(team: TeamImpact, before: str, after: str) -> str | None:
    if before == after:
        return None
    return after if team.created else f"{before} -> {after}"
