"""A spec against its model: a fast verdict, and for what fails every problem in a plain sentence.

jsonschema-rs decides (400,000 specs a second), pydantic types (50,000); only what they refuse goes through
`jsonschema`, whose errors carry what a sentence needs.
Integers are stricter than JSON Schema's: 1.0 is not a whole number here.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import jsonschema_rs
from pydantic import ValidationError as ModelError

from reconciler.core.model.kinds import Spec
from reconciler.files.validate.schemas import spec_schema
from reconciler.files.validate.wording import Problem, SchemaError, in_words, model_problem

S = TypeVar("S", bound=Spec)
_MODEL_ONLY = ("date_from", "datetime_from", "value_error")  # what no schema can say


@cache
def _fast(cls: type[Spec]) -> Any:
    return jsonschema_rs.validator_for(spec_schema(cls))


def _is_whole(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@cache
def _thorough(cls: type[Spec]) -> Any:
    # Only imported for what failed: it takes longer (60 ms) than reading a usual config directory.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.validators import extend  # noqa: PLC0415

    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
    strict = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]  # untyped there
    return strict(spec_schema(cls))


def typed(cls: type[S], spec: object) -> S | tuple[Problem, ...]:
    """The spec as its model, or everything that is wrong with it."""
    valid = _fast(cls).is_valid(spec)
    try:
        model = cls.model_validate(spec)
    except ModelError as failure:
        return _all_problems(cls, spec, failure)
    return (
        model
        if valid
        else problems(cls, spec) or (Problem("bad-value", "the spec does not fit its schema"),)
    )


def _all_problems(cls: type[Spec], spec: object, failure: ModelError) -> tuple[Problem, ...]:
    """The schema's problems, and what no schema can say about the other values."""
    by_schema = problems(cls, spec)
    errors = failure.errors(include_url=False)
    by_model = [
        model_problem(e) for e in errors if not by_schema or str(e["type"]).startswith(_MODEL_ONLY)
    ]
    taken = {problem.path for problem in by_schema}
    return (
        *by_schema,
        *dict.fromkeys(problem for problem in by_model if problem.path not in taken),
    )


def problems(cls: type[Spec], spec: object) -> tuple[Problem, ...]:
    """What the schema says against a spec; empty where it says nothing."""
    found = (problem for e in _thorough(cls).iter_errors(spec) for problem in _narrowed(e))
    return tuple(dict.fromkeys(found))


def _narrowed(failure: SchemaError) -> Iterator[Problem]:
    """The error itself, or for a choice of shapes the errors of the shape that was meant."""
    if failure.validator != "anyOf":
        yield from in_words(failure)
        return
    branches: dict[int, list[SchemaError]] = {}
    for error in failure.context or ():
        branches.setdefault(int(error.schema_path[0]), []).append(error)
    meant = [
        errors
        for errors in branches.values()
        if not any(_is_other_shape(e, failure) for e in errors)
    ]
    if not meant:
        yield from in_words(failure)
        return
    for error in min(meant, key=len):
        yield from _narrowed(error)


def _is_other_shape(error: SchemaError, choice: SchemaError) -> bool:
    return error.validator == "type" and len(error.absolute_path) == len(choice.absolute_path)
