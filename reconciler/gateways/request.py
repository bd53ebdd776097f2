"""One request to a gateway as a value, and who may send it a second time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import SecretStr

SAFE = frozenset({"GET", "HEAD"})


class Again(Enum):
    """What `http` does about a request that failed. Reads are always repeated there, whatever this says."""

    NEVER = "never"
    """Nothing: it is the write of a step, and apply decides about the step (`apply.attempt.attempt`)."""

    REFUSED = "refused"
    """Waits out a refusal for now (429, no connection): an earlier write of the same step was done already."""

    ALWAYS = "always"
    """Repeats it whatever went wrong: sent twice is the same as once, and nobody else repeats it."""


@dataclass(frozen=True, slots=True)
class Request:
    """Method, path below the base URL, JSON body. `bearer` stands in the place of the admin key."""

    method: str
    path: str
    body: Any = None
    params: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None
    bearer: SecretStr | None = None
    again: Again = Again.NEVER

    @property
    def reads(self) -> bool:
        return self.method in SAFE

    @property
    def what(self) -> str:
        """What it is called in errors."""
        return f"{self.method} {self.path}"
