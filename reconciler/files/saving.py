"""Texts to files, each whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

GITIGNORE = "# What the reconciler remembers here: ledger, embedded gateway, new virtual keys.\n.reconciler/\n"


def save(directory: Path, texts: Mapping[str, str], *, fresh: bool = False) -> None:
    """Writes the texts below the directory; in a fresh one also the schemas for editors, and .gitignore."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        replace_file(directory / name, text)
    if fresh:
        from reconciler.files.schemas import write_schemas  # noqa: PLC0415  only once for each directory

        write_schemas(directory / "schemas")
        if not (directory / ".gitignore").exists():
            replace_file(directory / ".gitignore", GITIGNORE)


def replace_file(file: Path, text: str) -> None:
    """The file's new text, in one step: a crash leaves the old file or the new one. Its mode stays."""
    real = Path(os.path.realpath(file))
    real.parent.mkdir(parents=True, exist_ok=True)
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text.encode("utf-8"))
        Path(name).chmod(mode)
        Path(name).replace(real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
