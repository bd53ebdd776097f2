"""Calls on their way: each holds the credit that it will cost, so that a team's last one is not spent twice.

A hold is taken and given up together with what the database says of the team's credits, under one lock: around the
read that admits a call, and around the commit that charges it.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Team = int  # the number of its row, which stays when the team is renamed


class InFlight:
    """How many calls of each team hold a credit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[Team] = Counter()

    @contextmanager
    def call(self) -> Iterator["Hold"]:
        """A call, which holds nothing yet; whatever becomes of it, it holds nothing after the block."""
        hold = Hold(self._lock, self._held)
        try:
            yield hold
        finally:
            with hold.settled():
                pass

    @contextmanager
    def counted(self) -> Iterator[Mapping[Team, int]]:
        """The numbers of calls, which stay as they are within the block."""
        with self._lock:
            yield self._held


class Hold:
    """One call's hold on a credit of its team."""

    def __init__(self, lock: threading.Lock, held: Counter[Team]) -> None:
        self._lock, self._held = lock, held
        self._team: Team | None = None
        self._over = False

    @contextmanager
    def counted(self) -> Iterator[Mapping[Team, int]]:
        """The numbers of calls, which stay as they are within the block, but for this one's `take`."""
        with self._lock:
            yield self._held

    def take(self, team: Team) -> None:
        """Within `counted`. A call that its caller gave up meanwhile takes none."""
        if not self._over:
            self._team = team
            self._held[team] += 1

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Given up at the end of the block, in which the call is charged."""
        with self._lock:
            yield
            self._over = True
            if self._team is not None:
                self._held[self._team] -= 1
            self._team = None
