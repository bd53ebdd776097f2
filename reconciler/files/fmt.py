"""`fmt` over files and directories."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.model.findings import Finding, Origin, error, ordered
from reconciler.files.discovery import SETTINGS_FILES, discover, shown
from reconciler.files.yaml.format import Formatted, formatted
from reconciler.system.disk import atomic_write


@dataclass(frozen=True, slots=True)
class Done:
    """Which files changed (or would), how many are canonical already, and what was left alone."""

    changed: tuple[str, ...]
    unchanged: int
    findings: tuple[Finding, ...]


def format_files(paths: Iterable[Path], *, write: bool) -> Done:
    """Formats every manifest and settings file among the paths and below them."""
    changed: list[str] = []
    findings: list[Finding] = []
    unchanged = 0
    for file in sorted({each for path in paths for each in _files(path)}):
        text, result = _formatted(file)
        findings += result.findings
        if result.findings:
            continue
        if result.text == text:
            unchanged += 1
            continue
        changed.append(shown(file))
        if write:
            atomic_write(file, result.text)
    return Done(tuple(changed), unchanged, ordered(findings))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = discover(path)
    yield from (*found.base, *(file for files in found.environments.values() for file in files))
    yield from (file for file in (path / name for name in SETTINGS_FILES) if file.is_file())


def _formatted(file: Path) -> tuple[str, Formatted]:
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        reason = getattr(failure, "strerror", None) or "it is not UTF-8"
        problem = error(
            "unreadable-file",
            f"the file cannot be read: {reason}",
            origin=Origin(shown(file), 1, 1),
        )
        return "", Formatted("", (problem,))
    return text, formatted(text, shown(file))
