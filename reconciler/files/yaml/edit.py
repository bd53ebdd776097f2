"""From a node and its new value to the ranges of the text that change (`roundtrip`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.model.refs import FieldPath
from reconciler.files.yaml.emit import block, entry, inline, key, scalar
from reconciler.files.yaml.nodes import Node


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be changed by itself, and why."""

    path: FieldPath
    why: str


@dataclass(frozen=True, slots=True)
class Splice:
    start: int
    end: int
    text: str


class ProblemError(Exception):
    def __init__(self, path: FieldPath, why: str) -> None:
        super().__init__(why)
        self.problem = Problem(path, why)


@dataclass(frozen=True, slots=True)
class Editor:
    text: str
    shared: frozenset[str]
    order: Mapping[str, int]

    def root(self, root: Node, old: Any, new: Any, problems: list[Problem]) -> Iterator[Splice]:
        """Each object by itself, so that a problem with one leaves the others."""
        if not (isinstance(old, dict) and isinstance(new, dict) and root.kind == "mapping"):
            yield from self._collected(root, old, new, (), problems)
            return
        for section in old:
            node = root.find(section)
            if node is not None and node.kind == "mapping" and old[section] and new.get(section):
                yield from self._section(node, old[section], new[section], section, problems)
        for section, value in old.items():
            if section in new and not (value and new[section]):
                yield from self._collected(root, old, {**old, section: new[section]}, (), problems)

    def _section(
        self, node: Node, old: Any, new: Any, section: str, problems: list[Problem]
    ) -> Iterator[Splice]:
        if node.flow or not set(old) & set(new):
            yield from self._collected(node, old, new, (section,), problems)
            return
        for name, value in old.items():
            if name in new and new[name] != value:
                one = {**old, name: new[name]}
                yield from self._collected(node, old, one, (section,), problems)
        gone = {name: value for name, value in old.items() if name in new}
        added = {name: value for name, value in new.items() if name not in old}
        yield from self._collected(node, old, gone, (section,), problems)
        if added:
            lines = [
                line
                for name, spec in added.items()
                for line in object_entry(name, spec, node.column)
            ]
            yield self._lines(self._after_comments(node), lines)

    def _collected(
        self, node: Node, old: Any, new: Any, path: FieldPath, problems: list[Problem]
    ) -> list[Splice]:
        try:
            return list(self.change(node, old, new, path))
        except ProblemError as found:
            problems.append(found.problem)
            return []

    def change(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        """The splices that take a node from its value to another one."""
        if old == new and type(old) is type(new):
            return
        if node.kind != "alias":
            self._unshared(node, path)
        if node.kind in ("mapping", "sequence") and node.flow and _alike(node, new):
            yield Splice(node.start, node.end, self.flow(node, old, new, path))
        elif node.kind == "mapping" and isinstance(new, dict) and new:
            yield from self._mapping(node, old, new, path)
        elif node.kind == "sequence" and isinstance(new, list) and _extends(old, new):
            yield from self._items(node, old, new, path)
        else:
            yield Splice(node.start, node.end, self._gap(node) + _value_text(new))

    def _unshared(self, node: Node, path: FieldPath) -> None:
        if node.anchor in self.shared:
            raise ProblemError(path, f"others share it through the anchor &{node.anchor}")

    def _gone(self, node: Node, path: FieldPath) -> None:
        used = sorted(self.shared & set(node.anchors()))
        if used:
            raise ProblemError(path, f"others share it through the anchor &{used[0]}")

    def _gap(self, node: Node) -> str:
        """A blank where an empty value follows its colon directly."""
        return " " if node.start and self.text[node.start - 1] == ":" else ""

    # Flow collections: rebuilt from the source of their parts.

    def flow(self, node: Node, old: Any, new: Any, path: FieldPath) -> str:
        """A flow collection's text with another value, its spacing and comments kept."""
        self._unshared(node, path)
        parts = (
            self._pairs(node, old, new, path)
            if node.kind == "mapping"
            else self._elements(node, old, new, path)
        )
        spans = [(k.start, v.end) for k, v in node.entries] or [
            (item.start, item.end) for item in node.items
        ]
        kept = [index for index, part in enumerate(parts[: len(spans)]) if part is not None]
        added = [part for part in parts[len(spans) :] if part is not None]
        opening, closing = ("{", "}") if node.kind == "mapping" else ("[", "]")
        if not spans or not (kept or added):
            head = self.text[node.start : node.end] if not spans else opening + closing
            return head[: head.rindex(opening) + 1] + ", ".join(added) + closing
        pieces = [self.text[node.start : spans[0][0]]]
        for place, index in enumerate(kept):
            pieces.append(self.text[spans[index - 1][1] : spans[index][0]] if place else "")
            pieces.append(str(parts[index]))
        pieces.append((", " if kept and added else "") + ", ".join(added))
        return "".join((*pieces, self.text[spans[-1][1] : node.end]))

    def _pairs(self, node: Node, old: Any, new: Any, path: FieldPath) -> list[str | None]:
        parts: list[str | None] = []
        own = set()
        for name, value in node.entries:
            if name.merges:
                parts.append(self.text[name.start : value.end])
                continue
            own.add(name.text)
            if name.text not in new:
                self._gone(value, (*path, name.text))
                parts.append(None)
            else:
                parts.append(self._pair(name, value, old[name.text], new[name.text], path))
        self._no_merged_deletion(old, new, own, path)
        more = [
            each for each in new if each not in own and not (each in old and old[each] == new[each])
        ]
        return [*parts, *(f"{key(each)}: {inline(new[each])}" for each in more)]

    def _pair(self, name: Node, value: Node, old: Any, new: Any, path: FieldPath) -> str:
        if old == new and type(old) is type(new):
            return self.text[name.start : value.end]
        before = self.text[name.start : value.start]
        before = (
            before if before.rstrip().endswith(":") else f"{self.text[name.start : name.end]}: "
        )
        said = self._flow_value(value, old, new, (*path, name.text))
        return (before if before[-1].isspace() else f"{before} ") + said

    def _flow_value(self, node: Node, old: Any, new: Any, path: FieldPath) -> str:
        if node.kind != "alias":
            self._unshared(node, path)
        if node.kind in ("mapping", "sequence") and _alike(node, new):
            return self.flow(node, old, new, path)
        self._gone(node, path)
        return inline(new)

    def _elements(self, node: Node, old: Any, new: Any, path: FieldPath) -> list[str | None]:
        if not _extends(old, new):
            self._gone(node, path)
            return [None] * len(node.items) + [inline(each) for each in new]
        kept, added = _split(old, new)
        sources = (self.text[item.start : item.end] for item in node.items)
        return [
            *(source if keep else None for source, keep in zip(sources, kept, strict=True)),
            *map(inline, added),
        ]

    # Block collections: lines of their own.

    def _mapping(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        own = {name.text for name, _ in node.entries if not name.merges}
        self._no_merged_deletion(old, new, own, path)
        kept = [pair for pair in node.entries if pair[0].merges or pair[0].text in new]
        for name, value in node.entries:
            if not name.merges and name.text not in new:
                self._gone(value, (*path, name.text))
                yield self._without(node, name, value)
        for name, value in kept:
            if not name.merges:
                yield from self._entry(
                    name, value, old[name.text], new[name.text], (*path, name.text)
                )
        more = {
            each: new[each]
            for each in new
            if each not in own and not (each in old and old[each] == new[each])
        }
        yield from self._inserted(node, more)

    def _no_merged_deletion(self, old: Any, new: Any, own: set[str], path: FieldPath) -> None:
        for name in old:
            if name not in new and name not in own:
                raise ProblemError((*path, name), "it comes from a merged anchor (<<)")

    def _entry(
        self, name: Node, value: Node, old: Any, new: Any, path: FieldPath
    ) -> Iterator[Splice]:
        is_block = value.kind in ("mapping", "sequence") and not value.flow
        if not is_block or (
            new and (isinstance(new, dict) if value.kind == "mapping" else _extends(old, new))
        ):
            yield from self.change(value, old, new, path)
        elif old != new:
            self._gone(value, path)
            colon = self.text.index(":", name.end) + 1
            yield Splice(colon, value.end, f" {inline(new)}")

    def _without(self, node: Node, name: Node, value: Node) -> Splice:
        """The entry's lines, with the comment lines right above that stand at its column."""
        start = self._line_start(name.start)
        if self.text[start : name.start].strip():  # `- key: value`: what follows moves up
            following = [other for other, _ in node.entries if other.start > name.start]
            return (
                Splice(name.start, following[0].start, "")
                if following
                else Splice(name.start, value.end, "{}")
            )
        while start and self._is_remark(previous := self._line_start(start - 1), node.column):
            start = previous
        return Splice(start, self._after_line(value.end), "")

    def _is_remark(self, start: int, column: int) -> bool:
        line = self.text[start : self._after_line(start)]
        return (
            line.lstrip(" ").startswith("#")
            and len(line) - len(line.lstrip(" ")) == column
            and not _directive(line)
        )

    def _inserted(self, node: Node, more: Mapping[str, Any]) -> Iterator[Splice]:
        places: dict[int, list[str]] = {}
        for name, value in more.items():
            places.setdefault(self._place(node, name), []).extend(entry(name, value, node.column))
        for place, lines in places.items():
            yield self._lines(place, lines)

    def _place(self, node: Node, name: str) -> int:
        """After the last entry that comes before it by `order`; an object goes after all others and their comments."""
        rank = self.order.get(name)
        earlier = [
            v.end
            for k, v in node.entries
            if rank is not None and self.order.get(k.text, rank) < rank
        ]
        if rank is not None:
            return self._after_line(earlier[-1] if earlier else node.entries[0][1].end)
        return self._after_comments(node)

    def _after_comments(self, node: Node) -> int:
        """Behind the collection and the comments that are indented like its entries."""
        place = self._after_line(node.end)
        while (line := self.text[place : self._after_line(place)]) and _is_comment_from(
            line, node.column
        ):
            place = self._after_line(place)
        return place

    def _items(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        kept, added = _split(old, new)
        for item, keep in zip(node.items, kept, strict=True):
            if not keep:
                self._gone(item, path)
                yield Splice(self._line_start(item.start), self._after_line(item.end), "")
        if added:
            lines = [f"{' ' * node.column}- {scalar(each)}" for each in added]
            yield self._lines(self._after_line(node.end), lines)

    def _lines(self, place: int, lines: Sequence[str]) -> Splice:
        newline = "\r\n" if "\r\n" in self.text else "\n"
        before = newline if place and self.text[place - 1] != "\n" else ""
        return Splice(place, place, before + newline.join((*lines, "")))

    def _line_start(self, place: int) -> int:
        return self.text.rfind("\n", 0, place) + 1

    def _after_line(self, place: int) -> int:
        found = self.text.find("\n", place)
        return len(self.text) if found < 0 else found + 1


def object_entry(name: str, spec: Any, indent: int) -> Iterator[str]:
    """The lines of an object in a section: a line for each field where there are several."""
    if isinstance(spec, dict) and len(spec) > 1:
        yield f"{' ' * indent}{key(name)}:"
        yield from block(spec, indent + 2)
    else:
        yield from entry(name, spec, indent)


def _alike(node: Node, new: Any) -> bool:
    return isinstance(new, dict) if node.kind == "mapping" else isinstance(new, list)


def _extends(old: Any, new: Any) -> bool:
    """Whether a list of scalars became another by leaving some out and adding some at the end."""
    if not (isinstance(old, list) and isinstance(new, list) and new):
        return isinstance(old, list) and new == []
    if any(isinstance(each, (dict, list)) for each in (*old, *new)):
        return False
    kept, added = _split(old, new)
    return [each for each, keep in zip(old, kept, strict=True) if keep] + added == new


def _split(old: list[Any], new: list[Any]) -> tuple[list[bool], list[Any]]:
    return [each in new for each in old], [each for each in new if each not in old]


def _value_text(value: Any) -> str:
    return scalar(value) if not isinstance(value, (dict, list)) else inline(value)


def _is_comment_from(line: str, column: int) -> bool:
    bare = line.lstrip(" ")
    return bare.startswith("#") and len(line) - len(bare) >= max(column, 1)


def _directive(line: str) -> bool:
    return "yaml-language-server:" in line
