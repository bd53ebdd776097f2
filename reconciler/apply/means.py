"""Means: what steps are carried out with, and how patiently one is tried again."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from reconciler.apply.waiting import Waits
from reconciler.core.model.changes import Action, Outcome, Step
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import Gateway

ATTEMPTS = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 8.0


class Journal(Protocol):
    """Where intents and outcomes go: on disk before a request is sent, and again when its outcome is known."""

    def intend(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Writes the intents; returns the steps as they are to be sent (with their operation ids)."""
        ...

    def settle(
        self, outcomes: Sequence[Outcome], *, unknown: frozenset[Step], owed: frozenset[Ref]
    ) -> None:
        """Writes the outcomes.

        `unknown` are failed steps of which nobody can tell whether they happened, `owed` what was created without its
        virtual key having been delivered.
        """
        ...

    def check(self) -> None:
        """Raises where the lock under which all this happens is another's by now."""
        ...


class Keys(Protocol):
    """Where virtual keys go: see `reconciler.apply.keys`."""

    def prepare(
        self, refs: Sequence[Ref], operations: Mapping[Ref, str | None] | None = None
    ) -> Mapping[Ref, SecretStr]: ...

    def ready(self) -> None: ...

    async def deliver(self, ref: Ref, key: SecretStr, *, again: bool = False) -> None: ...


@dataclass(frozen=True)
class Pace:
    """How a step is tried again: attempts, and pauses in seconds that double, with jitter from `rng`.

    No pause is longer than `most`, whatever a gateway asks for: a lock is not slept away.
    """

    attempts: int = ATTEMPTS
    first: float = FIRST_PAUSE
    longest: float = LONGEST_PAUSE
    rng: random.Random = field(default_factory=random.Random)
    most: float = 60.0

    def pause(self, attempt: int, wanted: float | None = None) -> float:
        if wanted is not None:
            return min(wanted, self.most)
        longest: float = min(self.longest, self.first * 2**attempt)
        return min(longest * self.rng.uniform(0.5, 1.5), self.most)


@dataclass(frozen=True)
class Means:
    """What every step is carried out with. `waiting(seconds, why)` is told when nothing can be done for so long."""

    gateway: Gateway
    journal: Journal
    keys: Keys
    stop: asyncio.Event
    pace: Pace = field(default_factory=Pace)
    waits: Waits = field(default_factory=lambda: Waits({}))
    waiting: Callable[[float, str], None] = lambda _seconds, _why: None

    def makes_key(self, step: Step) -> bool:
        """Whether the step is a creation that comes with a virtual key."""
        return step.action is Action.CREATE and step.ref.kind in self.gateway.support.keys
