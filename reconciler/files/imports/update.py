"""A merge into the files that hold its objects: which file, which document, and the text that comes out."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.core.imports.export import Exported
from reconciler.core.imports.live import ABSENT
from reconciler.core.imports.merge import Merge
from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.kinds import KINDS
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.files.discovery import SETTINGS_FILES
from reconciler.files.imports.write import (
    ORDER,
    Origins,
    arranged,
    file_of,
    header,
    object_lines,
    team_files,
)
from reconciler.files.manifests import Manifests
from reconciler.files.yaml.emit import escaped
from reconciler.files.yaml.read import read_yaml
from reconciler.files.yaml.roundtrip import appended, edited


@dataclass
class _File:
    """One file's text, the documents that it is to have, and sections that it is to get."""

    text: str
    documents: list[Any]
    sections: dict[str, Any] = field(default_factory=dict)

    def holding(self, section: str, name: str | None = None) -> int | None:
        """The number of the document that has the section, or the object in it."""
        for number, document in enumerate(self.documents):
            if not isinstance(document, dict) or section not in document:
                continue
            specs = document[section]
            if name is None or (isinstance(specs, dict) and name in specs):
                return number
        return None

    def specs(self, number: int, section: str) -> dict[str, Any]:
        """What stands in a section, to be changed; a section that is empty becomes a mapping."""
        document = self.documents[number]
        document[section] = document[section] or {}
        specs: dict[str, Any] = document[section]
        return specs


@dataclass(frozen=True)
class _Declaration:
    """Where an object is declared: the specs of its section in one document of a file."""

    specs: dict[str, Any]
    name: str

    @property
    def spec(self) -> Any:
        return self.specs[self.name]


@dataclass
class Updating:
    """The files of a config directory while a merge goes into them."""

    directory: Path
    manifests: Manifests
    findings: list[Finding] = field(default_factory=list)
    files: dict[Path, _File] = field(default_factory=dict)

    def into(self, merge: Merge, *, prune: bool = False) -> Mapping[str, str]:
        """Relative file name -> new text, for the files that change."""
        for ref, fields in merge.changed.items():
            for name, value in fields.items():
                self._set(ref, name, value)
        if prune:
            for ref in merge.gone:
                for declaration in self._declarations(ref):
                    del declaration.specs[declaration.name]
        fresh = self._place(merge.added.objects)
        self._lint(merge.added.lint)
        texts = {self._relative(path): text for path, text in self._texts()}
        for name, objects in sorted(fresh.items()):
            texts[name] = self._new(name, objects)
        return texts

    def _file(self, path: Path) -> _File:
        if path not in self.files:
            text = path.read_bytes().decode("utf-8")
            self.files[path] = _File(
                text, [_own(d) for d in read_yaml(text.encode(), "").documents]
            )
        return self.files[path]

    def _declarations(self, ref: Ref) -> Sequence[_Declaration]:
        """The overlay's, if it has one, and the base's."""
        section = KINDS[ref.kind].section
        over, base = self.manifests.overlays.get(ref), self.manifests.files[ref]
        declarations = []
        for path in dict.fromkeys((over or base, base)):
            file = self._file(path)
            number = file.holding(section, ref.name)
            if number is not None:
                declarations.append(_Declaration(file.specs(number, section), ref.name))
        return declarations

    def _set(self, ref: Ref, name: str, value: Any) -> None:
        """In the overlay where that says the field, otherwise in the base where that does, otherwise in the overlay.

        A field that goes, goes from both.
        """
        declarations = [each for each in self._declarations(ref) if isinstance(each.spec, dict)]
        saying = [each for each in declarations if name in each.spec] or declarations
        for declaration in saying if value is ABSENT else saying[:1]:
            self._write(declaration, ref, name, value)

    def _write(self, declaration: _Declaration, ref: Ref, name: str, value: Any) -> None:
        spec = declaration.spec
        if _has_variable(spec.get(name)):
            says = f"{name} of {ref} comes from a variable and differs on the gateway; it is left as it is"
            hint = "change it by hand"
            self.findings.append(warning("import-variable", says, hint=hint, ref=ref, path=(name,)))
            return
        changed = {key: item for key, item in spec.items() if key != name}
        if value is not ABSENT:
            changed[name] = _ordered_as(spec.get(name), escaped(value))
        declaration.specs[declaration.name] = changed

    def _place(self, objects: Mapping[Ref, Exported]) -> Mapping[str, list[Exported]]:
        """Puts each new object into the fitting file; answers those that need a new file."""
        fresh: dict[str, list[Exported]] = {}
        organizations = {_organization(new) for ref, new in objects.items() if ref.kind == "team"}
        names = team_files(organizations)
        for ref, new in objects.items():
            path = self._fitting(ref, new)
            if path is None:
                name = file_of(ref.kind) or names[_organization(new)]
                fresh.setdefault(name, []).append(new)
            else:
                self._add(self._file(path), ref, new)
        return fresh

    def _fitting(self, ref: Ref, new: Exported) -> Path | None:
        """Where the same organization's teams are; otherwise where most objects of the kind are."""
        neighbours = [other for other in self.manifests.state if other.kind == ref.kind]
        if ref.kind == "team":
            state = self.manifests.state
            colleagues = [
                other
                for other in neighbours
                if getattr(state[other], "organization_id", None) == _organization(new)
            ]
            if not colleagues and (self.directory / "teams").is_dir():
                return None
            neighbours = colleagues or neighbours
        files = [
            self.manifests.files[other] for other in neighbours if other in self.manifests.files
        ]
        return max(sorted(set(files)), key=files.count) if files else None

    def _add(self, file: _File, ref: Ref, new: Exported) -> None:
        section, spec = KINDS[ref.kind].section, escaped(arranged(new.spec))
        number = file.holding(section)
        if number is None:
            file.sections.setdefault(section, {})[ref.name] = spec
        else:
            file.specs(number, section)[ref.name] = spec

    def _lint(self, levels: Mapping[str, str]) -> None:
        """Levels that the settings do not say yet."""
        path = self.directory / SETTINGS_FILES[0]
        if not levels or not path.is_file():
            return
        file = self._file(path)
        number = file.holding("lint")
        written = {} if number is None else file.specs(number, "lint")
        missing = {code: level for code, level in levels.items() if code not in written}
        if number is None and missing:
            file.sections["lint"] = missing
        else:
            written.update(missing)

    def _texts(self) -> Iterator[tuple[Path, str]]:
        for path, file in sorted(self.files.items()):
            done = edited(file.text, file.documents, ORDER)
            for problem in done.problems:
                self._tell_problem(path, problem.path, problem.why)
            text = appended(done.text, file.sections) if file.sections else done.text
            if text != file.text:
                yield path, text

    def _new(self, name: str, objects: Sequence[Exported]) -> str:
        """A new file; a directory of that kind may lie anywhere, so no schema line is guessed."""
        schemas = (self.directory / "schemas").is_dir()
        lines = [*header(name, Origins("the gateway", schemas=schemas))]
        for cls in KINDS.values():
            of_kind = [each for each in objects if each.ref.kind == cls.kind]
            if of_kind:
                lines.append(f"{cls.section}:")
            for exported in of_kind:
                lines += object_lines(exported)
        return "\n".join((*lines, ""))

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.directory)).as_posix()

    def _tell_problem(self, path: Path, place: FieldPath, why: str) -> None:
        what = ".".join(map(str, place)) or self._relative(path)
        says = f"{what} cannot be changed by itself: {why}"
        self.findings.append(
            warning("import-by-hand", says, hint=f"change it by hand in {self._relative(path)}")
        )


def _own(document: Any) -> Any:
    """The document with its sections copied, because anchors may share them; specs are replaced, never changed."""
    if not isinstance(document, dict):
        return document
    return {
        section: dict(specs) if isinstance(specs, dict) else specs
        for section, specs in document.items()
    }


def _organization(team: Exported) -> Any:
    return team.spec.get("organization_id")


def _has_variable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_variable, value.values()))
    if isinstance(value, list):
        return any(map(_has_variable, value))
    return isinstance(value, str) and "${" in value.replace("$${", "")


def _ordered_as(before: Any, value: Any) -> Any:
    """A list of names in the order in which the file has it, new ones at its end."""
    if not (isinstance(before, list) and isinstance(value, list)):
        return value
    kept = [each for each in before if each in value]
    return [*kept, *(each for each in value if each not in before)]
