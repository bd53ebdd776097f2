"""A command, measured: wall and CPU seconds and the largest memory of it and its children."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Other programs that use the CPU move wall times; the two sides of a pair run right after one another.


@dataclass(frozen=True)
class Sample:
    """One run. Seconds, megabytes, exit code, and what it printed."""

    wall: float
    cpu: float
    peak_mb: float
    code: int
    output: str


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    expected: tuple[int, ...] = (0, 2),
) -> Sample:
    """Runs to the end. Raises SystemExit with its output where it ends otherwise than expected."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode not in expected:
        raise SystemExit(
            f"{' '.join(map(str, command))} ended with {child.returncode}:\n{text[-3000:]}"
        )
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return Sample(
        wall, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, child.returncode, text
    )
