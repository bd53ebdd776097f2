"""Secrets on their way into a manifest: a reference takes the place of each, and masks are never taken for values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import KINDS, IfDeclared, marked
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.secrets.literal import literal_secrets
from reconciler.core.model.secrets.typed import FREE

# LiteLLM shows the ends of a secret around asterisks, or asterisks and bullets alone.
_MASK = re.compile(r"\*{3,}|•{3,}|\bREDACTED\b")
_REFERENCE = re.compile(r"os\.environ/[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A spec without secrets. `aside` are fields that stay on the gateway, as they could be written with references."""

    spec: Mapping[str, Any]
    aside: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def cleaned(ref: Ref, spec: Mapping[str, Any], record: Record | None = None) -> Cleaned:
    """The spec with references instead of secrets.

    A field that is managed only where it is declared is left out as a whole, so that the gateway keeps its value;
    what we once applied in its place is restored. Any other field gets `os.environ/NAME` placeholders.
    """
    kept, aside, remarks = dict(spec), {}, []
    optional = marked(KINDS[ref.kind], IfDeclared)
    for name, value in spec.items():
        paths = tuple(secret_paths({name: value})) if name in FREE else ()
        if not paths:
            continue
        applied = record.applied.get(name) if record else None
        if applied is not None and not any(secret_paths({name: applied})):
            kept[name] = applied
        elif name in optional:
            aside[name] = replaced(value, [path[1:] for path in paths], ref.name)
            del kept[name]
            remarks.append(
                f"Its {name} holds a secret and stays on the gateway only; written with a reference:"
            )
        else:
            kept[name] = replaced(value, [path[1:] for path in paths], ref.name)
            stands = ", ".join(each for each in names_of(kept[name]) if each not in names_of(value))
            remarks.append(
                f"{stands} stands for a secret that cannot be read: set that variable where the gateway runs."
            )
    return Cleaned(kept, aside, tuple(remarks))


def secret_paths(value: object) -> Iterator[FieldPath]:
    """The paths of literal secrets and of masks."""
    yield from dict.fromkeys((*literal_secrets(value), *_masks(value, ())))


def _masks(value: object, path: FieldPath) -> Iterator[FieldPath]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _masks(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _masks(item, (*path, index))
    elif isinstance(value, str) and _MASK.search(value):
        yield path


def replaced(value: Any, paths: list[FieldPath], owner: str) -> Any:
    """The value with a reference at each path; the variable's name is made of the object's and the key."""
    if () in paths:
        return reference(owner, "secret")
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    found = {}
    for key, item in items:
        below = [path[1:] for path in paths if path[0] == key]
        word = str(key) if isinstance(key, str) else f"{key + 1}"
        leaf = reference(owner, word) if () in below else None
        found[key] = leaf or (replaced(item, below, _owner(owner, key)) if below else item)
    return found if isinstance(value, Mapping) else list(found.values())


def _owner(owner: str, key: object) -> str:
    return f"{owner}_{key + 1}" if isinstance(key, int) and key else owner


def reference(*words: str) -> str:
    """`os.environ/NAME`, e.g. os.environ/GPT_4_API_KEY."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words)).strip("_").upper()
    return f"os.environ/{name if name[:1].isalpha() else f'SECRET_{name}'}"


def names_of(value: Any) -> list[str]:
    """The references that a value holds."""
    found: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            stack += item.values()
        elif isinstance(item, list):
            stack += item
        elif isinstance(item, str) and _REFERENCE.match(item):
            found.append(item)
    return sorted(dict.fromkeys(found))
