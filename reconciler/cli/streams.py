"""Standard output and error that are never in the way: in any locale, on a full disk, with a reader that has gone.

What cannot be written is dropped and remembered. Whether that ends a command is for the command to say: one that shows
something has failed; of one that changes something, the exit code says what was changed.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

STANDARD = (0, 1, 2)


class OutputLostError(Exception):
    """Standard output takes nothing any more; `reason` is an OSError or ValueError (it is closed)."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason

    @property
    def unheard(self) -> bool:
        """Whether only the reader (head, less) has gone: not an error of anybody's."""
        return isinstance(self.reason, BrokenPipeError)

    @property
    def why(self) -> str:
        return getattr(self.reason, "strerror", None) or str(self.reason)


class Tolerant:
    """A text stream that drops what cannot be written; `failure` is the first reason."""

    def __init__(self, stream: TextIO, failure: Exception | None = None) -> None:
        self._stream, self.failure = stream, failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if self.failure is None:
            try:
                return self._stream.write(text)
            except (OSError, ValueError) as reason:
                self._fail(reason)
        return len(text)

    def flush(self) -> None:
        if self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as reason:
                self._fail(reason)

    def _fail(self, reason: Exception) -> None:
        self.failure = reason
        # What is still in the buffer would fail again when the interpreter ends, and change the exit code.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextmanager
def tolerant() -> Iterator[None]:
    """Until the context ends, sys.stdout and sys.stderr are Tolerant."""
    _occupy()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _wrapped(sys.stdout), _wrapped(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _occupy() -> None:
    """A descriptor that the caller closed would be given to the next file, and written to as if it were the screen."""
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _wrapped(stream: TextIO | None) -> Tolerant:
    if stream is None:
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  as long as the process runs
        return Tolerant(nowhere, OSError(errno.EBADF, "it is closed"))
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        # What the locale has no letter for is shown as its code, e.g. \\xe4. A stream that cannot be set so is kept.
        with suppress(OSError):
            reconfigure(errors="backslashreplace")
    return Tolerant(stream)


def lost() -> OutputLostError | None:
    """Why standard output takes nothing any more, None where it does."""
    failure = getattr(sys.stdout, "failure", None)
    return OutputLostError(failure) if failure is not None else None
