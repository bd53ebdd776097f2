"""Kind: everything that the backend does about one kind of resource, as one row.

The row is the last value of the kind's module, and `rows.KINDS` names it: reading, planning, writing, caches and the
check of the version go over the rows. A kind is added by a class in `core.model.kinds`, a module here, and its name in
`rows.KINDS`; fields that have a default are for what most kinds do not need.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from reconciler.core.model.findings import Finding
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.plan.support import KindSupport
from reconciler.gateways.base import Receipt
from reconciler.gateways.litellm.budgets import Terms
from reconciler.gateways.litellm.connection import Desk
from reconciler.gateways.litellm.facts import Facts, Lifetimes
from reconciler.gateways.litellm.team_codec import TeamCodec


@dataclass(frozen=True, slots=True)
class Verbs:
    """What can be done with one kind. `find` gives the resource as it is now, None where there is none.

    `rename(desk, old, new)` gives another name in place, and can be repeated; None where the API has no such thing.
    """

    create: Callable[[Desk, Ref, Any], Awaitable[Receipt]]
    update: Callable[[Desk, Ref, Any, Any], Awaitable[Receipt]]
    delete: Callable[[Desk, Ref], Awaitable[Receipt]]
    find: Callable[[Desk, Ref], Awaitable[Resource | None]]
    rename: Callable[[Desk, str, str], Awaitable[Receipt]] | None = None


@dataclass(frozen=True, slots=True)
class VirtualKeys:
    """For a kind whose creation makes a virtual key. `create` takes the key that we chose, or chooses one."""

    create: Callable[[Desk, Ref, Any, SecretStr | None], Awaitable[Receipt]]
    accepts: Callable[[Desk, Ref, SecretStr], Awaitable[bool]]
    reissue: Callable[[Desk, Ref, SecretStr | None], Awaitable[Receipt]]


def stored(fields: str, *, fixed: str = "", notes: Mapping[str, str] | None = None) -> KindSupport:
    """Support for fields (names with spaces between them) of which those in `fixed` never change."""
    names = frozenset(fields.split())
    return KindSupport(names, names - frozenset(fixed.split()), names, notes=notes or {})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource on LiteLLM Proxy.

    cls        its class
    support    the fields that the proxy keeps, changes and shows
    verbs      what is sent
    needed     path -> method (lower case): the endpoints that a proxy must have to be managed at all
    there      whether this proxy has the kind

    read       everything of the kind that there is, in whatever form `decode` takes; complete, or a GatewayError
    decode     from that form: name -> resource
    learn      what the connection has to remember of it before anything is decoded
    fixed      names of what exists out of the API's reach
    runtime    name -> facts that are shown and never compared
    told       what in it is worth telling

    normalise  a wish as the proxy would echo it
    wished     a wish in the common terms of wish and live (see `core.plan.support.Support`)
    seen       the live object in those terms
    unkept     fields of this very wish that cannot be kept
    owes       what a creation would lack if its secret was only on the gateway, in words
    check      what the proxy must not be sent: (ref, before, after, facts)

    lifetime   for how many seconds a process goes on with an object as it knew it
    revoking   whether a revoke has to wait for that
    words      what its objects are called in a sentence about that
    keys       for a kind whose creation makes a virtual key
    """

    cls: type[Resource]
    support: KindSupport
    verbs: Verbs
    read: Callable[[Desk], Awaitable[Any]]
    decode: Callable[[Any, TeamCodec], Mapping[str, Resource]]
    needed: Mapping[str, str] = field(default_factory=dict)
    there: Callable[[Desk], bool] = lambda _desk: True
    learn: Callable[[Desk, Any], None] = lambda _desk, _found: None
    fixed: Callable[[Any], Iterable[str]] = lambda _found: ()
    runtime: Callable[[Any], Mapping[str, Mapping[str, Any]]] = lambda _found: {}
    told: Callable[[Any, TeamCodec], Iterable[Finding]] = lambda _found, _codec: ()
    normalise: Callable[[Any], Resource] = lambda resource: resource
    wished: Callable[[Terms, Ref, Any, Resource | None, Record | None], Resource] = (
        lambda _terms, _ref, wish, _live, _record: wish
    )
    seen: Callable[[Terms, Ref, Any, Any, Record | None], Resource] = (
        lambda _terms, _ref, _wish, live, _record: live
    )
    unkept: Callable[[Terms, Any], frozenset[str]] = lambda _terms, _wish: frozenset()
    owes: Callable[[Any], str | None] = lambda _wish: None
    check: Callable[[Ref, Resource | None, Any, Facts], Iterable[Finding]] = (
        lambda _ref, _before, _after, _facts: ()
    )
    lifetime: Callable[[Lifetimes], int] = lambda _known: 0
    revoking: bool = False
    words: str = ""
    keys: VirtualKeys | None = None
