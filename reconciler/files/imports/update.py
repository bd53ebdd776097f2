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
    FILES,
    ORDER,
    Origins,
    arranged,
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
    """One file's text and the documents that it is to have."""

    text: str
    documents: list[Any]
    sections: dict[str, Any] = field(default_factory=dict)

    def holding(self, section: str, name: str | None = None) -> int | None:
        """The number of the document that has the section, or the object in it."""
        for number, document in enumerate(self.documents):
            specs = document.get(section) if isinstance(document, dict) else None
            if specs is not None and (name is None or name in specs):
                return number
        return None


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
        for ref in merge.gone if prune else ():
            self._remove(ref)
        fresh = self._place(merge.added.objects)
        self._lint(merge.added.lint)
        texts = {self._relative(path): text for path, text in self._texts()}
        return {
            **texts,
            **{name: self._new(name, objects) for name, objects in sorted(fresh.items())},
        }

    def _file(self, path: Path) -> _File:
        if path not in self.files:
            text = path.read_bytes().decode("utf-8")
            self.files[path] = _File(text, list(read_yaml(text.encode(), "").documents))
        return self.files[path]

    def _set(self, ref: Ref, name: str, value: Any) -> None:
        """In the overlay where that says the field, otherwise in the base, otherwise in the deepest file there is."""
        section, said = KINDS[ref.kind].section, False
        for path in self._holders(ref):
            file = self._file(path)
            number = file.holding(section, ref.name)
            spec = file.documents[number][section][ref.name] if number is not None else None
            if number is None or not isinstance(spec, dict):
                continue
            if name in spec or (not said and path == self._home(ref, name)):
                self._write(file, number, ref, name, value, spec)
                said = True
                if value is not ABSENT:
                    return

    def _holders(self, ref: Ref) -> Sequence[Path]:
        over = self.manifests.overlays.get(ref)
        base = self.manifests.files[ref]
        return (over, base) if over is not None and over != base else (base,)

    def _home(self, ref: Ref, name: str) -> Path:
        """Where a field that nobody says yet goes to."""
        holders = self._holders(ref)
        section = KINDS[ref.kind].section
        for path in holders:
            file = self._file(path)
            number = file.holding(section, ref.name)
            if number is not None and name in (file.documents[number][section][ref.name] or {}):
                return path
        return holders[0]

    def _write(
        self, file: _File, number: int, ref: Ref, name: str, value: Any, spec: Mapping[str, Any]
    ) -> None:
        if _has_variable(spec.get(name)):
            says = f"{name} of {ref} comes from a variable and differs on the gateway; it is left as it is"
            self._tell("import-variable", says, ref, name)
            return
        changed = {key: item for key, item in spec.items() if key != name}
        if value is not ABSENT:
            changed[name] = _ordered_as(spec.get(name), escaped(value))
        section = KINDS[ref.kind].section
        document = file.documents[number]
        file.documents[number] = {**document, section: {**document[section], ref.name: changed}}

    def _remove(self, ref: Ref) -> None:
        section = KINDS[ref.kind].section
        for path in self._holders(ref):
            file = self._file(path)
            number = file.holding(section, ref.name)
            if number is not None:
                document = file.documents[number]
                rest = {name: spec for name, spec in document[section].items() if name != ref.name}
                file.documents[number] = {**document, section: rest}

    def _place(self, objects: Mapping[Ref, Exported]) -> Mapping[str, list[Exported]]:
        """Puts each new object into the fitting file; answers those that need a new file."""
        fresh: dict[str, list[Exported]] = {}
        names = team_files(
            each.spec.get("organization_id") for each in objects.values() if each.ref.kind == "team"
        )
        for ref, each in objects.items():
            path = self._fitting(ref, each)
            if path is None:
                name = FILES.get(ref.kind) or names[each.spec.get("organization_id")]
                fresh.setdefault(name, []).append(each)
            else:
                self._add(self._file(path), ref, each)
        return fresh

    def _fitting(self, ref: Ref, each: Exported) -> Path | None:
        """Where the same organization's teams are; otherwise where most objects of the kind are."""
        alike = [other for other in self.manifests.state if other.kind == ref.kind]
        if ref.kind == "team":
            theirs = [
                other
                for other in alike
                if self._organization(other) == each.spec.get("organization_id")
            ]
            if not theirs and (self.directory / "teams").is_dir():
                return None
            alike = theirs or alike
        held = [self.manifests.files[other] for other in alike if other in self.manifests.files]
        return max(sorted(set(held)), key=held.count) if held else None

    def _organization(self, ref: Ref) -> Any:
        return getattr(self.manifests.state[ref], "organization_id", None)

    def _add(self, file: _File, ref: Ref, each: Exported) -> None:
        section, spec = KINDS[ref.kind].section, escaped(arranged(each.spec))
        number = file.holding(section)
        if number is None:
            file.sections.setdefault(section, {})[ref.name] = spec
        else:
            document = file.documents[number]
            file.documents[number] = {**document, section: {**document[section], ref.name: spec}}

    def _lint(self, levels: Mapping[str, str]) -> None:
        path = self.directory / SETTINGS_FILES[0]
        if not levels or not path.is_file():
            return
        file = self._file(path)
        document = (
            file.documents[0] if file.documents and isinstance(file.documents[0], dict) else {}
        )
        had = document.get("lint")
        missing = {code: level for code, level in levels.items() if code not in (had or {})}
        if missing and had:
            file.documents[0] = {**document, "lint": {**had, **missing}}
        elif missing:
            file.sections["lint"] = missing

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
        lines = [
            header(
                name, Origins("the gateway", schemas=(self.directory / "schemas").is_dir())
            ).rstrip("\n")
        ]
        for section, cls in ((cls.section, cls) for cls in KINDS.values()):
            chosen = [each for each in objects if each.ref.kind == cls.kind]
            if chosen:
                lines += [f"{section}:", *(line for each in chosen for line in object_lines(each))]
        return "\n".join((*lines, ""))

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.directory)).as_posix()

    def _tell(self, code: str, message: str, ref: Ref, name: str) -> None:
        self.findings.append(
            warning(code, message, hint="change it by hand", ref=ref, path=(name,))
        )

    def _tell_problem(self, path: Path, place: FieldPath, why: str) -> None:
        what = ".".join(map(str, place)) or self._relative(path)
        says = f"{what} cannot be changed by itself: {why}"
        self.findings.append(
            warning("import-by-hand", says, hint=f"change it by hand in {self._relative(path)}")
        )


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
