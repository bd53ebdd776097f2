"""Dialect: one management API as data, beside its rows the few things that are not a matter of rows."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from reconciler.core.model.changes import Step
from reconciler.core.model.refs import Ref
from reconciler.core.plan.support import Support
from reconciler.gateways.base import GatewayError, Operations, Receipt
from reconciler.gateways.endpoints import Endpoint
from reconciler.gateways.http import Http
from reconciler.gateways.request import Request
from reconciler.gateways.saas.requests import Memory


async def no_credits(_http: Http, step: Step, _memory: Memory) -> Receipt:
    """For an API that has none: its support stores no credits, so that no plan has such a step."""
    raise GatewayError(f"{step.ref}: this gateway has no credits")


async def untold(_http: Http, _step: Step) -> bool | None:
    """For an API that keeps no record of grants."""
    return None


async def no_operations(
    _http: Http, _teams: Collection[str], _memory: Memory
) -> Mapping[str, Operations]:
    """As `untold`."""
    return {}


async def undecided(_http: Http, _name: str, _key: SecretStr) -> bool | None:
    """For an API that does not know whose a virtual key is."""
    return None


async def no_key(_http: Http, name: str, _key: SecretStr | None) -> Any:
    """For an API whose objects have no virtual keys."""
    raise GatewayError(f"{name}: this gateway gives no other virtual key")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One management API: its rows and its abilities; everything else has a default for an API without it.

    `grant` adds credits under their operation id; `granted` says whether that happened, None where nobody can tell.
    `operations` are our grants that the gateway has on record, `accepts` whether a virtual key is a team's own.
    `key` gives a team the virtual key that we chose, or asks for its own again where the gateway shows it;
    `key_operation` is the operation id of the request that gives another one, None where none does.
    `rename` are the requests of a rename, where `support.renames` has the kind.
    `fixed` refs exist but are out of the API's reach. `explain` makes a server's failure say what to do.
    """

    endpoints: Mapping[str, Endpoint]
    support: Support
    grant: Callable[[Http, Step, Memory], Awaitable[Receipt]] = no_credits
    granted: Callable[[Http, Step], Awaitable[bool | None]] = untold
    operations: Callable[[Http, Collection[str], Memory], Awaitable[Mapping[str, Operations]]] = (
        no_operations
    )
    accepts: Callable[[Http, str, SecretStr], Awaitable[bool | None]] = undecided
    key: Callable[[Http, str, SecretStr | None], Awaitable[Any]] = no_key
    fixed: Callable[[Ref], bool] = lambda _ref: False
    explain: Callable[[str, GatewayError], GatewayError] = lambda _what, error: error
    note: Callable[[Step], str | None] = lambda _step: None
    rename: Callable[[Step], Iterable[Request]] = lambda _step: ()
    probe: Callable[[Http, str, str], Awaitable[bool]] | None = None
    key_operation: Callable[[str, SecretStr | None], str] | None = None
