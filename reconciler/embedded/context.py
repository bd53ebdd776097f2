"""What every endpoint works with: the store, the clock, the key maker, the admin key, the calls on their way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from pydantic import SecretStr

from reconciler.embedded.store import Store


@dataclass(slots=True)
class _Calls:
    """How many calls of a team are on their way; the team may get another id meanwhile."""

    team_id: str
    number: int = 0


class InFlight:
    """Calls on their way, by team: each holds the credit that it will cost, so the last one is not spent twice."""

    def __init__(self) -> None:
        self._calls: dict[str, _Calls] = {}

    def __getitem__(self, team_id: str) -> int:
        return self._calls[team_id].number if team_id in self._calls else 0

    @contextmanager
    def held(self, team_id: str) -> Iterator[None]:
        calls = self._calls.setdefault(team_id, _Calls(team_id))
        calls.number += 1
        try:
            yield
        finally:
            calls.number -= 1
            if not calls.number and self._calls.get(calls.team_id) is calls:
                del self._calls[calls.team_id]

    def rename(self, old: str, new: str) -> None:
        """The calls of a team that has another id from now on."""
        if calls := self._calls.pop(old, None):
            calls.team_id = new
            self._calls[new] = calls


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one gateway; `now` gives an aware time, `tokens` an unguessable text for a new virtual key."""

    store: Store
    now: Callable[[], datetime]
    tokens: Callable[[], str]
    admin_key: SecretStr | None = None
    in_flight: InFlight = field(default_factory=InFlight)

    def stamp(self) -> str:
        """The time as the API writes it: 2024-10-14T12:00:00Z."""
        return self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(_context)]


def missing(what: str, name: str) -> HTTPException:
    return HTTPException(404, f"{what} '{name}' not found")


def exists(what: str, name: str) -> HTTPException:
    return HTTPException(409, f"{what} '{name}' already exists")
