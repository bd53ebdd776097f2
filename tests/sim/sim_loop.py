"""An event loop without real time: the clock jumps to the next timer, and processes can be killed and paused.

Every callback belongs to the process in whose context it was scheduled. A dead process's callbacks are dropped, those
of a paused one wait. Nothing here sleeps, opens a socket or starts a thread.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any

PROCESS: ContextVar[Any] = ContextVar("PROCESS", default=None)
MOST_STEPS = 60_000


class Stuck(AssertionError):  # noqa: N818 - as a law that is broken
    """The history does not end: it goes round in circles, or waits for what never comes."""


class Task(asyncio.Task[Any]):
    """Its hash is its number, so that sets of tasks have the same order in each run."""

    def __init__(self, number: int, coro: Any, **named: Any) -> None:
        self.number = number  # before asyncio puts the task into a set of its own
        super().__init__(coro, **named)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class Handle:
    __slots__ = ("args", "callback", "context", "due", "gone", "process")

    def __init__(
        self, callback: Any, args: Any, context: Context | None, process: Any, due: float
    ) -> None:
        self.callback, self.args, self.context, self.process, self.due = (
            callback,
            args,
            context,
            process,
            due,
        )
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self.due


class Loop(asyncio.AbstractEventLoop):
    """Virtual time in seconds from 0. `now` is the world's time, `time()` what the running process's clock shows."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ready: deque[Handle] = deque()
        self.timers: list[tuple[float, int, Handle]] = []
        self.number = 0
        self.steps = 0
        self.current: Any = None
        self.tasks: list[asyncio.Task[Any]] = []

    # --- what asyncio asks of a loop

    def time(self) -> float:
        return self.now - self.current.slept if self.current is not None else self.now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        process = context.get(PROCESS) if context is not None else self.current
        handle = Handle(callback, args, context, process, self.now)
        self.ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Handle:
        return self.at(self.now + delay, callback, args, context, self.current)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Handle:
        slept = self.current.slept if self.current is not None else 0.0
        return self.at(when + slept, callback, args, context, self.current)

    def at(
        self, when: float, callback: Any, args: Any = (), context: Any = None, process: Any = None
    ) -> Handle:
        """Call back at a moment of the world's time, for no process unless told."""
        handle = Handle(callback, args, context, process, when)
        self._push(handle)
        return handle

    def _push(self, handle: Handle) -> None:
        self.number += 1
        heapq.heappush(self.timers, (handle.due, self.number, handle))

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = Task(len(self.tasks), coro, loop=self, name=name or "-", context=context)
        task._log_destroy_pending = False
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: Any) -> None:
        """A task of a dead process that nobody awaits is no news."""

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    # --- the world's side

    def start(self, process: Any, coro: Any) -> asyncio.Task[Any]:
        """The root task of a process: what it schedules is the process's, too."""
        context = copy_context()
        context.run(PROCESS.set, process)
        before, self.current = self.current, process
        try:
            return self.create_task(coro, context=context)
        finally:
            self.current = before

    def run(self, until: Callable[[], bool]) -> None:
        """Step by step until the condition holds. Raises Stuck where nothing is left to happen before it does."""
        while not until():
            if not self.step():
                raise Stuck("nothing is left to happen, and the processes have not ended")

    def step(self) -> bool:
        """The next callback, or False where there is none."""
        if self.ready:
            self._call(self.ready.popleft())
            return True
        while self.timers:
            when, _, handle = heapq.heappop(self.timers)
            if handle.gone:
                continue
            self.now = max(self.now, when)
            self._call(handle)
            return True
        return False

    def _call(self, handle: Handle) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Stuck(f"more than {MOST_STEPS:,} steps")
        process = handle.process
        if handle.gone:
            return
        if process is not None:
            if process.dead:
                return
            if process.awake > self.now:
                # Where the clock stood still with the process, what was not due yet is still as far away.
                rest = max(0.0, handle.due - process.stopped) if process.asleep else 0.0
                handle.due = process.awake + rest
                self._push(handle)
                return
        self.current = process
        try:
            if handle.context is not None:
                handle.context.run(handle.callback, *handle.args)
            else:
                handle.callback(*handle.args)
        finally:
            self.current = None

    def close(self) -> None:
        """Ends what is left of dead processes: their last words go nowhere."""
        for task in self.tasks:
            if not task.done():
                with suppress(BaseException):  # whatever it is, the process is dead
                    task.get_coro().close()
        for task in self.tasks:
            asyncio.tasks._unregister_task(task)
        self.tasks.clear()
