"""Places inside of an expression that a manifest holds: where CEL says line and column, the file's own are said."""

from dataclasses import replace
from pathlib import Path

from reconciler.core.model.findings import Origin, error
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.files.manifests import Manifests, locate
from reconciler.files.yaml.read import MAX_BYTES
from reconciler.system.disk import read_regular


def expression_origin(
    manifests: Manifests, ref: Ref, path: FieldPath, line: int, column: int
) -> Origin | None:
    """The place of (line, column) of an expression, both from 1; in folded text the beginning of its line."""
    origin = locate(manifests, error("", "", ref=ref, path=path)).origin
    if origin is None:
        return None
    try:
        text = read_regular(Path(origin.file), MAX_BYTES).decode("utf-8").splitlines()
        first = text[origin.line - 1][origin.column - 1 :]
    except (OSError, UnicodeDecodeError, IndexError):  # the place is then known to the value
        return origin
    if not first.startswith(("|", ">")):
        quoted = first[:1] in "'\""
        return replace(origin, column=origin.column + column - 1 + quoted) if line == 1 else origin
    row = origin.line + line
    below = next((each for each in text[origin.line :] if each.strip()), "")
    indent = len(below) - len(below.lstrip())
    inside = row <= len(text) and indent + column <= len(text[row - 1]) + 1
    return (
        replace(origin, line=row, column=indent + column)
        if inside
        else replace(origin, line=origin.line + 1, column=1)
    )
