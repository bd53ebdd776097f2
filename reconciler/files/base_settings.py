"""Settings as of a git revision: in a pull request those of its base, so that it cannot say where the keys are sent.

The manifests are the pull request's own, and so is what only judges them: a plan shows what its `prune` would do. All
else, whatever settings there may come to be, is the base's until it is merged.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.core.model.findings import Finding, Origin, ReconcilerError, error, ordered, warning
from reconciler.core.model.settings import Settings
from reconciler.files.discovery import SETTINGS_FILES, shown
from reconciler.files.revisions import copied
from reconciler.files.settings import load_settings

REVISION = "RECONCILER_SETTINGS_REVISION"
OWN = ("prune", "safety", "lint", "lint_limits")


def load_base_settings(
    directory: Path, revision: str, *, variables: Mapping[str, str]
) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings of the revision with `OWN` of the directory's, and what is to be said about both.

    Raises ReconcilerError where git does not have the revision: nothing else is taken in its place.
    """
    if not directory.is_dir():
        return load_settings(directory, variables=variables)
    try:
        place, commit = copied(directory, revision, only=frozenset(SETTINGS_FILES))
    except ReconcilerError as failure:
        raise ReconcilerError(*_said_of(failure.findings, revision)) from failure
    base, about_base = load_settings(place, variables=variables) if place else (Settings(), ())
    own, about_own = load_settings(directory, variables=variables, base=base)
    names = (shown(place or directory), f"{shown(directory)}@{commit[:9]}")
    renamed = (_renamed(finding, *names) for finding in about_base)
    # What both have wrong is said once, of the one that can be changed.
    in_force = base.model_copy(update={name: getattr(own, name) for name in OWN})
    return in_force, ordered(
        (*about_own, *_news(renamed, about_own), *_ahead(directory, own != in_force, commit))
    )


def _said_of(findings: Iterable[Finding], revision: str) -> Iterator[Finding]:
    for finding in findings:
        says = f"the settings are to be those of {revision} ({REVISION}), and {finding.message}"
        yield error(
            "settings-revision",
            says,
            hint="fetch that commit too: a checkout of CI has one commit only",
        )


def _renamed(finding: Finding, copy: str, name: str) -> Finding:
    if finding.origin is None:
        return finding
    return replace(
        finding, origin=replace(finding.origin, file=finding.origin.file.replace(copy, name))
    )


def _news(findings: Iterable[Finding], known: Iterable[Finding]) -> Iterator[Finding]:
    said = {(finding.code, finding.path, finding.message) for finding in known}
    return (
        finding for finding in findings if (finding.code, finding.path, finding.message) not in said
    )


def _ahead(directory: Path, differ: bool, commit: str) -> Iterator[Finding]:
    if differ:
        says = f"gateways, ledger or variables differ from those of {commit[:9]}, which are in force here"
        hint = "they hold once they are merged; what needs them comes in a pull request after that"
        yield warning(
            "settings-ahead",
            says,
            hint=hint,
            origin=Origin(shown(directory / SETTINGS_FILES[0]), 1, 1),
        )
