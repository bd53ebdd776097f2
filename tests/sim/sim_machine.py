"""Machines with clocks of their own, and processes on them that can be killed or paused at any of their deeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sim_loop import Loop

EPOCH = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone: whatever it still tries goes nowhere."""


@dataclass
class Machine:
    """`skew`: how far its wall clock is off, in seconds."""

    name: str
    loop: Loop
    skew: float = 0.0

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.loop.now + self.skew)


@dataclass(frozen=True)
class Halt:
    """At its n-th deed the process is killed, `after` the deed or just before it; or paused for some seconds.

    "i3" is its third writing down of intents. `asleep`: its machine sleeps, whose monotonic clock stands still meanwhile.
    """

    deed: int | str
    seconds: float | None = None
    after: bool = False
    asleep: bool = False

    def __str__(self) -> str:
        when = f"{'after' if self.after else 'before'} deed {self.deed}"
        if self.seconds is None:
            return f"killed {when}"
        return f"{'asleep' if self.asleep else 'paused'} for {self.seconds:g} s {when}"


@dataclass
class Process:
    """A deed is what another could see: a call of the ledger or of the disk, a request that leaves.

    `slept`: how long its monotonic clock stood still in all. `acquired`: when it got the lock.
    """

    name: str
    machine: Machine
    halts: Mapping[int | str, Halt] = field(default_factory=dict)
    dead: bool = False
    awake: float = 0.0
    stopped: float = 0.0
    asleep: bool = False
    slept: float = 0.0
    deeds: int = 0
    intents: int = 0
    now: int | str = 0
    acquired: float = -1.0
    task: Any = None
    client: Any = None
    disk: Any = None
    told: Any = None

    def before(self, what: object) -> None:
        """To be called before each deed. Raises Killed where the process is dead, or dies now."""
        if self.dead:
            raise Killed
        self.deeds += 1
        self.now = self.deeds
        if isinstance(what, str) and what.startswith("ledger intend"):
            self.intents += 1
            if f"i{self.intents}" in self.halts:
                self.now = f"i{self.intents}"
        halt = self.halts.get(self.now)
        if halt is not None and not halt.after:
            self._halt(halt, what)

    def after(self, what: object) -> None:
        halt = self.halts.get(self.now)
        if halt is not None and halt.after:
            self._halt(halt, what)

    def die(self, what: object) -> None:
        """Killed in the middle of a deed."""
        self._halt(Halt(self.now), what)

    def _halt(self, halt: Halt, what: object) -> None:
        self.tell(f"{halt}: {what}")
        if halt.seconds is None:
            self.dead = True
            raise Killed
        self.pause(halt.seconds, asleep=halt.asleep)

    def pause(self, seconds: float, *, asleep: bool) -> None:
        """Takes effect where the process next waits for anything."""
        now = self.machine.loop.now
        self.stopped, self.awake, self.asleep = now, now + seconds, asleep
        if asleep:
            self.machine.loop.at(self.awake, self._overslept, (seconds,))

    def _overslept(self, seconds: float) -> None:
        self.slept += seconds

    def tell(self, what: str) -> None:
        if self.told is not None:
            self.told(self.name, what)

    @property
    def ended(self) -> bool:
        return self.dead or (self.task is not None and self.task.done())
