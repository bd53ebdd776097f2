"""aim: what a resource should become on this gateway, given what it is now and what we applied last.

A field that was never declared keeps the gateway's value; one that we managed and that left the manifest is cleared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from reconciler.core.model.inventory import Record, applied_value
from reconciler.core.model.kinds import IfDeclared, ModelAlias, Resource, gateway_fields, marked
from reconciler.core.model.refs import Ref
from reconciler.core.plan.support import KindSupport, Support

CREDITS = "credits_allocated"


@cache
def optional_fields(cls: type[Resource], kind: KindSupport) -> frozenset[str]:
    return marked(cls, IfDeclared) & kind.stored - {CREDITS}


@cache
def invisible_fields(kind: KindSupport) -> frozenset[str]:
    return kind.stored - kind.readable


def target(
    ref: Ref, wish: Resource, live: Resource, record: Record | None, support: Support
) -> Resource:
    """The wish with the live values of what is not ours to say, as the gateway would echo it."""
    kind = support.kinds[ref.kind]
    ours = record.applied if record else {}
    absent = optional_fields(type(wish), kind) - wish.model_fields_set - _of_one_deployment(wish)
    kept = {name: getattr(live, name) for name in absent if name not in ours}
    aimed = (
        wish.model_copy(update=kept) if any(value is not None for value in kept.values()) else wish
    )
    return support.normalise(ref, aimed)


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


def supposed(
    before: Resource, after: Resource, wish: Resource, record: Record | None, kind: KindSupport
) -> Resource:
    """`before` with what nobody can tell taken to be as it should be.

    That is a field that the gateway does not show and that we never applied, unless it is declared and can be sent.
    """
    applied = record.applied if record else {}
    sent = wish.model_fields_set & kind.updatable
    unknown = [name for name in invisible_fields(kind) if name not in applied and name not in sent]
    return (
        before.model_copy(update={name: getattr(after, name) for name in unknown})
        if unknown
        else before
    )


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
    pairs = [
        (name, getattr(before, name), getattr(after, name))
        for name in gateway_fields(type(after))
        if name in kind.stored
    ]
    return tuple(
        Difference(name, old, new, name in kind.updatable) for name, old, new in pairs if old != new
    )


def unstored(wish: Resource, kind: KindSupport) -> Mapping[str, Any]:
    """Declared fields that this gateway cannot keep, with their values."""
    names = [
        name
        for name in gateway_fields(type(wish))
        if name in wish.model_fields_set and name not in kind.stored
    ]
    return {
        name: getattr(wish, name)
        for name in names
        if getattr(wish, name) not in (None, frozenset(), (), {})
    }
