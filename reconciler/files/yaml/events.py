"""What both readers of YAML (`read` for values, `tree` for places) take from the parser, and the rules they share."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import yaml
from yaml.events import ScalarEvent

Event = Any  # PyYAML's stubs do not tell the kinds of events apart
V = TypeVar("V")

MAX_DEPTH = 60
"""Collections inside of collections; what is deeper is refused, and nobody wrote it by hand."""


def parser(text: str) -> Any:
    """The parser of libyaml, or PyYAML's own where libyaml is not built in; both have `get_event` and `get_token`."""
    if yaml.__with_libyaml__:
        return yaml.CSafeLoader(text)
    return yaml.SafeLoader(text)


def is_merge(key: Event) -> bool:
    """Whether a key is YAML 1.1's merge key: a plain `<<`, neither quoted nor an alias of one."""
    return key.__class__ is ScalarEvent and key.value == "<<" and not key.style


def merged(own: Mapping[str, V], sources: Iterable[Mapping[str, V]]) -> dict[str, V]:
    """A mapping with those of its `<<` beneath it: its own keys win, then those of earlier sources."""
    beneath: dict[str, V] = {}
    for source in sources:
        beneath = {**source, **beneath}
    return {**beneath, **own}
