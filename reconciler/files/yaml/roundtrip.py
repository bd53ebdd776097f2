"""A YAML text and the values it is to have -> the text with only those places changed: comments, order, quotes stay.

The values are compared with what the text says, and each difference becomes one replacement of a range. What a shared
anchor or a merge key holds is not touched, because others would change with it: that is a problem to report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.files.yaml.edit import Editor, Splice, object_entry
from reconciler.files.yaml.emit import entry
from reconciler.files.yaml.read import read_yaml
from reconciler.files.yaml.sharing import Problem, Sharing
from reconciler.files.yaml.tree import tree


@dataclass(frozen=True, slots=True)
class Edited:
    """The new text; the same as before where there is a problem with all of it."""

    text: str
    problems: tuple[Problem, ...] = ()


def edited(text: str, wanted: Sequence[Any], order: Sequence[str] = ()) -> Edited:
    """The text whose documents have the `wanted` values. New keys of a mapping go where `order` says, or to its end.

    Values are plain JSON as `read.read_yaml` reads them, one for each document.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    have = read_yaml(body.encode("utf-8"), "").documents
    nodes = tree(body)
    editor = Editor(body, Sharing(nodes.shared), {name: rank for rank, name in enumerate(order)})
    problems: list[Problem] = []
    splices: list[Splice] = []
    for root, old, new in zip(nodes.roots, have, wanted, strict=True):
        splices += editor.root(root, old, new, problems)
    if problems:
        rest = edited(
            text,
            [_without(old, new, problems) for old, new in zip(have, wanted, strict=True)],
            order,
        )
        return Edited(rest.text, (*problems, *rest.problems))
    result = mark + _applied(body, splices)
    if read_yaml(result.encode("utf-8"), "").documents == tuple(wanted):
        return Edited(result)
    return Edited(
        text, (Problem((), "the file is written in a way that cannot be edited by program"),)
    )


def _without(old: Any, new: Any, problems: Sequence[Problem]) -> Any:
    """The wanted document, but what has a problem (an object, or a whole section) as it was."""
    kept = dict(new) if isinstance(new, dict) else new
    for problem in problems:
        section, *more = problem.path or (None,)
        if section not in kept:
            kept = old
        elif more and isinstance(kept[section], dict):
            before = {more[0]: old[section][more[0]]} if more[0] in old[section] else {}
            kept[section] = {
                **{name: v for name, v in kept[section].items() if name != more[0]},
                **before,
            }
        else:
            kept[section] = old[section]
    return kept


def appended(text: str, sections: Mapping[str, Any]) -> str:
    """The text with further top-level sections at its end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith("\n") else newline
    lines: list[str] = []
    for section, value in sections.items():
        if all(isinstance(each, dict) for each in value.values()):
            objects = (line for name, spec in value.items() for line in object_entry(name, spec, 2))
            lines += ["", f"{section}:", *objects]
        else:
            lines += ["", *entry(section, value, 0)]
    return text + gap + newline.join((*lines, ""))


def _applied(text: str, splices: list[Splice]) -> str:
    pieces, position = [], 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        pieces += [text[position : splice.start], splice.text]
        position = splice.end
    return "".join((*pieces, text[position:]))
