"""Rows of the HTML report: which models are lost and gained by whom, and before and after of every team."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.core.access.rules import Access
from reconciler.core.plan.plan import Exposure, Impact, TeamImpact
from reconciler.render.plan.causes import cause_lines, told
from reconciler.render.plan.groups import credits_delta, grouped, standing_of
from reconciler.render.words import NameList, count, money, per_month, signed, some

T = TypeVar("T")
Pair = tuple[Access, Access]

NAMES_OF_A_MODEL = 200
NAMES_OF_A_ROW = 20_000
ITEMS = 120_000
SORTS: Mapping[str, tuple[str, Callable[[TeamImpact], bool]]] = {
    "loses": ("Lose a model", lambda team: bool(team.lost)),
    "gains": ("Gain a model", lambda team: bool(team.gained)),
    "price": ("Price", lambda team: team.price_before != team.price_after),
    "credits": ("Credits", lambda team: bool(credits_delta(team))),
    "plan": ("Plan", lambda team: team.plan_before != team.plan_after),
    "refused": ("Refused every call", lambda team: team.cut_off),
    "nothing": ("Left with no model", lambda team: team.left_with_nothing),
    "everything": ("Can call every model", lambda team: team.everything),
    "new": ("New", lambda team: team.created),
    "deleted": ("Deleted", lambda team: team.deleted),
}
MARKS: Mapping[str, tuple[str, str]] = {
    "refused": ("bad", "refused every call"),
    "nothing": ("bad", "left with no model"),
    "everything": ("bad", "can call every model"),
    "new": ("good", "new team"),
    "deleted": ("bad", "deleted"),
}


@dataclass(frozen=True, slots=True)
class Moved:
    """A value before and after, None where there is nothing on that side; equal where it stays. `by` is how much."""

    before: str | None
    after: str | None
    by: str | None = None

    @property
    def stays(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class TeamRow:
    """Teams for which all of this is the same. `keeps` is None where access is not known beyond its changes.

    `sorts` are keys of SORTS, `marks` pairs of a class (good, bad) and a text.
    """

    names: NameList
    count: int
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    keeps: tuple[str, ...] | None
    plan: Moved
    price: Moved
    credits: Moved
    standing: str | None
    causes: tuple[str, ...]
    dearest: Moved | None
    sorts: tuple[str, ...]
    marks: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """Names in it: what it costs to show."""
        return len(self.names.names) + len(self.lost) + len(self.gained) + len(self.keeps or ())


@dataclass(frozen=True, slots=True)
class Hit:
    """The teams that lose (or gain) a model; `apart` of them because they are deleted (or new)."""

    teams: NameList
    apart: int

    def __len__(self) -> int:
        return len(self.teams)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model that somebody loses or gains."""

    model: str
    lost: Hit
    gained: Hit

    @property
    def size(self) -> int:
        return 1 + len(self.lost.teams.names) + len(self.gained.teams.names)


def fitting(
    rows: Iterable[T], size: Callable[[T], int], room: int
) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """The first rows, together as large as the room (at least one), and those that do not fit."""
    every = tuple(rows)
    used = 0
    for number, row in enumerate(every):
        used += size(row)
        if used > room and number:
            return every[:number], every[number:]
    return every, ()


def team_rows(impact: Impact, access: Pair | None) -> tuple[TeamRow, ...]:
    """Losses first, then gains, then the rest; larger groups first."""
    teams = sorted(impact.teams, key=lambda team: team.team)
    keeps = _keeps(access)
    groups = grouped(teams, lambda team: (_alike(team), keeps(team)))
    rows = [_team_row(group, keeps(group[0])) for _, group in groups]
    return tuple(sorted(rows, key=lambda row: (not row.lost, not row.gained, not row.marks)))


def _keeps(access: Pair | None) -> Callable[[TeamImpact], frozenset[str] | None]:
    if access is None:
        return lambda _: None
    before, after = access
    return lambda team: (before.of(team.team) & after.of(team.team)) - team.lost - team.gained


def _alike(team: TeamImpact) -> Hashable:
    apart = {"team", "left_before", "left_after", "causes"}
    fields = (getattr(team, name) for name in TeamImpact.__dataclass_fields__ if name not in apart)
    return (*fields, told(team))


def _team_row(group: Sequence[TeamImpact], keeps: frozenset[str] | None) -> TeamRow:
    team = group[0]
    sorts = tuple(key for key, (_, holds) in SORTS.items() if holds(team))
    return TeamRow(
        names=some((each.team for each in group), NAMES_OF_A_ROW),
        count=len(group),
        lost=tuple(sorted(team.lost)),
        gained=tuple(sorted(team.gained)),
        keeps=None if keeps is None else tuple(sorted(keeps)),
        plan=_moved(team, team.plan_before, team.plan_after, str),
        price=_moved(team, team.price_before, team.price_after, per_month),
        credits=_credits(team),
        standing=standing_of(team, alone=len(group) == 1),
        causes=cause_lines(group, None)[0],
        dearest=_dearest(team),
        sorts=sorts,
        marks=tuple(MARKS[sort] for sort in sorts if sort in MARKS),
    )


def _moved(team: TeamImpact, before: T | None, after: T | None, said: Callable[[T], str]) -> Moved:
    """A new team has nothing before, a deleted one nothing after; else None is said, too, where the other is not."""
    if before is None and after is None:
        return Moved(None, None)
    none = None if team.created or team.deleted else "none"
    return Moved(none if before is None else said(before), none if after is None else said(after))


def _credits(team: TeamImpact) -> Moved:
    moved = _moved(team, team.credits_before, team.credits_after, lambda amount: f"{amount:,}")
    delta = credits_delta(team)
    return Moved(moved.before, moved.after, signed(delta)) if delta and moved.before else moved


def _dearest(team: TeamImpact) -> Moved | None:
    before, after = (top[1] if top else None for top in (team.dearest_before, team.dearest_after))
    if before == after or team.created or team.deleted:
        return None
    return Moved(
        *(
            f"{top[0]} {money(top[1])}" if top else None
            for top in (team.dearest_before, team.dearest_after)
        )
    )


def filters(impact: Impact) -> tuple[tuple[str, str, int], ...]:
    """(key, label, teams) of the sorts that there are."""
    numbers = ((key, label, sum(map(holds, impact.teams))) for key, (label, holds) in SORTS.items())
    return tuple(entry for entry in numbers if entry[2])


def model_rows(impact: Impact) -> tuple[ModelRow, ...]:
    """Every model that somebody loses or gains, most losses first."""
    lost, gained = (
        _by_model(impact, lambda team: team.lost),
        _by_model(impact, lambda team: team.gained),
    )
    rows = [
        ModelRow(
            model, _hit(lost.get(model, []), "deleted"), _hit(gained.get(model, []), "created")
        )
        for model in lost.keys() | gained
    ]
    return tuple(sorted(rows, key=lambda row: (-len(row.lost), -len(row.gained), row.model)))


def _by_model(
    impact: Impact, models: Callable[[TeamImpact], frozenset[str]]
) -> dict[str, list[TeamImpact]]:
    found: dict[str, list[TeamImpact]] = {}
    for team in impact.teams:
        for model in models(team):
            found.setdefault(model, []).append(team)
    return found


def _hit(teams: Sequence[TeamImpact], flag: str) -> Hit:
    apart = sum(bool(getattr(team, flag)) for team in teams)
    return Hit(some((team.team for team in teams), NAMES_OF_A_MODEL), apart)


def exposures(found: Sequence[Exposure]) -> Iterator[tuple[str, str, NameList]]:
    """(model, why, teams), most teams first."""
    for (model, because), group in grouped(sorted(found), lambda each: (each.model, each.because)):
        yield model, because, some({each.team for each in group}, NAMES_OF_A_MODEL)


def left_out(rows: Sequence[TeamRow]) -> str | None:
    """How many teams the rows hold, or None for none."""
    return count(sum(row.count for row in rows), "team") if rows else None
