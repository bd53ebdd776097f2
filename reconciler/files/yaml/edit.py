"""From a node and its new value to the ranges of the text that change (`roundtrip`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.model.refs import FieldPath
from reconciler.files.yaml.emit import block, entry, inline, key, scalar
from reconciler.files.yaml.flow import Flow, alike, same
from reconciler.files.yaml.lists import extends, split
from reconciler.files.yaml.sharing import (
    Problem,
    ProblemError,
    Sharing,
    additions,
    lost_merges,
    require_no_lost_merges,
)
from reconciler.files.yaml.tree import Node


@dataclass(frozen=True, slots=True)
class Splice:
    """The text that a range of offsets is replaced by."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Editor:
    """The edits of one text. `order` is the rank of new fields."""

    text: str
    sharing: Sharing
    order: Mapping[str, int]

    def root(self, root: Node, old: Any, new: Any, problems: list[Problem]) -> Iterator[Splice]:
        """Each object by itself, so that a problem with one leaves the others.

        section                                   edited
        alike, or only in one of the two values   not here (`roundtrip.appended`)
        an alias, or taken in by `<<`             not at all: a problem
        lines of its own, some objects stay       object by object
        anything else                             as a whole
        """
        if not (isinstance(old, dict) and isinstance(new, dict) and root.kind == "mapping"):
            yield from self._tried(self.change(root, old, new, ()), problems)
            return
        for section, before in old.items():
            after, node = new.get(section), root.own(section)
            if section not in new or same(before, after):
                continue
            if node is None or node.kind == "alias":
                problems.append(Problem((section,), "it stands elsewhere, behind an alias"))
            elif node.kind == "mapping" and not node.flow and _share_keys(before, after):
                yield from self._section(node, before, after, (section,), problems)
            else:
                whole = {**old, section: after}
                yield from self._tried(self.change(root, old, whole, ()), problems)

    def _section(
        self, node: Node, old: Any, new: Any, path: FieldPath, problems: list[Problem]
    ) -> Iterator[Splice]:
        problem = self.sharing.problem(node, path)
        if problem is not None:
            problems.append(problem)
            return
        own = set()
        for name, value in node.entries:
            if not name.merges:
                own.add(name.text)
                yield from self._tried(self._member(node, name, value, old, new, path), problems)
        problems += lost_merges(old, new, own, path)
        added = {name: spec for name, spec in new.items() if name not in old}
        lines = [
            line for name, spec in added.items() for line in object_entry(name, spec, node.indent)
        ]
        if lines:
            yield self._lines(self._after_comments(node), lines)

    def _tried(self, splices: Iterable[Splice], problems: list[Problem]) -> Sequence[Splice]:
        """All of the splices, or none and the problem that one of them met."""
        try:
            return tuple(splices)
        except ProblemError as met:
            problems.append(met.problem)
            return ()

    def change(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        """The splices that take a node from its value to another one. Raises ProblemError where others share it.

        written as         the new value                   becomes
        in brackets        of the same kind                put together anew from its parts
        lines of its own   a mapping, or a list that       its lines, but for those that
                           leaves out and adds at its end  change, go or are added
        anything else      anything else                   the new value's own text
        """
        if same(old, new):
            return
        self.sharing.require_own(node, path)
        if node.flow and alike(node, new):
            text = Flow(self.text, self.sharing).edited(node, old, new, path)
            yield Splice(node.start, node.end, text)
        elif not node.flow and _keeps_lines(node, old, new):
            lines = self._mapping if node.kind == "mapping" else self._items
            yield from lines(node, old, new, path)
        else:
            after_a_colon = node.start > 0 and self.text[node.start - 1] == ":"
            text = inline(new) if isinstance(new, (dict, list)) else scalar(new)
            yield Splice(node.start, node.end, f" {text}" if after_a_colon else text)

    def _mapping(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        own = {name.text for name, _ in node.entries if not name.merges}
        require_no_lost_merges(old, new, own, path)
        for name, value in node.entries:
            if not name.merges:
                yield from self._member(node, name, value, old, new, path)
        yield from self._inserted(node, additions(old, new, own))

    def _member(
        self, node: Node, name: Node, value: Node, old: Any, new: Any, path: FieldPath
    ) -> Iterator[Splice]:
        """What becomes of one entry of a mapping's own."""
        its_path = (*path, name.text)
        if name.text not in new:
            self.sharing.require_free(value, its_path)
            yield self._without(node, name, value)
            return
        before, after = old[name.text], new[name.text]
        if value.flow or _keeps_lines(value, before, after):
            yield from self.change(value, before, after, its_path)
        elif before != after:
            self.sharing.require_free(value, its_path)
            colon = self.text.index(":", name.end) + 1
            yield Splice(colon, value.end, f" {inline(after)}")

    def _without(self, node: Node, name: Node, value: Node) -> Splice:
        """The entry's lines, with the comment lines right above that stand at its column."""
        start = self._line_start(name.start)
        if self.text[start : name.start].strip():  # `- key: value`: what follows moves up
            for other, _ in node.entries:
                if other.start > name.start:
                    return Splice(name.start, other.start, "")
            return Splice(name.start, value.end, "{}")
        while start and self._is_remark(previous := self._line_start(start - 1), node.indent):
            start = previous
        return Splice(start, self._after_line(value.end), "")

    def _is_remark(self, start: int, indent: int) -> bool:
        line = self.text[start : self._after_line(start)]
        is_directive = "yaml-language-server:" in line
        return _comment_indent(line) == indent and not is_directive

    def _inserted(self, node: Node, more: Mapping[str, Any]) -> Iterator[Splice]:
        places: dict[int, list[str]] = {}
        for name, value in more.items():
            places.setdefault(self._place(node, name), []).extend(entry(name, value, node.indent))
        for place, lines in places.items():
            yield self._lines(place, lines)

    def _place(self, node: Node, name: str) -> int:
        """After the last entry that comes before it by `order`; an object goes after all others and their comments."""
        rank = self.order.get(name)
        if rank is None:
            return self._after_comments(node)
        end = node.entries[0][1].end
        for other, value in node.entries:
            if self.order.get(other.text, rank) < rank:
                end = value.end
        return self._after_line(end)

    def _after_comments(self, node: Node) -> int:
        """Behind the collection and the comments that are indented like its entries."""
        place = self._after_line(node.end)
        while place < len(self.text):
            line = self.text[place : self._after_line(place)]
            if _comment_indent(line) < max(node.indent, 1):
                break
            place += len(line)
        return place

    def _items(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        kept, added = split(old, new)
        for item, keep in zip(node.items, kept, strict=True):
            if not keep:
                self.sharing.require_free(item, path)
                yield Splice(self._line_start(item.start), self._after_line(item.end), "")
        if added:
            lines = [f"{' ' * node.indent}- {scalar(each)}" for each in added]
            yield self._lines(self._after_line(node.end), lines)

    def _lines(self, place: int, lines: Sequence[str]) -> Splice:
        newline = "\r\n" if "\r\n" in self.text else "\n"
        before = newline if place and self.text[place - 1] != "\n" else ""
        return Splice(place, place, before + newline.join((*lines, "")))

    def _line_start(self, place: int) -> int:
        return self.text.rfind("\n", 0, place) + 1

    def _after_line(self, place: int) -> int:
        end = self.text.find("\n", place)
        return len(self.text) if end < 0 else end + 1


def object_entry(name: str, spec: Any, indent: int) -> Iterator[str]:
    """The lines of an object in a section: a line for each field where there are several."""
    if isinstance(spec, dict) and len(spec) > 1:
        yield f"{' ' * indent}{key(name)}:"
        yield from block(spec, indent + 2)
    else:
        yield from entry(name, spec, indent)


def _share_keys(old: Any, new: Any) -> bool:
    return isinstance(old, dict) and isinstance(new, dict) and not old.keys().isdisjoint(new)


def _keeps_lines(node: Node, old: Any, new: Any) -> bool:
    """Whether a block collection stays one."""
    if not new or not alike(node, new):
        return False
    return node.kind == "mapping" or extends(old, new)


def _comment_indent(line: str) -> int:
    """The blanks before a comment that has the line to itself; -1 for any other line."""
    bare = line.lstrip(" ")
    return len(line) - len(bare) if bare.startswith("#") else -1
