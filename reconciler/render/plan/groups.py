"""Groups: changes that read alike and teams that are hit alike, each told once with a count and examples."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import TypeVar

from reconciler.core.model.changes import Change
from reconciler.core.model.kinds import KINDS, links
from reconciler.core.model.printable import safe
from reconciler.core.model.refs import Ref
from reconciler.core.plan.plan import TeamImpact
from reconciler.core.plan.safety import cut_off, left
from reconciler.render.plan.causes import cause_lines, told
from reconciler.render.plan.fields import FieldRow, alike, field_rows
from reconciler.render.plan.limits import Limits
from reconciler.render.words import (
    NameList,
    count,
    count_signed,
    kind_noun,
    per_month,
    plural,
    some,
)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

SIGNS: Mapping[str, str] = {"create": "+", "update": "~", "adopt": "=", "delete": "-"}
NAMED = 3
Notes = Mapping[Ref, str]
NO_NOTES: Notes = {}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change, or several that read alike. `more_fields` counts the fields that were left out.

    `note` is what else there is to know of it, e.g. how many teams are on a pricing plan.
    `names` are examples, or every name where everything is shown.
    """

    sign: str
    verb: str
    noun: str
    names: NameList
    count: int
    fields: tuple[FieldRow, ...]
    more_fields: int = 0
    adopt: bool = False
    note: str | None = None

    @property
    def label(self) -> str:
        return labelled(self.names, self.noun)

    @property
    def cut(self) -> bool:
        lists = (names for field in self.fields for names in (field.added, field.removed))
        return bool(self.names.more or self.more_fields or any(names.more for names in lists))


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

    `names` are examples, or every name where everything is shown.
    """

    names: NameList
    count: int
    gained: NameList
    lost: NameList
    plan: str | None
    price: str | None
    credits: str | None
    fate: str | None
    standing: str | None = None
    causes: tuple[str, ...] = ()
    more_causes: int = 0

    @property
    def label(self) -> str:
        return labelled(self.names, "team")

    @property
    def cut(self) -> bool:
        return bool(self.names.more or self.gained.more or self.lost.more or self.more_causes)


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


def sections(
    changes: Sequence[Change], limits: Limits, notes: Notes = NO_NOTES
) -> tuple[Section, ...]:
    """The changes by kind; `notes` say more about some refs."""
    by_kind = dict(
        grouped(sorted(changes, key=lambda change: change.ref), lambda change: change.ref.kind)
    )
    return tuple(
        _section(kind, by_kind[kind], limits, notes) for kind in kinds_in_order() if kind in by_kind
    )


def _section(kind: str, changes: list[Change], limits: Limits, notes: Notes) -> Section:
    verbs = [change.verb for change in changes]
    groups = [
        group
        for _, group in grouped(changes, lambda change: (alike(change), notes.get(change.ref)))
    ]
    groups.sort(key=lambda group: group[0].verb != "delete")
    kept = sorted(
        groups[: limits.rows], key=lambda group: (list(SIGNS).index(group[0].verb), group[0].ref)
    )
    return Section(
        kind=kind,
        title=plural(kind_noun(kind)),
        counts={verb: verbs.count(verb) for verb in SIGNS},
        rows=tuple(_row(kind, group, limits, notes) for group in kept),
        more=len(changes) - sum(map(len, kept)),
    )


def _row(kind: str, group: list[Change], limits: Limits, notes: Notes) -> ChangeRow:
    first, names = group[0], [_name(change) for change in group]
    fields = field_rows(first, limits.names)
    return ChangeRow(
        sign=SIGNS[first.verb],
        verb=first.verb,
        noun=kind_noun(kind),
        names=_names(names, limits),
        count=len(group),
        fields=fields[: limits.fields],
        more_fields=max(0, len(fields) - limits.fields),
        adopt=first.adopt,
        note=notes.get(first.ref),
    )


def _name(change: Change) -> str:
    return (
        f"{change.ref.name} (renamed from {change.renamed_from})"
        if change.renamed_from
        else change.ref.name
    )


def labelled(names: NameList, noun: str) -> str:
    """The names of a few, or `3,000 teams: acme-1, acme-2 and 2,998 more`."""
    return str(names) if len(names) <= NAMED else f"{count(len(names), noun)}: {names}"


def _names(names: list[str], limits: Limits) -> NameList:
    return some(names, None if len(names) <= NAMED else limits.examples)


def impact_rows(teams: Sequence[TeamImpact], limits: Limits) -> tuple[ImpactRow, ...]:
    """Losses first, then the most teams."""
    groups = grouped(sorted(teams, key=lambda team: team.team), _hit_alike)
    dangerous = sorted(groups, key=lambda entry: not entry[1][0].lost)
    return tuple(_impact_row(group, limits) for _, group in dangerous)


def credits_delta(team: TeamImpact) -> int:
    """Credits more than before; none for a team whose credits we do not manage, or that goes."""
    return 0 if team.credits_after is None else team.credits_after - (team.credits_before or 0)


def _hit_alike(team: TeamImpact) -> Hashable:
    plan, price = (team.plan_before, team.plan_after), (team.price_before, team.price_after)
    moves = (plan if _moved(*plan) else None, price if _moved(*price) else None)
    stands = (team.refused_before, team.refused_after) if _stands(team) else None
    return (
        team.gained,
        team.lost,
        *moves,
        credits_delta(team),
        team.created,
        team.deleted,
        stands,
        told(team),
    )


def _moved(before: object, after: object) -> bool:
    return before != after


def _impact_row(group: list[TeamImpact], limits: Limits) -> ImpactRow:
    team, names = group[0], [each.team for each in group]
    causes, more_causes = cause_lines(group, limits.causes)
    return ImpactRow(
        names=_names(names, limits),
        count=len(names),
        gained=some(team.gained, limits.names),
        lost=some(team.lost, limits.names),
        plan=_plan(team),
        price=_arrow(team, per_month(team.price_before), per_month(team.price_after)),
        credits=count_signed(credits_delta(team), "credit"),
        fate="new team" if team.created else "deleted" if team.deleted else None,
        standing=standing_of(team, alone=len(names) == 1),
        causes=causes,
        more_causes=more_causes,
    )


def _stands(team: TeamImpact) -> bool:
    return bool(team.cut_off or team.revived or (team.created and team.refused_after))


def standing_of(team: TeamImpact, *, alone: bool) -> str | None:
    """What becomes of every call of the team; with its own numbers where it is about one alone."""
    if team.revived:
        return "calls are answered again" + (
            f": {left(team.left_after, team.unit)} left" if alone else ""
        )
    if not _stands(team):
        return None
    why = cut_off(team) if alone and team.cut_off else str(team.refused_after)
    return f"{why}: every call is refused"


def _plan(team: TeamImpact) -> str | None:
    return _arrow(team, *(safe(name or "none") for name in (team.plan_before, team.plan_after)))


def _arrow(team: TeamImpact, before: str, after: str) -> str | None:
    if before == after:
        return None
    if team.created or team.deleted:
        return after if team.created else before
    return f"{before} -> {after}"
