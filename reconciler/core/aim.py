"""aim: what a resource should become on this gateway, given what it is now and what we applied last.

A field that was never declared keeps the gateway's value; one that we managed and that left the manifest is cleared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from reconciler.core.inventory import Record, applied_value
from reconciler.core.kinds import IfDeclared, Resource, gateway_fields, marked
from reconciler.core.refs import Ref
from reconciler.core.support import KindSupport, Support

CREDITS = "credits_allocated"


@cache
def optional_fields(cls: type[Resource], kind: KindSupport) -> frozenset[str]:
    return marked(cls, IfDeclared) & kind.stored - {CREDITS}


@cache
def invisible_fields(kind: KindSupport) -> frozenset[str]:
    return kind.stored - kind.readable


def target(ref: Ref, wish: Resource, live: Resource, record: Record | None, support: Support) -> Resource:
    """The wish with the live values of what is not ours to say, as the gateway would echo it."""
    kind = support.kinds[ref.kind]
    ours = record.applied if record else {}
    absent = optional_fields(type(wish), kind) - wish.model_fields_set
    kept = {name: getattr(live, name) for name in absent if name not in ours}
    aimed = wish.model_copy(update=kept) if any(value is not None for value in kept.values()) else wish
    return support.normalise(ref, aimed)


def observed(ref: Ref, live: Resource, wish: Resource | None, record: Record | None, kind: KindSupport) -> Resource:
    """The live resource with the fields that the gateway does not show filled in.

    They are what we last applied; without a record they are taken to be as wished, because nobody can tell.
    """
    hidden = invisible_fields(kind)
    if not hidden:
        return live
    update: dict[str, Any] = {}
    for name in hidden:
        update[name] = applied_value(ref, record, name) if record else getattr(wish, name, None)
    return live.model_copy(update=update)


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
    return tuple(Difference(name, old, new, name in kind.updatable) for name, old, new in pairs if old != new)


def unstored(wish: Resource, kind: KindSupport) -> Mapping[str, Any]:
    """Declared fields that this gateway cannot keep, with their values."""
    names = [name for name in gateway_fields(type(wish)) if name in wish.model_fields_set and name not in kind.stored]
    return {name: getattr(wish, name) for name in names if getattr(wish, name) not in (None, frozenset(), (), {})}
