"""drift: what changed on which side since the last apply, by the ledger.

applied   what we last applied         (the ledger)
live      what the gateway says now    live differs from applied: somebody changed the gateway
desired   what git declares now        desired differs from applied: git moved on, `plan` shows it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.access.facts import MovedFact
from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Origin
from reconciler.core.model.inventory import Inventory, Known, resource_of
from reconciler.core.model.kinds import KINDS, CreditsMode, Resource, Team, gateway_fields
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.credits.allocation import CREDITS
from reconciler.core.plan.diff import diff
from reconciler.core.plan.meaning.impact import Context, impact, transition_in
from reconciler.core.plan.support import Support


class Side(StrEnum):
    """Who moved: only the gateway, or git as well (then the two may contradict each other)."""

    LIVE = "live"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One field from three sides. `agrees`: git wants by now what the gateway has."""

    name: str
    applied: Any
    live: Any
    desired: Any
    side: Side
    agrees: bool


@dataclass(frozen=True, slots=True)
class ObjectDrift:
    """An object of ours that is not as we left it. `missing`: it is gone from the gateway.

    `who` and `when` are what the gateway tells of its last change, where it does.
    """

    ref: Ref
    fields: tuple[FieldDrift, ...]
    missing: bool = False
    who: str | None = None
    when: str | None = None


@dataclass(frozen=True, slots=True)
class TeamDrift:
    """What the drift does to one team: models that it can no longer call, or can since; why every call is refused."""

    team: str
    lost: frozenset[str]
    gained: frozenset[str]
    refused: str | None = None


@dataclass(frozen=True)
class Drift:
    """Drift of the whole gateway. `heal` are the changes that restore what was applied; `ahead` is what git adds.

    `foreign` are the live objects that are not ours, sorted. `owed` are those of ours whose virtual key nobody has.
    `teams` is what the drift of objects means, sorted by name. `moved` are facts that decide access and that no object
    holds, each with its meaning: apply does not undo them, and what it leaves counts as known.
    """

    objects: tuple[ObjectDrift, ...]
    heal: tuple[Change, ...]
    ahead: tuple[Ref, ...]
    unchanged: int
    foreign: tuple[Ref, ...]
    owed: tuple[Ref, ...] = ()
    teams: tuple[TeamDrift, ...] = ()
    moved: tuple[MovedFact, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether another hand changed anything that concerns us."""
        return bool(self.objects or self.moved)


def drift(
    desired: State,
    live: State,
    known: Known,
    support: Support,
    runtime: Mapping[Ref, Mapping[str, Any]],
) -> Drift:
    """How live differs from what was last applied. What is not ours is no drift."""
    kept = {
        ref: record
        for ref, record in known.inventory.items()
        if ref.kind in KINDS and not KINDS[ref.kind].virtual
    }
    applied = State({ref: resource_of(ref, record) for ref, record in kept.items()})
    compared = diff(applied, live, known, support, prune="never")
    heal = tuple(change for change in compared.changes if change.fields or change.before is None)
    return Drift(
        objects=tuple(
            _object(change, applied, desired, support, runtime.get(change.ref, {}))
            for change in heal
        ),
        heal=heal,
        ahead=tuple(_ahead(applied, desired, known.inventory)),
        unchanged=len(applied) - len(heal),
        foreign=tuple(sorted(ref for ref in live if ref not in known.inventory)),
        owed=tuple(sorted(known.owed)),
        teams=tuple(_meaning(heal, live, applied, known, support, runtime)) if heal else (),
        moved=support.moved(known.facts, live, known.inventory.keys()),
    )


def _meaning(
    heal: tuple[Change, ...],
    live: State,
    applied: State,
    known: Known,
    support: Support,
    runtime: Mapping[Ref, Mapping[str, Any]],
) -> Iterator[TeamDrift]:
    """What healing would give to teams is what they have lost, and the other way round."""
    healing = Context(heal, live, applied, known.inventory, support, NO_PRICES, runtime=runtime)
    for team in impact(healing, transition_in(healing)).teams:
        refused = team.refused_before if not team.refused_after else None
        if team.gained or team.lost or refused:
            yield TeamDrift(team.team, lost=team.gained, gained=team.lost, refused=refused)


def _object(
    change: Change, applied: State, desired: State, support: Support, facts: Mapping[str, Any]
) -> ObjectDrift:
    who, when = (
        str(facts[name]) if facts.get(name) else None for name in ("updated_by", "updated_at")
    )
    ours, wish = applied[change.ref], desired.get(change.ref)
    wanted = support.normalise(change.ref, wish) if wish is not None else None
    fields = tuple(
        _field(
            field.name,
            field.after,
            field.before,
            wanted,
            getattr(support.normalise(change.ref, ours), field.name),
        )
        for field in change.fields
    )
    return ObjectDrift(change.ref, fields, missing=change.before is None, who=who, when=when)


def _field(
    name: str, applied: Any, live: Any, wanted: Resource | None, recorded: Any
) -> FieldDrift:
    desired = getattr(wanted, name) if wanted is not None else None
    moved = wanted is None or desired != recorded
    return FieldDrift(
        name, applied, live, desired, Side.BOTH if moved else Side.LIVE, agrees=desired == live
    )


def _ahead(applied: State, desired: State, inventory: Inventory) -> Iterator[Ref]:
    """Refs that git changed since the last apply: new, gone, or with another value in a field gateways store."""
    for ref in sorted(applied.resources.keys() | desired.resources.keys()):
        before, after = applied.get(ref), desired.get(ref)
        if before is None or after is None:
            if ref in inventory or after is not None:
                yield ref
        elif any(getattr(before, name) != getattr(after, name) for name in _said(after)):
            yield ref


def _said(wish: Resource) -> Iterator[str]:
    """The gateway's fields, without credits where the wish leaves them as they are."""
    silent = isinstance(wish, Team) and (
        wish.credits_allocated is None or wish.credits_mode is CreditsMode.INITIAL
    )
    return (name for name in gateway_fields(type(wish)) if not (silent and name == CREDITS))


@dataclass(frozen=True)
class Shown:
    """One object from every side: as written, as it resolves, live, and as last applied (None where it is not)."""

    ref: Ref
    written: Resource | None
    desired: Resource | None
    live: Resource | None
    applied: Mapping[str, object] | None
    runtime: Mapping[str, object]
    origin: Origin | None
