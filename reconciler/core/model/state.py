"""State: all resources of one world, desired or live; the two are the same type."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from reconciler.core.model.kinds import KINDS, Resource, links
from reconciler.core.model.refs import Ref, names_in

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class State:
    """An immutable mapping Ref -> Resource with a view per kind."""

    resources: Mapping[Ref, Resource] = field(default_factory=dict)

    def __contains__(self, ref: Ref) -> bool:
        return ref in self.resources

    def __getitem__(self, ref: Ref) -> Resource:
        return self.resources[ref]

    def __iter__(self) -> Iterator[Ref]:
        return iter(self.resources)

    def __len__(self) -> int:
        return len(self.resources)

    def get(self, ref: Ref) -> Resource | None:
        return self.resources.get(ref)

    @cached_property
    def _by_kind(self) -> Mapping[str, Mapping[str, Resource]]:
        views: dict[str, dict[str, Resource]] = {kind: {} for kind in KINDS}
        for ref, resource in self.resources.items():
            views[ref.kind][ref.name] = resource
        return views

    def of(self, cls: type[R]) -> Mapping[str, R]:
        """Name -> resource of one kind."""
        return self._by_kind[cls.kind]  # type: ignore[return-value]  # a kind's view holds that kind's class

    def updated(self, changes: Mapping[Ref, Resource | None]) -> "State":
        """The state with some resources replaced, added, or (None) gone."""
        merged = {**self.resources, **changes}
        return State({ref: resource for ref, resource in merged.items() if resource is not None})


def references(resource: Resource) -> Iterator[tuple[str, Ref]]:
    """(field, target) of every link that must name an existing resource."""
    for name, to in links(type(resource)).items():
        if to.checked:
            for target in names_in(getattr(resource, name)):
                yield name, Ref(to.kind, target)


def referrers(state: State, kinds: Iterable[str]) -> Mapping[Ref, frozenset[Ref]]:
    """Target -> the resources that refer to it, for targets of the given kinds."""
    wanted = frozenset(kinds)
    referring: dict[Ref, set[Ref]] = {}
    for ref, resource in state.resources.items():
        for _, target in references(resource):
            if target.kind in wanted:
                referring.setdefault(target, set()).add(ref)
    return {target: frozenset(refs) for target, refs in referring.items()}
