"""A config directory as of a git revision, read from git's objects; the working tree is not touched."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.files.discovery import PRICES_FILE, SETTINGS_FILES, discover
from reconciler.files.git import Answer, git, hidden
from reconciler.system.disk import temporary_copy

_FILES, _LINK, _SUBMODULE = ("100644", "100755", "100664"), "120000", "160000"
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit holds under one name: a file or a link, by the id of its content."""

    mode: str
    blob: str


Tree = Mapping[str, Entry]  # names relative to the config directory, with slashes


def current_commit(directory: Path) -> str | None:
    """The commit that is checked out, with `-dirty` where what is read differs from it; None outside of git."""
    if not directory.is_dir():
        return None
    answer = _commit_of(directory, "HEAD")
    listed = _listed(directory, answer) if answer.returncode == 0 else None
    if listed is None:
        return None
    commit, tree = listed
    return commit if _unchanged(directory, tree) else f"{commit}-dirty"


def content_id(directory: Path) -> str | None:
    """Names what the commit that is checked out holds of the directory, whichever commit that is; None for nothing."""
    return _name_of(directory, "HEAD:./")


def merged_head(directory: Path) -> str | None:
    """Where the commit that is checked out is a merge: the commit that it merged into its first parent."""
    return _name_of(directory, "HEAD^2^{commit}")


def _name_of(directory: Path, wanted: str) -> str | None:
    if not directory.is_dir():
        return None
    answer = git(
        directory, "rev-parse", "--absolute-git-dir", "--verify", "--end-of-options", wanted
    )
    found, _, name = answer.stdout.removesuffix(b"\n").rpartition(b"\n")
    if answer.returncode or hidden(directory, Path(os.fsdecode(found))):
        return None
    return name.decode()


def as_of(directory: Path, revision: str) -> tuple[Path, str]:
    """(the directory's files as of the revision, its full commit). Raises ReconcilerError where git has neither.

    The copy lives until the process ends: findings are located in it long after it was read.
    """
    place, commit = copied(directory, revision)
    if place is None:
        raise _refused(f"{directory} is not in git at {revision}")
    return place, commit


def copied(
    directory: Path, revision: str, *, only: frozenset[str] | None = None
) -> tuple[Path | None, str]:
    """As `as_of`, but None for the files where the commit has none.

    With `only`, just the files of those names, unless one of them is a link to another.
    """
    if not directory.is_dir():
        raise ReconcilerError(error("config-missing", f"there is no config directory {directory}"))
    answer = _commit_of(directory, revision)
    if answer.returncode:
        raise _failed(f"git knows no revision {revision!r}", answer)
    listed = _listed(directory, answer)
    if listed is None:
        raise _refused(f"a git repository is hidden in or around {directory}: it is not read")
    commit, tree = listed
    if only is not None and all(tree[name].mode != _LINK for name in only & tree.keys()):
        tree = {name: entry for name, entry in tree.items() if name in only}
    if not tree:
        return None, commit
    return _copy(tree, _contents(directory, tree)), commit


# ---- what git holds


def _commit_of(directory: Path, revision: str) -> Answer:
    """Two lines: the git directory, and the commit."""
    wanted = f"{revision}^{{commit}}"
    return git(directory, "rev-parse", "--absolute-git-dir", "--verify", "--end-of-options", wanted)


def _listed(directory: Path, answer: Answer) -> tuple[str, Tree] | None:
    """The commit and what it holds of the directory; None where the repository is one that was planted."""
    found, _, commit = answer.stdout.removesuffix(b"\n").rpartition(b"\n")
    if hidden(directory, Path(os.fsdecode(found))):
        return None
    name = commit.decode()
    listing = git(directory, "ls-tree", "-r", "-z", name)
    if listing.returncode:
        raise _failed(f"git cannot list {directory} at {name}", listing)
    return name, dict(_entries(listing.stdout))


def _entries(listing: bytes) -> Iterator[tuple[str, Entry]]:
    """Lines of `git ls-tree -z`: MODE TYPE ID, a tab, the name."""
    for line in listing.split(b"\0")[:-1]:
        about, _, name = line.partition(b"\t")
        mode, _, blob = about.decode().split(" ")
        yield os.fsdecode(name), Entry(mode, blob)


def _contents(directory: Path, tree: Tree) -> Mapping[str, bytes]:
    """The content of every entry by its id, byte for byte as committed: no filter is run over it."""
    wanted = list(dict.fromkeys(entry.blob for entry in tree.values() if entry.mode != _SUBMODULE))
    answer = git(
        directory, "cat-file", "--batch", given="".join(f"{blob}\n" for blob in wanted).encode()
    )
    contents: dict[str, bytes] = {}
    rest = memoryview(answer.stdout)
    for blob in wanted:
        head = bytes(rest[:200]).partition(b"\n")[0]
        words = head.decode(errors="replace").split(" ")
        if answer.returncode or words[:2] != [blob, "blob"]:
            raise _failed(f"git lacks objects of {directory} (is it a partial clone?)", answer)
        start, size = len(head) + 1, int(words[2])
        contents[blob] = bytes(rest[start : start + size])
        rest = rest[start + size + 1 :]
    return contents


# ---- to files


def _copy(tree: Tree, contents: Mapping[str, bytes]) -> Path:
    for name, entry in tree.items():
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise _refused(f"{name!r} is no name of a file below the config")
        if entry.mode == _SUBMODULE:
            raise _refused(f"{name} is a submodule, whose files git does not hold here")
    files = {name: contents[entry.blob] for name, entry in tree.items() if entry.mode != _LINK}
    links = {
        name: os.fsdecode(contents[entry.blob])
        for name, entry in tree.items()
        if entry.mode == _LINK
    }
    try:
        place = temporary_copy(files, links)
    except OSError as problem:
        raise _refused(
            f"the revision cannot be written to a directory: {problem.strerror}"
        ) from problem
    for name in links:  # only now: a link's target may lie behind another link
        if not Path(os.path.realpath(place / name)).is_relative_to(os.path.realpath(place)):
            raise _refused(f"{name} is a link that leads out of the config")
    return place


# ---- against the working tree


def _unchanged(directory: Path, tree: Tree) -> bool:
    """Whether the files that are read are those of the commit. Files that a link brings in from outside are not."""
    return all(_there(directory, name, entry) for name, entry in tree.items()) and all(
        _committed(directory, file, tree) for file in _read(directory)
    )


def _read(directory: Path) -> Iterable[Path]:
    found = discover(directory)
    single = (directory / name for name in (*SETTINGS_FILES, PRICES_FILE))
    overlays = (file for files in found.environments.values() for file in files)
    return (*found.base, *overlays, *(file for file in single if file.exists()))


def _there(directory: Path, name: str, entry: Entry) -> bool:
    """Whether a committed link is still the same, and a committed file that is read still there."""
    file = directory / name
    if entry.mode == _LINK:
        return file.is_symlink() and entry.blob == _blob(os.fsencode(file.readlink()), entry)
    is_read = name.endswith(_SUFFIXES) or name == PRICES_FILE
    return not is_read or os.path.lexists(file)


def _committed(directory: Path, file: Path, tree: Tree) -> bool:
    """Whether a file that is read has the content that its name, links followed, has in the commit."""
    name = file.relative_to(directory).as_posix()
    known = name if name in tree else next((up for up in _above(name) if up in tree), None)
    real = file.resolve()
    if known is None or not real.is_relative_to(directory.resolve()) or not real.is_file():
        return False
    entry = tree.get(real.relative_to(directory.resolve()).as_posix())
    if entry is None or entry.mode not in _FILES:
        return False
    content = real.read_bytes()
    # Where git writes Windows line ends into the working tree, the commit has the others.
    return entry.blob in (_blob(content, entry), _blob(content.replace(b"\r\n", b"\n"), entry))


def _above(name: str) -> Iterator[str]:
    return (parent.as_posix() for parent in PurePosixPath(name).parents)


def _blob(content: bytes, like: Entry) -> str:
    """The id in git of a content, by the hash of the repository (SHA-1 or SHA-256)."""
    algorithm = "sha256" if len(like.blob) == len(hashlib.sha256().hexdigest()) else "sha1"
    return hashlib.new(
        algorithm, b"blob %d\0%b" % (len(content), content), usedforsecurity=False
    ).hexdigest()


# ---- errors


def _refused(message: str) -> ReconcilerError:
    return ReconcilerError(error("revision", message))


def _failed(message: str, answer: Answer) -> ReconcilerError:
    said = answer.stderr.decode(errors="replace").strip().splitlines()
    return ReconcilerError(error("revision", message, hint=said[-1] if said else None))
