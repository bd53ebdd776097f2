"""YAML text to plain values: YAML 1.2 scalars, every trap a finding, no marks kept where nothing is wrong.

Reads the events of libyaml's parser (PyYAML's pure parser where libyaml is absent) and builds the values itself:
twice as fast as PyYAML's loader, and nothing that a document names is ever constructed but dict, list and scalars.

Apart from `tree`, which knows places, for its speed alone: values taken out of a tree cost 2.5 times as much (4.8 s
against 1.9 s for the 110,000 objects of `benchmarks/company.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from yaml import YAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.core.model.findings import Finding, Origin, ReconcilerError, error
from reconciler.files.yaml.errors import conflict_findings, encoding_finding, origin, syntax_finding
from reconciler.files.yaml.events import MAX_DEPTH, Event, is_merge, merged, parser
from reconciler.files.yaml.scalars import Trap, plain
from reconciler.files.yaml.tree import tree

MAX_BYTES = 64 * 1024 * 1024
MAX_ALIASED_NODES = 100_000
_HARMLESS_TAGS = ("!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TEXT_TAGS = _HARMLESS_TAGS[:2]


@dataclass(frozen=True, slots=True)
class Yaml:
    """The documents of one file; `complete` is False where the parser gave up and values may be missing."""

    documents: tuple[object, ...] = ()
    findings: tuple[Finding, ...] = ()
    complete: bool = True


def read_yaml(data: bytes, file: str) -> Yaml:
    """The values of a file's bytes; `file` is the name that findings carry. Never raises for what a file holds."""
    if len(data) > MAX_BYTES:
        size = f"the file is larger than {MAX_BYTES // 2**20} MB"
        return Yaml(
            findings=(error("yaml-size", size, hint="split it", origin=Origin(file, 1, 1)),),
            complete=False,
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        return Yaml(findings=(encoding_finding(file, data, failure),), complete=False)
    return _read_text(text, file)


def _read_text(text: str, file: str) -> Yaml:
    reader = _Reader(text, file)
    try:
        reader.read()
    except YAMLError as failure:
        conflicts = conflict_findings(file, text)
        if (
            conflicts
        ):  # what else is wrong, and what the values are, only the resolved file will tell
            return Yaml(findings=conflicts, complete=False)
        reader.findings.append(syntax_finding(file, text, failure))
    except ReconcilerError as refusal:
        reader.findings.extend(refusal.findings)
    else:
        findings = (*reader.findings, *_duplicates(reader, text, file))
        return Yaml(tuple(reader.documents), findings)
    return Yaml(
        tuple(reader.documents),
        (*reader.findings, *_duplicates(reader, text, file)),
        complete=False,
    )


def _duplicates(reader: "_Reader", text: str, file: str) -> tuple[Finding, ...]:
    """Both places of every key that stands twice; only a file that has one is parsed again for them."""
    if not reader.has_duplicates:
        return ()
    return tuple(
        error(
            "yaml-duplicate-key",
            f"{key} stands twice in the same mapping, first in line {first.line}",
            hint="remove one of the two",
            origin=Origin(file, second.line, second.column),
        )
        for key, first, second in tree(text).duplicates
    )


class _Reader:
    """One pass over a file's events. Values that carry an anchor are shared, so nobody may change a value in place."""

    def __init__(self, text: str, file: str) -> None:
        self._next: Callable[[], Event] = parser(text).get_event
        self._file = file
        self._anchors: dict[str, tuple[object, int]] = {}
        self._open_anchors: set[str] = set()
        self._nodes = 0
        self._aliased = 0
        self._known_keys: dict[str, str] = {}
        self.documents: list[object] = []
        self.findings: list[Finding] = []
        self.has_duplicates = False

    def read(self) -> None:
        self._next()  # the stream's start
        while self._next().__class__ is not StreamEndEvent:  # else a document's start
            self._anchors.clear()
            self.documents.append(self._value(self._next(), 0))
            self._next()  # the document's end

    def _value(self, event: Event, depth: int) -> object:
        kind = event.__class__
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event)
        return self._collection(event, depth)

    def _scalar(self, event: Event) -> object:
        value: object = event.value
        if event.tag is not None:
            self._check_tag(event, _TEXT_TAGS)
        elif not event.style:
            value = self._plain(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        return value

    def _plain(self, event: Event) -> object:
        try:
            return plain(event.value)
        except Trap as trap:
            self._find(event, trap.code, trap.message, trap.hint)
            return trap.value

    def _collection(self, event: Event, depth: int) -> object:
        if depth > MAX_DEPTH:
            self._refuse(
                event, "yaml-depth", f"nested deeper than {MAX_DEPTH} levels", "flatten it"
            )
        if event.tag is not None:
            self._check_tag(event, _HARMLESS_TAGS)
        build = self._mapping if event.__class__ is MappingStartEvent else self._sequence
        if event.anchor is None:
            return build(depth + 1)
        return self._anchored(event.anchor, build, depth)

    def _anchored(self, anchor: str, build: Callable[[int], object], depth: int) -> object:
        before = self._nodes
        self._anchors.pop(anchor, None)
        self._open_anchors.add(anchor)
        value = build(depth + 1)
        self._open_anchors.discard(anchor)
        self._anchors[anchor] = (value, self._nodes - before)
        return value

    def _sequence(self, depth: int) -> list[object]:
        items: list[object] = []
        following, value = self._next, self._value
        event = following()
        while event.__class__ is not SequenceEndEvent:
            items.append(value(event, depth))
            event = following()
        self._nodes += len(items) + 1
        return items

    def _mapping(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        beneath: list[tuple[Event, object]] = []
        following, known = self._next, self._known_keys
        event = following()
        while event.__class__ is not MappingEndEvent:
            key = known.get(event.value) if event.__class__ is ScalarEvent else None
            if key is None or event.anchor is not None:
                key = self._key(event, depth)
            if key == "<<" and is_merge(event):
                beneath.append((event, self._value(following(), depth)))
            elif key in found:
                self.has_duplicates = True
                self._value(following(), depth)
            else:
                found[key] = self._value(following(), depth)
            event = following()
        self._nodes += 2 * len(found) + 1
        return merged(found, self._mappings(beneath)) if beneath else found

    def _key(self, event: Event, depth: int) -> str:
        value = self._key_value(event, depth)
        if isinstance(value, str):
            key = str(value)
            if event.__class__ is ScalarEvent and event.tag is None:
                self._known_keys.setdefault(key, key)
            return key
        shown = event.value if isinstance(event, ScalarEvent) else "this"
        text = f"{shown or 'an empty key'} is not text, but keys and ids must be"
        self._find(
            event,
            "yaml-key",
            text,
            f'quote it: "{shown}"' if isinstance(event, ScalarEvent) else None,
        )
        return str(shown)

    def _key_value(self, event: Event, depth: int) -> object:
        """A key's value; `on` and `no` may be keys (many schemas have them), numbers may not."""
        if event.__class__ is not ScalarEvent:
            return self._value(event, depth)
        if not event.style and event.tag is None:
            try:
                value = plain(event.value)
            except Trap as trap:
                value = event.value if event.value.isalpha() else trap
        else:
            value = event.value
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        return value

    def _mappings(self, beneath: list[tuple[Event, object]]) -> Iterator[dict[str, object]]:
        """What the `<<` of a mapping take in, in order."""
        for event, value in beneath:
            for mapping in value if isinstance(value, list) else (value,):
                if isinstance(mapping, dict):
                    yield mapping
                else:
                    self._find(
                        event, "yaml-merge", "<< needs a mapping", "write <<: *anchor of a mapping"
                    )

    def _alias(self, event: Event) -> object:
        if event.anchor in self._open_anchors:
            self._refuse(
                event, "yaml-alias", f"*{event.anchor} contains itself", "write the value out"
            )
        if event.anchor not in self._anchors:
            self._find(
                event,
                "yaml-alias",
                f"*{event.anchor} has no anchor before it",
                f"write &{event.anchor} at the value",
            )
            return None
        value, nodes = self._anchors[event.anchor]
        self._nodes += nodes
        self._aliased += nodes
        if self._aliased > MAX_ALIASED_NODES:
            many = f"aliases expand to more than {MAX_ALIASED_NODES} values"
            self._refuse(event, "yaml-alias", many, "write the values out")
        return value

    def _check_tag(self, event: Event, allowed: tuple[str, ...]) -> None:
        if event.tag not in allowed:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            self._find(event, "yaml-tag", f"the tag {tag} is not supported", "leave the tag out")

    def _find(self, event: Event, code: str, message: str, hint: str | None) -> None:
        self.findings.append(
            error(code, message, hint=hint, origin=origin(self._file, event.start_mark))
        )

    def _refuse(self, event: Event, code: str, message: str, hint: str) -> NoReturn:
        raise ReconcilerError(
            error(code, message, hint=hint, origin=origin(self._file, event.start_mark))
        )
