"""Live objects in the shape that our kinds have: the one place where what a gateway answers becomes trusted.

Values that no manifest could hold stay as they are (a budget period `monthly` is somebody's, and it works); types that
no field could have are an error, because everything after this counts on them.
"""

import math
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache, wraps
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import BaseModel

from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.gateways.answers import oddity
from reconciler.gateways.base import GatewayError, Live

P = ParamSpec("P")
T = TypeVar("T")
Asking: TypeAlias = Callable[P, Coroutine[Any, Any, T]]
Fits = Callable[[Any], bool]

# Facts beside the state that are reckoned with; see `base.Live.runtime`.
NUMBERS = frozenset({"credits_used", "credits_remaining", "keys_count", "spend", "max_budget"})
# More than any count of credits, tokens or dollars, and what a database's largest integer holds.
MOST = 2**63
# What reading a value of an unexpected shape raises: a missing key, a list for an object, a text for a number.
UNEXPECTED = (
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def understood(unknown: bool) -> Callable[[Asking[P, T]], Asking[P, T]]:
    """For functions that talk to a gateway: what they cannot make sense of is a GatewayError, `unknown` for writes."""

    def around(function: Asking[P, T]) -> Asking[P, T]:
        @wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await function(*args, **kwargs)
            except UNEXPECTED as problem:
                raise odd(problem, unknown=unknown) from problem

        return call

    return around


def odd(problem: Exception, where: str = "", *, unknown: bool = False) -> GatewayError:
    """An answer whose shape nobody expected."""
    return GatewayError(
        f"{where}the gateway answered in an unknown shape ({oddity(problem)})", unknown=unknown
    )


def checked(live: Live) -> Live:
    """The live state as it is. Raises GatewayError where something in it has no shape that our kinds know."""
    for ref in live.state:
        sound(ref, live.state[ref])
    for ref, facts in live.runtime.items():
        sound_facts(ref, facts)
    return live


def sound(ref: Ref, resource: Resource) -> None:
    """Raises GatewayError where the name is no text, or a field has a type that its kind does not know."""
    if type(ref.name) is not str:
        raise GatewayError(
            f"the gateway answered a {ref.kind} whose id is no text but {_type_name(ref.name)}"
        )
    values = resource.__dict__
    for name, fits, default in _fields(type(resource)):
        # most fields of most objects are as the kind has them
        if name not in values or values[name] is default or fits(values[name]):
            continue
        value = _type_name(values[name])
        raise GatewayError(
            f"the gateway answered {ref} in an unknown shape: its {name} cannot be {value}"
        )


def sound_facts(ref: Ref, facts: Mapping[str, Any]) -> None:
    """Raises GatewayError where a fact that is reckoned with is no number."""
    for name in NUMBERS & facts.keys():
        if not (facts[name] is None or _is_number(facts[name])):
            value = _type_name(facts[name])
            raise GatewayError(
                f"the gateway answered {ref} in an unknown shape: its {name} cannot be {value}"
            )


def _type_name(value: Any) -> str:
    names = {
        NoneType: "null",
        bool: "true or false",
        str: "a text",
        dict: "an object",
        list: "a list",
    }
    if _is_number(value):
        return "a number"
    return names.get(type(value), "what it is")


@cache
def _fields(cls: type[BaseModel]) -> tuple[tuple[str, Fits, Any], ...]:
    """Name, whether a value fits, and the default, which does."""
    return tuple(
        (name, _fits(field.annotation), field.default) for name, field in cls.model_fields.items()
    )


def _fits(annotation: Any) -> Fits:
    """Whether a value has the type of an annotation, whatever its constraints."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _fits(inner[0])
    if origin in (Union, UnionType):
        return _one_of(tuple(map(_fits, inner)))
    if origin is Literal:
        return _one_of(tuple({_fits(type(value)) for value in inner}))
    if origin in (frozenset, tuple, list):
        return _collection(_fits(inner[0]))
    if origin in (dict, Mapping):
        return _mapping(_fits(inner[1]))
    return _simple(annotation)


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return -MOST <= value < MOST
    return type(value) is float and math.isfinite(value)


SIMPLE: Mapping[Any, Fits] = {
    Any: lambda _value: True,
    NoneType: lambda value: value is None,
    # Null is what a gateway says of a name that it never got.
    str: lambda value: value is None or isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    date: lambda value: isinstance(value, date),
    datetime: lambda value: isinstance(value, datetime),
    int: _is_number,
    float: _is_number,
}


def _simple(annotation: Any) -> Fits:
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return lambda value: isinstance(value, annotation) and all(_inside(value))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return lambda value: isinstance(value, str)
    raise TypeError(f"no shape is known for {annotation}")


def _inside(value: BaseModel) -> Iterator[bool]:
    return (
        fits(value.__dict__[name])
        for name, fits, _ in _fields(type(value))
        if name in value.__dict__
    )


def _one_of(choices: tuple[Fits, ...]) -> Fits:
    def one_fits(value: Any) -> bool:
        for fits in choices:  # noqa: SIM110  any() of a generator takes three times as long
            if fits(value):
                return True
        return False

    return one_fits


def _collection(fits: Fits) -> Fits:
    return lambda value: isinstance(value, (frozenset, set, tuple, list)) and all(map(fits, value))


def _mapping(fits: Fits) -> Fits:
    def all_fit(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            type(key) is str and fits(item) for key, item in value.items()
        )

    return all_fit
