"""Ctrl-C, SIGTERM and SIGHUP while something is changed: the first asks to finish, the second leaves at once.

The handlers are Python's own, not the event loop's: they also run while the loop waits for a database.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from reconciler.cli.failures import INTERRUPTED

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
# How long a second signal leaves for giving back the lock. A database that does not answer cannot hold us longer.
LEAVE_SECONDS = 10.0


class _Signals:
    """Counts the signals; `heard` is told of each."""

    def __init__(self, stop: asyncio.Event, heard: Callable[[str], None]) -> None:
        self._stop, self._heard, self._count = stop, heard, 0
        self._loop = asyncio.get_running_loop()
        self._leaving: threading.Timer | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._heard("stopping: what is in flight is finished first; once more leaves at once")
            self._loop.call_soon_threadsafe(self._stop.set)
        elif self._count == 2:  # noqa: PLR2004  the second
            self._leaving = threading.Timer(LEAVE_SECONDS, self._left)
            self._leaving.daemon = True
            self._leaving.start()
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _left(self) -> None:
        self._heard(
            "left at once; the lock could not be given back: run `reconciler unlock`, then apply again"
        )
        os._exit(INTERRUPTED)

    def done(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()


@contextmanager
def stoppable(stop: asyncio.Event, heard: Callable[[str], None]) -> Iterator[None]:
    """Sets `stop` at the first signal; cancels every task of the running loop at the second.

    A signal that the caller had ignored (nohup) stays ignored. Outside of the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Signals(stop, heard)
    before: dict[int, Any] = {}
    for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        handler.done()
        for number, earlier in before.items():
            signal.signal(number, earlier)
