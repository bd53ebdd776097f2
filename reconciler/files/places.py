"""Places in files, each file read again at most once and only when a finding points into it."""

from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.model.findings import Origin
from reconciler.core.model.refs import FieldPath
from reconciler.files.discovery import shown
from reconciler.files.yaml.read import MAX_BYTES
from reconciler.files.yaml.tree import Place, Tree, tree
from reconciler.system.disk import read_regular


@dataclass(slots=True)
class PlacesByFile:
    """A memory of composed files; a file that has gone in the meantime has only a first line."""

    _known: dict[Path, Tree] = field(default_factory=dict)

    def find(
        self,
        file: Path,
        path: FieldPath,
        *,
        key: bool = False,
        document: int | None = None,
    ) -> Place:
        if file not in self._known:
            self._known[file] = tree(_text(file))
        return self._known[file].find(path, key=key, document=document)

    def origin(
        self,
        file: Path,
        path: FieldPath,
        *,
        key: bool = False,
        document: int | None = None,
    ) -> Origin:
        """The place of a value, or of its nearest parent that exists."""
        place = self.find(file, path, key=key, document=document)
        return Origin(shown(file), place.line, place.column)


def _text(file: Path) -> str:
    try:
        return read_regular(file, MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""
