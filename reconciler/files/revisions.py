"""A config directory as of a git revision, read from git; the working tree is not touched."""

import atexit
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import mkdtemp

from reconciler.core.findings import ReconcilerError, error


def current_commit(directory: Path) -> str | None:
    """The commit that is checked out, with `-dirty` where the directory differs from it; None outside of git."""
    if not directory.is_dir():
        return None
    head = _git(directory, "rev-parse", "HEAD")
    if head.returncode:
        return None
    changed = _git(directory, "status", "--porcelain", "--", ".")
    return head.stdout.decode().strip() + ("-dirty" if changed.stdout.strip() else "")


def as_of(directory: Path, revision: str) -> tuple[Path, str]:
    """(the directory's files as of the revision, its full commit). Raises ReconcilerError where git has neither.

    The copy lives until the process ends: findings are located in it long after it was read.
    """
    commit = _commit(directory, revision)
    archive = _git(directory, "archive", "--format=tar", commit, ".")
    if archive.returncode:
        raise _failed(f"{directory} is not in git at {revision}", archive)
    place = Path(mkdtemp(prefix="reconciler-revision-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(place, filter="data")
    return place, commit


def _commit(directory: Path, revision: str) -> str:
    if not directory.is_dir():
        raise ReconcilerError(error("config-missing", f"there is no config directory {directory}"))
    found = _git(directory, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise _failed(f"git knows no revision {revision!r}", found)
    return found.stdout.decode().strip()


def _git(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, check=False)  # noqa: S603, S607  git from PATH
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, b"", b"git is not installed")


def _failed(message: str, result: "subprocess.CompletedProcess[bytes]") -> ReconcilerError:
    said = result.stderr.decode(errors="replace").strip().splitlines()
    return ReconcilerError(error("revision", message, hint=said[-1] if said else None))
