"""Tests of policies: YAML files with a list of `cases`, in a directory of their own beside the config."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.core.model.findings import Finding, Origin, error
from reconciler.core.model.kinds import SECTIONS, Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.rules.policy_cases import PolicyCase
from reconciler.files.discovery import root_of, shown
from reconciler.files.parsing import parse_file
from reconciler.files.places import PlacesByFile
from reconciler.files.specs import read_spec
from reconciler.files.validate.wording import Problem


@dataclass(frozen=True, slots=True)
class FoundCase:
    """A case with its place and the resources of its manifest (None where it has none)."""

    case: PolicyCase
    origin: Origin
    manifest: State | None = None


def load_cases(directory: Path) -> tuple[tuple[FoundCase, ...], tuple[Finding, ...]]:
    """Every case of every *.yaml below the directory. What cannot be read is a finding, never an exception."""
    files = sorted([*directory.rglob("*.yaml"), *directory.rglob("*.yml")])
    if not files:
        says = f"there are no *.yaml files with policy tests below {shown(directory)}"
        return (), (
            error("no-policy-tests", says, hint="write cases: [{name, team, model, expect}]"),
        )
    places = PlacesByFile()
    within = root_of(directory)
    cases: list[FoundCase] = []
    findings: list[Finding] = []
    for file in files:
        for found in _read(file, within, places):
            (findings if isinstance(found, Finding) else cases).append(found)  # type: ignore[arg-type]  # one of the two
    return tuple(cases), tuple(findings)


def _read(file: Path, within: Path, places: PlacesByFile) -> Iterator[FoundCase | Finding]:
    parsed = parse_file(file, within)
    yield from parsed.findings
    for number, document in enumerate(parsed.documents):
        listed = document.get("cases") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            says = "a file of policy tests holds a list under cases"
            yield error(
                "wrong-type",
                says,
                hint="cases: [...]",
                origin=places.origin(file, (), document=number),
            )
            continue
        for index, item in enumerate(listed):
            origin = places.origin(file, ("cases", index), document=number)
            yield from _case(item, origin)


def _case(item: object, origin: Origin) -> Iterator[FoundCase | Finding]:
    reading = read_spec(PolicyCase, item, None, subject="the case")
    case, problems = reading.value, reading.problems
    manifest = _state(case.manifest) if case is not None and case.manifest is not None else None
    if isinstance(manifest, tuple):
        problems = manifest
    elif case is not None:
        yield FoundCase(case, origin, manifest)
    for problem in problems:
        yield error(problem.code, problem.sentence, hint=problem.hint, origin=origin)


def _state(manifest: Mapping[str, Mapping[str, Any]]) -> State | tuple[Problem, ...]:
    resources: dict[Ref, Resource] = {}
    for section, specs in manifest.items():
        if section not in SECTIONS:
            return (
                Problem(
                    "unknown-section",
                    f"{section} is no section",
                    f"one of {', '.join(SECTIONS)}",
                    (),
                ),
            )
        for name, spec in specs.items():
            reading = read_spec(SECTIONS[section], spec, None, subject="the case")
            if reading.value is None:
                return reading.problems
            resources[Ref(SECTIONS[section].kind, name)] = reading.value
    return State(resources)
