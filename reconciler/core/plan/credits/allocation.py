"""Credits as a three-way merge: our contribution moves by what was declared now minus at the last apply.

Customers' own top-ups on the gateway survive that. Modes, per plan or team (`credits_mode`):

    managed   live + (declared - what we gave); at adoption, when we gave nothing before, raise to declared.
              Live below what we gave was taken away on the gateway by no top-up: that is given back
    initial   only what a new team starts with
    minimum   raise to declared, never lower
    exact     set to declared, whatever else happened
"""

from collections.abc import Collection

from reconciler.core.model.changes import CreditGrant
from reconciler.core.model.kinds import CreditsMode, Team

# The field that all of this is about.
CREDITS = "credits_allocated"
ALLOCATION = "allocation"
TOP_UPS = "reconciler:top-up:"
UNLIMITED = "unlimited"


def allocation(team: Team, live: int, last: int | None, topped_up: int = 0) -> int:
    """How many credits to add (negative: take back) so that the team has what is declared.

    `live` is the gateway's cumulative `credits_allocated`, `last` what we declared when we last applied (None: never),
    `topped_up` the sum of our top-ups that are known to be in what the team was given.
    """
    declared = team.credits_allocated
    if declared is None:
        return 0
    match team.credits_mode or CreditsMode.MANAGED:
        case CreditsMode.INITIAL:
            return 0
        case CreditsMode.EXACT:
            return declared - live
        case CreditsMode.MANAGED if last is not None:
            return max(0, last + topped_up - live) + declared - last
        case _:
            return max(0, declared - live)


def first_limit(team: Team, topped_up: int = 0) -> int | None:
    """The credits of a team that had no limit at all, None where it goes on without one.

    `managed` and `exact` say what a team has; `initial` is for new teams, and no limit is more than any `minimum`.
    """
    limits = (team.credits_mode or CreditsMode.MANAGED) in (CreditsMode.MANAGED, CreditsMode.EXACT)
    if team.credits_allocated is None or not limits:
        return None
    return team.credits_allocated + (0 if team.credits_mode is CreditsMode.EXACT else topped_up)


def top_ups(name: str, team: Team, granted: Collection[str]) -> tuple[CreditGrant, ...]:
    """The declared one-off grants that were not granted yet; the operation id is the same on every machine and run."""
    return tuple(
        CreditGrant(
            top_up.id,
            top_up.amount,
            top_up.reason or f"top-up {top_up.id}",
            operation_id(name, top_up.id),
        )
        for top_up in team.top_ups
        if top_up.id not in granted
    )


def operation_id(team: str, top_up: str) -> str:
    """Names a top-up on the gateway for ever: even a lost ledger does not grant it again."""
    return f"{operations_of(team)}{top_up}"


def operations_of(team: str) -> str:
    """How the operation ids of a team's top-ups begin: a rename of the team renames them on the gateway, too."""
    return f"{TOP_UPS}{team}:"


def credit_grants(
    name: str,
    team: Team,
    live: int | None,
    last: int | None,
    granted: Collection[str],
    topped_up: int = 0,
) -> tuple[CreditGrant, ...]:
    """Every grant that takes the team from its live credits to the desired ones; `live` is None for a new team."""
    amount = 0 if live is None else allocation(team, live, last, topped_up)
    return ((_allocation(team, amount),) if amount else ()) + top_ups(name, team, granted)


def limiting_grants(
    name: str, team: Team, granted: Collection[str], topped_up: int = 0
) -> tuple[CreditGrant, ...]:
    """The grants of a team that has no limit: its first allocation (which may be of 0), where it gets one."""
    limit = first_limit(team, topped_up)
    return (() if limit is None else (_allocation(team, limit),)) + top_ups(name, team, granted)


def _allocation(team: Team, amount: int) -> CreditGrant:
    return CreditGrant(ALLOCATION, amount, f"credits_allocated {team.credits_allocated}")
