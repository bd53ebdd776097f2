"""JSON Schema (2020-12) of manifests and settings, generated from the typed models and committed under `schemas/`."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from reconciler.core.model.kinds import SECTIONS, Resource, Spec
from reconciler.core.model.settings import Settings
from reconciler.system.disk import atomic_write

Schema = dict[str, Any]

REUSABLE = "x-"
"""A top-level key that begins so holds what is reused by anchors and aliases; it is ignored otherwise."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DATE_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?$"
_PATTERNS = {"date": _DATE, "date-time": _DATE_TIME}


@cache
def spec_schema(cls: type[Spec]) -> Schema:
    """The self-contained schema of one model, e.g. of a team's spec."""
    generated = cls.model_json_schema(ref_template="#/$defs/{model}")
    return {"$schema": _DIALECT, **_tidy(generated)}


def manifest_schema() -> Schema:
    """The schema of a manifest: each section maps ids to specs. An empty section is allowed, an unknown one is not."""
    return _sections_schema(
        "manifest", "Resources by section and id; any number of files below the config directory."
    )


def overlay_schema() -> Schema:
    """The schema of a file below `environments/<name>/`: as a manifest, but all keys optional and null to remove."""
    schema = _sections_schema(
        "overlay", "What one environment changes: merged key by key over the manifests."
    )
    for section in schema["properties"].values():
        section["additionalProperties"] = {
            "anyOf": [section["additionalProperties"], {"type": "null"}]
        }
    for cls in SECTIONS.values():
        schema["$defs"][cls.__name__].pop("required", None)
    return schema


def settings_schema() -> Schema:
    """The schema of `reconciler.yaml`."""
    return {**_head("settings"), **spec_schema(Settings), "title": "Settings", **_reusable()}


SCHEMAS: Mapping[str, Any] = {
    "manifest.schema.json": manifest_schema,
    "overlay.schema.json": overlay_schema,
    "settings.schema.json": settings_schema,
}


def write_schemas(directory: Path) -> tuple[Path, ...]:
    """Writes every schema, deterministically; returns the files."""
    for name in SCHEMAS:
        atomic_write(directory / name, rendered(name))
    return tuple(directory / name for name in SCHEMAS)


def stale_schemas(directory: Path) -> tuple[str, ...]:
    """The names of the schemas that are missing there or say something else than the models do."""
    return tuple(name for name in SCHEMAS if _text(directory / name) != rendered(name))


def rendered(name: str) -> str:
    """A schema as it is committed."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def schemas_directory() -> Path:
    """Where the committed schemas lie: inside an installed wheel, or in the checkout."""
    packaged = Path(str(files("reconciler"))) / "_data" / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "schemas"


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return None


def _head(name: str) -> Schema:
    return {"$schema": _DIALECT, "$id": f"urn:reconciler:{name}:1"}


def _reusable() -> Schema:
    """The keys that are free for anchors."""
    says = "Anything to reuse in this file by an anchor (&name) and aliases (*name); ignored otherwise."
    return {"patternProperties": {f"^{REUSABLE}": {"description": says}}}


def _sections_schema(name: str, description: str) -> Schema:
    definitions: Schema = {}
    properties = {}
    for section, cls in SECTIONS.items():
        schema = {k: v for k, v in spec_schema(cls).items() if k != "$schema"}
        definitions |= schema.pop("$defs", {})
        definitions[cls.__name__] = schema
        properties[section] = _section(cls)
    return {
        **_head(name),
        "title": name.capitalize(),
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **_reusable(),
        "$defs": json.loads(json.dumps(dict(sorted(definitions.items())))),
    }


def _section(cls: type[Resource]) -> Schema:
    return {
        "title": cls.section,
        "description": (cls.__doc__ or "").split("\n")[0],
        "type": ["object", "null"],
        "additionalProperties": {"$ref": f"#/$defs/{cls.__name__}"},
    }


def _tidy(node: Any) -> Any:
    """The same schema, simpler: `anyOf` of a type and null becomes one type, and formats become patterns too."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(value) for key, value in node.items()}
    if isinstance(tidy.get("format"), str) and tidy["format"] in _PATTERNS:
        tidy["pattern"] = _PATTERNS[tidy["format"]]
    return _nullable(tidy)


def _nullable(schema: Schema) -> Schema:
    branches = schema.get("anyOf", [])
    if len(branches) != 2 or branches[1] != {"type": "null"} or "type" not in branches[0]:  # noqa: PLR2004
        return schema
    branch = dict(branches[0])
    branch["type"] = [branch["type"], "null"]
    if "enum" in branch:
        branch["enum"] = [*branch["enum"], None]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**branch, **rest}
