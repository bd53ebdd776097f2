"""Work on what a stranger wrote, in a child process with limits: an expression may ask for all memory, or never end.

The child is a fork, so it starts at once with everything that is loaded, and only its result comes back.
"""

import os
import pickle
import select
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T")
Report = Callable[[str], None]

PIECE = 1 << 16
HEAD = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Memory beyond what the process has already, and seconds by the clock."""

    megabytes: int = 1_000
    seconds: float = 60.0


class LimitError(Exception):
    """The work was ended. `last` is what it had reported last, `why` which limit it met."""

    def __init__(self, last: str, why: str) -> None:
        super().__init__(f"{last}: {why}")
        self.last, self.why = last, why


def is_confinable() -> bool:
    """Whether this system can limit a child's memory; elsewhere the work is done without a limit."""
    return sys.platform == "linux" and hasattr(os, "fork")


def confined(work: Callable[[Report], T], limits: Limits) -> T:
    """The result of the work, which must be picklable. It reports what it begins with, by name.

    Raises LimitError where it needs more than the limits, and what it raises itself.
    """
    if not is_confinable():
        return work(lambda _name: None)
    import_module("resource")  # the child, which imports nothing, finds it loaded
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # The child runs nothing but the work, and never returns: no lock of another thread is asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_die(work, os.fdopen(writing, "wb"), limits)
    os.close(writing)
    try:
        result: T = _result(reading, limits)
        return result
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _result(reading: int, limits: Limits) -> Any:
    until, last, buffer = monotonic() + limits.seconds, "", bytearray()
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, until - monotonic()))
        if not ready:
            raise LimitError(last, f"it takes more than {limits.seconds:g} s")
        piece = os.read(reading, PIECE)
        if not piece:
            raise LimitError(last, f"it takes more than {limits.megabytes:,} MB of memory")
        buffer += piece
        while len(buffer) >= HEAD and len(buffer) >= HEAD + int.from_bytes(buffer[:HEAD], "big"):
            size = HEAD + int.from_bytes(buffer[:HEAD], "big")
            kind, value = pickle.loads(bytes(buffer[HEAD:size]))  # noqa: S301  of our own child
            del buffer[:size]
            if kind == "result":
                return value
            if kind == "raised":
                raise value
            last = value


def _work_and_die(work: Callable[[Report], Any], out: BinaryIO, limits: Limits) -> None:
    """In the child: nothing of the parent's (its handlers, its files, its clean-up) is touched."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _silence()
        _limit(limits)
        _send(out, ("result", work(lambda name: _send(out, ("begins", name)))))
    except MemoryError:
        pass  # the parent sees the end
    except BaseException as problem:  # noqa: BLE001  it is the parent's
        with suppress(BaseException):
            _send(out, ("raised", problem))
    finally:
        os._exit(0)


def _silence() -> None:
    """A library that gives up writes to standard error, which is the user's."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _limit(limits: Limits) -> None:
    import resource  # noqa: PLC0415  not on every platform

    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    most = pages * resource.getpagesize() + (limits.megabytes << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever stops the parent (kill -9) stops this too, in the end.
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits.seconds) + 1, int(limits.seconds) + 2))


def _send(out: BinaryIO, message: tuple[str, Any]) -> None:
    body = pickle.dumps(message)
    out.write(len(body).to_bytes(HEAD, "big") + body)
    out.flush()
