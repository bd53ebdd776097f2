"""Schema errors in plain sentences: what was found, what belongs there, and what to write instead."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.model.findings import did_you_mean
from reconciler.core.model.refs import FieldPath

_SECRET_KEY = re.compile(r"key|secret|token|password|credential|authorization", re.IGNORECASE)
_USER_IN_URL = re.compile(r"://[^/\s]*@")
_MAX_SHOWN = 60

SchemaError = (
    Any  # jsonschema.ValidationError: what its attributes hold depends on the keyword that failed
)

TYPE_NAMES: Mapping[str, str] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value of a spec.

    path    relative to the spec
    found   the value as shown to people; apart from the message, because a variable's value must not be shown
    """

    code: str
    message: str
    hint: str | None = None
    path: FieldPath = ()
    found: str | None = None

    @property
    def sentence(self) -> str:
        return f"{self.message}, found {self.found}" if self.found else self.message


@dataclass(frozen=True, slots=True)
class _Failed:
    """One failure of a schema: the value at the path is not what the keyword wants."""

    path: FieldPath
    value: Any
    wanted: Any
    schema: Mapping[str, Any]

    def problem(self, code: str, says: str, hint: str | None = None) -> Problem:
        return Problem(code, f"{named(self.path)} {says}", hint, self.path)

    def problem_with_value(self, code: str, says: str, hint: str | None = None) -> Problem:
        return replace(self.problem(code, says, hint), found=shown(self.value, self.path))


def in_words(failure: SchemaError) -> Iterator[Problem]:
    """One problem, or several where one schema error names several keys or entries."""
    keyword = str(failure.validator)
    path = tuple(failure.absolute_path)
    failed = _Failed(path, failure.instance, failure.validator_value, failure.schema)
    if keyword in _RANGES:
        says = f"must be {_RANGES[keyword]} {_number(failed.wanted)}"
        yield failed.problem_with_value("out-of-range", says)
    elif keyword in _LENGTHS:
        code, says = _LENGTHS[keyword]
        yield failed.problem(code, says.format(failed.wanted))
    elif keyword in _WORDS:
        yield from _WORDS[keyword](failed)
    else:
        yield failed.problem("bad-value", f"does not fit its schema ({keyword})")


def model_problem(failure: Mapping[str, Any]) -> Problem:
    """What only the model knows: dates that do not exist, and fields that contradict each other."""
    path = tuple(step for step in failure["loc"] if step not in ("date", "datetime"))
    kind = str(failure["type"])
    if kind.startswith(("date", "time")):
        return Problem(
            "bad-format", f"{named(path)} is not a date that exists", "write e.g. 2026-12-31", path
        )
    if kind != "value_error":
        return Problem("bad-value", f"{named(path)}: {failure['msg']}", None, path)
    message = str(failure["msg"]).removeprefix("Value error, ")
    # By convention a model's own message starts with the field that it is about.
    field = message.split(" ", 1)[0]
    return Problem("bad-value", message, None, path if path[-1:] == (field,) else (*path, field))


def named(path: Sequence[str | int]) -> str:
    """A path as people write it: `grants[0].until`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the spec"


def shown(value: object, path: Sequence[str | int]) -> str:
    """A value for a message: short, and never one that may be a secret."""
    if any(isinstance(step, str) and _SECRET_KEY.search(step) for step in path):
        return "a value"
    if isinstance(value, (dict, list)):
        return TYPE_NAMES[_type(value)]
    text = json.dumps(value, ensure_ascii=False, default=str)
    if _USER_IN_URL.search(text):  # user:password@host
        return "a value"
    text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    return f"the text {text}" if isinstance(value, str) else text


def _type(value: object) -> str:
    names = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return names.get(type(value), "null")


def _unknown_keys(failed: _Failed) -> Iterator[Problem]:
    known = failed.schema.get("properties", {})
    for key in failed.value:
        if key not in known:
            says = f"{key} is not a key of {named(failed.path)}"
            hint = did_you_mean(key, known) or f"known keys: {', '.join(sorted(known))}"
            yield Problem("unknown-key", says, hint, (*failed.path, key))


def _missing_keys(failed: _Failed) -> Iterator[Problem]:
    for key in failed.wanted:
        if key not in failed.value:
            about = failed.schema["properties"].get(key, {}).get("description")
            hint = f"{key}: {about}" if about else None
            yield failed.problem("missing-key", f"needs the key {key}", hint)


def _wrong_type(failed: _Failed) -> Iterator[Problem]:
    types = _listed(failed.wanted)
    # Where null is one of several types, leaving the key out says the same.
    expected = [TYPE_NAMES[name] for name in types if name != "null" or len(types) == 1]
    hint = _type_hint(failed.value, types)
    yield failed.problem_with_value("wrong-type", f"must be {' or '.join(expected)}", hint)


def _type_hint(value: object, wanted: Sequence[str]) -> str | None:
    if value is None:
        return "leave the key out, or give it a value"
    if isinstance(value, (bool, int, float)) and "string" in wanted:
        return f"quote it: {json.dumps(json.dumps(value))}"
    if isinstance(value, float) and value.is_integer() and "integer" in wanted:
        return f"write {int(value)}"
    return _TEXT_HINTS.get(wanted[0]) if isinstance(value, str) else None


_TEXT_HINTS = {
    "integer": "write digits only, without quotes, underscores or units",
    "number": "write digits only, without quotes, underscores or units",
    "boolean": "write true or false, without quotes",
    "array": "write a list: [name, ...]",
    "object": "write keys and values, indented below",
}


def _not_allowed(failed: _Failed) -> Iterator[Problem]:
    allowed = [str(value) for value in failed.wanted if value is not None]
    near = did_you_mean(failed.value, allowed) if isinstance(failed.value, str) else None
    yield failed.problem_with_value("not-allowed", f"must be {either(allowed)}", near)


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _number(limit: float) -> float:
    return int(limit) if float(limit).is_integer() else limit


def _duplicates(failed: _Failed) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, item in enumerate(failed.value):
        form = json.dumps(item, sort_keys=True, default=str)
        if form in seen:
            entry = shown(item, failed.path).removeprefix("the text ")
            says = f"{named(failed.path)} lists {entry} twice"
            yield Problem("duplicate-entry", says, "remove one of the two", (*failed.path, index))
        seen.add(form)


def _bad_format(failed: _Failed) -> Iterator[Problem]:
    key = str(failed.path[-1]) if failed.path else ""
    if failed.path == ("ledger", "url"):
        key = "ledger.url"
    hint = _FORMS.get(failed.schema.get("format", "")) or _FORMS.get(key)
    if key.endswith("_env"):
        hint = _A_NAME
    about = hint or failed.schema.get("description")
    yield failed.problem_with_value("bad-format", "has the wrong form", about)


_A_NAME = (
    "write the NAME of an environment variable, e.g. GATEWAY_ADMIN_KEY; never the secret itself"
)
# By the schema's format, or by the key.
_FORMS = {
    "date": "write a day, e.g. 2026-12-31",
    "date-time": "write a day, e.g. 2026-12-31, or an instant, e.g. 2026-12-31T18:00:00Z",
    "url": "write http://... or https://...",
    "ledger.url": "write sqlite:///FILE or postgresql://HOST/DATABASE",
    "api_key": "write os.environ/NAME: a reference, never the secret itself",
    "budget_duration": "write 30s, 5m, 12h, 7d, 4w or 1mo",
    "id": "use lowercase letters, digits, dots, hyphens and underscores",
}


def _no_choice(failed: _Failed) -> Iterator[Problem]:
    expected: dict[str, None] = {}
    for branch in failed.wanted:
        if "$ref" in branch:
            expected["a mapping"] = None
        for name in _listed(branch.get("type", [])):
            if name != "null":
                expected["a date" if "format" in branch else TYPE_NAMES[name]] = None
    about = failed.schema.get("description")
    yield failed.problem_with_value("wrong-type", f"must be {' or '.join(expected)}", about)


def _listed(types: str | Sequence[str]) -> Sequence[str]:
    return [types] if isinstance(types, str) else types


_RANGES = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
_LENGTHS = {
    "minLength": ("too-short", "must not be empty"),
    "maxLength": ("too-long", "is longer than {} characters"),
    "minItems": ("too-short", "must not be empty"),
    "maxItems": ("too-long", "has more than {} entries"),
}
_WORDS: Mapping[str, Callable[[_Failed], Iterator[Problem]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _not_allowed,
    "uniqueItems": _duplicates,
    "pattern": _bad_format,
    "anyOf": _no_choice,
}
