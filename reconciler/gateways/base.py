"""The seam to a gateway: read the live state, perform a step, and find out what became of a step of unknown outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import SecretStr

from reconciler.core.changes import Step
from reconciler.core.findings import Finding, ReconcilerError, error
from reconciler.core.refs import Ref
from reconciler.core.state import State
from reconciler.core.support import Support


@dataclass(frozen=True, slots=True)
class Live:
    """What a gateway said: its state, what in it can only be read, and what is worth telling.

    `fixed`: refs that exist outside the API's reach (config.yaml rows, undeletable default teams).
    `runtime`: facts for explain and previews that are never diffed, e.g. {"credits_used": 12, "keys_count": 14}.
    """

    state: State
    fixed: frozenset[Ref] = frozenset()
    runtime: Mapping[Ref, Mapping[str, Any]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a performed step gave back: `secret` is a virtual key that is shown only once."""

    secret: SecretStr | None = None
    note: str | None = None


class Landed(StrEnum):
    """What a look at the gateway says about a step of unknown outcome."""

    APPLIED = "applied"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class GatewayError(ReconcilerError):
    """A request failed. `unknown` where the write may have happened all the same (timeout, cut connection, 5xx).

    `retry` where the request is safe to repeat as it is, `after` the seconds that the gateway asked to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        unknown: bool = False,
        retry: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(error("gateway", message, hint=hint))
        self.hint, self.status, self.unknown, self.retry, self.after = hint, status, unknown, retry, after


class Gateway(Protocol):
    """A backend, connected. Opened by `gateways.connect`, closed by leaving its context.

    `identity` names the gateway in the ledger and in plan files (backend and URL, no secret).
    `concurrency` is how many steps may be in flight at once.
    """

    @property
    def identity(self) -> str: ...

    @property
    def support(self) -> Support: ...

    @property
    def concurrency(self) -> int: ...

    async def read(self) -> Live:
        """The live state. Raises GatewayError; an incomplete read is an error, never a smaller state."""
        ...

    async def perform(self, step: Step) -> Receipt:
        """Carry out one step. Raises GatewayError; never repeats a request that is not safe to repeat."""
        ...

    async def landed(self, step: Step) -> Landed:
        """Look whether a step of unknown outcome happened."""
        ...
