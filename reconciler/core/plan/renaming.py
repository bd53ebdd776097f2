"""Renaming: new names for old ones, and what reads differently once they are given."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding
from reconciler.core.model.inventory import Inventory, Known, Record
from reconciler.core.model.kinds import KINDS, ModelAlias, Resource, Team, links
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State


@dataclass(frozen=True)
class Renaming:
    """Old ref -> new ref, of one kind each and one to one; every other ref keeps its name.

    `state`, `inventory` and `known` read them under the new names: objects, and whatever refers to them.
    """

    new_of: Mapping[Ref, Ref] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.new_of)

    def __or__(self, other: "Renaming") -> "Renaming":
        return Renaming({**self.new_of, **other.new_of})

    @cached_property
    def old_of(self) -> Mapping[Ref, Ref]:
        """New ref -> old ref."""
        return {new: old for old, new in self.new_of.items()}

    @cached_property
    def _new_names(self) -> Mapping[str, Mapping[str, str]]:
        """Kind -> old name -> new name."""
        names: dict[str, dict[str, str]] = {}
        for old, new in self.new_of.items():
            names.setdefault(old.kind, {})[old.name] = new.name
        return names

    def new(self, old: Ref) -> Ref:
        return self.new_of.get(old, old)

    def old(self, new: Ref) -> Ref:
        return self.old_of.get(new, new)

    def only(self, new: Collection[Ref]) -> "Renaming":
        """The part that ends in one of these new refs."""
        return Renaming({old: ref for old, ref in self.new_of.items() if ref in new})

    def but(self, new: Collection[Ref]) -> "Renaming":
        """The part that ends in none of these new refs."""
        return Renaming({old: ref for old, ref in self.new_of.items() if ref not in new})

    def of_callers(self) -> "Renaming":
        """Without the aliases: they are called by their old names until the requests are sent."""
        return Renaming(
            {old: new for old, new in self.new_of.items() if old.kind != ModelAlias.kind}
        )

    def state(self, state: State) -> State:
        if not self.new_of:
            return state
        return State({self.new(ref): self._resource(res) for ref, res in state.resources.items()})

    def inventory(self, inventory: Inventory) -> Inventory:
        """A record under an old name takes the place of one that stands under the new name."""
        if not self.new_of:
            return inventory
        stay = {ref: record for ref, record in inventory.items() if ref not in self.new_of}
        moved = {self.new_of[ref]: rec for ref, rec in inventory.items() if ref in self.new_of}
        return {ref: self._record(ref, record) for ref, record in (stay | moved).items()}

    def known(self, known: Known) -> Known:
        """A top-up that was granted under the old name was granted."""
        if not self.new_of:
            return known
        granted = dict(known.granted)
        for old, new in self.new_of.items():
            if old.kind == Team.kind and old.name in granted:
                ids = granted.pop(old.name)
                granted[new.name] = granted.get(new.name, frozenset()) | ids
        return replace(known, inventory=self.inventory(known.inventory), granted=granted)

    def _resource(self, resource: Resource) -> Resource:
        update: dict[str, Any] = {}
        for name, to in links(type(resource)).items():
            value, new_names = getattr(resource, name), self._new_names.get(to.kind)
            if new_names and isinstance(value, str) and value in new_names:
                update[name] = new_names[value]
            elif new_names and isinstance(value, frozenset) and not value.isdisjoint(new_names):
                update[name] = frozenset(new_names.get(old, old) for old in value)
        return resource.model_copy(update=update) if update else resource

    def _record(self, ref: Ref, record: Record) -> Record:
        update: dict[str, Any] = {}
        for name, to in links(KINDS[ref.kind]).items():
            value, new_names = record.applied.get(name), self._new_names.get(to.kind)
            if new_names and isinstance(value, str) and value in new_names:
                update[name] = new_names[value]
            elif new_names and isinstance(value, list) and any(old in new_names for old in value):
                update[name] = sorted(new_names.get(old, old) for old in value)
        return replace(record, applied={**record.applied, **update}) if update else record


@dataclass(frozen=True)
class Renames:
    """Every declared rename of a plan, by what becomes of it.

    in_place   the gateway gives the object another name
    replaced   the new object is built beside the old one, which goes when its holders have moved
    settled    the gateway knows only the new name, or neither: what the ledger holds under the old one moves

    `refused` hold both refs of every other one: nothing is created or deleted of these.
    """

    in_place: Renaming = Renaming()
    replaced: Renaming = Renaming()
    settled: Renaming = Renaming()
    refused: frozenset[Ref] = frozenset()
    findings: tuple[Finding, ...] = ()

    @property
    def sent(self) -> Renaming:
        """Those that take requests."""
        return self.in_place | self.replaced

    def of(self, changes: Collection[Change], *, partial: bool) -> "Renames":
        """Those that the changes of a plan come to; a plan that is cut (`partial`) settles nothing beside them."""
        renamed = {change.ref for change in changes if change.renamed_from and change.before}
        going = {change.ref for change in changes if change.after is None}
        given_up = {old: new for old, new in self.replaced.new_of.items() if old in going}
        return replace(
            self,
            in_place=self.in_place.only(renamed),
            replaced=Renaming(given_up),
            settled=Renaming() if partial else self.settled,
        )

    def without(self, new: Collection[Ref]) -> "Renames":
        """The renames but for those to some new refs, of which nothing is created or deleted then."""
        left = self.sent.only(new).new_of
        return replace(
            self,
            in_place=self.in_place.but(new),
            replaced=self.replaced.but(new),
            refused=self.refused.union(left.keys(), left.values()),
            findings=tuple(f for f in self.findings if f.ref not in left.values()),
        )
