"""export: a live state -> the shortest specs that say the same, so that a plan made of them changes nothing.

What the ledger knows (declared credits, labels, top-ups, names of pricing plans) is restored from it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ValidationError

from reconciler.core.imports.masks import Cleaned, cleaned
from reconciler.core.model.findings import Finding, errors, warning
from reconciler.core.model.inventory import Known, Record
from reconciler.core.model.kinds import (
    KINDS,
    AccessGroup,
    GitOnly,
    IfDeclared,
    ModelAlias,
    PricingPlan,
    Resource,
    gateway_fields,
    marked,
)
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State, references
from reconciler.core.plan.comparison import observed
from reconciler.core.plan.credits.allocation import CREDITS
from reconciler.core.plan.support import Support
from reconciler.core.rules.check import check

Spec = Mapping[str, Any]
NAME_CODES = ("name-style", "name-invalid")
LONGEST_WHOLE = 18  # digits; the manifest reader refuses longer numbers
# Used up (a rename), or resolved away before the ledger saw them.
_NOT_RESTORED = frozenset({"renamed_from", "extends", "select", "grants"})
_OBJECT = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """One object to be written: its spec as plain JSON values, remarks above it, and fields written as a comment."""

    ref: Ref
    spec: Spec
    remarks: tuple[str, ...] = ()
    aside: Spec = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Export:
    """What to write.

    skipped   objects that stay out of the files, with why
    extra     findings that are not about one of these objects
    lint      levels that the settings need, because live names break the style
    """

    objects: Mapping[Ref, Exported]
    skipped: Mapping[Ref, str] = field(default_factory=dict)
    extra: tuple[Finding, ...] = ()
    lint: Mapping[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that did not come over as it is."""
        return (*self.extra, *_said_about(self))

    @property
    def state(self) -> State:
        """The objects as resources, as the files will declare them."""
        return State(
            {ref: KINDS[ref.kind].model_validate(each.spec) for ref, each in self.objects.items()}
        )


@dataclass(frozen=True)
class Source:
    """A gateway as it was read, with its abilities and what the ledger remembers of it."""

    live: State
    support: Support
    known: Known = field(default_factory=Known)


def everything(_ref: Ref) -> bool:
    return True


def export(
    source: Source, only: Callable[[Ref], bool] = everything, beside: Collection[Ref] = frozenset()
) -> Export:
    """The chosen live objects and what they refer to. Objects that can only be read are left out unless referred to.

    `beside` are refs that files declare already: they are not exported, and may be referred to.
    """
    chosen = _chosen(source, only) - frozenset(beside)
    objects = {ref: _exported(ref, source) for ref in sorted(chosen)}
    left = {
        ref: "it can only be read on this gateway"
        for ref in source.known.fixed
        if only(ref) and ref not in chosen
    }
    skipped = {ref: why for ref, why in left.items() if ref in source.live and ref not in beside}
    return settled(Export(objects, skipped), {*beside, *_plans(objects), *_served(source)})


def _served(source: Source) -> Iterator[Ref]:
    """What groups name and no alias is, where the gateway takes it: a wildcard may serve it, or nothing any more."""
    if source.support.serving is not None:
        names = (
            name for group in source.live.of(AccessGroup).values() for name in group.model_aliases
        )
        yield from (
            Ref(ModelAlias.kind, name)
            for name in names
            if Ref(ModelAlias.kind, name) not in source.live
        )


def _plans(objects: Mapping[Ref, Exported]) -> Iterator[Ref]:
    """The pricing plans that the ledger names; `suggest` makes them anew."""
    for each in objects.values():
        if each.spec.get("plan"):
            yield Ref(PricingPlan.kind, each.spec["plan"])


def _chosen(source: Source, only: Callable[[Ref], bool]) -> set[Ref]:
    known = source.support.kinds
    todo = [
        ref
        for ref in source.live
        if ref.kind in known and ref not in source.known.fixed and only(ref)
    ]
    chosen: set[Ref] = set()
    while todo:
        ref = todo.pop()
        if ref not in chosen:
            chosen.add(ref)
            todo += (target for _, target in references(source.live[ref]) if target in source.live)
    return chosen


def _exported(ref: Ref, source: Source) -> Exported:
    kind, record = source.support.kinds[ref.kind], source.known.inventory.get(ref)
    seen = observed(ref, source.live[ref], record, kind)
    values = _needed(ref, seen, source.support)
    values |= _restored(ref, record)
    found = cleaned(ref, {name: plain(value) for name, value in values.items()}, record)
    fixed = ("It can only be read on this gateway; it is here because others refer to it.",)
    remarks = fixed if ref in source.known.fixed else ()
    return _checked_fields(ref, found, remarks)


def _needed(ref: Ref, seen: Resource, support: Support) -> dict[str, Any]:
    """The stored fields that differ from what the gateway would fill in by itself."""
    cls, kind = type(seen), support.kinds[ref.kind]
    stored = [name for name in gateway_fields(cls) if name in kind.stored]
    values = {name: getattr(seen, name) for name in stored if getattr(seen, name, None) is not None}
    for name, info in cls.model_fields.items():
        if name in values and not info.is_required():
            rest = {key: value for key, value in values.items() if key != name}
            filled = support.normalise(ref, cls.model_construct(_fields_set=set(rest), **rest))
            if getattr(filled, name) == values[name]:
                values = rest
    return values


def _restored(ref: Ref, record: Record | None) -> dict[str, Any]:
    """What lives in git only, and the credits that were declared: the live sum also holds what others topped up."""
    if record is None:
        return {}
    git_only = marked(KINDS[ref.kind], GitOnly) - _NOT_RESTORED
    restored = {name: value for name, value in record.applied.items() if name in git_only and value}
    return restored | (
        {CREDITS: record.applied[CREDITS]} if record.applied.get(CREDITS) is not None else {}
    )


def plain(value: Any) -> Any:
    """A field's value as JSON knows it; whole numbers lose their `.0`, which is all the same to gateways."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return int(value)
    return _json(value)


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {
            name: plain(getattr(value, name))
            for name in type(value).model_fields
            if _said(value, name)
        }
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _said(spec: BaseModel, name: str) -> bool:
    return bool(
        getattr(spec, name, None)
        != type(spec).model_fields[name].get_default(call_default_factory=True)
    )


def _checked_fields(ref: Ref, found: Cleaned, remarks: tuple[str, ...]) -> Exported:
    """Without the fields that no manifest could hold; those stay as they are on the gateway."""
    lost = [name for name, value in found.spec.items() if not writable(value)]
    spec = {name: value for name, value in found.spec.items() if name not in lost}
    more = tuple(
        f"Its {name} cannot be written as YAML and stays on the gateway only." for name in lost
    )
    return Exported(ref, spec, (*remarks, *found.remarks, *more), found.aside)


def writable(value: Any) -> bool:
    """Whether the manifest reader will take the value as it is."""
    if isinstance(value, Mapping):
        return all(map(writable, value)) and all(map(writable, value.values()))
    if isinstance(value, list):
        return all(map(writable, value))
    if isinstance(value, str):
        return not any("\ud800" <= each <= "\udfff" for each in value)
    return not isinstance(value, int) or len(str(value)) <= LONGEST_WHOLE


def settled(export: Export, beside: Collection[Ref] = frozenset()) -> Export:
    """The export without what validation would refuse: first single fields, then whole objects, until it is valid."""
    objects, skipped = dict(export.objects), dict(export.skipped)
    for ref in export.objects:
        _validate(ref, objects, skipped)
    while problems := _refused(Export(objects), beside):
        for finding in problems:
            _yield(finding, objects, skipped)
    done = replace(export, objects=objects, skipped=skipped)
    return replace(done, lint={**export.lint, **_lint(done)})


def _refused(export: Export, beside: Collection[Ref]) -> tuple[Finding, ...]:
    found = errors(check(export.state, declared=beside))
    return tuple(f for f in found if f.code not in NAME_CODES and f.ref in export.objects)


def _validate(ref: Ref, objects: dict[Ref, Exported], skipped: dict[Ref, str]) -> None:
    while ref in objects:
        try:
            KINDS[ref.kind].model_validate(objects[ref].spec)
        except ValidationError as failure:
            for name, why in complaints(failure).items():
                _give_up(ref, name, why, objects, skipped)
        else:
            return


def complaints(failure: ValidationError) -> Mapping[str, str]:
    """Field -> what is wrong with its value (which is never in it)."""
    found = failure.errors(include_url=False, include_input=False, include_context=False)
    return {str(each["loc"][0]) if each["loc"] else _OBJECT: each["msg"] for each in found}


def _yield(finding: Finding, objects: dict[Ref, Exported], skipped: dict[Ref, str]) -> None:
    if finding.ref is not None and finding.ref in objects:
        name = str(finding.path[0]) if finding.path else _OBJECT
        _give_up(finding.ref, name, finding.message, objects, skipped)


def _give_up(
    ref: Ref, name: str, why: str, objects: dict[Ref, Exported], skipped: dict[Ref, str]
) -> None:
    """Leaves out one field where that changes nothing on the gateway, otherwise the whole object."""
    if ref not in objects:
        return
    exported = objects[ref]
    free = marked(KINDS[ref.kind], IfDeclared) | marked(KINDS[ref.kind], GitOnly)
    if name in free and name in exported.spec:
        spec = {key: value for key, value in exported.spec.items() if key != name}
        remark = f"Its {name} stays on the gateway only: {why}."
        objects[ref] = replace(exported, spec=spec, remarks=(*exported.remarks, remark))
    else:
        skipped[ref] = why
        del objects[ref]


def _said_about(export: Export) -> Iterator[Finding]:
    for ref, why in sorted(export.skipped.items()):
        yield warning("import-skipped", f"{ref} is not taken over: {why}", ref=ref)
    for ref, each in export.objects.items():
        for remark in each.remarks:
            yield warning("import-remark", f"{ref}: {remark}", ref=ref)


def _lint(export: Export) -> Mapping[str, str]:
    codes: Collection[str] = {f.code for f in errors(check(export.state)) if f.code in NAME_CODES}
    return dict.fromkeys(sorted(codes), "warning")
