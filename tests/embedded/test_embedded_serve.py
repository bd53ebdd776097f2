"""`reconciler gateway serve`: what it asks for and what it lets through, as its users start it."""

import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest
from click.testing import CliRunner
from embedded_world import served

from reconciler.cli.commands.gateway import ADMIN_KEY, command
from reconciler.core.model.findings import ReconcilerError
from reconciler.embedded.admin_key import kept_or_made


def started(place, *args, stderr=subprocess.PIPE, **environ):
    plain = {name: value for name, value in os.environ.items() if "RECONCILER" not in name}
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "reconciler",
            "gateway",
            "serve",
            "--port",
            "0",
            "--database",
            "gw.db",
            *args,
        ],
        cwd=place,
        env={**plain, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@contextmanager
def serving(place, *args, **environ):
    """Its address from this machine, and what it said when it started."""
    process = started(place, *args, **environ)
    try:
        said = process.stderr.readline()
        assert "Embedded gateway on http://" in said, said + process.stderr.read()
        yield f"http://127.0.0.1:{said.split()[3].rpartition(':')[2]}", said, process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def status(url, **headers):
    return httpx.get(f"{url}/api/teams", headers=headers).status_code


def test_beyond_this_machine_it_makes_a_key_shows_it_once_and_keeps_it_to_its_owner(tmp_path):
    ours, theirs = pty.openpty()
    process = started(tmp_path, "--host", "0.0.0.0", stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"^C stops it" not in shown:
        shown += os.read(ours, 10_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    os.close(ours)
    key = (tmp_path / "gw.key").read_text().strip()
    assert len(key) > 40
    assert key in shown.decode().replace("\r", "").replace("\n", "")
    assert (tmp_path / "gw.key").stat().st_mode & 0o777 == 0o600
    with serving(tmp_path, "--host", "0.0.0.0") as (url, said, _):
        assert (key in said, "gw.key is asked for" in said) == (False, True)
        assert [status(url), status(url, **{"X-Admin-Key": key})] == [401, 200]


def test_a_key_that_others_may_read_is_no_secret(tmp_path):
    assert kept_or_made(tmp_path / "a.key")[1] is True
    assert kept_or_made(tmp_path / "a.key")[1] is False
    (tmp_path / "a.key").chmod(0o644)
    (tmp_path / "b.key").symlink_to(tmp_path / "a.key")
    (tmp_path / "c.key").mkdir()
    for name in ("a.key", "b.key", "c.key", "a.key/d.key"):
        with pytest.raises(ReconcilerError, match="cannot keep the admin key"):
            kept_or_made(tmp_path / name)


def test_no_key_is_asked_for_on_this_machine_or_where_that_is_chosen(tmp_path):
    for args in ((), ("--host", "0.0.0.0", "--insecure-no-key")):
        with serving(tmp_path, *args) as (url, said, _):
            assert (status(url), "no admin key" in said) == (200, True)
    assert not (tmp_path / "gw.key").exists()


@pytest.mark.parametrize(
    ("args", "environ", "words"),
    [
        ((), {"RECONCILER_ADMIN_KEY": ""}, "RECONCILER_ADMIN_KEY is empty"),
        ((), {"RECONCILER_ADMIN_KEY": " "}, "RECONCILER_ADMIN_KEY is empty"),
        (("--admin-key-env", "MINE"), {"MINE": ""}, "MINE is empty"),
        (("--admin-key-env", "MINE"), {}, "MINE is not set"),
        (("--insecure-no-key",), {"RECONCILER_ADMIN_KEY": "x"}, "holds a key"),
        (("--allow-env", "RECONCILER_ADMIN_KEY"), {}, "the gateway's own key"),
        (
            ("--allow-env", "MINE", "--admin-key-env", "MINE"),
            {"MINE": "x"},
            "the gateway's own key",
        ),
        (("--allow-local", "http://x"), {}, "no HOST or HOST:PORT"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, args, environ, words):
    given = ["serve", "--port", "0", "--database", str(tmp_path / "gw.db"), *args]
    refused = CliRunner(env={ADMIN_KEY: None, "MINE": None, "COLUMNS": "200", **environ}).invoke(
        command, given
    )
    assert (refused.exit_code, words in refused.output) == (2, True), refused.output
    assert not (tmp_path / "gw.db").exists()


def test_it_says_which_aliases_it_will_not_serve(tmp_path):
    with served(tmp_path / "gw.db") as gateway:
        gateway.alias("fine", litellm_params={"api_key": "os.environ/FINE"})
        gateway.alias("other", litellm_params={"api_key": "os.environ/OTHER"})
    options = ("--allow-host", "gateway.internal", "--allow-env", "FINE")
    with serving(tmp_path, *options) as (url, _, process):
        said = process.stderr.readline()
        assert (
            "Calls of other: api_key: the variable OTHER is not one that this gateway allows (--allow-env)"
            in said
        )
        assert status(url, Host="gateway.internal") == 200
