"""Resources made without validation, for what was validated before or comes from a gateway."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


@cache
def defaults(cls: type[BaseModel]) -> Mapping[str, Any]:
    """Field -> default, of the fields that have one. They are shared: resources are frozen, and so are these."""
    return {
        name: field.default for name, field in cls.model_fields.items() if not field.is_required()
    }


def constructed(cls: type[M], values: Mapping[str, Any], declared: set[str] | None = None) -> M:
    """What `cls.model_construct` makes, in a tenth of its time; `declared` is its fields_set (all of `values`)."""
    resource = cls.__new__(cls)
    set_attribute = object.__setattr__  # the classes are frozen
    set_attribute(resource, "__dict__", {**defaults(cls), **values})
    set_attribute(
        resource, "__pydantic_fields_set__", set(values) if declared is None else declared
    )
    set_attribute(resource, "__pydantic_extra__", None)
    set_attribute(resource, "__pydantic_private__", None)
    return resource
