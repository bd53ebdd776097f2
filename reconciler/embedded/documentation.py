"""The page at /docs: the OpenAPI description for people, without scripts and without anybody else's server."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: #1c1e21; background: #fff; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h2 { margin: 2rem 0 .5rem; } nav a { margin-right: .75rem; }
details { border-top: 1px solid #d9dce1; padding: .5rem 0; } summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; } code { font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; }
th, td { border-bottom: 1px solid #e8eaee; padding: .25rem .5rem .25rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { color: #e6e7e9; background: #16181b; } a { color: #7ab7ff; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    place: str
    type: str
    meaning: str
    required: bool


@dataclass(slots=True)
class _Group:
    name: str
    description: str
    operations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return self.name.replace(" ", "-")


def install(app: FastAPI) -> None:
    """Serves the page at /docs and at /."""

    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers={"Content-Security-Policy": _POLICY})

    for path in ("/docs", "/"):
        app.add_api_route(path, docs, include_in_schema=False)


def page(openapi: Mapping[str, Any]) -> str:
    """The description as HTML."""
    environment = Environment(loader=PackageLoader("reconciler.embedded"), autoescape=True)
    return environment.get_template("docs.html").render(
        title=openapi["info"]["title"],
        introduction=_paragraphs(openapi["info"].get("description", "")),
        style=STYLE,
        groups=_groups(openapi),
    )


def _groups(openapi: Mapping[str, Any]) -> list[_Group]:
    groups = {
        tag["name"]: _Group(tag["name"], tag.get("description", ""))
        for tag in openapi.get("tags", ())
    }
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            name = (operation.get("tags") or ["other"])[0]
            group = groups.setdefault(name, _Group(name, ""))
            group.operations.append(_operation(openapi, path, method, operation))
    return [group for group in groups.values() if group.operations]


def _operation(
    openapi: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> dict[str, Any]:
    answers = [
        {
            "status": status,
            "description": answer.get("description", ""),
            "fields": _names(openapi, answer),
        }
        for status, answer in operation.get("responses", {}).items()
    ]
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": _paragraphs(operation.get("description", "")),
        "fields": [*_parameters(operation), *_body(openapi, operation)],
        "answers": answers,
    }


def _parameters(operation: Mapping[str, Any]) -> Iterator[_Field]:
    for parameter in operation.get("parameters", ()):
        meaning = parameter.get("description", "")
        required = parameter.get("required", False)
        yield _Field(
            parameter["name"], parameter["in"], _type(parameter["schema"]), meaning, required
        )


def _body(openapi: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[_Field]:
    schema = _schema(openapi, operation.get("requestBody", {}))
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        yield _Field(name, "body", _type(value), value.get("description", ""), name in required)


def _names(openapi: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    return ", ".join(_schema(openapi, answer).get("properties", {}))


def _schema(openapi: Mapping[str, Any], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a body or an answer, its reference followed; {} where it has none."""
    schema: Mapping[str, Any] = (
        content.get("content", {}).get("application/json", {}).get("schema", {})
    )
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    reference = (choices[0] if choices else schema).get("$ref", "")
    schemas: Mapping[str, Any] = openapi.get("components", {}).get("schemas", {})
    found: Mapping[str, Any] = schemas.get(reference.rpartition("/")[2], schema)
    return found


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(
        schema.get("const", schema.get("type", schema.get("$ref", "any").rpartition("/")[2]))
    )


def _paragraphs(text: str) -> list[str]:
    return [line for line in (line.strip().replace("**", "") for line in text.splitlines()) if line]
