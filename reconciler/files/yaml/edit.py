"""From a node and its new value to the ranges of the text that change (`roundtrip`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.model.refs import FieldPath
from reconciler.files.yaml.emit import block, entry, inline, key, scalar
from reconciler.files.yaml.tree import Node


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be changed by itself, and why."""

    path: FieldPath
    why: str


@dataclass(frozen=True, slots=True)
class Splice:
    """The text that a range of offsets is replaced by."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """An entry of a flow collection: the separator (and comments) before it, and its own text."""

    lead: str
    text: str


class ProblemError(Exception):
    def __init__(self, path: FieldPath, why: str) -> None:
        super().__init__(why)
        self.problem = Problem(path, why)


@dataclass(frozen=True, slots=True)
class Editor:
    """The edits of one text. `shared` are the anchors that others refer to, `order` the rank of new fields."""

    text: str
    shared: frozenset[str]
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
            if section not in new or _same(before, after):
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
        if node.anchor in self.shared:
            problems.append(Problem(path, _sharing(node.anchor)))
            return
        own = set()
        for name, value in node.entries:
            if not name.merges:
                own.add(name.text)
                yield from self._tried(self._member(node, name, value, old, new, path), problems)
        problems += _lost_merges(old, new, own, path)
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
        """The splices that take a node from its value to another one. Raises ProblemError where others share it."""
        if _same(old, new):
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
            after_a_colon = node.start > 0 and self.text[node.start - 1] == ":"
            text = inline(new) if isinstance(new, (dict, list)) else scalar(new)
            yield Splice(node.start, node.end, f" {text}" if after_a_colon else text)

    def _unshared(self, node: Node, path: FieldPath) -> None:
        if node.anchor in self.shared:
            raise ProblemError(path, _sharing(node.anchor))

    def _gone(self, node: Node, path: FieldPath) -> None:
        used = sorted(self.shared & set(node.anchors()))
        if used:
            raise ProblemError(path, _sharing(used[0]))

    # Flow collections: put together anew from their parts.

    def flow(self, node: Node, old: Any, new: Any, path: FieldPath) -> str:
        """A flow collection's text with another value, its spacing and comments kept."""
        self._unshared(node, path)
        if node.kind == "mapping":
            opening, closing = "{}"
            spans = [(name.start, value.end) for name, value in node.entries]
            texts, added = self._pairs(node, old, new, path)
        else:
            opening, closing = "[]"
            spans = [(item.start, item.end) for item in node.items]
            texts, added = self._elements(node, old, new, path)
        parts: list[Part] = []
        before = spans[0][0] if spans else node.start
        for (start, end), text in zip(spans, texts, strict=True):
            if text is not None:
                parts.append(Part(self.text[before:start], text))
            before = end
        parts += [Part(", ", text) for text in added]
        inner = "".join(
            (part.lead if number else "") + part.text for number, part in enumerate(parts)
        )
        if not spans:
            bracket = self.text.index(opening, node.start)
            return self.text[node.start : bracket + 1] + inner + closing
        if not parts:
            return opening + closing
        return self.text[node.start : spans[0][0]] + inner + self.text[spans[-1][1] : node.end]

    def _pairs(
        self, node: Node, old: Any, new: Any, path: FieldPath
    ) -> tuple[list[str | None], list[str]]:
        """The text of each entry that there is (None for one that goes), and of those that are added."""
        texts: list[str | None] = []
        own = set()
        for name, value in node.entries:
            if name.merges:
                texts.append(self.text[name.start : value.end])
                continue
            own.add(name.text)
            its_path = (*path, name.text)
            if name.text in new:
                texts.append(self._pair(name, value, old[name.text], new[name.text], its_path))
            else:
                self._gone(value, its_path)
                texts.append(None)
        self._no_merged_deletion(old, new, own, path)
        return texts, [f"{key(k)}: {inline(v)}" for k, v in _more(old, new, own).items()]

    def _pair(self, name: Node, value: Node, old: Any, new: Any, path: FieldPath) -> str:
        if _same(old, new):
            return self.text[name.start : value.end]
        start = self.text[name.start : value.start]
        if not start.rstrip().endswith(":"):
            start = f"{self.text[name.start : name.end]}:"
        if not start[-1].isspace():
            start += " "
        if value.kind in ("mapping", "sequence") and _alike(value, new):
            return start + self.flow(value, old, new, path)
        if value.kind != "alias":
            self._unshared(value, path)
        self._gone(value, path)
        return start + inline(new)

    def _elements(
        self, node: Node, old: Any, new: Any, path: FieldPath
    ) -> tuple[list[str | None], list[str]]:
        """As `_pairs`, of a sequence."""
        if not _extends(old, new):
            self._gone(node, path)
            return [None] * len(node.items), [inline(each) for each in new]
        kept, added = _split(old, new)
        texts = [
            self.text[item.start : item.end] if keep else None
            for item, keep in zip(node.items, kept, strict=True)
        ]
        return texts, [inline(each) for each in added]

    # Block collections: lines of their own.

    def _mapping(self, node: Node, old: Any, new: Any, path: FieldPath) -> Iterator[Splice]:
        own = {name.text for name, _ in node.entries if not name.merges}
        self._no_merged_deletion(old, new, own, path)
        for name, value in node.entries:
            if not name.merges:
                yield from self._member(node, name, value, old, new, path)
        yield from self._inserted(node, _more(old, new, own))

    def _no_merged_deletion(self, old: Any, new: Any, own: set[str], path: FieldPath) -> None:
        for problem in _lost_merges(old, new, own, path):
            raise ProblemError(problem.path, problem.why)

    def _member(
        self, node: Node, name: Node, value: Node, old: Any, new: Any, path: FieldPath
    ) -> Iterator[Splice]:
        """What becomes of one entry of a mapping's own."""
        its_path = (*path, name.text)
        if name.text not in new:
            self._gone(value, its_path)
            yield self._without(node, name, value)
            return
        before, after = old[name.text], new[name.text]
        if value.flow or _keeps_lines(value, before, after):
            yield from self.change(value, before, after, its_path)
        elif before != after:
            self._gone(value, its_path)
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
        kept, added = _split(old, new)
        for item, keep in zip(node.items, kept, strict=True):
            if not keep:
                self._gone(item, path)
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


def _same(old: Any, new: Any) -> bool:
    return old == new and type(old) is type(new)


def _sharing(anchor: str | None) -> str:
    return f"others share it through the anchor &{anchor}"


def _lost_merges(old: Any, new: Any, own: set[str], path: FieldPath) -> Sequence[Problem]:
    """What would have to go, but is not there: a `<<` takes it in."""
    return [
        Problem((*path, name), "it comes from a merged anchor (<<)")
        for name in old
        if name not in new and name not in own
    ]


def _more(old: Any, new: Any, own: set[str]) -> dict[str, Any]:
    """The entries to add: those that are neither there nor taken in with that value by a `<<`."""
    return {
        name: value
        for name, value in new.items()
        if name not in own and not (name in old and old[name] == value)
    }


def _share_keys(old: Any, new: Any) -> bool:
    return isinstance(old, dict) and isinstance(new, dict) and not old.keys().isdisjoint(new)


def _alike(node: Node, new: Any) -> bool:
    return isinstance(new, dict) if node.kind == "mapping" else isinstance(new, list)


def _keeps_lines(node: Node, old: Any, new: Any) -> bool:
    """Whether a block collection stays one."""
    if node.kind == "mapping":
        return isinstance(new, dict) and bool(new)
    return bool(new) and _extends(old, new)


def _extends(old: Any, new: Any) -> bool:
    """Whether a list of scalars became another by leaving some out and adding some at the end."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return False
    if any(isinstance(each, (dict, list)) for each in (*old, *new)):
        return not new
    kept, added = _split(old, new)
    return [each for each, keep in zip(old, kept, strict=True) if keep] + added == new


def _split(old: list[Any], new: list[Any]) -> tuple[list[bool], list[Any]]:
    """Which of the old ones stay, and which are new."""
    return [each in new for each in old], [each for each in new if each not in old]


def _comment_indent(line: str) -> int:
    """The blanks before a comment that has the line to itself; -1 for any other line."""
    bare = line.lstrip(" ")
    return len(line) - len(bare) if bare.startswith("#") else -1
