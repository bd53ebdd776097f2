"""What the product writes: modes whatever the umask, no links, no devices, whole or not at all, lines that are whole."""

import errno
import os
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.system.disk import (
    append,
    atomic_write,
    open_private,
    private_database,
    private_directory,
)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def kept(file: Path, line: str) -> None:
    with open_private(file) as handle:
        append(handle, line)


@pytest.mark.usefixtures("umask")
def test_private_files_are_private_whatever_the_umask(tmp_path):
    home = tmp_path / ".reconciler"
    kept(home / "keys.jsonl", "one")
    atomic_write(tmp_path / "plan.json", "{}", private=True)
    with closing(sqlite3.connect(_database(home / "ledger.db"))) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
        assert {file.name: mode(file) for file in home.glob("ledger.db*")} == {
            "ledger.db": 0o600,
            "ledger.db-wal": 0o600,
            "ledger.db-shm": 0o600,
        }
    assert [mode(home), mode(home / "keys.jsonl"), mode(tmp_path / "plan.json")] == [
        0o700,
        0o600,
        0o600,
    ]


def _database(file: Path) -> Path:
    private_database(file)
    return file


@pytest.mark.usefixtures("umask")
def test_what_an_older_version_left_open_is_closed(tmp_path):
    home = tmp_path / ".reconciler"
    home.mkdir()
    home.chmod(0o755)
    for name in ("ledger.db", "ledger.db-wal", "keys.jsonl", "plan.json"):
        (home / name).touch()
        (home / name).chmod(0o666)
    private_database(home / "ledger.db")
    kept(home / "keys.jsonl", "one")
    atomic_write(home / "plan.json", "{}", private=True)
    assert mode(home) == 0o700
    assert {file.name: mode(file) for file in home.iterdir()} == dict.fromkeys(
        ("ledger.db", "ledger.db-wal", "keys.jsonl", "plan.json", ".gitignore"), 0o600
    )


def test_other_files_follow_the_umask_and_keep_the_mode_that_they_have(tmp_path, umask):
    atomic_write(tmp_path / "deep" / "new.yaml", "a: 1\n")
    assert mode(tmp_path / "deep" / "new.yaml") == 0o666 & ~umask
    (tmp_path / "deep" / "new.yaml").chmod(0o640)
    atomic_write(tmp_path / "deep" / "new.yaml", "a: 2\n")
    assert (mode(tmp_path / "deep" / "new.yaml"), len(list((tmp_path / "deep").iterdir()))) == (
        0o640,
        1,
    )


@pytest.mark.parametrize(
    "make",
    [
        private_directory,
        lambda home: kept(home / "keys.jsonl", "one"),
        lambda home: private_database(home / "ledger.db"),
        lambda home: atomic_write(home / "last" / "plan.json", "{}"),
    ],
    ids=["directory", "keys", "database", "below"],
)
def test_the_own_folder_keeps_itself_out_of_git(tmp_path, make: Callable[[Path], object]):
    home = tmp_path / "config" / ".reconciler"
    make(home)
    assert (home / ".gitignore").read_text() == "*\n"


def test_the_own_folders_gitignore_is_left_alone_where_there_is_one(tmp_path):
    (tmp_path / ".reconciler").mkdir()
    (tmp_path / ".reconciler" / ".gitignore").write_text("keys*\n")
    private_directory(tmp_path / ".reconciler")
    assert (tmp_path / ".reconciler" / ".gitignore").read_text() == "keys*\n"


def unusual(directory: Path) -> dict[str, Path]:
    """One of each kind of file that is no regular one."""
    outside = directory / "outside"
    outside.write_text("untouched")
    outside.chmod(0o644)
    (directory / "link").symlink_to(outside)
    (directory / "dangling").symlink_to(directory / "nothing")
    (directory / "loop").symlink_to(directory / "loop")
    (directory / "device").symlink_to("/dev/stdout")
    os.mkfifo(directory / "pipe")
    (directory / "folder").mkdir()
    kinds = ("link", "dangling", "loop", "device", "pipe", "folder")
    return {name: directory / name for name in kinds}


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "device", "pipe", "folder", "socket"])
@pytest.mark.parametrize(
    "write", [kept, lambda file, text: atomic_write(file, text, private=True)], ids=["keys", "plan"]
)
def test_private_files_are_regular_files_and_never_links(
    tmp_path, write: Callable[[Path, str], None], kind
):
    files = unusual(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        file = files.get(kind, tmp_path / "socket")
        before = file.lstat()
        with pytest.raises(OSError, match=r"symbolic link|regular file|directory"):
            write(file, "secret")
    assert file.lstat().st_mode == before.st_mode
    outside = tmp_path / "outside"
    assert (outside.read_text(), mode(outside), (tmp_path / "nothing").exists()) == (
        "untouched",
        0o644,
        False,
    )


def test_a_link_to_a_file_that_is_not_private_stays_one(tmp_path):
    (tmp_path / "real.yaml").write_text("a: 1\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    atomic_write(tmp_path / "link.yaml", "a: 2\n")
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "a: 2\n"


def test_a_database_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular file"):
        private_database(tmp_path / "pipe")


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    (tmp_path / "plan.json").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(tmp_path / "plan.json", "new", private=True)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"plan.json": "old"}


def test_a_name_of_255_letters_is_written_too(tmp_path):
    atomic_write(tmp_path / ("n" * 255), "text")
    kept(tmp_path / ("k" * 255), "text")


def test_a_torn_line_does_not_spoil_the_next(tmp_path):
    (tmp_path / "keys.jsonl").write_text('{"key": "one"}\n{"key": "tw')
    kept(tmp_path / "keys.jsonl", '{"key": "three"}')
    assert (tmp_path / "keys.jsonl").read_text().splitlines()[-1] == '{"key": "three"}'
