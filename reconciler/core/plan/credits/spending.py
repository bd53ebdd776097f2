"""spending: what a team has left, and whether every call of it is refused, whatever models it may call.

One rule for credits, budgets and rates: a team that the gateway refuses every call has lost all of its models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.core.model.kinds import Team
from reconciler.core.plan.support import Support

RATES = ("tpm_limit", "rpm_limit")
SPENT = {"credits": "no credits are left", "usd": "its budget is used up"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a team has left in `unit` (credits or usd), None where that is not known or there is no limit.

    `refused` says why the gateway refuses it every call, None where it does not. `spent`: nothing is left, though this
    gateway may answer all the same.
    """

    left: float | None = None
    unit: Literal["credits", "usd"] | None = None
    refused: str | None = None

    @property
    def spent(self) -> bool:
        return self.left is not None and self.left <= 0


ABSENT = Standing()


def standing(
    team: Team | None, facts: Mapping[str, Any] | None, support: Support, granted: int = 0
) -> Standing:
    """How a team stands on this gateway.

    `facts` are those of its live self (`gateways.base.Live`), None for a team that is not there yet;
    `granted` are credits that come on top of `credits_allocated`.
    """
    if team is None:
        return ABSENT
    left = _left(team, facts, support, granted)
    able = Standing(left, support.balance if left is not None else None)
    stored = support.kinds[Team.kind].stored if Team.kind in support.kinds else frozenset[str]()
    for name in RATES:
        if name in stored and getattr(team, name) == 0:
            return Standing(left, able.unit, f"{name} is 0")
    if able.spent and not support.answers_when_spent:
        return Standing(left, able.unit, SPENT[support.balance or "credits"])
    return able


def _left(
    team: Team, facts: Mapping[str, Any] | None, support: Support, granted: int
) -> float | None:
    if support.balance == "usd":
        budget = budget_of(team, granted)
        return None if budget is None else budget - float((facts or {}).get("spend") or 0)
    if support.balance == "credits":
        used = 0 if facts is None else facts.get("credits_used")
        return None if used is None else (team.credits_allocated or 0) + granted - used
    return None


def budget_of(team: Team, granted: int = 0) -> float | None:
    """The hard budget in USD, of credits where those are worth something; None for a team without a limit."""
    if team.credits_allocated is not None and team.usd_per_credit is not None:
        return float(f"{(team.credits_allocated + granted) * team.usd_per_credit:.12g}")
    return team.max_budget_usd
