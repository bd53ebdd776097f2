"""What was found on the proxy, is in no state, and checks and terms need."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.access.facts import AccessFacts


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the gateway and the core does not know. Budgets and spend in USD, by team.

    `top_ups`: team -> ids of the top-ups that its row says it was given. `by_others`: aliases with a deployment that
    somebody else created, so that it may hold secrets that no read shows. `access`: `core.access.litellm.facts`.
    """

    budgets: Mapping[str, float | None] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    spend: Mapping[str, float] = field(default_factory=dict)
    top_ups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    in_config: frozenset[str] = frozenset()
    by_others: frozenset[str] = frozenset()
    access: AccessFacts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long, in seconds, a process may go on with what it knew: teams and keys, access groups, models."""

    teams: int = 60
    groups: int = 600
    models: int = 30
