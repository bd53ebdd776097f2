"""Inventory and Known: what is remembered between applies, as values; the ledger keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from reconciler.core.model.kinds import KINDS, Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.literal import concealed
from reconciler.core.model.secrets.typed import FREE, MASK, forgotten

# In a record: the dates that lay ahead when it was written (`core.plan.meaning.announced`).
ANNOUNCED = "announced"
# A fact of a gateway: the refs that apply deleted while the gateway alone had a secret for them, as texts.
DELETED_WITH_SECRET = "deleted_with_secret"  # noqa: S105  the name of a fact


@dataclass(frozen=True, slots=True)
class Record:
    """What we last applied to a ref: the declared, effective resource as JSON, only the fields that were set."""

    applied: Mapping[str, Any] = field(default_factory=dict)
    adopted: bool = False


Inventory = Mapping[Ref, Record]


@dataclass(frozen=True)
class Known:
    """What we remember when we compare.

    granted      team -> the ids of its top-ups that were granted, or may have been
    fixed        what can only be read on this gateway
    undecided    teams with a grant of which nobody can tell whether it happened: no credits for them for now
    given        team -> credits that reconcilers with another ledger gave it, where this one has no record
    owed         objects whose virtual key nobody has been given yet -> since when
    unfinished   what an apply that was not carried out to its end has created
    operations   team -> the operation ids that count as given
    expanded     what applies expanded so lately that not every process of the gateway may know -> when
    facts        what no object says: name -> JSON. What decides access beside the objects, as of the last complete
                 apply (`core.access.facts`), and DELETED_WITH_SECRET
    """

    inventory: Inventory = field(default_factory=dict)
    granted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fixed: frozenset[Ref] = frozenset()
    undecided: frozenset[str] = frozenset()
    given: Mapping[str, int] = field(default_factory=dict)
    owed: Mapping[Ref, datetime] = field(default_factory=dict)
    unfinished: frozenset[Ref] = frozenset()
    operations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    expanded: Mapping[Ref, datetime] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deleted_with_secret(self) -> frozenset[str]:
        """The refs that apply deleted while the gateway alone had a secret for them, as texts."""
        return frozenset(self.facts.get(DELETED_WITH_SECRET, ()))


def record_of(resource: Resource) -> dict[str, Any]:
    """A resource as the inventory keeps it. What looks like a secret (left on the gateway by others) is masked."""
    record = resource.model_dump(mode="json", exclude_unset=True)
    return {
        **record,
        **{name: concealed(record[name], lambda _text: MASK) for name in FREE & record.keys()},
    }


def required_of(resource: Resource) -> dict[str, Any]:
    """The least record of a resource that we never applied: only what no resource of its kind can be without."""
    required = {name for name, info in type(resource).model_fields.items() if info.is_required()}
    return resource.model_dump(mode="json", include=required)


def resource_of(ref: Ref, record: Record) -> Resource:
    """The resource that a record was made of; secrets are there without their texts (ForgottenSecret)."""
    return read_back(KINDS[ref.kind], record.applied)


def read_back(cls: type[Resource], raw: Mapping[str, Any]) -> Resource:
    """The resource of a record that another version of this program may have written: what is unknown now is left out.

    Raises ValidationError where a field is unfit that no resource of the kind can be without.
    """
    raw = (
        {name: value for name, value in raw.items() if name != ANNOUNCED}
        if ANNOUNCED in raw
        else raw
    )
    try:
        return forgotten(cls.model_validate(raw))
    except ValidationError as problem:
        unfit = {each["loc"][0] for each in problem.errors(include_input=False) if each["loc"]}
        return forgotten(
            cls.model_validate({name: value for name, value in raw.items() if name not in unfit})
        )


def applied_value(ref: Ref, record: Record, name: str) -> Any:
    """One field as the resource holds it (a frozenset for names), or None where it was not set."""
    if name not in record.applied:
        return None
    return getattr(
        read_back(KINDS[ref.kind], {name: record.applied[name]} | _needed(ref, record)), name
    )


def _needed(ref: Ref, record: Record) -> dict[str, Any]:
    required = [name for name, info in KINDS[ref.kind].model_fields.items() if info.is_required()]
    return {name: record.applied[name] for name in required if name in record.applied}
