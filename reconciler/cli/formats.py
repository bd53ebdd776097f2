"""The formats of a plan: those of the product and those of plug-ins. Nothing of `render` loads before one is used."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.system import plugins

if TYPE_CHECKING:
    from reconciler.render import Format, Report

# Name -> ending of the built-in ones, so that --help need not load them; a test keeps them equal to `render.FORMATS`.
BUILT_IN: Mapping[str, str | None] = {
    "text": None,
    "json": ".json",
    "markdown": ".md",
    "html": ".html",
    "sarif": ".sarif",
}


def names() -> tuple[str, ...]:
    """What `--format` takes."""
    return (*BUILT_IN, *plugins.plugins(plugins.FORMATS, BUILT_IN))


def format_of(name: str) -> "Format":
    """The format of a name in `names`. Raises PluginError where its plug-in cannot be loaded."""
    from reconciler.render import FORMATS, Format  # noqa: PLC0415  not needed for --help

    if name in FORMATS:
        return FORMATS[name]
    plugin = plugins.plugins(plugins.FORMATS, BUILT_IN)[name]
    row = plugin.loaded(Format)

    def render(report: "Report") -> str:
        try:
            return row.render(report)
        except Exception as problem:
            raise plugins.failed(plugin, problem) from problem

    return Format(name, row.ending, render)


def format_of_file(ending: str) -> str | None:
    """The name of the format that files with an ending have; plug-ins are asked only for one that is not built in."""
    known = {built_in: name for name, built_in in BUILT_IN.items()}
    return known.get(ending) if ending in known else endings().get(ending)


def endings() -> Mapping[str, str]:
    """Ending of a report file -> name of its format. Raises PluginError."""
    known = {ending: name for name, ending in BUILT_IN.items() if ending is not None}
    for name in plugins.plugins(plugins.FORMATS, BUILT_IN):
        ending = format_of(name).ending
        if ending is not None:
            known.setdefault(ending, name)
    return known


def listed(words: "tuple[str, ...] | list[str]") -> str:
    """a, b or c."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
