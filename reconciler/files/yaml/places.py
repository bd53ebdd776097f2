"""Where in a YAML text a value stands: the text is read again, with marks, only when a finding needs a place."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import YAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

Event = Any  # PyYAML's stubs do not tell the kinds of events apart
Position = tuple[int, int]
_MAX_DEPTH = 100


def parser(text: str) -> Any:
    """The parser of libyaml, or PyYAML's own where libyaml is not built in; both have `get_event`."""
    if yaml.__with_libyaml__:
        return yaml.CSafeLoader(text)
    return yaml.SafeLoader(text)


@dataclass(slots=True)
class _Node:
    value: Position
    key: Position | None = None
    text: str | None = None
    entries: dict[str, "_Node"] = field(default_factory=dict)
    items: list["_Node"] = field(default_factory=list)

    def child(self, step: str | int) -> "_Node | None":
        """The entry or item that a path's step names; a list item may be named by its text."""
        if isinstance(step, int):
            return self.items[step] if step < len(self.items) else self.entries.get(str(step))
        return self.entries.get(step) or next(
            (item for item in self.items if item.text == step), None
        )

    @property
    def position(self) -> Position:
        """A scalar's own place; of a collection its key's, which is where people look."""
        return self.value if self.text is not None or self.key is None else self.key


@dataclass(frozen=True, slots=True)
class Place:
    """A position, and how many steps of the path were found there."""

    steps: int
    line: int
    column: int


class Places:
    """The places of one text. Where its syntax breaks, the places before the break are still known."""

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Event] = parser(text.removeprefix("\ufeff")).get_event
        self._anchors: dict[str, _Node] = {}
        self._documents: list[_Node] = []
        self.duplicates: list[tuple[str, Position, Position]] = []
        with suppress(YAMLError):
            self._read()

    def find(
        self, path: Sequence[str | int], *, key: bool = False, document: int | None = None
    ) -> Place:
        """The deepest place on the path: the value's, or its key's where `key` is set or the value is a collection.

        Documents of one file are searched as if they were one, unless a document's number is given.
        """
        roots = self._documents if document is None else self._documents[document : document + 1]
        places = [_descend(root, path, key=key) for root in roots]
        return max(places, key=lambda place: place.steps, default=Place(0, 1, 1))

    def _read(self) -> None:
        self._next()
        while self._next().__class__ is not StreamEndEvent:
            root = _Node((1, 1))
            self._documents.append(root)
            self._fill(root, self._next(), 0)
            self._next()

    def _fill(self, node: _Node, event: Event, depth: int) -> None:
        node.value = _position(event)
        if depth > _MAX_DEPTH:
            raise YAMLError
        if isinstance(event, AliasEvent):
            self._copy(node, self._anchors.get(str(event.anchor)))
            return
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(event, ScalarEvent):
            node.text = event.value
        elif isinstance(event, SequenceStartEvent):
            self._fill_items(node, depth)
        elif isinstance(event, MappingStartEvent):
            self._fill_entries(node, depth)

    def _copy(self, node: _Node, anchored: _Node | None) -> None:
        if anchored is None:
            node.text = ""
        else:
            node.text, node.entries, node.items = anchored.text, anchored.entries, anchored.items

    def _fill_items(self, node: _Node, depth: int) -> None:
        event = self._next()
        while not isinstance(event, SequenceEndEvent):
            item = _Node((1, 1))
            node.items.append(item)
            self._fill(item, event, depth + 1)
            event = self._next()

    def _fill_entries(self, node: _Node, depth: int) -> None:
        event = self._next()
        merged: list[_Node] = []
        while not isinstance(event, MappingEndEvent):
            name = self._key(event, depth)
            entry = _Node((1, 1), key=_position(event))
            if name == "<<" and not event.style:
                merged.append(entry)
            elif name in node.entries:
                self.duplicates.append((name, node.entries[name].key or (1, 1), _position(event)))
            else:
                node.entries[name] = entry
            self._fill(entry, self._next(), depth + 1)
            event = self._next()
        for entry in merged:
            for source in (entry, *entry.items):
                node.entries.update(
                    {k: v for k, v in source.entries.items() if k not in node.entries}
                )

    def _key(self, event: Event, depth: int) -> str:
        node = _Node((1, 1))
        self._fill(node, event, depth + 1)
        return node.text if node.text is not None else "this"


def _position(event: Event) -> Position:
    return (event.start_mark.line + 1, event.start_mark.column + 1)


def _descend(node: _Node, path: Sequence[str | int], *, key: bool) -> Place:
    steps = 0
    for step in path:
        child = node.child(step)
        if child is None:
            break
        node, steps = child, steps + 1
    asked_for_key = key and steps == len(path) and node.key is not None
    line, column = node.key if asked_for_key and node.key else node.position
    return Place(steps, line, column)


def locate(text: str, path: Sequence[str | int], *, key: bool = False) -> Position:
    """(line, column) of the value at the path, or of its nearest parent that exists."""
    place = Places(text).find(path, key=key)
    return place.line, place.column
