"""How numbers, money, names and values read: the same words in every format."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from reconciler.core.model.printable import safe
from reconciler.core.model.secrets.redaction import SECRET

NOTHING = "(none)"
VOWELS = "aeiou"


def plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def count(number: int, noun: str) -> str:
    """`1 team`, `3,000 teams`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def kind_noun(kind: str) -> str:
    return kind.replace("_", " ")


def money(amount: float) -> str:
    """US dollars: cents only where there are some, and as many digits as a price below a cent needs."""
    size = abs(amount)
    if size == int(size):
        digits = f"{size:,.0f}"
    else:
        digits = f"{size:,.2f}" if size >= 1 or round(size, 2) == size else f"{size:.6g}"
    return f"{'-' if amount < 0 else ''}${digits}"


def per_month(amount: float | None) -> str:
    return "no price" if amount is None else f"{money(amount)}/month"


def signed(number: int) -> str:
    return f"{number:+,}"


def count_signed(number: int, noun: str) -> str | None:
    """`+4,000 credits`, or None for none."""
    return f"{number:+,} {noun if abs(number) == 1 else plural(noun)}" if number else None


def signed_money(amount: float) -> str:
    return money(amount) if amount < 0 else f"+{money(amount)}"


@dataclass(frozen=True, slots=True)
class NameList:
    """Some names, safe to print, and how many more there are."""

    names: tuple[str, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.names)

    def __len__(self) -> int:
        return len(self.names) + self.more

    def first(self, limit: int) -> "NameList":
        """At most so many of them (and one, rather than a count of one)."""
        if len(self.names) <= limit + (not self.more):
            return self
        return NameList(self.names[:limit], len(self) - limit)

    def __str__(self) -> str:
        listed = ", ".join(self.names)
        return f"{listed} and {self.more:,} more" if self.more else listed


def some(names: Iterable[str], limit: int | None) -> NameList:
    """The first names in order. Leaving out a single name saves no room, so that one is shown, too."""
    ordered = tuple(safe(name) for name in sorted(names))
    if limit is None or len(ordered) <= limit + 1:
        return NameList(ordered)
    return NameList(ordered[:limit], len(ordered) - limit)


def plain(value: object) -> Any:
    """A JSON value: sets sorted, models as what differs from their defaults, secrets masked by their type."""
    if isinstance(value, (SecretStr, SecretBytes)):
        return SECRET
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in _telling(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (frozenset, set)):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return _atom(value)


def _telling(model: BaseModel) -> list[str]:
    fields = type(model).model_fields
    return [
        name
        for name, field in fields.items()
        if field.is_required() or getattr(model, name) != field.default
    ]


def _atom(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def shown(value: object, limit: int | None = None) -> str:
    """A value as a person reads it on one line, long texts cut to `limit` characters."""
    text = _text(plain(value))
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.12g}"
    if isinstance(value, str):
        return (
            safe(value)
            if value.strip() == value and value
            else safe(json.dumps(value, ensure_ascii=False))
        )
    return _compound(value)


def _compound(value: Mapping[str, Any] | Sequence[Any]) -> str:
    if not value:
        return NOTHING
    if isinstance(value, Mapping):
        return ", ".join(f"{safe(key)}={_nested(item)}" for key, item in value.items())
    return ", ".join(_nested(item) for item in value)


def _nested(value: Any) -> str:
    return f"{{{_text(value)}}}" if isinstance(value, (dict, list)) else _text(value)
