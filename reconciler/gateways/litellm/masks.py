"""What LiteLLM Proxy shows in the place of a secret, taken for what it is: a value that nobody can read."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

# The ends of a secret around asterisks, or asterisks alone (observed on 1.106.2).
_MASK = re.compile(r"\*{4,}|\A\*{2,}\Z")


class Unreadable(SecretStr):
    """A parameter that is there and cannot be read; equal to itself as long as its mask stays the same."""


def veiled(value: Any) -> Any:
    """The value with `Unreadable` in the place of each mask."""
    if isinstance(value, Mapping):
        return {name: veiled(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [veiled(item) for item in value]
    return Unreadable(value) if isinstance(value, str) and _MASK.search(value) else value


def hides(value: object) -> bool:
    """Whether something unreadable is in the value."""
    if isinstance(value, Mapping):
        return any(map(hides, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(hides, value))
    return isinstance(value, Unreadable)
