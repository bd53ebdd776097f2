"""What an edit may touch: a value that an anchor shares, or that `<<` takes in, is not one object's to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.model.refs import FieldPath
from reconciler.files.yaml.tree import Node


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be changed by itself, and why."""

    path: FieldPath
    why: str


class ProblemError(Exception):
    """Ends the edit of one object, which then stays as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.why)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Sharing:
    """The anchors that an alias refers to."""

    anchors: frozenset[str]

    def problem(self, node: Node, path: FieldPath) -> Problem | None:
        """Why the node cannot be changed in its place: others refer to it."""
        if node.anchor in self.anchors and node.kind != "alias":
            return Problem(path, _sharing(node.anchor))
        return None

    def require_own(self, node: Node, path: FieldPath) -> None:
        """Raises ProblemError for the `problem`."""
        problem = self.problem(node, path)
        if problem is not None:
            raise ProblemError(problem)

    def require_free(self, node: Node, path: FieldPath) -> None:
        """Raises ProblemError where others refer to the node or to something in it: it cannot go."""
        used = sorted(self.anchors & set(node.anchors()))
        if used:
            raise ProblemError(Problem(path, _sharing(used[0])))


def _sharing(anchor: str | None) -> str:
    return f"others share it through the anchor &{anchor}"


def lost_merges(old: Any, new: Any, own: set[str], path: FieldPath) -> Sequence[Problem]:
    """What would have to go, but is not there: a `<<` takes it in."""
    return [
        Problem((*path, name), "it comes from a merged anchor (<<)")
        for name in old
        if name not in new and name not in own
    ]


def require_no_lost_merges(old: Any, new: Any, own: set[str], path: FieldPath) -> None:
    """Raises ProblemError for the first of the `lost_merges`."""
    for problem in lost_merges(old, new, own, path):
        raise ProblemError(problem)


def additions(old: Any, new: Any, own: set[str]) -> dict[str, Any]:
    """The entries to add: those that are neither there nor taken in with that value by a `<<`."""
    return {
        name: value
        for name, value in new.items()
        if name not in own and not (name in old and old[name] == value)
    }
