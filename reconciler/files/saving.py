"""Texts to files, each whole or not at all."""

from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

from reconciler.system.disk import atomic_write

GITIGNORE = "# What the reconciler remembers here: ledger, embedded gateway, new virtual keys.\n.reconciler/\n"


def save(directory: Path, texts: Mapping[str, str], *, fresh: bool = False) -> None:
    """Writes the texts below the directory; in a fresh one also the schemas for editors, and .gitignore."""
    for name, text in texts.items():
        atomic_write(directory / name, text)
    if fresh:
        from reconciler.files.validate.schemas import write_schemas  # noqa: PLC0415  only once for each directory

        write_schemas(directory / "schemas")
        if not (directory / ".gitignore").exists():
            atomic_write(directory / ".gitignore", GITIGNORE)


def difference(file: Path, text: str) -> str:
    """What writing the text would change in the file, as a unified diff; a new file is all additions."""
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = unified_diff(_lines(before), _lines(text), str(file), str(file), lineterm="")
    return "\n".join(lines)


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []
