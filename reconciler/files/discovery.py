"""Which files below the config directory are manifests, and to which environment they belong."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.system.disk import OUTSIDE

SETTINGS_FILES = ("reconciler.yaml", "reconciler.yml")
PRICES_FILE = "prices.json"
ENVIRONMENTS = "environments"
CONFIG = "config"
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Found:
    """The manifest files, sorted: of the base, and of each environment by name.

    `within` is the real path that all of them must lie in; `refused` tells of folders that cannot be read or lie
    elsewhere.
    """

    base: tuple[Path, ...]
    environments: dict[str, tuple[Path, ...]]
    within: Path
    refused: tuple[OSError, ...] = ()


def discover(directory: Path) -> Found:
    """Every *.yaml and *.yml below the directory, without hidden ones, settings, and directories seen before."""
    overlays = directory / ENVIRONMENTS
    names = sorted(
        entry.name
        for entry in _entries(overlays)
        if entry.is_dir() and not entry.name.startswith(".")
    )
    skipped = {overlays, *(directory / name for name in SETTINGS_FILES)}
    within, refused = root_of(directory), list[OSError]()
    base = tuple(
        file for file in _manifests(directory, skipped, within, refused) if file not in skipped
    )
    environments = {
        name: tuple(_manifests(overlays / name, set(), within, refused)) for name in names
    }
    return Found(base, environments, within, tuple(refused))


def root_of(directory: Path) -> Path:
    """The real path of the repository that the directory lies in, or of itself where it lies in none."""
    real = Path(os.path.realpath(directory))
    return next((parent for parent in (real, *real.parents) if (parent / ".git").exists()), real)


def find_config(start: Path) -> Path:
    """The config directory that a command run in `start` means: `config` there, or else the nearest one upwards.

    Upwards counts only what holds settings: a directory that has them, or whose `config` does. The search ends at the
    top of a git work tree, so that no config of another project is ever meant. Relative to `start`; `config` where
    there is none.
    """
    usual = Path(CONFIG)
    if (start / usual).is_dir():
        return usual
    for up, directory in enumerate((start, *start.parents)):
        way = Path(*[".."] * up)
        if (directory / CONFIG / SETTINGS_FILES[0]).is_file():
            return way / CONFIG
        if (directory / SETTINGS_FILES[0]).is_file():
            return way
        if (directory / ".git").exists():
            break
    return usual


def shown(file: Path) -> str:
    """The file's name for people: relative to the current directory where it lies below it."""
    absolute = Path(os.path.abspath(file))  # noqa: PTH100  # resolve() would follow links that the user sees as files
    try:
        return absolute.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(file)


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _manifests(
    directory: Path, skipped: set[Path], within: Path, refused: list[OSError]
) -> Iterator[Path]:
    found: list[Path] = []
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(directory, followlinks=True, onerror=refused.append):
        here = Path(folder)
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        if not Path(real).is_relative_to(within):
            refused.append(OSError(errno.EPERM, OUTSIDE, folder))
            subfolders.clear()
            continue
        subfolders[:] = sorted(
            s for s in subfolders if not s.startswith(".") and here / s not in skipped
        )
        found += [
            here / name for name in names if name.endswith(_SUFFIXES) and not name.startswith(".")
        ]
    return iter(sorted(found))
