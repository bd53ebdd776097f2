"""Collections in brackets, put together anew from the text of their parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.model.refs import FieldPath
from reconciler.files.yaml.emit import inline, key
from reconciler.files.yaml.lists import extends, split
from reconciler.files.yaml.sharing import Sharing, additions, require_no_lost_merges
from reconciler.files.yaml.tree import Node


@dataclass(frozen=True, slots=True)
class Part:
    """An entry of a flow collection: the separator (and comments) before it, and its own text."""

    lead: str
    text: str


@dataclass(frozen=True, slots=True)
class Flow:
    """The collections in brackets of one text."""

    text: str
    sharing: Sharing

    def edited(self, node: Node, old: Any, new: Any, path: FieldPath) -> str:
        """A flow collection's text with another value, its spacing and comments kept."""
        self.sharing.require_own(node, path)
        if node.kind == "mapping":
            opening, closing = "{}"
            spans = [(name.start, value.end) for name, value in node.entries]
            texts, added = self._pairs(node, old, new, path)
        else:
            opening, closing = "[]"
            spans = [(item.start, item.end) for item in node.items]
            texts, added = self._elements(node, old, new, path)
        parts = [*self._parts(spans, texts), *(Part(", ", text) for text in added)]
        inner = "".join(part.lead + part.text for part in parts)
        inner = inner.removeprefix(parts[0].lead) if parts else ""
        if not spans:
            bracket = self.text.index(opening, node.start)
            return self.text[node.start : bracket + 1] + inner + closing
        if not parts:
            return opening + closing
        return self.text[node.start : spans[0][0]] + inner + self.text[spans[-1][1] : node.end]

    def _parts(
        self, spans: Sequence[tuple[int, int]], texts: Sequence[str | None]
    ) -> Iterator[Part]:
        """Those that stay, each with what stands between it and the one before it."""
        before = spans[0][0] if spans else 0
        for (start, end), text in zip(spans, texts, strict=True):
            if text is not None:
                yield Part(self.text[before:start], text)
            before = end

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
                self.sharing.require_free(value, its_path)
                texts.append(None)
        require_no_lost_merges(old, new, own, path)
        return texts, [f"{key(k)}: {inline(v)}" for k, v in additions(old, new, own).items()]

    def _pair(self, name: Node, value: Node, old: Any, new: Any, path: FieldPath) -> str:
        if same(old, new):
            return self.text[name.start : value.end]
        start = self.text[name.start : value.start]
        if not start.rstrip().endswith(":"):
            start = f"{self.text[name.start : name.end]}:"
        if not start[-1].isspace():
            start += " "
        if alike(value, new):
            return start + self.edited(value, old, new, path)
        self.sharing.require_own(value, path)
        self.sharing.require_free(value, path)
        return start + inline(new)

    def _elements(
        self, node: Node, old: Any, new: Any, path: FieldPath
    ) -> tuple[list[str | None], list[str]]:
        """As `_pairs`, of a sequence."""
        if not extends(old, new):
            self.sharing.require_free(node, path)
            return [None] * len(node.items), [inline(each) for each in new]
        kept, added = split(old, new)
        texts = [
            self.text[item.start : item.end] if keep else None
            for item, keep in zip(node.items, kept, strict=True)
        ]
        return texts, [inline(each) for each in added]


def same(old: Any, new: Any) -> bool:
    return old == new and type(old) is type(new)


def alike(node: Node, new: Any) -> bool:
    """Whether the node is a collection of the value's kind."""
    return (node.kind == "mapping" and isinstance(new, dict)) or (
        node.kind == "sequence" and isinstance(new, list)
    )
