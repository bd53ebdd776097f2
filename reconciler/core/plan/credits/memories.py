"""Two memories of one gateway: grants of ours that the gateway has on record and that this ledger does not know.

They were given by a reconciler with another ledger, before a ledger was lost or restored, or by a request that arrived
after it was given up. They count as given: nothing is granted a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.inventory import Known, Record
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import CREDITS, operations_of

ALLOCATIONS = "reconciler:allocation:"
CREATIONS = "reconciler:step:"


@dataclass(frozen=True, slots=True)
class Stranger:
    """One such grant: `amount` in credits (None: not kept); `top_up` is its id (None: an allocation)."""

    team: str
    operation_id: str
    amount: int | None
    top_up: str | None = None


def strangers(
    operations: Mapping[str, Mapping[str, int | None]], known: Mapping[str, frozenset[str]]
) -> tuple[Stranger, ...]:
    """Team -> operation id -> credits on the gateway, against team -> the operation ids that the ledger counts."""
    unknown: list[Stranger] = []
    for team in sorted(operations):
        for operation, amount in operations[team].items():
            if operation in known.get(team, frozenset()):
                continue
            if operation.startswith(operations_of(team)):
                unknown.append(
                    Stranger(team, operation, amount, operation.removeprefix(operations_of(team)))
                )
            elif operation.startswith(ALLOCATIONS):
                unknown.append(Stranger(team, operation, amount))
    return tuple(unknown)


def given_before(
    operations: Mapping[str, Mapping[str, int | None]], known: Known
) -> Mapping[str, int]:
    """Team -> the credits that reconcilers gave it, where this ledger has no record: one of us did that.

    Top-ups come on top of an allocation and are no part of it.
    """
    given: dict[str, int] = {}
    for team, amounts in operations.items():
        record = known.inventory.get(Ref(Team.kind, team))
        if record is not None and CREDITS in record.applied:
            continue
        ours = [
            n
            for name, n in amounts.items()
            if n is not None and name.startswith((ALLOCATIONS, CREATIONS))
        ]
        if ours:
            given[team] = sum(ours)
    return given


def counted(known: Known, unknown: tuple[Stranger, ...]) -> Known:
    """What is known, with these grants counted as given.

    Where the gateway does not keep how much an allocation was, the team is treated as one whose credits we never
    gave: they are raised to what is declared, and not beyond.
    """
    inventory, granted = dict(known.inventory), dict(known.granted)
    for stranger in unknown:
        if stranger.top_up is not None:
            granted[stranger.team] = granted.get(stranger.team, frozenset()) | {stranger.top_up}
            continue
        ref = Ref(Team.kind, stranger.team)
        record = inventory.get(ref)
        if record is not None:
            inventory[ref] = _recounted(record, stranger.amount)
    return replace(known, inventory=inventory, granted=granted)


def _recounted(record: Record, amount: int | None) -> Record:
    applied = dict(record.applied)
    given = applied.pop(CREDITS, None)
    if given is not None and amount is not None:
        applied[CREDITS] = given + amount
    return replace(record, applied=applied)


def told(unknown: tuple[Stranger, ...]) -> tuple[Finding, ...]:
    """One finding a team."""
    teams: dict[str, list[Stranger]] = {}
    for stranger in unknown:
        teams.setdefault(stranger.team, []).append(stranger)
    return tuple(_finding(team, grants) for team, grants in teams.items())


def _finding(team: str, grants: list[Stranger]) -> Finding:
    shown = [
        f"{grant.amount:+,}" if grant.amount is not None else "an unknown amount"
        for grant in grants
    ]
    what = "a grant" if len(grants) == 1 else f"{len(grants):,} grants"
    return warning(
        "credits-elsewhere",
        f"team/{team}: the gateway has {what} of ours that this ledger does not know ({', '.join(shown)} credits); "
        "counted as given, and not given again",
        hint="let everybody who applies use one ledger (ledger.url_env in the settings)",
        ref=Ref(Team.kind, team),
    )
