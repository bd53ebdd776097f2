"""The seam to a gateway: read the live state, perform a step, and find out what became of a step of unknown outcome."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import SecretStr

from reconciler.core.model.changes import Action, Change, CreditGrant, Step
from reconciler.core.model.findings import Finding, ReconcilerError, error
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.support import Support


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


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look for a step of unknown outcome found.

    now     the object under its name, None where the gateway has none
    former  the object under the name that it had before a rename
    done    what the gateway itself says of the operation, None where it cannot be asked
    """

    now: Resource | None = None
    former: Resource | None = None
    done: bool | None = None


# For each field that a step is about: whether an object has its new value, and whether it has its former one.
Same = Callable[[Resource], Iterable[tuple[bool, bool]]]


def verdict(step: Step, seen: Seen, same: Same) -> Landed:  # noqa: PLR0911  one for each row
    """What became of a step; `same` compares an object with what the step is about.

        the gateway says           it was done: applied    it was not: absent
        grant                      (it cannot be asked)            unknown
        rename                     only the new name: applied      only the old one: absent      else: unknown
        delete                     no object: applied              else: absent
        touch                      no object: unknown              else: absent, for it leaves no trace
        create                     no object: absent               as sent: applied              else: unknown
        expand, contract           no object: unknown              all fields new: applied
                                   those that are not new all as before: absent                  else: unknown

    Absent: it may be sent again, and does not happen twice.
    """
    now, action = seen.now, step.action
    if seen.done is not None:
        return Landed.APPLIED if seen.done else Landed.ABSENT
    if action is Action.GRANT:
        return Landed.UNKNOWN
    if action is Action.RENAME:
        if (seen.former is None) == (now is None):
            return Landed.UNKNOWN
        return Landed.APPLIED if seen.former is None else Landed.ABSENT
    if action is Action.DELETE:
        return Landed.APPLIED if now is None else Landed.ABSENT
    if now is None:
        return Landed.ABSENT if action is Action.CREATE else Landed.UNKNOWN
    if action is Action.TOUCH:
        return Landed.ABSENT
    not_new = [former for new, former in same(now) if not new]
    if not not_new:
        return Landed.APPLIED
    return Landed.ABSENT if all(not_new) and action is not Action.CREATE else Landed.UNKNOWN


def present(resource: Resource | None) -> Resource:
    """Raises ValueError where a step lacks the resource that its action needs: a bug of whoever made it."""
    if resource is None:
        raise ValueError("the step lacks the resource that its action needs")
    return resource


def credit_of(step: Step) -> CreditGrant:
    """The credits that a step grants. Raises ValueError where it lacks them, or their operation id: a bug, too."""
    if step.credit is None or step.credit.operation_id is None:
        raise ValueError("a grant needs its operation id")
    return step.credit


class GatewayError(ReconcilerError):
    """A request failed. `unknown` where the write may have happened all the same (timeout, cut connection, 5xx).

    `retry` where the request is safe to repeat as it is, `after` the seconds that the gateway asked to wait.
    `exists` where a creation was refused because its object is there, whatever status that gateway gives it.
    """

    exists: bool = False

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
        self.hint, self.status, self.unknown, self.retry, self.after = (
            hint,
            status,
            unknown,
            retry,
            after,
        )


class Incomplete(GatewayError):  # noqa: N818 - the name says what is, not that it is an error
    """The first request of a creation was answered, a later one was not: the object exists, but not as it should be."""

    def __init__(self, message: str, receipt: Receipt, cause: GatewayError) -> None:
        super().__init__(message, hint=cause.hint or "apply again", status=cause.status)
        self.receipt = receipt


class Fenced(ReconcilerError):  # noqa: N818 - the name says what is, not that it is an error
    """A write that was not sent, because the lock under which it was decided may be another's by now."""


Operations = Mapping[str, int | None]


class Gateway(Protocol):
    """A backend, connected. Opened by `gateways.connect`, closed by leaving its context.

    `identity` names the gateway in the ledger and in plan files (no secret), `called` is what else it is known by.
    `concurrency` is how many steps may be in flight at once, `seconds` how long one request may take in all.
    `lost`: a write got no answer, and may still arrive.
    """

    @property
    def identity(self) -> str: ...

    @property
    def called(self) -> tuple[str, ...]: ...

    @property
    def support(self) -> Support: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def lost(self) -> bool: ...

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called right before each write leaves; what it raises ends that step."""
        ...

    async def read(self) -> Live:
        """The live state. Raises GatewayError; an incomplete read is an error, never a smaller state."""
        ...

    async def perform(self, step: Step, key: SecretStr | None = None) -> Receipt:
        """Carry out one step. Raises GatewayError; never repeats a request that is not safe to repeat.

        `key` is the virtual key that a creation is to make, where `support.chosen_keys` has the kind.
        """
        ...

    async def landed(self, step: Step) -> Landed:
        """Look whether a step of unknown outcome happened."""
        ...

    async def void(self, steps: Sequence[Step]) -> Mapping[Step, Landed]:
        """What became of steps whose requests may still arrive; what has not arrived never will (`support.voids`).

        Raises GatewayError where the gateway cannot do that, or did not answer.
        """
        ...

    async def operations(self, teams: Collection[str]) -> Mapping[str, Operations]:
        """Team -> the grants of ours that the gateway has on record: operation id -> credits (None: not shown).

        A team of which the gateway shows nothing is left out.
        """
        ...

    async def accepts(self, ref: Ref, key: SecretStr) -> bool | None:
        """Whether the key is a virtual key that the gateway knows; None where that cannot be told."""
        ...

    async def reissue(self, ref: Ref, key: SecretStr | None) -> Receipt:
        """A virtual key for an object whose own nobody has: `key` where we choose it, else what the gateway shows."""
        ...

    def renewal(self, ref: Ref, key: SecretStr | None) -> str | None:
        """The operation id of the request of `reissue` with that key; None where it only reads the key.

        Where the gateway does not void, it is nothing but a name for that request.
        """
        ...

    async def void_renewals(self, operations: Collection[str]) -> Mapping[str, bool]:
        """Whether each renewal happened, by its operation id; what has not, never will (`support.voids`)."""
        ...

    async def probe(self, team: str, model: str) -> bool | None:
        """Whether the gateway would let the team call the model now; None where it has no such check."""
        ...

    async def holds_everywhere(self, changes: Iterable[Change]) -> tuple[int, str]:
        """(seconds, sentence): how long after an apply its last process may still decide as before; 0: not at all."""
        ...

    async def void_keys(
        self, ref: Ref, keys: Sequence[tuple[SecretStr, str | None]]
    ) -> tuple[bool, ...]:
        """Whether each key was ever given to the object; what was not never will be (`support.voids`).

        A key comes with the operation of the creation that was to make it, None for a renewal.
        """
        ...
