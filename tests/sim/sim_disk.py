"""The disk that keys are written to: real files in memory, whose n-th call fails as a full or broken disk does."""

import errno
import os
from collections.abc import Mapping
from typing import Any, Self

from sim_machine import Killed, Process

CALLS = ("open", "write", "fsync", "fchmod", "replace", "rename", "link", "mkdir", "flush")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS}


class Disk:
    """Takes the place of the module `os` in what writes keys. `faults`: number of a call -> the name of its error."""

    def __init__(self, process: Process, faults: Mapping[int, str]) -> None:
        self.process, self.faults, self.calls = process, faults, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name == "fdopen":
            return lambda *args, **named: _File(self, os.fdopen(*args, **named))
        return self._checked(name, found) if name in CALLS else found

    def _checked(self, name: str, call: Any) -> Any:
        def checked(*args: Any, **named: Any) -> Any:
            half = (
                (lambda: os.write(args[0], args[1][: len(args[1]) // 2]))
                if name == "write"
                else _nothing
            )
            self.check(name, half)
            result = call(*args, **named)
            try:
                self.process.after(f"disk {name}")
            except Killed:
                if name == "open":
                    os.close(result)
                raise
            return result

        return checked

    def check(self, name: str, half: Any) -> None:
        """Raises OSError where it is this call's turn; `half` is what a full disk has taken until then."""
        self.process.before(f"disk {name}")
        self.calls += 1
        fault = self.faults.get(self.calls)
        if fault is not None:
            self.process.tell(f"disk {name}: {fault}")
            if fault == "ENOSPC":
                half()
            raise OSError(ERRORS[fault], os.strerror(ERRORS[fault]))


def _nothing() -> None:
    """A call that fails has done nothing."""


class _File:
    def __init__(self, disk: Disk, file: Any) -> None:
        self._disk, self._file = disk, file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: Any) -> Any:
        self._disk.check(
            "write", lambda: (self._file.write(text[: len(text) // 2]), self._file.flush())
        )
        result = self._file.write(text)
        self._disk.process.after("disk write")
        return result

    def flush(self) -> None:
        self._disk.check("flush", _nothing)
        self._file.flush()
