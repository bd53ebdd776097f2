"""An export as files: one per subject, teams by organization, with a line on what each holds."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from reconciler.core.imports.export import Export, Exported, Spec
from reconciler.core.model.kinds import KINDS, Resource
from reconciler.core.model.refs import Ref
from reconciler.files.yaml.emit import WIDTH, block, entry, escaped, inline, key

# What people look for first stands first; the other fields follow in the order of the models.
_FIRST = (
    "name",
    "organization_id",
    "team_id",
    "team_alias",
    "litellm_model",
    "description",
    "display_name",
    "price_usd_per_month",
    "extends",
    "plan",
    "access_groups",
    "select",
    "model_aliases",
    "status",
    "credits_allocated",
    "credits_mode",
)
_LAST = ("top_ups", "grants", "tags", "labels", "protect")
_FIELDS = tuple(dict.fromkeys(name for cls in KINDS.values() for name in cls.model_fields))
# The order of all fields of all kinds, for a new field among those that are there.
ORDER = (*_FIRST, *(name for name in _FIELDS if name not in _FIRST and name not in _LAST), *_LAST)

ABOUT = {
    "organization": "Organizations: the customers that teams belong to.",
    "model_alias": "Model aliases: the names that teams call, and the models behind them.",
    "access_group": "Access groups: sets of aliases that are granted together.",
    "pricing_plan": "Pricing plans: what a team gets for its money. They live here only; gateways know teams.",
    "team": "Teams: who calls models.",
    "key": "Virtual keys of teams. Their secrets stay on the gateway.",
}
FILES = {
    "organization": "organizations.yaml",
    "model_alias": "models.yaml",
    "access_group": "access-groups.yaml",
    "pricing_plan": "plans.yaml",
    "key": "keys.yaml",
}
WITHOUT_ORGANIZATION = "without-organization"


@dataclass(frozen=True, slots=True)
class Origins:
    """Where an export came from, for the line at the top of each file."""

    source: str
    schemas: bool = True


def manifests(export: Export, origins: Origins) -> Mapping[str, str]:
    """Relative file name -> text, for every file that has something to say."""
    by_file: dict[str, list[Exported]] = {}
    names = team_files(
        each.spec.get("organization_id")
        for each in export.objects.values()
        if each.ref.kind == "team"
    )
    for each in export.objects.values():
        by_file.setdefault(file_of(each.ref, each.spec, names), []).append(each)
    left = _left_by_kind(export.skipped)
    homes = {kind: FILES.get(kind) or _teams_file(by_file) for kind in left}
    for home in homes.values():
        by_file.setdefault(home, [])
    texts = {}
    for name, objects in sorted(by_file.items()):
        skipped = {kind: refs for kind, refs in left.items() if homes[kind] == name}
        texts[name] = manifest(objects, skipped, header(name, origins))
    return texts


def _teams_file(names: Iterable[str]) -> str:
    """Where to say which teams are left out: in the only file of teams, or in that of no organization."""
    found = [name for name in names if name.startswith("teams/")]
    return found[0] if len(found) == 1 else f"teams/{WITHOUT_ORGANIZATION}.yaml"


def team_files(organizations: Iterable[str | None]) -> Mapping[str | None, str]:
    """Organization -> its file below `teams/`, also for ids that no file could be named after."""
    found: dict[str | None, str] = {}
    taken: set[str] = set()
    for organization in sorted({each for each in organizations if each}):
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", organization).strip(".-")[:100] or "organization"
        number, name = 1, base
        while name.lower() in taken or name == WITHOUT_ORGANIZATION:
            number, name = number + 1, f"{base}-{number + 1}"
        taken.add(name.lower())
        found[organization] = f"teams/{name}.yaml"
    return {**found, None: f"teams/{WITHOUT_ORGANIZATION}.yaml"}


def file_of(ref: Ref, spec: Spec, teams: Mapping[str | None, str]) -> str:
    return FILES.get(ref.kind) or teams[spec.get("organization_id")]


def _left_by_kind(skipped: Mapping[Ref, str]) -> Mapping[str, Mapping[Ref, str]]:
    found: dict[str, dict[Ref, str]] = {}
    for ref, why in sorted(skipped.items()):
        found.setdefault(ref.kind, {})[ref] = why
    return found


def header(name: str, origins: Origins) -> str:
    """The first lines of a file: its schema for editors, and where it is from."""
    up = "../" * (len(PurePosixPath(name).parts) - 1)
    schema = (
        f"# yaml-language-server: $schema={up}schemas/manifest.schema.json\n"
        if origins.schemas
        else ""
    )
    return (
        f"{schema}# Imported from {_one_line(origins.source)}; from here on it is yours to edit.\n"
    )


def manifest(
    objects: Sequence[Exported], skipped: Mapping[str, Mapping[Ref, str]], head: str
) -> str:
    """One file: its sections in the order of the kinds, and a comment on what is left out."""
    parts = [head.rstrip("\n")]
    for kind, cls in KINDS.items():
        chosen = [each for each in objects if each.ref.kind == kind]
        if chosen:
            parts.append("\n".join(_section(cls, chosen)))
        if kind in skipped:
            parts.append("\n".join(_skipped(skipped[kind])))
    return "\n".join(parts) + "\n"


def _section(cls: type[Resource], objects: Sequence[Exported]) -> Iterator[str]:
    yield f"# {ABOUT[cls.kind]}"
    yield f"{cls.section}:"
    provider = None
    for each in sorted(objects, key=_by_provider):
        if cls.kind == "model_alias" and _provider(each) != provider:
            provider = _provider(each)
            yield f"  # {_one_line(provider)}"
        yield from object_lines(each)


def _by_provider(each: Exported) -> tuple[str, Ref]:
    return (_provider(each), each.ref)


def _provider(each: Exported) -> str:
    """What stands before the slash of the model, to keep the aliases of one provider together."""
    deployments = each.spec.get("deployments") or [{}]
    model = each.spec.get("litellm_model") or deployments[0].get("litellm_model") or ""
    return str(model).partition("/")[0] if "/" in str(model) else "other"


def object_lines(each: Exported, indent: int = 2) -> Iterator[str]:
    """The lines of one object: its remarks, its spec, and what is written as a comment."""
    pad = " " * indent
    for remark in each.remarks:
        yield f"{pad}# {_one_line(remark)}"
    spec = escaped(arranged(each.spec))
    aside = [line for name, value in each.aside.items() for line in entry(name, escaped(value), 0)]
    name = each.ref.name
    if len(spec) > 1 or aside:
        yield f"{pad}{key(name)}:" if spec else f"{pad}{key(name)}: {{}}"
        yield from block(spec, indent + 2)
        yield from (f"{pad}  # {line}" for line in aside)
    elif len(short := f"{pad}{key(name)}: {inline(spec)}") <= WIDTH:
        yield short
    else:
        yield from entry(name, spec, indent)


def arranged(spec: Spec) -> dict[str, Any]:
    """The fields in the order in which people read them."""
    middle = [name for name in spec if name not in _FIRST and name not in _LAST]
    order = [*_FIRST, *middle, *_LAST]
    return {name: spec[name] for name in order if name in spec}


def _skipped(left: Mapping[Ref, str]) -> Iterator[str]:
    yield "# Not taken over:"
    for ref, why in left.items():
        yield f"#   {_one_line(ref.name) or '(empty name)'}: {_one_line(why)}"


def _one_line(text: str) -> str:
    """Text for a comment: one line, nothing that a terminal or a parser would act on."""
    return "".join(char if char.isprintable() else " " for char in text)[:400]
