"""The admin key that a gateway makes for itself: in a file that its owner alone may read."""

import os
import secrets
import stat
from pathlib import Path

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.system.disk import atomic_write, private_directory


def kept_or_made(file: Path) -> tuple[str, bool]:
    """The key in the file, and whether it was made just now. Raises ReconcilerError where it cannot be kept so."""
    try:
        kept = _read(file)
        if kept is not None:
            return kept, False
        key = secrets.token_urlsafe(32)
        private_directory(file.absolute().parent)
        atomic_write(file.absolute(), f"{key}\n", private=True)
    except OSError as problem:
        text = f"cannot keep the admin key in {file}: {problem.strerror or problem}"
        raise ReconcilerError(
            error("gateway", text, hint="give it one: RECONCILER_ADMIN_KEY")
        ) from None
    return key, True


def _read(file: Path) -> str | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as handle:
        status = os.fstat(descriptor)
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_mode & 0o077
            or status.st_uid != os.geteuid()
        ):
            raise PermissionError(0, "it must be a file of its owner's alone (mode 0600)")
        return handle.read(1000).decode("ascii", "replace").strip()
