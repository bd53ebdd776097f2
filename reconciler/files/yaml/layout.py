"""A YAML document's nodes as lines: two spaces for each level, comments where they belong, short lists inline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.files.yaml.comments import Comment
from reconciler.files.yaml.emit import WIDTH
from reconciler.files.yaml.nodes import Node
from reconciler.files.yaml.pieces import Pieces, UnsupportedError, bound_to_block


@dataclass(slots=True)
class Layout:
    """Lays a document out, consuming its comments in order."""

    text: str
    comments: list[Comment]
    pieces: Pieces
    next: int = field(default=0)

    def root(self, roots: Sequence[Node]) -> Iterator[str]:
        if not roots or (
            roots[0].kind == "scalar" and not self.text[roots[0].start : roots[0].end]
        ):
            yield from self._before(len(self.text), 0)
            return
        root = roots[0]
        if root.kind not in ("mapping", "sequence"):
            raise UnsupportedError("it is neither a mapping nor a list")
        if root.flow:
            yield from self._before(root.start, 0)
            yield f"{self.pieces.short(root)}{self._end_of_line(root.end)}"
        elif self.pieces.properties(root):
            raise UnsupportedError("the whole document has an anchor")
        else:
            yield from self._block(root, 0, len(self.text))
        yield from self._before(len(self.text), 0)

    def _before(self, offset: int, indent: int, *, first: bool = False) -> Iterator[str]:
        """The comments up to an offset, as lines of their own; a blank line before each that had one."""
        while self.next < len(self.comments) and self.comments[self.next].offset < offset:
            comment = self.comments[self.next]
            self.next += 1
            if not first and self._after_blank(comment.offset):
                yield ""
            first = False
            yield f"{' ' * indent}{comment.text}"

    def _after_blank(self, offset: int) -> bool:
        """Whether the line above is blank (there is none above the first)."""
        start = self.text.rfind("\n", 0, offset) + 1
        previous = self.text.rfind("\n", 0, start - 1) + 1 if start else 0
        return start > 0 and not self.text[previous:start].strip()

    def _end_of_line(self, end: int) -> str:
        """The comment that follows on the same line."""
        if self.next < len(self.comments):
            comment = self.comments[self.next]
            if end <= comment.offset and "\n" not in self.text[end : comment.offset]:
                self.next += 1
                return f" {comment.text}"
        return ""

    def _block(self, node: Node, indent: int, limit: int) -> Iterator[str]:
        """A block collection's lines, with the comments after its end that are indented like it."""
        starts = [name.start for name, _ in node.entries] or [
            self._dash(node, item) for item in node.items
        ]
        for index, start in enumerate(starts):
            until = starts[index + 1] if index + 1 < len(starts) else limit
            lead = list(self._before(start, indent, first=index == 0))
            yield from lead
            if (index or lead) and self._after_blank(start):
                yield ""
            yield from self._child(node, index, indent, until)
        while self._trails(node, limit):
            yield from self._before(self.comments[self.next].offset + 1, indent)

    def _trails(self, node: Node, limit: int) -> bool:
        if self.next >= len(self.comments):
            return False
        comment = self.comments[self.next]
        return comment.offset < limit and comment.own_line and comment.column >= max(node.column, 1)

    def _child(self, node: Node, index: int, indent: int, until: int) -> Iterator[str]:
        if node.kind == "mapping":
            name, value = node.entries[index]
            if name.kind not in ("scalar", "alias") or "\n" in self.text[name.start : name.end]:
                raise UnsupportedError("a key is not plain text")
            if self.text[: name.start].rstrip(" ").endswith("?"):
                raise UnsupportedError("it has keys after a question mark")
            yield from self._entry(
                f"{' ' * indent}{self.text[name.start : name.end]}:", name.end, value, indent, until
            )
        else:
            yield from self._item(node.items[index], indent, until)

    def _dash(self, node: Node, item: Node) -> int:
        """Where the dash of an item is."""
        found = self.text.rfind("-", 0, item.start if item.end > item.start else item.start + 1)
        return max(found, node.start)

    def _entry(
        self, head: str, key_end: int, value: Node, indent: int, until: int
    ) -> Iterator[str]:
        if value.kind in ("scalar", "alias"):
            aside = list(self._before(value.start, indent))
            yield from aside
            text = self.pieces.scalar(value, indent + 2)
            yield (
                f"{head} {text}{self._end_of_line(value.end)}"
                if text
                else f"{head}{self._end_of_line(value.end)}"
            )
        elif value.flow:
            yield from self._flow_entry(head, value, indent)
        elif (short := self._listed(value, until)) and len(f"{head} {short}") <= WIDTH:
            yield f"{head} {short}"
        else:
            properties = self.pieces.properties(value)
            first = self._end_of_line(self._head_end(key_end))
            yield f"{head} {properties}{first}" if properties else f"{head}{first}"
            yield from self._block(value, indent + 2, until)

    def _head_end(self, key_end: int) -> int:
        return self.text.index(":", key_end) + 1

    def _flow_entry(self, head: str, value: Node, indent: int) -> Iterator[str]:
        yield from self._before(value.start, indent)
        if self._has_comments(value):
            yield from self._verbatim(head, value, indent)
            return
        short = self.pieces.short(value)
        if len(f"{head} {short}") <= WIDTH or not (value.items or value.entries):
            yield f"{head} {short}{self._end_of_line(value.end)}"
            return
        properties = self.pieces.properties(value)
        yield (f"{head} {properties}" if properties else head) + self._end_of_line(value.end)
        yield from self._opened(value, indent + 2)

    def _opened(self, node: Node, indent: int) -> Iterator[str]:
        """A flow collection that is too long for a line, as a block."""
        pad = " " * indent
        for name, value in node.entries:
            head = f"{pad}{self.text[name.start : name.end]}:"
            if value.kind in ("mapping", "sequence"):
                yield from self._flow_entry(head, value, indent)
            else:
                yield f"{head} {self.pieces.bare(value)}".rstrip()
        for item in node.items:
            short = (
                self.pieces.short(item)
                if item.kind in ("mapping", "sequence")
                else self.pieces.bare(item)
            )
            yield f"{pad}- {short}"

    def _has_comments(self, node: Node) -> bool:
        return any(node.start <= each.offset < node.end for each in self.comments[self.next :][:1])

    def _verbatim(self, head: str, node: Node, indent: int) -> Iterator[str]:
        """A flow collection with comments inside: its lines as they are, two deeper than the key."""
        first, *rest = self.text[node.start : node.end].split("\n")
        while self.next < len(self.comments) and self.comments[self.next].offset < node.end:
            self.next += 1
        lines = [f"{head} {first.rstrip()}", *(self._deeper(line, indent) for line in rest)]
        yield from lines[:-1]
        yield lines[-1] + self._end_of_line(node.end)

    def _deeper(self, line: str, indent: int) -> str:
        bare = line.strip()
        return " " * (indent if bare[:1] in "]}" else indent + 2) + bare if bare else ""

    def _item(self, item: Node, indent: int, until: int) -> Iterator[str]:
        pad = " " * indent
        if item.kind in ("scalar", "alias"):
            yield from self._before(item.start, indent)
            text = self.pieces.scalar(item, indent + 2)
            yield f"{pad}- {text}".rstrip() + self._end_of_line(item.end)
        elif item.flow:
            yield from self._flow_item(item, indent)
        else:
            if self.pieces.properties(item):
                raise UnsupportedError("an item of a list has an anchor")
            first_child = (
                item.entries[0][0].start if item.entries else self._dash(item, item.items[0])
            )
            yield from self._before(first_child, indent)
            first, *rest = self._block(item, indent + 2, until)
            yield f"{pad}- {first[indent + 2 :]}"
            yield from rest

    def _flow_item(self, item: Node, indent: int) -> Iterator[str]:
        pad = " " * indent
        yield from self._before(item.start, indent)
        if self._has_comments(item):
            yield from self._verbatim(f"{pad}-", item, indent)
        elif (
            len(f"{pad}- {self.pieces.short(item)}") <= WIDTH
            or not item.entries
            or self.pieces.properties(item)
        ):
            yield f"{pad}- {self.pieces.short(item)}{self._end_of_line(item.end)}"
        else:
            yield from self._before_opened(item, indent)

    def _before_opened(self, item: Node, indent: int) -> Iterator[str]:
        aside = self._end_of_line(item.end)
        if aside:
            yield f"{' ' * indent}{aside.strip()}"
        first, *rest = self._opened(item, indent + 2)
        yield f"{' ' * indent}- {first[indent + 2 :]}"
        yield from rest

    def _listed(self, node: Node, until: int) -> str | None:
        """A block list of short scalars as it stands in brackets; None where it must stay a block."""
        scalars = node.kind == "sequence" and all(
            item.kind in ("scalar", "alias") for item in node.items
        )
        remarked = self.next < len(self.comments) and self.comments[self.next].offset < self._reach(
            node, until
        )
        if not scalars or remarked or self.pieces.properties(node):
            return None
        texts = [self.text[item.start : item.end] for item in node.items]
        if any(not text or "\n" in text or bound_to_block(text) for text in texts):
            return None
        return f"[{', '.join(texts)}]"

    def _reach(self, node: Node, until: int) -> int:
        """Up to where a comment would be the list's own: its last line's end, and what is indented below it."""
        reach = self.text.find("\n", node.end)
        reach = len(self.text) if reach < 0 else reach
        for comment in self.comments[self.next :]:
            if comment.offset >= until or (
                comment.offset > reach and comment.column < max(node.column, 1)
            ):
                break
            reach = comment.offset + 1
        return reach
