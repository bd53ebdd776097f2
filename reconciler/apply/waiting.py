"""What `core.plan.order.holding` asks of an execution: which steps may not start yet, and for how long."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

from reconciler.core.model.changes import Step
from reconciler.core.plan.order.holding import Holds


class Waits:
    """The holds of one execution, on a clock in seconds that never goes back."""

    def __init__(self, held: Holds, clock: Callable[[], float] = monotonic) -> None:
        self.held, self.clock = held, clock
        self.began = clock()
        self.applied_at: dict[Step, float] = {}

    def applied(self, step: Step) -> None:
        """To be told of every step that was applied, once its request was answered."""
        self.applied_at[step] = self.clock()

    def left(self, step: Step) -> float:
        """For how many seconds the step must not start yet; all that it needs was applied."""
        due = [self._since(hold.after) + hold.seconds for hold in self.held.get(step, ())]
        return max(0.0, max(due, default=0.0) - self.clock())

    def _since(self, step: Step | None) -> float:
        return self.applied_at[step] if step else self.began

    def soonest(self, steps: Iterable[Step]) -> float | None:
        """In how many seconds the first of the steps may start; None without steps."""
        return min((self.left(step) for step in steps), default=None)


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleeps, but not past a stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
