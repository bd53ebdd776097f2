"""Standard streams that are closed, full, or of an encoding that lacks characters: expected errors, and never a bug."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_world import ROOT, company

ALIASES = "model_aliases:\n  gpt: {litellm_model: openai/gpt-4o, description: 'Füße → 漢字 🔑'}\n"
COMMANDS = {
    "validate": ["validate"],
    "plan": ["plan"],
    "plan in json": ["plan", "--format", "json"],
    "plan in markdown": ["plan", "--format", "markdown"],
    "plan in html": ["plan", "--format", "html"],
    "apply": ["apply", "--yes"],
    "access": ["access"],
    "show": ["show", "model_alias", "gpt"],
    "help": ["plan", "--help"],
    "version": ["--version"],
    "bad option": ["plan", "--nothing", "--format", "json"],
}


def ways(*lean: str) -> list:
    """Each start costs a second: a few by default, all of them with the slow tests."""
    return [pytest.param(way, marks=() if way in lean else pytest.mark.slow) for way in COMMANDS]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return company(tmp_path_factory.mktemp("streams"), model_aliases=ALIASES)


def run(place, way: str, redirected: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """The command, as a shell starts it with its streams redirected."""
    command = [sys.executable, "-m", "reconciler", *COMMANDS[way]]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *command],
        cwd=place.directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def no_bug(done: subprocess.CompletedProcess[bytes]) -> None:
    assert done.returncode in (0, 1, 2), done.stderr
    for sign in (
        b"Traceback",
        b"bug in the reconciler",
        b"Exception ignored",
        b"--- Logging error",
    ):
        assert sign not in done.stdout + done.stderr


@pytest.mark.parametrize("way", ways("help"))
def test_no_room_for_output(place, way):
    done = run(place, way, ">/dev/full")
    no_bug(done)
    # The exit code of an apply says what was applied, whatever became of its output.
    assert done.returncode == (0 if way == "apply" else 1)
    assert b"No space left" in done.stderr or way == "bad option"


@pytest.mark.parametrize("way", ways())
def test_no_output_at_all(place, way):
    done = run(place, way, ">&-")
    no_bug(done)


@pytest.mark.parametrize("way", ways())
@pytest.mark.parametrize(
    "redirected",
    [
        "2>&-",
        pytest.param("2>/dev/full", marks=pytest.mark.slow),
        pytest.param("<&- 2>&-", marks=pytest.mark.slow),
    ],
)
def test_nobody_hears_of_what_goes_on(place, way, redirected):
    done = run(place, way, redirected)
    no_bug(done)
    assert done.stdout or way in ("apply", "bad option")


@pytest.mark.slow
@pytest.mark.parametrize("way", COMMANDS)
def test_no_stream_at_all(place, way):
    no_bug(run(place, way, "<&- >&- 2>&-"))
    database = place.config / ".reconciler" / "gateway.db"
    assert not database.exists() or database.read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize("way", ways("show"))
@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.slow)])
def test_an_encoding_that_lacks_characters(place, way, encoding):
    done = run(place, way, "", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    no_bug(done)
    # Click writes UTF-8 where the locale says ASCII (https://click.palletsprojects.com/en/stable/unicode-support/).
    (done.stdout + done.stderr).decode("utf-8" if encoding == "ascii" else encoding)
    if way == "plan in json":
        json.loads(done.stdout)


def test_the_ledger_is_never_a_stream(tmp_path: Path):
    """With descriptor 1 closed, the first file that is opened would get its number, and what is printed."""
    place = company(tmp_path, model_aliases=ALIASES)
    no_bug(run(place, "apply", ">&- 2>&-"))
    for name in ("ledger.db", "gateway.db"):
        file = place.config / ".reconciler" / name
        assert not file.exists() or file.read_bytes()[:6] == b"SQLite"
