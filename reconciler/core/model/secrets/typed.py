"""Secrets that their type hides: texts in free JSON that came from a variable, and those that the ledger left out.

Both compare as the text would, so that nothing else needs to know of them: not the diff, not the gateways. Whatever
prints, stores or plans a value masks them as any other SecretStr.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import SecretStr

from reconciler.core.model.kinds import Spec
from reconciler.core.model.refs import FieldPath

S = TypeVar("S", bound=Spec)
MASK = "**********"
# The fields whose content is open, where a secret may be.
FREE = frozenset({"metadata", "litellm_params", "deployments"})


class FilledSecret(SecretStr):
    """A text that was filled in from the environment; equal to that text, shown as none."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ForgottenSecret):
            return True
        plain = other.get_secret_value() if isinstance(other, SecretStr) else other
        return self.get_secret_value() == plain

    def __hash__(self) -> int:
        return hash(self.get_secret_value())


class ForgottenSecret(SecretStr):
    """A text that we once applied and did not keep, because it is a secret: equal to every text."""

    def __init__(self) -> None:
        super().__init__(MASK)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (str, SecretStr))

    def __hash__(self) -> int:
        raise TypeError("what is equal to everything has no hash")


def filled(resource: S, paths: Iterable[FieldPath]) -> S:
    """The resource with a FilledSecret at those of the paths that lie in free JSON and hold a text."""
    update: dict[str, Any] = {}
    for name, *below in paths:
        if name in FREE and isinstance(name, str):
            update[name] = _covered(update.get(name, getattr(resource, name)), tuple(below))
    return resource.model_copy(update=update) if update else resource


def _covered(value: Any, path: FieldPath) -> Any:
    if not path:
        return FilledSecret(value) if isinstance(value, str) else value
    step, below = path[0], path[1:]
    if isinstance(value, Spec):
        free = step in FREE
        return (
            value.model_copy(update={str(step): _covered(getattr(value, str(step)), below)})
            if free
            else value
        )
    if isinstance(value, Mapping):
        return {key: _covered(item, below) if key == step else item for key, item in value.items()}
    return type(value)(
        _covered(item, below) if place == step else item for place, item in enumerate(value)
    )


def forgotten(resource: S) -> S:
    """The resource of a record, with a ForgottenSecret at every mask in free JSON."""
    masked = {name: getattr(resource, name) for name in FREE & resource.model_fields_set}
    update = {name: _unmasked(value) for name, value in masked.items() if _has_mask(value)}
    return resource.model_copy(update=update) if update else resource


def _has_mask(value: Any) -> bool:
    return MASK in str(value)


def _unmasked(value: Any) -> Any:
    if isinstance(value, Spec):
        return forgotten(value)
    if isinstance(value, Mapping):
        return {key: _unmasked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_unmasked, value))
    return ForgottenSecret() if value == MASK else value


def veiled(resource: S, *patterns: Spec | Mapping[str, Any] | None) -> S:
    """The resource with a FilledSecret wherever a pattern (a resource, or a record of one) has a secret.

    So that a plan shows neither the value that it replaces nor one that left the manifests.
    """
    update: dict[str, Any] = {}
    for pattern in patterns:
        for name, secret in _free(pattern):
            value = update.get(name, getattr(resource, name, None))
            if value and _holds_secret(secret):
                update[name] = _alike(value, secret)
    return resource.model_copy(update=update) if update else resource


def _free(pattern: Spec | Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    fields = pattern.__dict__ if isinstance(pattern, Spec) else pattern or {}
    return ((name, fields[name]) for name in FREE & fields.keys() if fields[name])


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Spec):
        return any(_holds_secret(item) for _, item in _free(value))
    if isinstance(value, Mapping):
        return any(map(_holds_secret, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_secret, value))
    return isinstance(value, SecretStr) or (isinstance(value, str) and value == MASK)


def _alike(value: Any, pattern: Any) -> Any:
    """The value, covered where the pattern is; in lists at every place, because they may have moved."""
    if isinstance(value, Spec):
        return veiled(value, pattern)
    if isinstance(value, Mapping) and isinstance(pattern, Mapping):
        return {
            key: _alike(item, pattern[key]) if key in pattern else item
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)) and isinstance(pattern, (list, tuple)):
        return type(value)(_alike_all(item, pattern) for item in value)
    return FilledSecret(value) if isinstance(value, str) and _holds_secret(pattern) else value


def _alike_all(value: Any, patterns: Iterable[Any]) -> Any:
    for pattern in patterns:
        value = _alike(value, pattern)
    return value
