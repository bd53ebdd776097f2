"""Plug-ins: what installed packages add to the product through entry points.

A package names what it adds in its metadata (pyproject.toml), one group for each kind of thing (`GROUPS`):

    [project.entry-points."reconciler.backends"]
    portkey = "reconciler_portkey:BACKEND"

Nothing of a plug-in is imported before it is needed. One that cannot be imported is an error of its own
(`PluginError`), never a traceback, and a name that is built in stays what is built in: the plug-in's is refused.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from reconciler.core.model.findings import Finding, ReconcilerError, error, warning

T = TypeVar("T")
BACKENDS, FORMATS, RULES, COMMANDS = GROUPS = (
    "reconciler.backends",
    "reconciler.formats",
    "reconciler.rules",
    "reconciler.commands",
)
WHAT: Mapping[str, str] = {
    BACKENDS: "backend",
    FORMATS: "format",
    RULES: "lint rule",
    COMMANDS: "command",
}
# How a section of one of the groups begins in entry_points.txt.
_SECTION = b"[reconciler."


class PluginError(ReconcilerError):
    """A plug-in that cannot be used; the message names its package."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(error("plugin", message, hint=hint))


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: the name of what it adds, the package that it comes from, and how to import it."""

    group: str
    name: str
    package: str
    load: Callable[[], object]

    def loaded(self, wanted: type[T] | tuple[type[T], ...]) -> T:
        """What it adds. Raises PluginError where it cannot be imported, or is something else."""
        about = f"the {WHAT[self.group]} {self.name} of the package {self.package}"
        hint = f"upgrade {self.package}, or uninstall it"
        try:
            value = self.load()
        except (Exception, SystemExit) as problem:
            reason = " ".join(str(problem).split())
            raise PluginError(
                f"{about} cannot be loaded: {type(problem).__name__}: {reason}", hint
            ) from problem
        if not isinstance(value, wanted):
            raise PluginError(f"{about} is a {type(value).__name__}, which is none", hint)
        return value


def failed(plugin: Plugin, problem: Exception) -> PluginError:
    """What a plug-in raised while it was used, as an error that names it."""
    reason = " ".join(str(problem).split())
    return PluginError(
        f"the {WHAT[plugin.group]} {plugin.name} of the package {plugin.package} failed: "
        f"{type(problem).__name__}: {reason}",
        f"upgrade {plugin.package}, or uninstall it",
    )


def plugins(group: str, built_in: Collection[str]) -> Mapping[str, Plugin]:
    """Name -> plug-in of a group, sorted; without those whose name is built in or taken twice (`refused`)."""
    usable = {
        name: named[0]
        for name, named in _by_name(group).items()
        if name not in built_in and len(named) == 1
    }
    return dict(sorted(usable.items()))


def refused(group: str, built_in: Collection[str]) -> Iterator[Finding]:
    """A warning for each name of a group that more than one package, or a package and the product, gives."""
    for name, named in sorted(_by_name(group).items()):
        packages = sorted(plugin.package for plugin in named)
        if name in built_in or len(named) > 1:
            others = "the built-in one" if name in built_in else "that of another package"
            yield warning(
                "plugin-clash",
                f"the {WHAT[group]} {name} of {' and '.join(packages)} has the name of {others}: it is not used",
                hint=f"uninstall {packages[-1]}, or rename its entry point in {group}",
            )


def _by_name(group: str) -> Mapping[str, tuple[Plugin, ...]]:
    found: dict[str, tuple[Plugin, ...]] = {}
    for plugin in _registered():
        if plugin.group == group:
            found[plugin.name] = (*found.get(plugin.name, ()), plugin)
    return found


@cache
def _registered() -> tuple[Plugin, ...]:
    if not _any_registered(tuple(sys.path)):
        return ()
    # Takes longer to import (40 ms) than --help takes in all.
    from importlib.metadata import entry_points  # noqa: PLC0415

    points = [point for group in GROUPS for point in entry_points(group=group)]
    return tuple(
        Plugin(point.group, point.name, point.dist.name if point.dist else "?", point.load)
        for point in points
    )


def _any_registered(places: tuple[str, ...]) -> bool:
    """Whether any installed package may have a plug-in; importlib.metadata is then asked which."""
    for place in places:
        if os.path.isfile(place):  # noqa: PTH113  an archive; Path objects cost half of the time here
            return True
        try:
            names = os.listdir(place or ".")  # noqa: PTH208  as above
        except OSError:
            continue
        packages = [name for name in names if name.endswith((".dist-info", ".egg-info"))]
        if any(
            _SECTION in _content(f"{place or '.'}/{name}/entry_points.txt") for name in packages
        ):
            return True
    return False


def _content(file: str) -> bytes:
    try:
        with open(file, "rb") as points:  # noqa: PTH123  as above
            return points.read()
    except OSError:
        return b""
