"""Endpoints as data: one row per kind, its paths and its fields, ours <-> theirs; quirks are functions beside a row.

Everything here is pure: from resources to requests, and from answers to resources.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any
from urllib.parse import quote

from reconciler.core.model.construct import constructed, defaults
from reconciler.core.model.kinds import KINDS, Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.literal import concealed
from reconciler.core.plan.support import KindSupport
from reconciler.gateways.base import GatewayError
from reconciler.gateways.request import Request
from reconciler.gateways.shapes import UNEXPECTED, odd

Body = Mapping[str, Any]


# How a field changes later: as part of the object's own PUT, by requests of its own, or never.
Changing = Callable[[str, Any, Any], Iterable[Request]]


def never(_name: str, _before: Any, _after: Any) -> Iterable[Request]:
    """The field is set at creation, or changes by other steps (credits)."""
    return ()


@dataclass(frozen=True, slots=True)
class Wire:
    """One field of a kind on the wire.

    `encode(name, value)` is its part of a request body (`name` is the object's id), `decode(body)` its value in an
    answer, None where no answer holds it. `change` None means "in the object's PUT"; `created` False that a creation
    does not take it, so that it starts as `start`. `listed` False: only the object's own GET shows it.
    `whole` marks a set that a PUT replaces: it is read again right before.
    """

    field: str
    encode: Callable[[str, Any], Body]
    decode: Callable[[Body], Any] | None
    change: Changing | None = None
    created: bool = True
    start: Any = None
    listed: bool = True
    whole: bool = False
    updatable: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of a gateway. `envelope` is the key of the list in its answer; `always` goes into every creation.

    `flat` brings the answer of a GET of one object into the shape of a list entry.
    `runtime` picks facts that are shown and never compared.
    """

    kind: str
    id: str
    collection: str
    wires: tuple[Wire, ...]
    envelope: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    always: Body = field(default_factory=dict)
    flat: Callable[[Body], Body] = lambda body: body
    runtime: tuple[str, ...] = ()
    update: str = "PUT"
    can_update: bool = True
    can_delete: bool = True
    notes: Mapping[str, str] = field(default_factory=dict)

    def item(self, name: str, *more: str) -> str:
        """The path of one object; a name is one segment, whatever is in it."""
        return "/".join((self.collection, segment(name), *more))

    def listed(self, answer: Any) -> list[Body]:
        """The entries of a list answer. Raises GatewayError where it is no list."""
        found = (
            answer.get(self.envelope) if self.envelope and isinstance(answer, Mapping) else answer
        )
        if not isinstance(found, list) or not all(
            isinstance(each, Mapping) and self.id in each for each in found
        ):
            raise GatewayError(
                f"GET {self.collection} answered in an unknown shape: expected a list with {self.id}"
            )
        return found

    def decoded(self, body: Body) -> Resource:
        """The resource in a list entry; values of hands other than ours are kept even where we would refuse them."""
        values = {wire.field: _open(wire.decode(body)) for wire in self.wires if wire.decode}
        return constructed(KINDS[self.kind], values)

    def creation(self, name: str, after: Resource) -> Iterator[Request]:
        """The POST, and then one request for each field that a POST does not take."""
        parts = (
            wire.encode(name, getattr(after, wire.field)) for wire in self.wires if wire.created
        )
        body: dict[str, Any] = {self.id: name}
        for part in (*parts, self.always):
            body |= part
        yield Request("POST", f"{self.collection}/create", body)
        for wire in self.wires:
            if not wire.created:
                yield from self._changing(name, (wire,), {wire.field: wire.start}, after)

    def updating(self, name: str, before: Resource, after: Resource) -> Iterator[Request]:
        """The requests that change what differs, and nothing else."""
        values = {wire.field: getattr(before, wire.field) for wire in self.wires}
        yield from self._changing(name, self.wires, values, after)

    def _changing(
        self, name: str, wires: tuple[Wire, ...], before: Body, after: Resource
    ) -> Iterator[Request]:
        body: dict[str, Any] = {}
        for wire in wires:
            old, new = before[wire.field], getattr(after, wire.field)
            if old == new:
                continue
            if wire.change is None:
                body |= wire.encode(name, new)
            else:
                yield from wire.change(name, old, new)
        if body:
            yield Request(self.update, self.item(name), body)

    def changed(self, before: Resource | None, after: Resource) -> tuple[Wire, ...]:
        """The fields that a step is about and that a read shows: those that differ, or all of a new object."""
        seen = (wire for wire in self.wires if wire.decode)
        if before is None:
            return tuple(seen)
        moving = (wire for wire in seen if wire.change is not never)
        return tuple(
            wire for wire in moving if getattr(before, wire.field) != getattr(after, wire.field)
        )

    def support(self) -> KindSupport:
        """What the row says that the gateway keeps, changes and shows."""
        return KindSupport(
            stored=frozenset(wire.field for wire in self.wires),
            updatable=frozenset(
                wire.field for wire in self.wires if self.can_update and wire.updatable
            ),
            readable=frozenset(wire.field for wire in self.wires if wire.decode and wire.listed),
            delete=self.can_delete,
            notes=self.notes,
        )


def opened(endpoint: Endpoint, body: Body) -> Resource:
    """The resource in an answer, whose fields nobody has looked at yet."""
    try:
        return endpoint.decoded(body)
    except UNEXPECTED as error:
        name = body.get(endpoint.id) if isinstance(body, Mapping) else None
        raise odd(error, f"{endpoint.kind}/{name}: ") from error


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def plain(name: str, theirs: str | None = None, **more: Any) -> Wire:
    """A field that is the same on both sides but, maybe, for its name."""
    key = theirs or name
    return Wire(name, lambda _, value: {key: value}, lambda body: body.get(key), **more)


def text(name: str, **more: Any) -> Wire:
    """A text where the gateway knows no difference between none and an empty one."""
    return Wire(
        name, lambda _, value: {name: value or ""}, lambda body: body.get(name) or None, **more
    )


def optional(name: str, **more: Any) -> Wire:
    """A text that null clears; an empty one is none."""
    return Wire(
        name, lambda _, value: {name: value or None}, lambda body: body.get(name) or None, **more
    )


def names(name: str, key: str | None = None, **more: Any) -> Wire:
    """A set of names: sent sorted and each once; answered as names or as objects with the name under `key`."""

    def decode(body: Body) -> frozenset[str]:
        return frozenset(
            each[key] if key and isinstance(each, Mapping) else each
            for each in body.get(name) or ()
        )

    return Wire(name, lambda _, value: {name: sorted(value)}, decode, **more)


def _open(value: Any) -> Any:
    """Free JSON, in which hands other than ours may have left secrets, with these concealed."""
    return concealed(value) if isinstance(value, Mapping) else value


def _echoed_defaults(endpoint: Endpoint) -> Mapping[str, Any]:
    """The defaults that a gateway answers as they are, whatever the object is called."""
    usual: dict[str, Any] = {}
    for wire in endpoint.wires:
        default = defaults(KINDS[endpoint.kind]).get(wire.field)
        if wire.decode and type(default) in (NoneType, bool, frozenset) and not default:
            echo = wire.decode(wire.encode("name", default))
            if echo == default and type(echo) is type(default):
                usual[wire.field] = default
    return usual


def echoed(endpoints: Mapping[str, Endpoint]) -> Callable[[Ref, Resource], Resource]:
    """normalise: what the gateway would answer after it was sent the resource, field by field through its own row.

    `model_fields_set` stays: a value that the gateway filled in is not one that was declared.
    """
    usuals = {kind: _echoed_defaults(endpoint) for kind, endpoint in endpoints.items()}

    def normalise(ref: Ref, resource: Resource) -> Resource:
        endpoint = endpoints.get(ref.kind)
        if endpoint is None:
            return resource
        values = resource.__dict__
        usual = usuals[ref.kind]
        moved: dict[str, Any] = {}
        for wire in endpoint.wires:
            if wire.decode is None:
                continue
            value = values[wire.field]
            if wire.field in usual and value is usual[wire.field]:
                continue
            echo = _open(wire.decode(wire.encode(ref.name, value)))
            if echo is not value:
                moved[wire.field] = echo
        if not moved:
            return resource
        return constructed(type(resource), {**values, **moved}, resource.model_fields_set)

    return normalise
