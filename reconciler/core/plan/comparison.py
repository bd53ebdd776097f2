"""comparison: one object that is declared and live, step by step to what would be sent.

A field that was never declared keeps the gateway's value; one that we managed and that left the manifest is cleared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from reconciler.core.model.inventory import Record, applied_value
from reconciler.core.model.kinds import IfDeclared, ModelAlias, Resource, gateway_fields, marked
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import CREDITS
from reconciler.core.plan.support import KindSupport, Support


@dataclass(frozen=True)
class Comparison:
    """One object from both sides. Each step is a resource:

    declared   the wish, in the terms of the gateway
    visible    the live one, in the same terms
    observed   visible, with the fields that the gateway does not show as we last applied them
    aimed      declared, with the live values of what is not ours to say, as the gateway would echo it
    assumed    observed, with what nobody can tell taken to be as it should be
    """

    ref: Ref
    wish: Resource
    live: Resource
    record: Record | None
    support: Support

    @property
    def kind(self) -> KindSupport:
        return self.support.kinds[self.ref.kind]

    @property
    def applied(self) -> Mapping[str, Any]:
        return self.record.applied if self.record else {}

    @cached_property
    def declared(self) -> Resource:
        return self.support.wished(self.ref, self.wish, self.live, self.record)

    @cached_property
    def visible(self) -> Resource:
        return self.support.seen(self.ref, self.wish, self.live, self.record)

    @cached_property
    def observed(self) -> Resource:
        return observed(self.ref, self.visible, self.record, self.kind)

    @cached_property
    def aimed(self) -> Resource:
        unsaid = optional_fields(type(self.declared), self.kind) - self.declared.model_fields_set
        unsaid -= _of_one_deployment(self.declared)
        kept = {name: getattr(self.observed, name) for name in unsaid - self.applied.keys()}
        if all(value is None for value in kept.values()):
            return self.support.normalise(self.ref, self.declared)
        return self.support.normalise(self.ref, self.declared.model_copy(update=kept))

    @cached_property
    def assumed(self) -> Resource:
        """A hidden field that we never applied is unknown, unless it is declared and can be sent."""
        sent = self.declared.model_fields_set & self.kind.updatable
        unknown = invisible_fields(self.kind) - self.applied.keys() - sent
        if not unknown:
            return self.observed
        return self.observed.model_copy(
            update={name: getattr(self.aimed, name) for name in unknown}
        )


@cache
def optional_fields(cls: type[Resource], kind: KindSupport) -> frozenset[str]:
    """The fields that stay as they are on the gateway where nobody declares them; credits have rules of their own."""
    return marked(cls, IfDeclared) & kind.stored - {CREDITS}


@cache
def invisible_fields(kind: KindSupport) -> frozenset[str]:
    """The fields that are stored and that no read gives back."""
    return kind.stored - kind.readable


def _of_one_deployment(wish: Resource) -> frozenset[str]:
    """With `deployments` the parameters stand in each of them, so what a lone deployment had does not stay."""
    several = isinstance(wish, ModelAlias) and wish.deployments
    return frozenset({"litellm_params"}) if several else frozenset()


def observed(ref: Ref, live: Resource, record: Record | None, kind: KindSupport) -> Resource:
    """The live resource with the fields that the gateway does not show as we last applied them."""
    hidden = invisible_fields(kind)
    if not hidden or record is None:
        return live
    return live.model_copy(update={name: applied_value(ref, record, name) for name in hidden})


@dataclass(frozen=True, slots=True)
class Difference:
    """A field whose live value is not the wished one, and whether this gateway can change it."""

    name: str
    before: Any
    after: Any
    updatable: bool


def differences(before: Resource, after: Resource, kind: KindSupport) -> tuple[Difference, ...]:
    """The stored fields in which two resources of one kind differ, in declaration order."""
    if before == after:
        return ()
    old_values, new_values = before.__dict__, after.__dict__
    pairs = [
        (name, old_values[name], new_values[name]) for name in stored_fields(type(after), kind)
    ]
    return tuple(
        Difference(name, old, new, name in kind.updatable) for name, old, new in pairs if old != new
    )


@cache
def stored_fields(cls: type[Resource], kind: KindSupport) -> tuple[str, ...]:
    """The fields that a gateway could keep and this one does, in declaration order."""
    return tuple(name for name in gateway_fields(cls) if name in kind.stored)


@cache
def unstored_fields(cls: type[Resource], kind: KindSupport) -> tuple[str, ...]:
    """The fields that a gateway could keep and this one does not, in declaration order."""
    return tuple(name for name in gateway_fields(cls) if name not in kind.stored)


def unstored(wish: Resource, kind: KindSupport) -> Mapping[str, Any]:
    """Declared fields that this gateway cannot keep, with their values."""
    names = [name for name in unstored_fields(type(wish), kind) if name in wish.model_fields_set]
    return {
        name: getattr(wish, name)
        for name in names
        if getattr(wish, name) not in (None, frozenset(), (), {})
    }
