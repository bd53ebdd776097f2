"""What every endpoint works with: the store, the clock, the key maker, the admin key, the calls on their way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from pydantic import SecretStr

from reconciler.embedded.http.in_flight import InFlight
from reconciler.embedded.parameters import Allowed
from reconciler.embedded.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one gateway; `now` gives an aware time, `tokens` an unguessable text for a new virtual key."""

    store: Store
    now: Callable[[], datetime]
    tokens: Callable[[], str]
    admin_key: SecretStr | None = None
    allowed: Allowed = field(default_factory=Allowed)
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
