"""A YAML text as nodes with their exact extent, so that one value can be replaced and nothing else moves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.files.yaml.places import parser

Event = Any  # PyYAML's stubs do not tell the kinds of events apart


@dataclass(slots=True, eq=False)
class Node:
    """A value from `start` up to `end` (offsets into the text, without trailing comments).

    `kind`: scalar, alias, sequence or mapping. `column` counts from 0: of a block collection that of its entries.
    """

    kind: str
    start: int
    end: int
    column: int = 0
    flow: bool = True
    anchor: str | None = None
    text: str = ""
    plain: bool = False
    entries: list[tuple["Node", "Node"]] = field(default_factory=list)
    items: list["Node"] = field(default_factory=list)

    def find(self, name: str) -> "Node | None":
        """The value under a key of the mapping's own; a merged one (`<<`) is not."""
        return next(
            (value for key, value in self.entries if key.text == name and not key.merges), None
        )

    @property
    def merges(self) -> bool:
        return self.plain and self.text == "<<"

    def anchors(self) -> Iterator[str]:
        """The anchors in this node and below it."""
        if self.anchor is not None and self.kind != "alias":
            yield self.anchor
        for child in (*self.items, *(part for pair in self.entries for part in pair)):
            yield from child.anchors()

    def aliases(self) -> Iterator[str]:
        """The names that aliases in this node and below it refer to."""
        if self.kind == "alias":
            yield self.anchor or ""
        for child in (*self.items, *(part for pair in self.entries for part in pair)):
            yield from child.aliases()


def documents(text: str) -> tuple[Node, ...]:
    """The root of each document. Raises YAMLError for what is no YAML; the text must not start with a BOM."""
    return tuple(_Composer(text).read())


class _Composer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._next: Callable[[], Event] = parser(text).get_event

    def read(self) -> Iterator[Node]:
        self._next()
        while self._next().__class__ is not StreamEndEvent:
            yield self._node(self._next())
            self._next()

    def _node(self, event: Event) -> Node:
        kind = event.__class__
        if kind is AliasEvent:
            return Node("alias", event.start_mark.index, event.end_mark.index, anchor=event.anchor)
        if kind is ScalarEvent:
            return self._scalar(event)
        return self._mapping(event) if kind is MappingStartEvent else self._sequence(event)

    def _scalar(self, event: Event) -> Node:
        """A block scalar's event ends at the next token; its text ends with its last line."""
        start, end = event.start_mark.index, event.end_mark.index
        end = start + len(self._text[start:end].rstrip())
        plain = not event.style and event.tag is None
        return Node("scalar", start, end, anchor=event.anchor, text=event.value, plain=plain)

    def _mapping(self, event: Event) -> Node:
        node = Node("mapping", event.start_mark.index, event.end_mark.index, anchor=event.anchor)
        node.flow, node.column = bool(event.flow_style), event.start_mark.column
        following = self._next()
        while following.__class__ is not MappingEndEvent:
            if not node.entries and not node.flow:
                node.column = following.start_mark.column
            key = self._node(following)
            node.entries.append((key, self._node(self._next())))
            following = self._next()
        node.end = _end(following) if node.flow else node.entries[-1][1].end
        return node

    def _sequence(self, event: Event) -> Node:
        node = Node("sequence", event.start_mark.index, event.end_mark.index, anchor=event.anchor)
        node.flow, node.column = bool(event.flow_style), event.start_mark.column
        following = self._next()
        while following.__class__ is not SequenceEndEvent:
            node.items.append(self._node(following))
            following = self._next()
        node.end = _end(following) if node.flow else max(node.start + 1, node.items[-1].end)
        return node


def _end(event: Event) -> int:
    return int(event.end_mark.index)
