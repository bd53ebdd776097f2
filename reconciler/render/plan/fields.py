"""Rows for the fields of a change: names that come and go, values that differ, what two changes have in common."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, SecretBytes, SecretStr

from reconciler.core.model.changes import Change, CreditGrant, FieldChange
from reconciler.core.model.kinds import Resource, gateway_fields
from reconciler.core.model.printable import safe
from reconciler.core.model.secrets.redaction import SECRET
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.render.words import NOTHING, NameList, money, plain, shown, signed, some

TEXT_LIMIT = 100
# Of what lives in git only: how it is written, and what it is for.
UNTOLD = frozenset({"description", "labels", "protect", "renamed_from", "extends"})
MONEY = ("price_usd_per_month", "max_budget_usd", "soft_budget_usd")
NO_NAMES = NameList()


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One line about one field, ready to print.

    Names that come and go are in `added` and `removed`; every other value is in `before` and `after`, of which
    None says that there is nothing to show on that side (creation, a path that appears or disappears).
    """

    name: str
    added: NameList = NO_NAMES
    removed: NameList = NO_NAMES
    before: str | None = None
    after: str | None = None


def fields_of(change: Change) -> tuple[FieldChange, ...]:
    """The change's own fields; for a creation or a deletion, every field of the object that says something."""
    if change.fields:
        return change.fields
    if change.before is None and change.after is not None:
        return tuple(
            FieldChange(name, None, getattr(change.after, name)) for name in _telling(change.after)
        )
    if change.after is None and change.before is not None:
        return tuple(
            FieldChange(name, getattr(change.before, name), None)
            for name in _telling(change.before)
        )
    return ()


def _telling(resource: Resource) -> tuple[str, ...]:
    fields = type(resource).model_fields
    told = (
        [name for name in fields if name not in UNTOLD]
        if resource.virtual
        else gateway_fields(type(resource))
    )
    named = ((name, getattr(resource, name)) for name in told)
    return tuple(
        name
        for name, value in named
        if value not in (None, frozenset(), ()) and value != fields[name].default
    )


def field_rows(change: Change, names: int | None) -> tuple[FieldRow, ...]:
    """All rows of a change, at most `names` names in each list. A deletion has none: the object goes as a whole.

    A description is for people who read the manifest: it is left out of a creation unless everything is asked for.
    """
    if change.verb == "delete":
        return ()
    fields = fields_of(change)
    if change.verb == "create" and names is not None:
        fields = tuple(field for field in fields if field.name != "description")
    rows = tuple(row for field in fields for row in _rows(field, names, new=change.before is None))
    return rows + tuple(_credit_row(grant) for grant in shown_credits(change))


def shown_credits(change: Change) -> tuple[CreditGrant, ...]:
    """The grants that no other row tells: the allocation is already in `credits_allocated`, where that changes."""
    told = any(field.name == "credits_allocated" for field in change.fields)
    return tuple(grant for grant in change.credits if not (told and grant.grant_id == ALLOCATION))


def _credit_row(grant: CreditGrant) -> FieldRow:
    return FieldRow(
        "credits", after=f"{signed(grant.amount)} ({safe(grant.reason or grant.grant_id)})"
    )


def _rows(field: FieldChange, names: int | None, *, new: bool) -> Iterable[FieldRow]:
    before, after = field.before, field.after
    if isinstance(before, frozenset) or isinstance(after, frozenset):
        gone, come = (before or frozenset()), (after or frozenset())
        return (
            FieldRow(field.name, added=some(come - gone, names), removed=some(gone - come, names)),
        )
    if _nested(before) and _nested(after):
        return tuple(_paths(field.name, before, after, names)) or (
            FieldRow(field.name, before=SECRET, after=SECRET),
        )
    limit = None if names is None else TEXT_LIMIT
    said = _dollars if field.name in MONEY else shown
    return (
        FieldRow(field.name, before=None if new else said(before, limit), after=said(after, limit)),
    )


def _dollars(value: object, limit: int | None) -> str:
    return money(value) if isinstance(value, (int, float)) else shown(value, limit)


def _nested(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _paths(name: str, before: object, after: object, names: int | None) -> Iterator[FieldRow]:
    """One row per path that differs. Values are masked first: two different secrets leave no path."""
    from deepdiff import DeepDiff  # noqa: PLC0415  # heavy, and only wanted for nested values

    limit = None if names is None else TEXT_LIMIT
    tree = DeepDiff(plain(before), plain(after), view="tree", ignore_private_variables=False)
    levels = {
        _dotted(name, level.path(output_format="list")): level
        for report in tree.values()
        for level in report
    }
    for path in sorted(levels):
        yield FieldRow(
            path, before=_end(levels[path].t1, limit), after=_end(levels[path].t2, limit)
        )


def _dotted(name: str, path: list[str | int]) -> str:
    return name + "".join(
        f"[{part}]" if isinstance(part, int) else f".{safe(part)}" for part in path
    )


def _end(value: object, limit: int | None) -> str:
    from deepdiff.helper import NotPresent  # noqa: PLC0415  # as above

    return NOTHING if isinstance(value, NotPresent) else shown(value, limit)


def alike(change: Change) -> Hashable:
    """Equal for two changes of one kind that read the same, whatever objects they are about."""
    fields = tuple(
        (field.name, *_difference(field.before, field.after)) for field in fields_of(change)
    )
    grants = tuple((grant.grant_id, grant.amount, grant.reason) for grant in shown_credits(change))
    return (
        change.verb,
        change.adopt,
        change.renamed_from is not None,
        () if change.verb == "delete" else fields,
        grants,
    )


def _difference(before: object, after: object) -> tuple[Hashable, Hashable]:
    if isinstance(before, frozenset) and isinstance(after, frozenset):
        return before - after, after - before
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        same = {key for key, value in before.items() if key in after and after[key] == value}
        return _frozen(_without(before, same)), _frozen(_without(after, same))
    return _frozen(before), _frozen(after)


def _without(mapping: Mapping[str, object], keys: set[str]) -> Mapping[str, object]:
    return {key: value for key, value in mapping.items() if key not in keys}


def _frozen(value: object) -> Hashable:
    if isinstance(value, (SecretStr, SecretBytes)):
        return value
    if isinstance(value, BaseModel):
        return _frozen(plain(value))
    if isinstance(value, Mapping):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    return (type(value).__name__, value)
