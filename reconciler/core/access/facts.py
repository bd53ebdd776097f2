"""Facts of a gateway that decide who can call what, beside every manifest: name -> JSON, as the ledger has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.model.refs import Ref

AccessFacts = Mapping[str, Any]
Models = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class MovedFact:
    """One fact that another hand changed since the last complete apply, and what that means for teams of ours.

    `text` says what moved. `gained` and `lost`: team -> models. `redirected`: teams that go on calling a name which
    another model answers now. `ref` is an object of ours that the fact is about, where there is one. `why_left` says
    why apply does not undo it.
    """

    text: str
    gained: Models = field(default_factory=dict)
    lost: Models = field(default_factory=dict)
    redirected: frozenset[str] = frozenset()
    ref: Ref | None = None
    why_left: str = ""

    @property
    def concerns(self) -> frozenset[str]:
        """The teams that it means something for."""
        return frozenset(self.gained) | frozenset(self.lost) | self.redirected
