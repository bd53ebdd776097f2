"""announced: what was approved with a date happens when the date comes, and is no surprise then.

The record of an object holds the dates that lay ahead when it was applied (`promises`). Only those count: a date that
is moved into the past, or written down after it has passed, announces nothing.

    recorded   what apply writes down of an object, with its promises
    come       the live state as it would be by the promises whose dates have come, and by nothing else
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from reconciler.core.model.changes import Change
from reconciler.core.model.inventory import ANNOUNCED, Inventory, Record, resource_of
from reconciler.core.model.kinds import AccessGroup, Grant, ModelAlias, Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import holds, instant

Json = dict[str, Any]


@dataclass(frozen=True)
class Come:
    """The live state after the dates that have come.

    `ended`: (team, group) -> the day on which the grant ended; `sunsets`: alias -> the day of its sunset.
    """

    state: State
    ended: Mapping[tuple[str, str], date] = field(default_factory=dict)
    sunsets: Mapping[str, date] = field(default_factory=dict)


def promises(resource: Resource) -> Iterator[tuple[str, date]]:
    """(what is said, its date) of a resolved resource: the sunset of an alias, beginnings and ends of grants."""
    if isinstance(resource, ModelAlias) and resource.sunset is not None:
        yield f"sunset {resource.sunset.isoformat()}", resource.sunset
    for grant in resource.grants if isinstance(resource, Team) else ():
        for group in sorted(grant.access_groups):
            yield _until(grant, group), grant.until
            if grant.since is not None:
                yield _since(grant, group), grant.since


def _until(grant: Grant, group: str) -> str:
    return f"{group} until {grant.until.isoformat()}"


def _since(grant: Grant, group: str) -> str:
    return f"{group} since {grant.since.isoformat()}" if grant.since else ""


def recorded(record: Json, wish: Resource, known: Mapping[str, Any] | None, now: datetime) -> Json:
    """The record with the promises of the wish: those whose dates lie ahead, and those that were made before."""
    before = frozenset((known or {}).get(ANNOUNCED, ()))
    kept = sorted(
        {promise for promise, day in promises(wish) if instant(day) > now or promise in before}
    )
    return {**record, ANNOUNCED: kept} if kept else record


def come(live: State, inventory: Inventory, now: datetime) -> Come:
    """What the dates do to the live state; what is not ours, or not there, is not touched."""
    sunsets = dict(_sunsets(live, inventory, now))
    ended: dict[tuple[str, str], date] = {}
    moved: dict[Ref, Resource | None] = {}
    for name, team in live.of(Team).items():
        ref = Ref(Team.kind, name)
        gone, begun = _grants(ref, inventory.get(ref), now)
        ended |= {(name, group): day for group, day in gone.items()}
        given = {group for group in begun if Ref(AccessGroup.kind, group) in live}
        groups = team.access_groups.difference(gone).union(given)
        if groups != team.access_groups:
            moved[ref] = team.model_copy(update={"access_groups": groups})
    for name, group in live.of(AccessGroup).items():
        ref = Ref(AccessGroup.kind, name)
        members = group.model_aliases.difference(sunsets)
        if ref in inventory and members != group.model_aliases:
            moved[ref] = group.model_copy(update={"model_aliases": members})
    return Come(live.updated(moved) if moved else live, ended, sunsets)


def _sunsets(live: State, inventory: Inventory, now: datetime) -> Iterator[tuple[str, date]]:
    for name in live.of(ModelAlias):
        ref = Ref(ModelAlias.kind, name)
        for promise, day in _promised(ref, inventory.get(ref)):
            if promise.startswith("sunset ") and instant(day) <= now:
                yield name, day


def _grants(ref: Ref, record: Record | None, now: datetime) -> tuple[dict[str, date], set[str]]:
    """(group -> the day on which its grant ended, groups whose grant has begun)."""
    promised = {text for text, _ in _promised(ref, record)}
    team = resource_of(ref, record) if promised and record is not None else None
    gone: dict[str, date] = {}
    begun: set[str] = set()
    held: set[str] = set()
    for grant in team.grants if isinstance(team, Team) else ():
        held |= grant.access_groups if holds(grant, now) else set()
        for group in grant.access_groups:
            if instant(grant.until) <= now and _until(grant, group) in promised:
                gone[group] = grant.until
            if holds(grant, now) and _since(grant, group) in promised:
                begun.add(group)
    return {group: day for group, day in gone.items() if group not in held}, begun


def _promised(ref: Ref, record: Record | None) -> Iterator[tuple[str, date]]:
    made = frozenset(record.applied.get(ANNOUNCED, ())) if record is not None else frozenset[str]()
    if record is not None and made:
        yield from (promise for promise in promises(resource_of(ref, record)) if promise[0] in made)


def by_date(change: Change, ahead: Come) -> bool:
    """Whether the change is what dates do, and nothing else."""
    after = ahead.state.get(change.ref)
    if (
        after is None
        or change.before is None
        or change.after is None
        or change.credits
        or change.renamed_from
    ):
        return False
    return bool(change.fields) and all(
        getattr(after, field.name) == field.after for field in change.fields
    )
