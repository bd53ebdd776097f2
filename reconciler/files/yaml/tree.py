"""A YAML text as a tree of nodes with their extent and place: what finds the place of a value, and what edits see.

Built only where a finding needs a place or a text is edited; values come from `read`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from yaml import YAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.core.model.refs import FieldPath
from reconciler.files.yaml.events import MAX_DEPTH, Event, is_merge, merged, parser

_BLOCK_STYLES = (
    "|",
    ">",
)  # the event of such a scalar ends at the next token, its text with its last line

Kind = Literal["scalar", "alias", "sequence", "mapping"]


@dataclass(slots=True, eq=False)
class Node:
    """A value as it is written. `entries` and `items` hold what stands in a mapping and in a sequence."""

    kind: Kind
    start: int
    """Offset of its first character, or of the anchor or tag before it."""
    end: int
    """Offset behind its last character; comments after it do not belong to it."""
    line: int
    column: int
    """Line and column of `start`, from 1."""
    flow: bool = True
    """Whether it is no block collection, i.e. does not consist of lines of its own."""
    indent: int = 0
    """The blanks before each entry of a block collection."""
    anchor: str | None = None
    """The name that it gives itself (`&name`), or that an alias refers to (`*name`)."""
    target: "Node | None" = None
    """What an alias stands for."""
    text: str = ""
    merges: bool = False
    """Whether it is the key `<<`."""
    entries: Sequence[tuple["Node", "Node"]] = ()
    items: Sequence["Node"] = ()
    named: Mapping[str, tuple["Node", "Node"]] = field(default_factory=dict)
    """Name -> key and value of a mapping, with what it merges; of two equal names the first."""

    @property
    def meant(self) -> "Node":
        """The node itself, or what it is an alias of."""
        return self.target or self

    def own(self, name: str) -> "Node | None":
        """The value under a key of the mapping's own; a merged one (`<<`) is not."""
        for key, value in self.entries:
            if key.text == name and not key.merges:
                return value
        return None

    def anchors(self) -> Iterator[str]:
        """The anchors in this node and below it."""
        if self.anchor is not None and self.kind != "alias":
            yield self.anchor
        for child in (*self.items, *(part for pair in self.entries for part in pair)):
            yield from child.anchors()


@dataclass(frozen=True, slots=True)
class Place:
    """A position from 1, and how many steps of the path were found there."""

    steps: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Tree:
    """The nodes of one text; where its syntax breaks, those before the break.

    shared      the anchors that an alias refers to
    duplicates  name, first key and second key of what stands twice in a mapping
    """

    roots: tuple[Node, ...]
    shared: frozenset[str]
    duplicates: tuple[tuple[str, Node, Node], ...]

    def find(self, path: FieldPath, *, key: bool = False, document: int | None = None) -> Place:
        """The deepest place on the path: the value's, or its key's where `key` is set or the value is a collection.

        Documents of one file are searched as if they were one, unless a document's number is given.
        """
        roots = self.roots if document is None else self.roots[document : document + 1]
        places = [_descended(root, path, key=key) for root in roots]
        return max(places, key=lambda place: place.steps, default=Place(0, 1, 1))


def tree(text: str) -> Tree:
    """The tree of a text; offsets count from behind a byte order mark. Never raises for what a text holds."""
    composer = _Composer(text.removeprefix("\ufeff"))
    with suppress(YAMLError):
        composer.read()
    return Tree(tuple(composer.roots), frozenset(composer.aliases), tuple(composer.duplicates))


def _descended(root: Node, path: FieldPath, *, key: bool) -> Place:
    node, its_key, steps = root, None, 0
    for step in path:
        entry = _child(node.meant, step)
        if entry is None:
            break
        its_key, node = entry
        steps += 1
    is_scalar = node.meant.kind in ("scalar", "alias")
    at_key = its_key is not None and (not is_scalar or (key and steps == len(path)))
    spot = its_key if at_key and its_key is not None else node
    return Place(steps, spot.line, spot.column)


def _child(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    """What a step names, and its key; a list item may be named by its text."""
    if isinstance(step, int) and step < len(node.items):
        return None, node.items[step]
    if str(step) in node.named:
        return node.named[str(step)]
    for item in node.items:
        if item.meant.kind == "scalar" and item.meant.text == step:
            return None, item
    return None


class _Composer:
    """One pass over the events. A node is hung up before it is filled, so that a break loses nothing before it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: Callable[[], Event] = parser(text).get_event
        self._anchors: dict[str, Node] = {}
        self.roots: list[Node] = []
        self.aliases: set[str] = set()
        self.duplicates: list[tuple[str, Node, Node]] = []

    def read(self) -> None:
        self._next()  # the stream's start
        while self._next().__class__ is not StreamEndEvent:  # else a document's start
            self._anchors.clear()
            self._add(self.roots, self._next(), 0)
            self._next()  # the document's end

    def _add(self, siblings: list[Node], event: Event, depth: int) -> None:
        """The event's node, and then what stands in it."""
        node = self._node(event)
        siblings.append(node)
        self._fill(node, depth)

    def _node(self, event: Event) -> Node:
        mark = event.start_mark
        node = Node("scalar", mark.index, event.end_mark.index, mark.line + 1, mark.column + 1)
        anchor = node.anchor = event.anchor
        if event.__class__ is AliasEvent:
            node.kind, node.target = "alias", self._anchors.get(anchor)
            self.aliases.add(anchor)
            return node
        if anchor is not None:
            self._anchors[anchor] = node
        if event.__class__ is ScalarEvent:
            node.text, node.merges = event.value, is_merge(event)
            if event.style in _BLOCK_STYLES:
                node.end = node.start + len(self._text[node.start : node.end].rstrip())
        else:
            node.kind = "mapping" if event.__class__ is MappingStartEvent else "sequence"
            node.flow, node.indent = bool(event.flow_style), mark.column
        return node

    def _fill(self, node: Node, depth: int) -> None:
        if node.kind in ("scalar", "alias"):
            return
        if depth > MAX_DEPTH:
            raise YAMLError
        if node.kind == "mapping":
            self._fill_mapping(node, depth + 1)
        else:
            self._fill_sequence(node, depth + 1)

    def _fill_sequence(self, node: Node, depth: int) -> None:
        items = node.items = list[Node]()
        event = self._next()
        while event.__class__ is not SequenceEndEvent:
            self._add(items, event, depth)
            event = self._next()
        last = items[-1].end if items else 0
        node.end = _end(event) if node.flow else max(node.start + 1, last)

    def _fill_mapping(self, node: Node, depth: int) -> None:
        entries = node.entries = list[tuple[Node, Node]]()
        named = node.named = dict[str, tuple[Node, Node]]()
        sources: list[Node] = []
        event = self._next()
        if not node.flow and event.__class__ is not MappingEndEvent:
            node.indent = event.start_mark.column
        while event.__class__ is not MappingEndEvent:
            key = self._node(event)
            self._fill(key, depth)
            name = _name(key)
            is_second = not key.merges and name in named
            if is_second:
                self.duplicates.append((name, named[name][0], key))
            value = self._node(self._next())
            entries.append((key, value))
            if key.merges:
                sources.append(value)
            elif not is_second:
                named[name] = (key, value)
            self._fill(value, depth)
            event = self._next()
        node.end = _end(event) if node.flow else entries[-1][1].end
        if sources:
            node.named = merged(
                named, [source.named for value in sources for source in _merged(value)]
            )


def _name(key: Node) -> str:
    meant = key.target or key
    return meant.text if meant.kind in ("scalar", "alias") else "this"


def _end(event: Event) -> int:
    return int(event.end_mark.index)


def _merged(value: Node) -> Sequence[Node]:
    """The mappings that a `<<` takes in: one, or a list of them."""
    return (value.meant, *(item.meant for item in value.meant.items))
