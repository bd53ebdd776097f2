"""The files of others that an import reads, as plain JSON: bounded in size and depth, whatever they hold."""

import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from reconciler.core.model.findings import Origin, ReconcilerError, error
from reconciler.files.parsing import unreadable
from reconciler.files.yaml.events import MAX_DEPTH
from reconciler.files.yaml.read import MAX_BYTES, read_yaml
from reconciler.system.disk import read_regular

# What PyYAML's constructors raise where a tag or a date does not fit its value.
_MISFITS = (ValueError, ArithmeticError, TypeError, AttributeError, LookupError)


def read_yaml_source(file: Path) -> Any:
    """A YAML file with the values that LiteLLM sees, which reads YAML 1.1 by PyYAML's safe loader.

    Raises ReconcilerError for what this product's own reader refuses (syntax, depth, aliases) and for what has no
    value there.
    """
    content = _content(file)
    checked = read_yaml(content, str(file))
    if not checked.complete:
        raise ReconcilerError(*checked.findings)
    try:
        return as_json(yaml.safe_load(content.decode("utf-8-sig")))
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        place = (
            Origin(str(file), mark.line + 1, mark.column + 1) if mark else Origin(str(file), 1, 1)
        )
        says = f"the file cannot be read: {failure.problem}"
        raise ReconcilerError(error("import-source", says, origin=place)) from failure
    except (yaml.YAMLError, *_MISFITS) as failure:
        says = "the file cannot be read: a value does not fit its tag, or is no day that there is"
        place = Origin(str(file), 1, 1)
        raise ReconcilerError(error("import-source", says, origin=place)) from failure


def read_json_source(file: Path, hint: str) -> Any:
    """A JSON file. Raises ReconcilerError, with the hint, where it is none or nested too deeply."""
    try:
        return as_json(json.loads(_content(file).decode("utf-8")))
    except (ValueError, RecursionError) as failure:
        says = f"{file} cannot be read as JSON"
        raise ReconcilerError(error("import-source", says, hint=hint)) from failure


def as_json(value: Any, depth: int = 0) -> Any:
    """The value with what JSON lacks as text: days, keys and numbers that are none; sets as lists.

    Raises ValueError beyond `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_text(key): as_json(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner, depth + 1) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_text, value))
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if value is None or is_number else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")  # JSON may hold half of a surrogate pair


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping as it is; anything else is read as an empty one."""
    return value if isinstance(value, Mapping) else {}


def names(value: Any) -> list[str]:
    """The names that a list holds, sorted, each once; anything else holds none."""
    listed = value if isinstance(value, list) else []
    return sorted({str(name) for name in listed if isinstance(name, (str, int)) and name != ""})


def _content(file: Path) -> bytes:
    try:
        return read_regular(file, MAX_BYTES)
    except OSError as failure:
        raise ReconcilerError(unreadable(file, failure)) from failure
