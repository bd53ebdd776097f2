"""Full and read-only disks, closed and dead outputs, locales without letters, directories that are gone: never exit 3."""

import io
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from e2e_world import ROOT, Place, content, example

from reconciler.cli import main

FULL = Path("/dev/full")
SHOWING = (
    ("plan",),
    ("plan", "--format", "json"),
    ("validate",),
    ("validate", "--format", "sarif"),
    ("drift",),
    ("show", "team", "acme-prod"),
    ("explain", "acme-prod", "gpt-4"),
    ("history",),
    ("schema", "manifest"),
    ("--help",),
)
WRITING = (
    ("plan", "--out", "plan.json"),
    ("plan", "--report", "plan.html"),
    ("plan", "--report", "deep/er/plan.md"),
    ("import", "--out", "imported"),
    ("init", "--config", "new"),
    ("schema", "--out", "schemas"),
    ("schema", "--write"),
    ("apply", "--yes"),
    ("unlock", "--yes"),
)


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    place = example(tmp_path_factory.mktemp("applied"))
    place.applied()
    return place


@pytest.fixture
def place(applied, tmp_path):
    """A copy of the applied company, with one team more to apply."""
    shutil.copytree(applied.directory, tmp_path / "here")
    here = Place(tmp_path / "here")
    here.write(
        "more.yaml", "teams:\n     zz-new:   {organization_id: org_acme,   access_groups: [] }\n"
    )
    return here


def code_of(*args: str, out=None, err=None) -> tuple[int, str]:
    """The exit code with these streams in the place of the terminal, and what was said on the others."""
    said = io.StringIO()
    with redirect_stdout(out or said), redirect_stderr(err or said):
        try:
            main(list(args))
        except SystemExit as left:
            return int(left.code or 0), said.getvalue()
    raise AssertionError("main always leaves")


@contextmanager
def full_disk():
    """No file may grow: what the system says then (EFBIG) is an OSError as ENOSPC is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def dead_pipe():
    """A pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


@pytest.mark.parametrize("command", SHOWING, ids=" ".join)
def test_a_full_output_is_an_error_with_its_reason(place, command):
    with chdir(place.directory), full() as lost:
        code, said = code_of(*command, out=lost)
    assert code == 1, said
    assert "standard output could not be written: No space left on device" in said


@pytest.mark.parametrize("command", SHOWING, ids=" ".join)
def test_a_reader_that_has_gone_is_no_error_to_tell(place, command):
    with chdir(place.directory), dead_pipe() as pipe:
        assert code_of(*command, out=pipe) == (1, "")


def full():
    return FULL.open("w")


@pytest.mark.parametrize("output", [dead_pipe, full], ids=["pipe", "full"])
@pytest.mark.parametrize("which", ["out", "err", "both"])
def test_what_was_applied_is_told_by_the_exit_code_whoever_listens(place, output, which):
    with chdir(place.directory), output() as lost:
        streams = {"out": {"out": lost}, "err": {"err": lost}, "both": {"out": lost, "err": lost}}[
            which
        ]
        code, _ = code_of("apply", "--yes", **streams)
    assert code == 0
    place.settled()


def test_a_plan_that_nobody_can_read_is_not_asked_about(place):
    before = content(place.database)
    with chdir(place.directory), dead_pipe() as pipe:
        assert code_of("apply", out=pipe)[0] == 1
    assert content(place.database) == before


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_full_disk_is_an_expected_error(place, command):
    with chdir(place.directory), full_disk():
        code, said = code_of(*command)
    assert code in (0, 1), said
    assert "This is a bug" not in said


@pytest.mark.parametrize("command", (*SHOWING, *WRITING), ids=" ".join)
def test_a_working_directory_that_is_gone(applied, tmp_path, command):
    gone = tmp_path / "gone"
    gone.mkdir()
    with chdir(gone):
        gone.rmdir()
        code, said = code_of(*command)
    assert code in (0, 1), said
    assert "This is a bug" not in said


@pytest.mark.parametrize("command", (*SHOWING, *WRITING), ids=" ".join)
def test_a_path_that_no_file_system_takes(place, command):
    with chdir(place.directory):
        for config in ("x" * 5_000, "/".join(["y" * 200] * 30)):
            code, said = code_of(*command, "--config", config)
            assert code in (0, 1, 2), said
            assert "This is a bug" not in said


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", SHOWING, ids=" ".join)
def test_letters_that_the_locale_lacks_are_shown_by_their_code(place, command, encoding):
    place.write(
        "odd.yaml",
        'teams:\n  odd: {organization_id: org_acme, team_alias: "\u4e16\u754c \U0001f600 \u0142"}\n',
    )
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    with chdir(place.directory):
        code, said = code_of(*command, out=out)
    assert code in (0, 1, 2), said
    assert raw.getvalue()
    if command == ("show", "team", "acme-prod"):
        assert code_of("--help", out=out)[0] == 0


def test_a_standard_output_that_was_closed_before_the_start(place):
    command = f"{sys.executable} -m reconciler"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = f"{command} plan >&- ; echo plan $? ; {command} apply --yes >&- ; echo apply $?"
    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=place.directory,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == ["plan 1", "apply 0"], done
    assert "standard output could not be written: it is closed" in done.stderr
    place.settled()
