"""Live values as fields of declared objects: those that a manifest can hold, and the state that comes of them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from reconciler.core.imports.export import NAME_CODES, complaints, writable
from reconciler.core.model.findings import Finding, errors, warning
from reconciler.core.model.inventory import record_of
from reconciler.core.model.kinds import KINDS, Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.rules.check import check

Fields = Mapping[str, Any]
Changed = Mapping[Ref, Fields]


class Absent:
    """The value of a field that is to leave the file."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


def sound(
    changed: Changed, written: State, added: State
) -> tuple[dict[Ref, Fields], list[Finding]]:
    """The fields without those that validation would refuse; each of these is a finding and stays as git has it."""
    kept: dict[Ref, Fields] = dict(changed)
    findings: list[Finding] = []
    for ref in changed:
        for name, why in _problems(ref, kept[ref], written).items():
            _drop(ref, name, why, kept, findings)
    while problems := _refused(kept, written, added):
        for finding in problems:
            if finding.ref is not None:
                _drop(finding.ref, str(finding.path[0]), finding.message, kept, findings)
    return kept, findings


def _problems(ref: Ref, fields: Fields, written: State) -> Mapping[str, str]:
    unwritable = {
        name: "it holds what YAML cannot" for name, value in fields.items() if not writable(value)
    }
    try:
        resource_with(ref, written[ref], fields)
    except ValidationError as failure:
        return {
            **unwritable,
            **{name: why for name, why in complaints(failure).items() if name in fields},
        }
    return unwritable


def _refused(changed: Changed, written: State, added: State) -> tuple[Finding, ...]:
    found = (
        f
        for f in errors(check(with_fields(changed, written, added)))
        if f.ref in changed and f.path
    )
    return tuple(
        f for f in found if f.code not in NAME_CODES and f.ref and f.path[0] in changed[f.ref]
    )


def _drop(ref: Ref, name: str, why: str, kept: dict[Ref, Fields], findings: list[Finding]) -> None:
    if name in kept.get(ref, ()):
        says = f"{name} of {ref} stays as it is declared; the live value cannot be: {why}"
        findings.append(warning("import-unwritable", says, ref=ref, path=(name,)))
        kept[ref] = {other: value for other, value in kept[ref].items() if other != name}


def resource_with(ref: Ref, resource: Resource, fields: Fields) -> Resource:
    """The declared resource with other fields. Raises ValidationError."""
    spec = {**record_of(resource), **fields}
    return KINDS[ref.kind].model_validate(
        {name: value for name, value in spec.items() if value is not ABSENT}
    )


def with_fields(changed: Changed, written: State, added: State) -> State:
    """The files' state with the fields and objects in it."""
    edited = {ref: resource_with(ref, written[ref], fields) for ref, fields in changed.items()}
    return written.updated({**added.resources, **edited})
