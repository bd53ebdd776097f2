"""Rows of the ledger as records: what a damaged file or another hand left in them ends as a LedgerError."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from reconciler.ledger.errors import LedgerError

R = TypeVar("R")
Fits = Callable[[Any], bool]
HINT = "restore a backup of it, or see SQLite's `.recover`"


def record_of(cls: type[R], row: Sequence[Any]) -> R:
    """The record that a row holds, its columns in the order of the record's fields.

    Raises LedgerError where one has a type that the field cannot have; the value is not told.
    """
    values = tuple(row)
    for (name, fits), value in zip(_columns(cast("Hashable", cls)), values, strict=True):
        if not fits(value):
            raise damaged(f"{name} of {cls.__name__}")
    return cls(*values)


def damaged(what: str) -> LedgerError:
    return LedgerError(f"the ledger is damaged: {what} cannot be read", HINT)


@cache
def _columns(cls: Any) -> tuple[tuple[str, Fits], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, _fits(hints[field.name])) for field in fields(cls))


def _fits(hint: Any) -> Fits:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        choices = tuple(map(_fits, inner))
        return lambda value: any(fits(value) for fits in choices)
    if origin is Literal:
        return lambda value: type(value) is str and value in inner
    if origin is Mapping:
        return _counts if inner[1] is int else lambda value: isinstance(value, dict)
    kinds = {
        str: (str,),
        int: (int,),
        float: (float, int),
        bool: (bool,),
        datetime: (datetime,),
        NoneType: (NoneType,),
    }
    allowed = kinds[hint]
    return lambda value: type(value) in allowed


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(type(number) is int for number in value.values())
