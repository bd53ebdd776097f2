"""Which paths of a team are cut and which replace them: rule 3 of `schedule`, on effective access alone.

A path is team -> source -> model. It is stable when both links stand before and after; then nothing can cut it,
because an update never drops what it keeps. Only a model that a team keeps without any stable path needs an order.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.access import Access, Source


@dataclass(frozen=True, slots=True)
class Cut:
    """One replacement: once these groups have grown (and the team joined), those may shrink (and the team leave)."""

    growing: frozenset[str]
    team_joins: bool
    shrinking: frozenset[str]
    team_leaves: bool


@dataclass(frozen=True, slots=True)
class Spill:
    """Groups that a team joins while they shrink, and groups that it leaves while they grow."""

    joined_shrinking: frozenset[str]
    left_growing: frozenset[str]


Sources = tuple[Source, ...]


def replacements(before: Access, after: Access) -> Iterator[tuple[str, frozenset[Cut]]]:
    """(team, its cuts) for every team that keeps a model by another path; computed once per kind of transition."""
    known: dict[tuple[Sources, Sources], frozenset[Cut]] = {}
    moved = _moved(before, after)
    for team in sorted(before.teams):
        old, new = before.sources[team], after.sources.get(team, ())
        if old == new and not moved.intersection(old):
            continue
        if (old, new) not in known:
            known[old, new] = frozenset(_cuts(old, new, before, after))
        if known[old, new]:
            yield team, known[old, new]


def _moved(before: Access, after: Access) -> set[Source]:
    """The sources in use that cover something else afterwards."""
    used = {source for sources in before.sources.values() for source in sources}
    return {source for source in used if before.covers(source) != after.covers(source)}


def _cuts(old: Sources, new: Sources, before: Access, after: Access) -> Iterator[Cut]:
    covered_before, covered_after = _coverage(old, before), _coverage(new, after)
    stable = frozenset().union(
        *(covered_before[key] & covered_after[key] for key in covered_before.keys() & covered_after)
    )
    kept = frozenset().union(*covered_before.values()) & frozenset().union(*covered_after.values())
    for model in kept - stable:
        yield _cut(model, covered_before, covered_after, before, after)


Coverage = Mapping[tuple[str, str], frozenset[str]]


def _coverage(sources: Sources, side: Access) -> Coverage:
    """What each source covers; a team's own list is one source, whatever its entries."""
    return {(source.kind, source.name): side.covers(source) for source in sources}


def _cut(model: str, old: Coverage, new: Coverage, before: Access, after: Access) -> Cut:
    options = [_path(key, model, old, before) for key in sorted(new) if model in new[key]]
    growing, joins = min(options, key=lambda option: (len(option[0]) + option[1], sorted(option[0])))
    live = [key for key in old if model in old[key]]
    return Cut(
        growing=growing,
        team_joins=joins,
        shrinking=frozenset(name for kind, name in live if kind == "group" and not _still(name, model, after)),
        team_leaves=any(key not in new or key[0] != "group" for key in live),
    )


def _path(key: tuple[str, str], model: str, old: Coverage, before: Access) -> tuple[frozenset[str], bool]:
    """What must be built for a path: the groups that must grow, and whether the team must join."""
    kind, name = key
    grows = kind == "group" and model not in before.covers(Source("group", name))
    return frozenset((name,) if grows else ()), key not in old or kind != "group"


def _still(group: str, model: str, after: Access) -> bool:
    return model in after.covers(Source("group", group))


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
    return frozenset(source.name for source in sources if source.kind == "group" and side.covers(source) - allowed)
