"""Plan files: JSON on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.core.model.findings import Finding, ReconcilerError, error
from reconciler.core.model.printable import ascii_json
from reconciler.core.plan.saved import SavedPlan, sealed, unsealed
from reconciler.system.disk import atomic_write, read_regular

MOST_BYTES = 512 * 1024 * 1024


def write_plan_file(file: Path, content: Mapping[str, Any]) -> None:
    """The file holds the content, sealed; it appears whole or not at all, for its owner alone.

    Raises ReconcilerError where it cannot.
    """
    if not file.parent.is_dir():
        says = f"cannot write {file}: there is no directory {file.parent}"
        raise ReconcilerError(error("plan-file", says, hint=f"mkdir -p {file.parent}"))
    text = ascii_json(json.dumps(sealed(content), indent=1, sort_keys=True)) + "\n"
    try:
        atomic_write(file, text, private=True)
    except OSError as problem:
        raise ReconcilerError(
            error("plan-file", f"cannot write {file}: {problem.strerror}")
        ) from None


def read_plan_file(file: Path) -> SavedPlan:
    """The saved plan. Raises ReconcilerError where the file is none, is of another format, or was changed."""
    try:
        content = read_regular(file, MOST_BYTES)
    except OSError as problem:
        raise ReconcilerError(
            error("plan-file", f"cannot read {file}: {problem.strerror}")
        ) from None
    return parsed_plan(content, str(file))


def parsed_plan(content: bytes, name: str) -> SavedPlan:
    """The saved plan in what a plan file called `name` holds; as `read_plan_file`."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        message = f"{name} is no JSON"
        raise ReconcilerError(
            error("plan-file", message, hint="reconciler plan --out FILE writes plan files")
        ) from None
    found = _opened(document)
    if isinstance(found, Finding):
        raise ReconcilerError(found)
    return found


def _opened(document: Any) -> SavedPlan | Finding:
    try:
        return unsealed(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return error("plan-file", "the plan file lacks what a plan file holds", hint="plan again")
