"""Which paths of a team are cut and which replace them: rule 3 of `schedule`, on effective access alone.

A path is team -> source -> model. It is stable when both links stand before and after; then nothing can cut it,
because an update never drops what it keeps. Only a model that a team keeps without any stable path needs an order.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.access.rules import Access, Source, SourceKind
from reconciler.core.model.kinds import AccessGroup, Team
from reconciler.core.model.refs import Ref


@dataclass(frozen=True, slots=True)
class Cut:
    """One replacement: once these groups have grown (and the team joined), those may shrink (and the team leave).

    `through` is the group of the path that stays, None where the team's own list or alias is it. `crosses`: a team
    alias gives way to another kind of path, or the other way round.
    """

    growing: frozenset[str]
    team_joins: bool
    shrinking: frozenset[str]
    team_leaves: bool
    through: str | None = None
    crosses: bool = False


@dataclass(frozen=True, slots=True)
class Spill:
    """Groups that a team joins while they shrink, and groups that it leaves while they grow."""

    joined_shrinking: frozenset[str]
    left_growing: frozenset[str]


Sources = tuple[Source, ...]


def replacements(
    before: Access, after: Access, fresh: Collection[Ref] = ()
) -> Iterator[tuple[str, frozenset[Cut]]]:
    """(team, its cuts) for every team that keeps a model by another path; computed once per kind of transition.

    A path over a `fresh` team or group is not stable: it was built so recently that not everybody knows of it.
    """
    known: dict[tuple[Sources, Sources, bool], frozenset[Cut]] = {}
    moved = _moved(before, after)
    groups = frozenset(ref.name for ref in fresh if ref.kind == AccessGroup.kind)
    for team in sorted(before.teams):
        old, new = before.sources[team], after.sources.get(team, ())
        if old == new and not moved.intersection(old):
            continue
        own = Ref(Team.kind, team) in fresh
        if (old, new, own) not in known:
            unsettled = frozenset(source for source in old if own or source.name in groups)
            known[old, new, own] = frozenset(_cuts(old, new, before, after, unsettled))
        if known[old, new, own]:
            yield team, known[old, new, own]


def _moved(before: Access, after: Access) -> set[Source]:
    """The sources in use that cover something else afterwards."""
    used = {source for sources in before.sources.values() for source in sources}
    return {source for source in used if before.covers(source) != after.covers(source)}


def _cuts(
    old: Sources, new: Sources, before: Access, after: Access, unsettled: Collection[Source]
) -> Iterator[Cut]:
    covered_before, covered_after = _coverage(old, before), _coverage(new, after)
    lasting = (covered_before.keys() & covered_after) - {
        (source.kind, source.name) for source in unsettled
    }
    stable = frozenset().union(*(covered_before[key] & covered_after[key] for key in lasting))
    kept = frozenset().union(*covered_before.values()) & frozenset().union(*covered_after.values())
    for model in kept - stable:
        yield _cut(model, covered_before, covered_after, before, after)


Coverage = Mapping[tuple[SourceKind, str], frozenset[str]]


def _coverage(sources: Sources, side: Access) -> Coverage:
    """What each source covers; a team's own list is one source, whatever its entries."""
    return {(source.kind, source.name): side.covers(source) for source in sources}


def _cut(model: str, old: Coverage, new: Coverage, before: Access, after: Access) -> Cut:
    options = [_path(key, model, old, before) for key in sorted(new) if model in new[key]]
    way = min(
        options, key=lambda option: (len(option.growing) + option.joins, sorted(option.growing))
    )
    live = [key for key in old if model in old[key]]
    return Cut(
        growing=way.growing,
        team_joins=way.joins,
        shrinking=frozenset(
            name
            for kind, name in live
            if kind is SourceKind.GROUP and not _still(name, model, after)
        ),
        team_leaves=any(key not in new or key[0] is not SourceKind.GROUP for key in live),
        through=way.key[1] if way.key[0] is SourceKind.GROUP else None,
        crosses=any(
            (key[0] is SourceKind.ALIAS) != (way.key[0] is SourceKind.ALIAS)
            for key in live
            if key != way.key
        ),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """What must be built for a path: the groups that must grow, and whether the team must join."""

    key: tuple[SourceKind, str]
    growing: frozenset[str]
    joins: bool


def _path(key: tuple[SourceKind, str], model: str, old: Coverage, before: Access) -> _Way:
    kind, name = key
    grows = kind is SourceKind.GROUP and model not in before.covers(Source(SourceKind.GROUP, name))
    return _Way(
        key, frozenset((name,) if grows else ()), key not in old or kind is not SourceKind.GROUP
    )


def _still(group: str, model: str, after: Access) -> bool:
    return model in after.covers(Source(SourceKind.GROUP, group))


def spills(before: Access, after: Access) -> Iterator[tuple[str, Spill]]:
    """(team, spill) for every team that a grant could show more than it has before or after."""
    known: dict[tuple[Sources, Sources], Spill] = {}
    for team in sorted(before.teams.keys() | after.teams):
        old, new = before.sources.get(team, ()), after.sources.get(team, ())
        if old == new:
            continue
        if (old, new) not in known:
            known[old, new] = _spill(old, new, before, after)
        if known[old, new].joined_shrinking or known[old, new].left_growing:
            yield team, known[old, new]


def _spill(old: Sources, new: Sources, before: Access, after: Access) -> Spill:
    allowed = frozenset().union(*map(before.covers, old), *map(after.covers, new))
    return Spill(
        joined_shrinking=_beyond(set(new) - set(old), before, allowed),
        left_growing=_beyond(set(old) - set(new), after, allowed),
    )


def _beyond(sources: Collection[Source], side: Access, allowed: frozenset[str]) -> frozenset[str]:
    return frozenset(
        source.name
        for source in sources
        if source.kind is SourceKind.GROUP and side.covers(source) - allowed
    )
