"""Progress of long work: a bar with rate and time left on a terminal, a few lines in a log, nothing when quiet."""

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from reconciler.core.model.changes import Outcome, Result
from reconciler.render.words import count

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

SHARE = 10
SECONDS = 30.0


class Progress:
    """Counts what is done of `total` pieces of work; a context manager, so that the terminal is left as it was.

    On a terminal it is a bar. Elsewhere a line is written at every tenth of the work, or after 30 seconds without
    one. With `quiet` nothing is written. `clock` is in seconds and only ever goes forward.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        out: TextIO,
        noun: str = "step",
        quiet: bool = False,
        terminal: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._total, self._noun, self._out = title, total, noun, out
        self._terminal = out.isatty() if terminal is None else terminal
        self._quiet, self._clock = quiet, clock
        self._done = self._failed = 0
        self._start = self._said_at = clock()
        self._said_share = 0
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._terminal and not self._quiet and self._total:
            self._bar = _bar(self._out)
            self._task = self._bar.add_task(self._title, total=self._total, failed="", rate="")
            self._bar.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def outcome(self, outcome: Outcome) -> None:
        """One step is done, one way or the other."""
        self.advance(failed=outcome.result is not Result.APPLIED)

    def advance(self, done: int = 1, *, failed: bool = False) -> None:
        """So much more is done; `failed` says that it did not go well."""
        self._done += done
        self._failed += done if failed else 0
        if self._bar is not None and self._task is not None:
            failures = f"{self._failed:,} not applied" if self._failed else ""
            self._bar.update(
                self._task, completed=self._done, failed=failures, rate=self._rate_text()
            )
        elif not self._quiet:
            self._log()

    def _log(self) -> None:
        share, now = self._done * 100 // max(1, self._total) // SHARE, self._clock()
        if share > self._said_share or now - self._said_at >= SECONDS:
            self._said_share, self._said_at = share, now
            with suppress(OSError):  # work goes on where nobody can watch it
                self._out.write(f"{self._line(now)}\n")
                self._out.flush()

    def _line(self, now: float) -> str:
        percent = self._done * 100 // max(1, self._total)
        parts = [f"{self._title}: {self._done:,} of {count(self._total, self._noun)} ({percent} %)"]
        parts += [f"{self._failed:,} not applied"] * bool(self._failed)
        left = self._left(now)
        parts += [self._rate_text(), f"about {_span(left)} left" if left >= 1 else ""]
        return ", ".join(part for part in parts if part)

    def _rate(self, now: float) -> float:
        return self._done / (now - self._start) if now > self._start else 0.0

    def _rate_text(self) -> str:
        rate = self._rate(self._clock())
        return f"{rate:,.0f}/s" if rate >= SHARE else f"{rate:.1f}/s" if rate else ""

    def _left(self, now: float) -> float:
        rate = self._rate(now)
        return (self._total - self._done) / rate if rate else 0.0


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


def _bar(out: TextIO) -> "Bar":
    from rich import progress  # noqa: PLC0415  # only a terminal needs it
    from rich.console import Console  # noqa: PLC0415  # as above

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}", markup=False),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[failed]}", style="red", markup=False),
        console=Console(file=out, force_terminal=True),
        transient=True,
    )
