"""Schema errors in plain sentences: what was found, what belongs there, and what to write instead."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


def in_words(failure: SchemaError) -> Iterator[Problem]:
    """One problem, or several where one schema error names several keys or entries."""
    path = tuple(failure.absolute_path)
    words = _WORDING.get(str(failure.validator))
    if words is None:
        yield Problem(
            "bad-value", f"{named(path)} does not fit its schema ({failure.validator})", None, path
        )
    else:
        yield from words(failure, path)


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


Words = Callable[[SchemaError, FieldPath], Iterator[Problem]]


def _unknown_keys(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    known = failure.schema.get("properties", {})
    for key in failure.instance:
        if key not in known:
            hint = did_you_mean(key, known) or f"known keys: {', '.join(sorted(known))}"
            yield Problem("unknown-key", f"{key} is not a key of {named(path)}", hint, (*path, key))


def _missing_key(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    for key in failure.validator_value:
        if key not in failure.instance:
            about = failure.schema["properties"].get(key, {}).get("description")
            hint = f"{key}: {about}" if about else None
            yield Problem("missing-key", f"{named(path)} needs the key {key}", hint, path)


def _wrong_type(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    wanted = failure.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    expected = " or ".join(TYPE_NAMES[name] for name in names if name != "null" or len(names) == 1)
    hint = _type_hint(failure.instance, names)
    yield Problem(
        "wrong-type", f"{named(path)} must be {expected}", hint, path, shown(failure.instance, path)
    )


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


def _not_allowed(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    allowed = [str(value) for value in failure.validator_value if value is not None]
    near = (
        did_you_mean(str(failure.instance), allowed) if isinstance(failure.instance, str) else None
    )
    message = f"{named(path)} must be {either(allowed)}"
    yield Problem("not-allowed", message, near, path, shown(failure.instance, path))


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


def _range(says: str) -> Words:
    def words(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
        limit = failure.validator_value
        limit = int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        yield Problem(
            "out-of-range",
            f"{named(path)} must be {says} {limit}",
            None,
            path,
            shown(failure.instance, path),
        )

    return words


def _duplicates(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, item in enumerate(failure.instance):
        form = json.dumps(item, sort_keys=True, default=str)
        if form in seen:
            says = f"{named(path)} lists {shown(item, path).removeprefix('the text ')} twice"
            yield Problem("duplicate-entry", says, "remove one of the two", (*path, index))
        seen.add(form)


def _bad_format(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    key = "ledger.url" if path == ("ledger", "url") else str(path[-1]) if path else ""
    hint = _form_hint(key, str(failure.schema.get("format", "")))
    about = hint or failure.schema.get("description")
    yield Problem(
        "bad-format",
        f"{named(path)} has the wrong form",
        about,
        path,
        shown(failure.instance, path),
    )


def _form_hint(key: str, form: str) -> str | None:
    if key.endswith("_env"):
        return "write the NAME of an environment variable, e.g. GATEWAY_ADMIN_KEY; never the secret itself"
    return _FORMS.get(form) or _FORMS.get(key)


_FORMS = {
    "date": "write a day, e.g. 2026-12-31",
    "date-time": "write a day, e.g. 2026-12-31, or an instant, e.g. 2026-12-31T18:00:00Z",
    "url": "write http://... or https://...",
    "ledger.url": "write sqlite:///FILE or postgresql://HOST/DATABASE",
    "api_key": "write os.environ/NAME: a reference, never the secret itself",
    "budget_duration": "write 30s, 5m, 12h, 7d, 4w or 1mo",
    "id": "use lowercase letters, digits, dots, hyphens and underscores",
}


def _no_choice(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
    expected = dict.fromkeys(
        name for branch in failure.validator_value for name in _branch_names(branch)
    )
    message = f"{named(path)} must be {' or '.join(expected)}"
    yield Problem(
        "wrong-type",
        message,
        failure.schema.get("description"),
        path,
        shown(failure.instance, path),
    )


def _branch_names(branch: Mapping[str, Any]) -> list[str]:
    if "type" not in branch:
        return ["a mapping"] if "$ref" in branch else []
    names = branch["type"] if isinstance(branch["type"], list) else [branch["type"]]
    return [
        "a date" if "format" in branch else TYPE_NAMES[name] for name in names if name != "null"
    ]


def _length(says: str, code: str) -> Words:
    def words(failure: SchemaError, path: FieldPath) -> Iterator[Problem]:
        yield Problem(code, f"{named(path)} {says.format(failure.validator_value)}", None, path)

    return words


_WORDING: Mapping[str, Words] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_key,
    "type": _wrong_type,
    "enum": _not_allowed,
    "minimum": _range("at least"),
    "maximum": _range("at most"),
    "exclusiveMinimum": _range("more than"),
    "exclusiveMaximum": _range("less than"),
    "uniqueItems": _duplicates,
    "pattern": _bad_format,
    "anyOf": _no_choice,
    "minLength": _length("must not be empty", "too-short"),
    "maxLength": _length("is longer than {} characters", "too-long"),
    "minItems": _length("must not be empty", "too-short"),
    "maxItems": _length("has more than {} entries", "too-long"),
}
