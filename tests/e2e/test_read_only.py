"""What only reads needs no place to write: a read-only file system, with or without a ledger, is enough."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from e2e_world import Place, example
from test_environments import code_of

from reconciler.system.disk import may_write, readable_database

READING = (
    ("plan", "--exit-code"),
    ("drift",),
    ("validate",),
    ("history",),
    ("show", "team", "acme-prod"),
    ("explain", "acme-prod", "gpt-4"),
    ("access", "--live"),
    ("list", "teams", "--live"),
    ("history", "--format", "json"),
)


@pytest.fixture
def nobody():
    """The rights of an ordinary user: root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def closed(place: Place) -> list[Path]:
    """Every directory and file of the place is for reading alone."""
    everything = [place.directory, *place.directory.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return everything


@pytest.fixture
def open_path():
    """A directory that everybody may pass through; pytest's own are private, and made so again by each of its runs."""
    directory = Path(tempfile.mkdtemp(prefix="read-only-"))
    directory.chmod(0o755)
    yield directory
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """What is imported late may lie where nobody may read."""
    place = example(tmp_path_factory.mktemp("warm"))
    for command in (*READING, ("apply", "--yes")):
        place._run(command)


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "new"])
def test_reading_needs_no_place_to_write(open_path, applied, request, monkeypatch):
    place = example(open_path / "here")
    if applied:
        place.applied()
    before = place.database.read_bytes() if applied else None
    closed(place)
    monkeypatch.chdir(place.directory)
    request.getfixturevalue("nobody")
    for command in READING:
        code, said = code_of(*command)
        answers = {"plan": 0 if applied else 2, "history": 0, "validate": 0}
        # Without a team there is nothing to show or explain.
        assert code == answers.get(command[0], 0 if applied else code), f"{command}: {code} {said}"
        assert "This is a bug" not in said
    code, said = code_of("apply", "--yes")
    assert code == 1, said
    assert "This is a bug" not in said
    if before is not None:
        assert place.database.read_bytes() == before


def test_a_copy_is_read_and_gone(open_path, nobody):
    file = open_path / "sub" / "deep" / "a.db"
    os.seteuid(0) if os.getuid() == 0 else None
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    file.parent.chmod(0o555)
    os.seteuid(65534) if os.getuid() == 0 else None
    assert not may_write(file)
    with readable_database(file) as copy:
        assert copy != file
        assert copy.read_bytes() == b"x"
    assert not copy.exists()
