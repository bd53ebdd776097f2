"""The parts of a YAML text that stand on one line: scalars as they are written, collections in brackets."""

import re
from dataclasses import dataclass

from reconciler.files.yaml.nodes import Node

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*(?:[&!]\S*(?=\n|\Z))?")
_BLOCK_SCALAR = re.compile(r"(?:[&!]\S*\s+)*[|>]")
_INDICATOR = re.compile(r"[|>][+-]?([1-9])")


class UnsupportedError(Exception):
    """A way of writing YAML that cannot be laid out anew."""


def bound_to_block(text: str) -> bool:
    """Whether a plain scalar would mean something else inside of brackets."""
    return text[0] not in "\"'*" and (any(each in text for each in ",[]{}") or text[0] in "&!|>-?")


@dataclass(frozen=True, slots=True)
class Pieces:
    """The parts of one text."""

    text: str

    def short(self, node: Node) -> str:
        """A flow collection on one line, one blank after each comma and colon."""
        properties = self.properties(node)
        if node.kind == "mapping":
            inner = ", ".join(self._pair(name, value) for name, value in node.entries)
            text = f"{{{inner}}}"
        else:
            text = f"[{', '.join(self._part(item) for item in node.items)}]"
        return f"{properties} {text}" if properties else text

    def _pair(self, name: Node, value: Node) -> str:
        if name.kind not in ("scalar", "alias"):
            raise UnsupportedError("a key is not plain text")
        said = self._part(value)
        head = self.bare(name)
        return (
            f"{head}: {said}"
            if said
            else (f"{head}:" if ":" in self.text[name.end : value.start + 1] else head)
        )

    def _part(self, node: Node) -> str:
        return self.short(node) if node.kind in ("mapping", "sequence") else self.bare(node)

    def bare(self, node: Node) -> str:
        """A scalar inside of brackets; a line break in it is one blank."""
        text = self.text[node.start : node.end]
        if "\n" not in text:
            return text
        if text[0] in "\"'" or "\n\n" in re.sub(r"[ \t]", "", text):
            raise UnsupportedError("a text inside of brackets has several lines")
        return " ".join(text.split())

    def properties(self, node: Node) -> str:
        """The anchor and tag before a collection."""
        opening = (
            node.entries[0][0].start
            if node.entries
            else node.items[0].start
            if node.items
            else node.end
        )
        found = _PROPERTIES.match(self.text[node.start : node.end if node.flow else opening])
        return found[0].strip() if found and node.start < opening else ""

    def scalar(self, node: Node, indent: int) -> str:
        """A scalar as it is written; the further lines of a long one stand at `indent`."""
        text = self.text[node.start : node.end]
        if "\n" not in text:
            return text
        if _BLOCK_SCALAR.match(text):
            return _block_scalar(text, indent)
        first, *rest = text.split("\n")
        return "\n".join(
            (
                first.rstrip(),
                *(f"{' ' * indent}{line.strip()}" if line.strip() else "" for line in rest),
            )
        )


def _block_scalar(text: str, indent: int) -> str:
    head, *lines = text.split("\n")
    if _INDICATOR.search(head.split("#")[0]):
        raise UnsupportedError("a block text says its indentation as a number")
    depth = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), indent)
    moved = (f"{' ' * indent}{line[depth:]}" if line.strip() else "" for line in lines)
    return "\n".join((head.rstrip(), *moved))
