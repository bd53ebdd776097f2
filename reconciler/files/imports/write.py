"""An export as files: one per subject, teams by organization, with a line on what each holds."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from reconciler.core.imports.export import Export, Exported, Spec
from reconciler.core.model.kinds import KINDS, Resource, Team
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


def about(cls: type[Resource]) -> str:
    """The line above a section: what the kind is, in the words of its class where nothing better is said."""
    return ABOUT.get(cls.kind) or (cls.__doc__ or cls.section).split("\n")[0]


def file_of(kind: str) -> str | None:
    """The file that objects of a kind go to; None for teams, which have one for each organization."""
    if kind == Team.kind:
        return None
    return FILES.get(kind, f"{KINDS[kind].section}.yaml")


WITHOUT_ORGANIZATION = "without-organization"


@dataclass(frozen=True, slots=True)
class Origins:
    """Where an export came from, for the line at the top of each file."""

    source: str
    schemas: bool = True


def manifests(export: Export, origins: Origins) -> Mapping[str, str]:
    """Relative file name -> text, for every file that has something to say."""
    teams = [each for each in export.objects.values() if each.ref.kind == "team"]
    names = team_files(each.spec.get("organization_id") for each in teams)
    by_file: dict[str, list[Exported]] = {}
    for ref, exported in export.objects.items():
        name = file_of(ref.kind) or names[exported.spec.get("organization_id")]
        by_file.setdefault(name, []).append(exported)
    skipped = _skipped_by_file(export.skipped, tuple(by_file))
    return {
        name: _manifest(by_file.get(name, []), skipped.get(name, {}), header(name, origins))
        for name in sorted({*by_file, *skipped})
    }


def _skipped_by_file(
    skipped: Mapping[Ref, str], files: Sequence[str]
) -> Mapping[str, dict[str, dict[Ref, str]]]:
    """File -> kind -> what is not taken over, and why.

    Teams stand in the only file of teams, or in that of no organization.
    """
    team_file = f"teams/{WITHOUT_ORGANIZATION}.yaml"
    written = [name for name in files if name.startswith("teams/")]
    if len(written) == 1:
        team_file = written[0]
    by_file: dict[str, dict[str, dict[Ref, str]]] = {}
    for ref, why in sorted(skipped.items()):
        kinds = by_file.setdefault(file_of(ref.kind) or team_file, {})
        kinds.setdefault(ref.kind, {})[ref] = why
    return by_file


def team_files(organizations: Iterable[str | None]) -> Mapping[str | None, str]:
    """Organization -> its file below `teams/`, also for ids that no file could be named after."""
    files: dict[str | None, str] = {None: f"teams/{WITHOUT_ORGANIZATION}.yaml"}
    taken = {WITHOUT_ORGANIZATION}
    for organization in sorted({each for each in organizations if each}):
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", organization).strip(".-")[:100] or "organization"
        name, number = base, 1
        while name.lower() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.lower())
        files[organization] = f"teams/{name}.yaml"
    return files


def header(name: str, origins: Origins) -> Sequence[str]:
    """The first lines of a file: its schema for editors, and where it is from."""
    lines = [f"# Imported from {_one_line(origins.source)}; from here on it is yours to edit."]
    if origins.schemas:
        up = "../" * (len(PurePosixPath(name).parts) - 1)
        lines.insert(0, f"# yaml-language-server: $schema={up}schemas/manifest.schema.json")
    return lines


def _manifest(
    objects: Sequence[Exported], skipped: Mapping[str, Mapping[Ref, str]], head: Sequence[str]
) -> str:
    """One file: its sections in the order of the kinds, and a comment on what is left out."""
    lines = list(head)
    for kind, cls in KINDS.items():
        of_kind = [each for each in objects if each.ref.kind == kind]
        if of_kind:
            lines += _section(cls, of_kind)
        if kind in skipped:
            lines.append("# Not taken over:")
        for ref, why in skipped.get(kind, {}).items():
            lines.append(f"#   {_one_line(ref.name) or '(empty name)'}: {_one_line(why)}")
    return "\n".join((*lines, ""))


def _section(cls: type[Resource], objects: Sequence[Exported]) -> Iterator[str]:
    yield f"# {about(cls)}"
    yield f"{cls.section}:"
    provider = None
    for exported in sorted(objects, key=_by_provider):
        if cls.kind == "model_alias" and _provider(exported) != provider:
            provider = _provider(exported)
            yield f"  # {_one_line(provider)}"
        yield from object_lines(exported)


def _by_provider(exported: Exported) -> tuple[str, Ref]:
    return (_provider(exported), exported.ref)


def _provider(exported: Exported) -> str:
    """What stands before the slash of the model, to keep the aliases of one provider together."""
    deployments = exported.spec.get("deployments") or [{}]
    model = exported.spec.get("litellm_model") or deployments[0].get("litellm_model") or ""
    provider, slash, _ = str(model).partition("/")
    return provider if slash else "other"


def object_lines(exported: Exported, indent: int = 2) -> Iterator[str]:
    """The lines of one object: its remarks, its spec, and what is written as a comment."""
    pad = " " * indent
    for remark in exported.remarks:
        yield f"{pad}# {_one_line(remark)}"
    spec = escaped(arranged(exported.spec))
    start = f"{pad}{key(exported.ref.name)}:"
    if len(spec) <= 1 and not exported.aside:
        on_one_line = f"{start} {inline(spec)}"
        fits = len(on_one_line) <= WIDTH
        yield from [on_one_line] if fits else entry(exported.ref.name, spec, indent)
        return
    yield start if spec else f"{start} {{}}"
    yield from block(spec, indent + 2)
    for name, value in exported.aside.items():
        for line in entry(name, escaped(value), 0):
            yield f"{pad}  # {line}"


def arranged(spec: Spec) -> dict[str, Any]:
    """The fields in the order in which people read them."""
    middle = [name for name in spec if name not in _FIRST and name not in _LAST]
    order = [*_FIRST, *middle, *_LAST]
    return {name: spec[name] for name in order if name in spec}


def _one_line(text: str) -> str:
    """Text for a comment: one line, nothing that a terminal or a parser would act on."""
    return "".join(char if char.isprintable() else " " for char in text)[:400]
