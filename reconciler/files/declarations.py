"""Documents to declarations (section, id, spec), and the overlay of one environment over the base."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.core.model.findings import Finding, did_you_mean, error, warning
from reconciler.core.model.kinds import SECTIONS
from reconciler.core.model.refs import Ref
from reconciler.files.parsing import Parsed
from reconciler.files.places import PlacesByFile
from reconciler.files.validate.schemas import REUSABLE


@dataclass(frozen=True, slots=True)
class Declared:
    """One spec as written, and the files that say so; `document` counts the file's `---` documents from 0."""

    spec: object
    file: Path
    document: int
    variables: bool
    overlay: Path | None = None


Declarations = dict[Ref, Declared]


def declare(
    parsed: Iterable[Parsed], places: PlacesByFile
) -> tuple[Declarations, tuple[Finding, ...]]:
    """Every declaration of some files; unknown sections, non-mappings and ids declared twice are findings."""
    declared: Declarations = {}
    findings: list[Finding] = []
    for file in parsed:
        findings += file.findings
        for number, document in enumerate(file.documents):
            for ref, spec in _sections(document, file, number, places, findings):
                new = Declared(spec, file.path, number, file.variables)
                if ref in declared:
                    findings.append(_twice(ref, declared[ref], new, places))
                else:
                    declared[ref] = new
    return declared, tuple(findings)


def merge(
    base: Declarations, overlay: Declarations, places: PlacesByFile
) -> tuple[Declarations, tuple[Finding, ...]]:
    """The base with an environment's overlay: mappings merge key by key, lists and scalars replace, null removes."""
    merged = dict(base)
    findings: list[Finding] = []
    for ref, over in overlay.items():
        if over.spec is None:
            findings += _removed(merged, ref, over, places)
        elif ref in base:
            merged[ref] = _over(base[ref], over)
        else:
            merged[ref] = over
    return merged, tuple(findings)


def merged_values(base: object, over: object) -> object:
    """One value over another; a null field stays null, which clears the value on the gateway."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    changed = {
        key: merged_values(base[key], value) if key in base else value
        for key, value in over.items()
    }
    return {**base, **changed}


def _over(base: Declared, over: Declared) -> Declared:
    spec = merged_values(base.spec, over.spec)
    return replace(base, spec=spec, variables=base.variables or over.variables, overlay=over.file)


def _removed(
    merged: Declarations, ref: Ref, over: Declared, places: PlacesByFile
) -> Iterator[Finding]:
    if merged.pop(ref, None) is None:
        near = did_you_mean(ref.name, (known.name for known in merged if known.kind == ref.kind))
        place = places.origin(over.file, _path(ref), key=True)
        yield warning(
            "overlay-nothing-removed",
            f"there is no {ref} to remove",
            hint=near,
            ref=ref,
            origin=place,
        )


def _sections(
    document: object, file: Parsed, number: int, places: PlacesByFile, findings: list[Finding]
) -> Iterator[tuple[Ref, object]]:
    if document is None:
        return
    if not isinstance(document, dict):
        findings.append(_not_a_mapping(file, number, (), "a manifest", places))
        return
    for section, specs in document.items():
        if section.startswith(REUSABLE):
            continue
        if section not in SECTIONS:
            findings.append(_unknown_section(section, file, number, places))
        elif isinstance(specs, dict):
            yield from ((Ref(SECTIONS[section].kind, name), spec) for name, spec in specs.items())
        elif specs is not None:
            findings.append(_not_a_mapping(file, number, (section,), section, places))


def _not_a_mapping(
    file: Parsed, number: int, path: tuple[str, ...], what: str, places: PlacesByFile
) -> Finding:
    hint = (
        f"known sections: {', '.join(SECTIONS)}"
        if not path
        else "write an id, a colon, and its keys indented below"
    )
    place = places.origin(file.path, path, document=number)
    return error("wrong-type", f"{what} must be a mapping", hint=hint, origin=place)


def _unknown_section(section: str, file: Parsed, number: int, places: PlacesByFile) -> Finding:
    hint = did_you_mean(section, SECTIONS) or f"known sections: {', '.join(SECTIONS)}"
    place = places.origin(file.path, (section,), key=True, document=number)
    return error(
        "unknown-section", f"{section} is not a section of a manifest", hint=hint, origin=place
    )


def _twice(ref: Ref, first: Declared, second: Declared, places: PlacesByFile) -> Finding:
    there = places.origin(first.file, _path(ref), key=True, document=first.document)
    here = places.origin(second.file, _path(ref), key=True, document=second.document)
    hint = "keep one of the two, or give one another id"
    return error(
        "duplicate-id",
        f"{ref} is declared twice, first in {there}",
        hint=hint,
        ref=ref,
        origin=here,
    )


_SECTION_OF: Mapping[str, str] = {cls.kind: section for section, cls in SECTIONS.items()}


def _path(ref: Ref) -> tuple[str, ...]:
    return (_SECTION_OF[ref.kind], ref.name)
