"""Change, Step and Outcome: what differs, in which requests, and what became of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref


class Action(StrEnum):
    """What a step does. Create and expand grant, contract and delete revoke; grant adds credits; touch re-sends.

    Rename gives an object another name on the gateway; everything else of it, and who refers to it, stays.
    """

    RENAME = "rename"
    CREATE = "create"
    EXPAND = "expand"
    CONTRACT = "contract"
    DELETE = "delete"
    GRANT = "grant"
    TOUCH = "touch"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one resource; values as the resource holds them (a frozenset for names)."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """Credits to add (or, negative, to take back) once.

    `grant_id` is the top-up's id, or `allocation` for the three-way merge of `credits_allocated`;
    `operation_id` marks the request on the gateway, so that an add of unknown outcome can be looked up.
    A top-up's is the same for ever. An allocation's is None in a plan; it is given when the grant is intended, and
    kept until it is known what became of it.
    """

    grant_id: str
    amount: int
    reason: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Before -> after of one ref. Creation has no `before`, deletion no `after`.

    `adopt` says that the object exists and becomes ours with this plan; an adoption may change nothing else.
    `credits` are the grants that come on top of `after.credits_allocated` as it is sent at creation.
    `renamed_from` is the former name: an update begins with the rename, a creation takes the old one's place.
    """

    ref: Ref
    before: Resource | None
    after: Resource | None
    fields: tuple[FieldChange, ...] = ()
    adopt: bool = False
    credits: tuple[CreditGrant, ...] = ()
    renamed_from: str | None = None

    @property
    def telling(self) -> bool:
        """Whether it says anything: an object that comes or goes, or a field that differs."""
        return self.before is None or self.after is None or bool(self.fields)

    @property
    def verb(self) -> str:
        """create, update, delete, or adopt where nothing but the ownership changes."""
        if self.before is None:
            return "create"
        if self.after is None:
            return "delete"
        return "update" if self.fields or self.credits or self.renamed_from else "adopt"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One request in order (a few, where a gateway needs several verbs for one object). Compared by identity.

    `before` is the object as it is when the step starts, `after` as it is when the step is done;
    a grant has both equal but for `credits`. A rename bears the new name, and the old one in `renamed_from`.
    `operation` names the step's requests on a gateway that counts each once; None until the step is intended.
    """

    ref: Ref
    action: Action
    before: Resource | None
    after: Resource | None
    credit: CreditGrant | None = None
    renamed_from: str | None = None
    operation: str | None = None

    @property
    def id(self) -> str:
        suffix = f" {self.credit.grant_id}" if self.credit else ""
        return f"{self.action} {self.ref}{suffix}"


class Result(StrEnum):
    """What became of a step: blocked means that it was never sent, because a step it needs failed."""

    APPLIED = "applied"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step and its result; `seconds` is the time in flight, `blocked_by` the id of the failed step.

    `recovered`: its answer was lost, it was found done or sent again. `doubted`: one of its requests was lost on the
    way and may still arrive.
    """

    step: Step
    result: Result
    error: str | None = None
    hint: str | None = None
    seconds: float = 0.0
    blocked_by: str | None = None
    recovered: bool = False
    doubted: bool = False
