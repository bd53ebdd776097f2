"""The comments of a YAML text, with their places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.files.yaml.nodes import Node


@dataclass(frozen=True, slots=True)
class Comment:
    offset: int
    column: int
    text: str
    own_line: bool


def comments_of(text: str, roots: Sequence[Node]) -> list[Comment]:
    """Every comment, in order: what follows a # outside of the scalars, at a line's start or after a blank."""
    covered = sorted(
        (leaf.start, leaf.end) for root in roots for leaf in _leaves(root) if leaf.end > leaf.start
    )
    found: list[Comment] = []
    place = text.find("#")
    index = 0
    while place >= 0:
        while index < len(covered) and covered[index][1] <= place:
            index += 1
        if index < len(covered) and covered[index][0] <= place:
            place = text.find("#", covered[index][1])
            continue
        start = text.rfind("\n", 0, place) + 1
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        if place == start or text[place - 1] in " \t":
            own = not text[start:place].strip()
            found.append(Comment(place, place - start, text[place:end].rstrip(), own))
        place = text.find("#", end)
    return found


def _leaves(node: Node) -> Iterator[Node]:
    if node.kind in ("scalar", "alias"):
        yield node
    for child in (*node.items, *(part for pair in node.entries for part in pair)):
        yield from _leaves(child)
