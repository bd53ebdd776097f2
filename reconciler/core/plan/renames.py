"""renames: what `renamed_from` comes to on this gateway, and the world as it reads once that is done.

    in place   the gateway gives the object another name; virtual keys, credits and references stay
    replaced   the new object is built beside the old one, its holders move, the old one goes (groups and aliases)
    settled    the gateway knows only the new name, or neither: what the ledger holds under the old one moves
    refused    teams and keys that the gateway cannot rename: their secret and credits would be lost

A plan compares against the renamed view of live and of what is known, so that a rename alone changes nothing else.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, error, info, warning
from reconciler.core.model.inventory import Inventory, Record
from reconciler.core.model.kinds import (
    KINDS,
    IfDeclared,
    Key,
    ModelAlias,
    Resource,
    Team,
    links,
    marked,
)
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.literal import literal_secrets
from reconciler.core.model.state import State
from reconciler.core.plan.diff import Diff, Known
from reconciler.core.plan.support import Support

Moves = Mapping[Ref, Ref]
# What a deletion takes with it for good: the virtual key, and a team's credits.
IRREPLACEABLE = (Team.kind, Key.kind)


@dataclass(frozen=True)
class Renames:
    """New ref -> old ref, for each way; `refused` hold both refs, of which nothing is created or deleted."""

    in_place: Moves = field(default_factory=dict)
    replaced: Moves = field(default_factory=dict)
    settled: Moves = field(default_factory=dict)
    refused: frozenset[Ref] = frozenset()
    findings: tuple[Finding, ...] = ()

    def without(self, refs: Collection[Ref]) -> "Renames":
        """The renames but for those of some new refs, of which nothing is created or deleted then."""
        left = {
            ref: old for ref, old in (*self.in_place.items(), *self.replaced.items()) if ref in refs
        }
        return replace(
            self,
            in_place={ref: old for ref, old in self.in_place.items() if ref not in left},
            replaced={ref: old for ref, old in self.replaced.items() if ref not in left},
            refused=self.refused.union(left.keys(), left.values()),
            findings=tuple(finding for finding in self.findings if finding.ref not in left),
        )


def renames(desired: State, live: State, known: Known, support: Support) -> Renames:
    """Every declared rename, sorted into what becomes of it. Expects that no old name is declared (`core.check`)."""
    wished = ((ref, wish.renamed_from) for ref, wish in desired.resources.items())
    said = (
        (ref, Ref(ref.kind, former))
        for ref, former in wished
        if former and ref.kind in support.kinds
    )
    asked = sorted((ref, old) for ref, old in said if old not in desired)
    ways: dict[str, dict[Ref, Ref]] = {"in_place": {}, "replaced": {}, "settled": {}, "refused": {}}
    findings: list[Finding] = []
    for ref, old in asked:
        way, found = _way(ref, old, live, known, support)
        findings += found
        if way:
            ways[way][ref] = old
    refused = ways.pop("refused")
    return Renames(
        **ways, refused=frozenset((*refused, *refused.values())), findings=tuple(findings)
    )


def _way(
    ref: Ref, old: Ref, live: State, known: Known, support: Support
) -> tuple[str | None, list[Finding]]:
    if old not in live:
        moves = ref not in known.inventory and (
            old in known.inventory or old.name in _grants(ref, known)
        )
        return "settled" if moves else None, [_done(ref, old, live)]
    if ref in live:
        half = ref.kind not in IRREPLACEABLE and old in known.inventory and old not in known.fixed
        return "replaced" if half else None, [] if half else [_both(ref, old)]
    if hindered := _hindrance(ref, old, known, support):
        return "refused", [hindered]
    called = [_recalled(ref, old)] if ref.kind == ModelAlias.kind else []
    if ref.kind not in support.renames:
        return "replaced", called
    return "in_place", [*called, *_unfit(ref, live[old], support)]


def _grants(ref: Ref, known: Known) -> Collection[str]:
    return known.granted if ref.kind == Team.kind else ()


def _hindrance(ref: Ref, old: Ref, known: Known, support: Support) -> Finding | None:
    if old in known.fixed:
        message = f"{old} can only be read on this gateway, so it cannot become {ref}"
        return _cannot(ref, message, "take renamed_from out: the new one is then created beside it")
    if ref.kind == Team.kind and old.name in known.undecided:
        message = f"whether an earlier credit grant for {old} happened cannot be told; under another name nobody could"
        return _cannot(
            ref, message, "compare its balance on the gateway, then run `reconciler history decide`"
        )
    if ref.kind in IRREPLACEABLE and ref.kind not in support.renames:
        lost = "virtual key and credits" if ref.kind == Team.kind else "secret"
        message = f"{support.backend} cannot rename {old} to {ref.name}: its {lost} would be lost"
        hint = f"declare it as {old.name} and show another name by team_alias; or declare both, move the callers"
        return _cannot(
            ref,
            message,
            hint if ref.kind == Team.kind else "declare both, move the callers, drop the old",
        )
    return None


def _cannot(ref: Ref, message: str, hint: str) -> Finding:
    return error("cannot-rename", message, hint=hint, ref=ref, path=("renamed_from",))


def _unfit(ref: Ref, found: Resource, support: Support) -> Iterator[Finding]:
    """A name that the gateway would not take: what its check says of the ids of new objects."""
    for finding in support.check(ref, None, found):
        if finding.code.startswith("id-"):
            yield finding


def _done(ref: Ref, old: Ref, live: State) -> Finding:
    says = (
        f"{ref} has its new name already"
        if ref in live
        else f"there is no {old} on the gateway to rename"
    )
    return info("rename-done", f"{says}: renamed_from can go", ref=ref, path=("renamed_from",))


def _both(ref: Ref, old: Ref) -> Finding:
    message = f"{ref} exists already beside {old}: renamed_from changes nothing"
    hint = f"take renamed_from out, and decide what becomes of {old.name}"
    return warning("rename-done", message, hint=hint, ref=ref, path=("renamed_from",))


def _recalled(ref: Ref, old: Ref) -> Finding:
    message = f"calls to {old.name} stop when it becomes {ref.name}"
    hint = f"to give clients time, declare both for a while (without renamed_from) and take {old.name} out later"
    return warning("alias-renamed", message, hint=hint, ref=ref, path=("renamed_from",))


# ---- the world under its new names


def renamed_state(state: State, moves: Moves) -> State:
    """The state with new names (`moves`: old -> new), in the objects themselves and wherever they are referred to."""
    if not moves:
        return state
    names = _names(moves)
    return State(
        {
            moves.get(ref, ref): _renamed(resource, names)
            for ref, resource in state.resources.items()
        }
    )


Names = Mapping[str, Mapping[str, str]]


def _names(moves: Moves) -> Names:
    found: dict[str, dict[str, str]] = {}
    for old, new in moves.items():
        found.setdefault(old.kind, {})[old.name] = new.name
    return found


def _renamed(resource: Resource, names: Names) -> Resource:
    update: dict[str, Any] = {}
    for name, to in links(type(resource)).items():
        value, there = getattr(resource, name), names.get(to.kind)
        if there and isinstance(value, str) and value in there:
            update[name] = there[value]
        elif there and isinstance(value, frozenset) and not value.isdisjoint(there):
            update[name] = frozenset(there.get(each, each) for each in value)
    return resource.model_copy(update=update) if update else resource


def renamed_inventory(inventory: Inventory, moves: Moves) -> Inventory:
    """The records under new names, and with new names in what they refer to."""
    if not moves:
        return inventory
    names = _names(moves)
    kept = {ref: record for ref, record in inventory.items() if ref not in moves}
    moved = {moves[ref]: record for ref, record in inventory.items() if ref in moves}
    return {ref: _recorded(ref, record, names) for ref, record in (kept | moved).items()}


def _recorded(ref: Ref, record: Record, names: Names) -> Record:
    update: dict[str, Any] = {}
    for name, to in links(KINDS[ref.kind]).items():
        value, there = record.applied.get(name), names.get(to.kind)
        if there and isinstance(value, str) and value in there:
            update[name] = there[value]
        elif there and isinstance(value, list) and any(each in there for each in value):
            update[name] = sorted(there.get(each, each) for each in value)
    return replace(record, applied={**record.applied, **update}) if update else record


def renamed_known(known: Known, moves: Moves) -> Known:
    """What is known, under new names: a top-up that was granted under the old name was granted."""
    if not moves:
        return known
    granted = dict(known.granted)
    for old, new in moves.items():
        if old.kind == Team.kind and old.name in granted:
            granted[new.name] = granted.get(new.name, frozenset()) | granted.pop(old.name)
    return replace(known, inventory=renamed_inventory(known.inventory, moves), granted=granted)


@dataclass(frozen=True)
class View:
    """What a plan is made of once renames are seen through. `called`: live, but aliases by the names called now."""

    desired: State
    live: State
    known: Known
    called: State


def view(desired: State, live: State, known: Known, found: Renames) -> View:
    """The world as it reads after the renames in place; an old object that is replaced is ours to delete."""
    moves = {old: new for new, old in found.in_place.items()}
    settled = {old: new for new, old in found.settled.items()}
    wished = {
        new: _carried(desired[new], live[old], known.inventory.get(old))
        for new, old in found.replaced.items()
    }
    known = renamed_known(known, moves | settled)
    aliases_stay = {old: new for old, new in moves.items() if old.kind != ModelAlias.kind}
    return View(
        desired=desired.updated(wished) if wished else desired,
        live=renamed_state(live, moves),
        known=replace(
            known, inventory={**known.inventory, **_adopted(found.replaced, known.inventory)}
        ),
        called=renamed_state(live, aliases_stay),
    )


def _carried(wish: Resource, old: Resource, record: Record | None) -> Resource:
    """The wish with the old object's values of what is not managed, without those that hold a secret or its mask."""
    ours = record.applied if record else {}
    unsaid = marked(type(wish), IfDeclared) - wish.model_fields_set - ours.keys()
    values = {name: getattr(old, name) for name in sorted(unsaid) if getattr(old, name) is not None}
    kept = {
        name: value for name, value in values.items() if not any(literal_secrets({name: value}))
    }
    return wish.model_copy(update=kept) if kept else wish


def _adopted(replaced: Moves, inventory: Inventory) -> dict[Ref, Record]:
    """The old objects as ours; `renamed_from` says that they are meant to go, whatever protects them."""
    found = {old: inventory.get(old, Record(adopted=True)) for old in replaced.values()}
    return {
        old: replace(
            record,
            applied={name: value for name, value in record.applied.items() if name != "protect"},
        )
        for old, record in found.items()
    }


# ---- renames as changes


def with_renames(found: Diff, given: Renames, seen: View) -> Diff:
    """The diff of the view, its changes saying their former names; what is refused is neither made nor deleted."""
    kept = [change for change in found.changes if change.ref not in given.refused]
    origin = {**given.replaced, **given.in_place}
    said = [
        replace(c, renamed_from=origin[c.ref].name) if c.ref in origin and c.after else c
        for c in kept
    ]
    there = {change.ref for change in said}
    alone = [_alone(ref, old, seen) for ref, old in given.in_place.items() if ref not in there]
    changes = sorted([*said, *alone], key=lambda change: change.ref)
    findings = (*found.findings, *given.findings)
    return replace(
        found, changes=tuple(changes), findings=findings, unchanged=found.unchanged - len(alone)
    )


def _alone(ref: Ref, old: Ref, seen: View) -> Change:
    """A rename that changes nothing else."""
    return Change(ref, seen.live[ref], seen.live[ref], renamed_from=old.name)


def moves_of(changes: Iterable[Change]) -> Moves:
    """Old ref -> new ref, for the changes that a gateway carries out as a rename."""
    return {
        Ref(c.ref.kind, c.renamed_from): c.ref
        for c in changes
        if c.renamed_from and c.before and c.after
    }
