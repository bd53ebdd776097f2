"""Every file that the product writes: whole or not at all, for its owner alone where it is private, durable.

And how it reads files that somebody else may have laid there: regular ones, up to a size, inside of one directory.

All functions raise OSError, whose `strerror` is fit for people. Nothing here follows a link to a private file.
"""

import atexit
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import BinaryIO

HOME = ".reconciler"
PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700
OUTSIDE = "it is a link that leads out of the repository"
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")


@contextmanager
def leaving_nothing(directory: Path) -> Iterator[None]:
    """Where what happens meanwhile fails, the directory goes again with all that was made above it; what was there
    before stays.
    """
    made: Path | None = None
    for place in (directory, *directory.parents):
        if place.exists():
            break
        made = place
    try:
        yield
    except BaseException:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        raise


def read_regular(file: Path, most: int, within: Path | None = None) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Pipes, devices and sockets are refused without waiting for them; with `within` (a real path) also what lies outside
    of that directory, however links lead there.
    """
    if within is not None and not Path(os.path.realpath(file)).is_relative_to(within):
        raise OSError(errno.EPERM, OUTSIDE, str(file))
    _require_regular(file.stat(), file)
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as handle:
        status = os.fstat(handle.fileno())
        _require_regular(status, file)
        content = handle.read(most + 1) if status.st_size <= most else b""
    if status.st_size > most or len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most >> 20:,} MB", str(file))
    return content


def atomic_write(file: Path, text: str, *, private: bool = False) -> None:
    """The file's new text, in one step: a crash or a power cut leaves the old file or the new one.

    A private file has mode 0600 whatever the umask, and must not be a link. Any other keeps its mode, and a link to it
    stays one. The directory is made where it is missing.
    """
    place = file if private else Path(os.path.realpath(file))
    before = _before(place)
    _made(place.parent)
    draft = place.with_name(f".{secrets.token_hex(8)}.draft")
    descriptor = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE if private else 0o666
    )
    try:
        with os.fdopen(descriptor, "wb") as handle:
            if private or before is not None:
                os.fchmod(
                    descriptor,
                    PRIVATE_FILE if private or before is None else stat.S_IMODE(before.st_mode),
                )
            handle.write(text.encode("utf-8"))
            handle.flush()
            os.fsync(descriptor)
        draft.replace(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(place.parent)


def open_private(file: Path) -> BinaryIO:
    """The private file, open to append to and made where it is missing; its entry in the directory is durable.

    Refuses links, devices, sockets and pipes, without waiting for them. `append` writes to what this returns.
    """
    private_directory(file.parent)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(file, flags, PRIVATE_FILE)
    except OSError as problem:
        raise _clearer(problem, file) from None
    try:
        _require_regular(os.fstat(descriptor), file)
        os.fchmod(descriptor, PRIVATE_FILE)
        os.fsync(descriptor)
        _sync_directory(file.parent)
        return os.fdopen(descriptor, "r+b", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def append(handle: BinaryIO, line: str) -> None:
    """One more line in a file of `open_private`, on disk when this returns; it starts afresh after a torn line."""
    descriptor = handle.fileno()
    size = os.fstat(descriptor).st_size
    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    rest = (("\n" if torn else "") + line + "\n").encode("utf-8")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def add_text(file: Path, text: str) -> None:
    """More text at the end of somebody else's regular file, which keeps its mode; made where it is missing."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    with os.fdopen(descriptor, "wb") as handle:
        _require_regular(os.fstat(descriptor), file)
        handle.write(text.encode("utf-8"))


def remove(file: Path) -> None:
    """The file is not there. Where it is a link, what it leads to stays."""
    file.unlink(missing_ok=True)


def private_directory(directory: Path) -> None:
    """The directory, made with mode 0700 where it is missing.

    The product's own (`HOME`) gets that mode in any case, and a .gitignore that keeps all of it out of git.
    """
    _made(directory, PRIVATE_DIRECTORY)
    if directory.name != HOME:
        return
    with suppress(
        OSError
    ):  # somebody else's directory, or a read-only file system: nothing new is written there
        if stat.S_IMODE(directory.stat().st_mode) != PRIVATE_DIRECTORY:
            directory.chmod(PRIVATE_DIRECTORY)
        if not (directory / ".gitignore").exists():
            atomic_write(directory / ".gitignore", "*\n", private=True)


def private_database(file: Path) -> None:
    """An SQLite file before it is opened: made where it is missing, and mode 0600, as all that SQLite lays beside it.

    SQLite gives its -wal, -shm and -journal files the mode of the database.
    """
    private_directory(file.parent)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    for name in ("", *_BESIDE_A_DATABASE):
        _tightened(file.with_name(file.name + name))


@contextmanager
def readable_database(file: Path) -> Iterator[Path]:
    """An SQLite file to read: itself where something may be written beside it, else a private copy, while it lasts.

    SQLite cannot even read without writing, and what was never made cannot be made on a read-only file system: the
    copy of nothing is a file that is not there.
    """
    if may_write(file):
        yield file
        return
    with TemporaryDirectory(prefix="reconciler-") as place:
        for name in ("", "-wal"):
            source = file.with_name(file.name + name)
            if source.exists():
                shutil.copyfile(source, Path(place) / source.name)
        yield Path(place) / file.name


def may_write(file: Path) -> bool:
    """Whether the file and what lies beside it may be written, or made."""
    place = (
        file.parent if file.exists() else next(parent for parent in file.parents if parent.exists())
    )
    places = (file, place) if file.exists() else (place,)
    return all(
        os.access(each, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
        for each in places
    )


def temporary_copy(files: Mapping[str, bytes], links: Mapping[str, str]) -> Path:
    """A directory with those files and links, by names with slashes; it is private, and gone when the process ends.

    Files are new ones, and links come last: nothing is written through a link. The names must lead nowhere else.
    """
    place = Path(mkdtemp(prefix="reconciler-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        with (place / name).open("xb") as new:
            new.write(content)
    for name, target in links.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).symlink_to(target)
    return place


def _tightened(file: Path) -> None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return
    _require_regular(status, file)
    if stat.S_IMODE(status.st_mode) != PRIVATE_FILE:
        with suppress(OSError):  # another user's, or on a read-only file system
            file.chmod(PRIVATE_FILE)


def _made(directory: Path, mode: int = 0o777) -> None:
    """The directory and those above it, where they are missing."""
    if directory.is_dir():
        return
    if directory.parent != directory:
        _made(directory.parent)
    if directory.name == HOME:
        directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        private_directory(directory)
    else:
        directory.mkdir(mode=mode, exist_ok=True)


def _before(file: Path) -> os.stat_result | None:
    """The file that is to be replaced, if there is one."""
    try:
        status = file.lstat()
    except FileNotFoundError:
        return None
    _require_regular(status, file)
    return status


def _require_regular(status: os.stat_result, file: Path) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(file))
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))


def _clearer(problem: OSError, file: Path) -> OSError:
    """O_NOFOLLOW says "too many levels of symbolic links" of a single one; a socket or pipe is "no such device"."""
    try:
        _require_regular(file.lstat(), file)
    except OSError as clear:
        return clear
    return problem


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems cannot; the file itself is synced
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
