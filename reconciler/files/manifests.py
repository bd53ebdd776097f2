"""Manifests: every YAML file below the config directory to typed resources, and findings with their places."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.core.model.findings import Finding, Origin, did_you_mean, error, ordered, warning
from reconciler.core.model.kinds import KINDS, Resource
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.secrets.typed import filled
from reconciler.core.model.state import State
from reconciler.files.declarations import Declarations, declare, merge
from reconciler.files.discovery import ENVIRONMENTS, Found, discover, shown
from reconciler.files.parsing import Parsed, collection_paused, parse_files, unreadable
from reconciler.files.places import PlacesByFile
from reconciler.files.specs import AT_THE_KEY, read_spec
from reconciler.files.validate.wording import Problem
from reconciler.files.variables import Variables


@dataclass(frozen=True)
class Manifests:
    """What the files say.

    state      the valid resources as written, virtual kinds too; nothing is resolved
    files      where each declared resource stands, the invalid ones too
    overlays   the environment's file, for resources that it changes
    complete   False where a file could not be read to its end, so that resources may be missing
    """

    state: State = field(default_factory=State)
    files: Mapping[Ref, Path] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    overlays: Mapping[Ref, Path] = field(default_factory=dict)
    complete: bool = True
    places: PlacesByFile = field(default_factory=PlacesByFile, repr=False, compare=False)


def load_manifests(
    directory: Path, *, environment: str | None = None, variables: Variables
) -> Manifests:
    """All manifests below the directory, with the overlay of an environment and the given variables filled in.

    `variables` is the process's environment, with what of it may be read. Never raises for what files hold.
    """
    if not directory.is_dir():
        hint = "run reconciler init, or pass --config DIR"
        missing = error(
            "config-missing", f"there is no config directory {shown(directory)}", hint=hint
        )
        return Manifests(findings=(missing,), complete=False)
    found = discover(directory)
    with collection_paused():
        return _load(directory, found, environment, variables)


def locate(manifests: Manifests, finding: Finding) -> Finding:
    """The finding with its origin: the value it is about, or its nearest parent, in the file that really holds it."""
    if finding.origin is not None or finding.ref is None or finding.ref not in manifests.files:
        return finding
    return replace(
        finding,
        origin=_origin(manifests, finding.ref, finding.path, key=finding.code in AT_THE_KEY),
    )


def _load(
    directory: Path, found: Found, environment: str | None, variables: Variables
) -> Manifests:
    places = PlacesByFile()
    parsed = parse_files(found.base, found.within)
    over = parse_files(found.environments.get(environment or "", ()), found.within)
    base, base_findings = declare(parsed, places)
    overlay, overlay_findings = declare(over, places)
    merged, merge_findings = merge(base, overlay, places)
    selection = (*_selection(directory, found, environment), *_emptied((*parsed, *over)))
    resources, problems = _typed(merged, variables)
    manifests = Manifests(
        state=State(resources),
        files={ref: declared.file for ref, declared in merged.items()},
        overlays={ref: declared.overlay for ref, declared in merged.items() if declared.overlay},
        complete=_complete(parsed) and _complete(over) and not found.refused,
        places=places,
    )
    located = _beyond(
        (*base_findings, *overlay_findings), (locate(manifests, finding) for finding in problems)
    )
    refused = (unreadable(Path(str(failure.filename)), failure) for failure in found.refused)
    said = (*selection, *refused, *base_findings, *overlay_findings, *merge_findings, *located)
    return replace(manifests, findings=ordered(said))


def _emptied(parsed: Iterable[Parsed]) -> Iterator[Finding]:
    """Files without a byte to read: an editor or a merge that went wrong, and objects that are gone with it."""
    hint = "delete the file, or bring back what stood in it"
    for file in parsed:
        if file.empty:
            yield warning(
                "empty-file", "the file is empty", hint=hint, origin=Origin(shown(file.path), 1, 1)
            )


def _complete(parsed: Iterable[Parsed]) -> bool:
    return all(file.complete for file in parsed)


def _selection(directory: Path, found: Found, environment: str | None) -> Iterator[Finding]:
    if not found.base:
        hint = "run reconciler init for a starter config"
        yield warning(
            "no-manifests", f"there are no *.yaml files below {shown(directory)}", hint=hint
        )
    if environment is not None and environment not in found.environments:
        known = ", ".join(found.environments) or "none"
        hint = (
            did_you_mean(environment, found.environments)
            or f"make the directory {ENVIRONMENTS}/{environment}"
        )
        yield error(
            "environment-unknown",
            f"there is no environment {environment} (there are: {known})",
            hint=hint,
        )


def _beyond(said: Iterable[Finding], more: Iterable[Finding]) -> Iterator[Finding]:
    """The further findings, without those about a value that YAML itself already complained about."""
    places: set[Origin | None] = {finding.origin for finding in said}
    return (finding for finding in more if finding.origin not in places)


def _typed(
    declared: Declarations, variables: Variables
) -> tuple[Mapping[Ref, Resource], tuple[Finding, ...]]:
    resources: dict[Ref, Resource] = {}
    findings: list[Finding] = []
    for ref, declaration in declared.items():
        if declaration.spec is None:
            hint = "write {} where nothing else is to be said"
            findings.append(error("wrong-type", f"{ref} has no spec", hint=hint, ref=ref))
            continue
        its_variables = variables if declaration.variables else None
        reading = read_spec(KINDS[ref.kind], declaration.spec, its_variables, subject=ref)
        if reading.value is not None:
            resources[ref] = filled(reading.value, reading.filled)
        findings += [_finding(ref, problem) for problem in reading.problems]
    return resources, tuple(findings)


def _finding(ref: Ref, problem: Problem) -> Finding:
    return error(problem.code, problem.sentence, hint=problem.hint, ref=ref, path=problem.path)


def _origin(manifests: Manifests, ref: Ref, path: FieldPath, *, key: bool) -> Origin:
    """The overlay's place where it holds the whole path (or more of it than the base), else the base's."""
    full = (KINDS[ref.kind].section, ref.name, *path)
    base = manifests.files[ref]
    overlay = manifests.overlays.get(ref)
    file = base
    if overlay is not None:
        deeper = (
            manifests.places.find(overlay, full).steps >= manifests.places.find(base, full).steps
        )
        file = overlay if deeper and path else base
    return manifests.places.origin(file, full, key=key)
