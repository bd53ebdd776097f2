"""Literal secrets in free JSON: what looks like one, and how its value is kept out of sight."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from reconciler.core.model.refs import FieldPath
from reconciler.core.model.secrets.names import names_a_secret
from reconciler.core.model.secrets.typed import ForgottenSecret

# Below these names, everything is one: `passwords: {db: ..., api: ...}`.
_SEVERAL = ("passwords", "secrets", "tokens", "keys", "credentials", "cookies")
# Repeats are bounded so that no text, however long, takes more than linear time.
_SECRET_VALUE = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[baprs]-[A-Za-z0-9-]{10,}"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY|AIza[0-9A-Za-z_-]{30,}|eyJ[A-Za-z0-9_-]{10,500}\.[A-Za-z0-9_-]{10,2000}\."
    r"|[a-z][a-z0-9+.-]{0,20}://[^/@\s:]{0,200}:[^/@\s]{1,500}@"
    r"|https://hooks\.slack\.com/services/[\w/-]{8,}|https://(?:\w{1,20}\.)?discord(?:app)?\.com/api/webhooks/[\w/-]{8,}"
    r"|\b[Bb]earer [\w.~+/=-]{16,}|\b(?:[Pp]assword|[Pp]wd|AccountKey)=[^;\s]{2,200}(?:;|$)"
)
# The same, with all that belongs to them, inside of longer texts.
_SECRETS_IN_TEXT = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY.*?(?:-----END[A-Z ]{0,30}-----|\Z)|(?:"
    + _SECRET_VALUE.pattern
    + r")[\w.~+/=-]*",
    re.DOTALL,
)
_ADDRESS = re.compile(r"[\w.+-]{1,200}@[\w.-]{1,200}\Z")  # a service account's, which is no secret
_REFERENCE = re.compile(r"os\.environ/[A-Za-z_][A-Za-z0-9_]*\Z")


def literal_secrets(
    value: object, path: FieldPath = (), *, secret: bool = False
) -> Iterator[FieldPath]:
    """The paths of texts that look like a secret, by their key or by their form; `os.environ/NAME` is a reference."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from literal_secrets(
                item, (*path, key), secret=_secret_below(key, item, secret=secret)
            )
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from literal_secrets(item, (*path, index), secret=secret)
    elif isinstance(value, SecretStr) or (
        isinstance(value, str) and _looks_secret(value, secret=secret)
    ):
        yield path


def concealed(value: Any, cover: Callable[[str], Any] = SecretStr, *, secret: bool = False) -> Any:
    """The value with a cover over each of those texts; under a SecretStr equal ones stay equal, and none is shown."""
    if isinstance(value, Mapping):
        return {
            key: concealed(item, cover, secret=_secret_below(key, item, secret=secret))
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(concealed(item, cover, secret=secret) for item in value)
    return cover(value) if isinstance(value, str) and _looks_secret(value, secret=secret) else value


def without_literals(text: str, cover: str) -> str:
    """The text with a cover in place of everything in it that has a secret's form."""
    return _SECRETS_IN_TEXT.sub(cover, text)


def revealed(value: Any) -> Any:
    """The value with its secrets as plain text: only for the request that carries it.

    Raises ValueError for one that nobody remembers: its mask must not be written in its place.
    """
    if isinstance(value, ForgottenSecret):
        raise ValueError("a secret that was not kept cannot be written again")  # noqa: TRY004  no wrong type
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [revealed(item) for item in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def secret_values(value: Any) -> Iterator[str]:
    """The secrets that a value carries, as plain text: to recognize them where they must not stand."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from secret_values(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from secret_values(item)
    elif isinstance(value, SecretStr):
        yield value.get_secret_value()


def _secret_below(key: object, item: object, *, secret: bool) -> bool:
    """Whether texts below the key are secrets. A mapping is judged key by key, unless its name says that all are."""
    name = str(key)
    if isinstance(item, Mapping):
        return secret or (names_a_secret(name) and name.lower().endswith(_SEVERAL))
    return secret or (names_a_secret(name) and not (isinstance(item, str) and _ADDRESS.match(item)))


def _looks_secret(text: str, *, secret: bool) -> bool:
    return bool(text and not _REFERENCE.match(text) and (secret or _SECRET_VALUE.search(text)))
