"""What stands between a plan and its apply: the question, the lock that others hold, and a signal during either."""

import os
import pty
import select
import signal
import sys
import time
from contextlib import contextmanager

import pytest
from e2e_world import ROOT, company, finished, process

TEAM = "teams:\n  t: {organization_id: o}\n"
PROMPT = b"Apply these changes? [y/N]: "


@pytest.fixture
def place(tmp_path):
    return company(tmp_path, organizations="organizations:\n  o: {name: O}\n", teams=TEAM)


class Terminal:
    """An apply on a terminal of its own."""

    def __init__(self, place):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.chdir(place.directory)
            environ = {**os.environ, "PYTHONPATH": str(ROOT)}
            os.execve(sys.executable, [sys.executable, "-m", "reconciler", "apply"], environ)

    def until(self, word=None, seconds=30):
        """What shows until the word, or until the end."""
        shown, deadline = b"", time.monotonic() + seconds
        while time.monotonic() < deadline and (word is None or word not in shown):
            if select.select([self.screen], [], [], 0.1)[0]:
                try:
                    shown += os.read(self.screen, 65536)
                except OSError:  # Linux's way to say that the other side is closed
                    return shown
        assert word is not None, f"it never ended: {shown!r}"
        assert word in shown, shown
        return shown

    def ended(self):
        shown = self.until()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), shown


@contextmanager
def asking(place):
    terminal = Terminal(place)
    try:
        terminal.until(PROMPT)
        yield terminal
    finally:
        os.close(terminal.screen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question_ends_the_apply(place, number):
    with asking(place) as terminal:
        os.kill(terminal.pid, number)
        code, shown = terminal.ended()
    assert (code, b"Nothing was changed." in shown) == (130, True)
    place.pending()
    place.applied()  # the lock is free


@pytest.mark.parametrize(
    ("answer", "code", "word"), [(b"y\n", 0, b"Applied"), (b"\n", 1, b"Nothing was changed.")]
)
def test_the_answer_decides(place, answer, code, word):
    with asking(place) as terminal:
        os.write(terminal.screen, answer)
        ended, shown = terminal.ended()
    assert (ended, word in shown) == (code, True)


def test_a_signal_while_waiting_for_the_lock_ends_the_wait(place):
    with asking(place) as terminal:
        waiting = process(
            "apply", "--yes", "--lock-wait", "60", "--log-format", "json", cwd=place.directory
        )
        time.sleep(3)  # there is nothing to see of the wait
        waiting.send_signal(signal.SIGINT)
        done = finished(waiting, seconds=20)
        os.write(terminal.screen, b"\n")
        terminal.ended()
    assert done.code in (1, 130)
    assert f"pid {terminal.pid}" in done.text or done.code == 130


def test_a_plan_that_was_cut_is_applied_as_it_was_cut(place):
    place.applied()
    place.write("teams.yaml", TEAM + "  u: {organization_id: o}\n  v: {organization_id: o}\n")
    place.reconciler("plan", "--only", "team/u", "--out", "u.json")
    assert "1 applied of 1 step" in place.reconciler("apply", "u.json", "--yes").out
    assert "+ v" in place.pending()


def test_a_plan_is_not_applied_twice(place):
    """An adoption moves nothing on the gateway, so that only the ledger knows that it happened."""
    place.applied()
    (place.config / ".reconciler" / "ledger.db").unlink()
    place.reconciler("plan", "--out", "p.json")
    place.reconciler("apply", "p.json", "--yes")
    assert "applied already" in place.reconciler("apply", "p.json", "--yes", code=1).err
