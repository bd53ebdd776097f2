"""One read of LiteLLM Proxy: all kinds that it has, at once; only what a viewer key may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm.aliases import ALIASES, Deployments
from reconciler.gateways.litellm.connection import Desk
from reconciler.gateways.litellm.kind import Kind
from reconciler.gateways.litellm.paging import together
from reconciler.gateways.litellm.rows import KINDS
from reconciler.gateways.litellm.teams import TEAMS


def kinds_of(desk: Desk) -> Mapping[str, Kind]:
    """The kinds that this proxy has."""
    return {kind: row for kind, row in KINDS.items() if row.there(desk)}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read found: kind -> what its row's `read` gave."""

    kinds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deployments(self) -> Deployments:
        found: Deployments = self.kinds.get(ALIASES.cls.kind, Deployments())
        return found

    @property
    def teams(self) -> list[Body]:
        found: list[Body] = self.kinds.get(TEAMS.cls.kind, [])
        return found


async def snapshot(desk: Desk) -> Snapshot:
    """Everything that the state is made of. Raises GatewayError; never a part of it."""
    rows = kinds_of(desk)
    answers = await together(*(row.read(desk) for row in rows.values()))
    found = Snapshot(dict(zip(rows, answers, strict=True)))
    for kind, row in rows.items():
        row.learn(desk, found.kinds[kind])
    return found
