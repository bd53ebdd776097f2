"""Ref, the identity of a resource, To, the annotation that makes a field a link, and the paths of values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FieldPath = tuple[str | int, ...]
"""The steps to a value: keys of mappings and indices of lists, e.g. `("grants", 0, "until")`."""


class Ref(NamedTuple):
    """Kind and name: dict key, sort key, and in text `team/acme-prod`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """The ref written as `kind/name`; the name may hold further slashes. Raises ValueError without a slash."""
        kind, slash, name = text.partition("/")
        if not (slash and kind and name):
            raise ValueError(f"not a ref: {text!r} (expected kind/name)")
        return cls(kind, name)


@dataclass(frozen=True, slots=True)
class To:
    """Marks a field whose value (a name, or a collection of names) points at resources of another kind.

    `checked=False` is for values that need not name a declared resource (a wildcard such as `openai/*`).
    """

    kind: str
    checked: bool = True


def names_in(value: object) -> Iterator[str]:
    """The names that a link field holds, whatever its shape: nothing, one, or many."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (frozenset, set, tuple, list)):
        yield from (name for name in value if isinstance(name, str))
