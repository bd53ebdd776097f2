"""What the ledger remembers, in the terms of the core."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.core.model.inventory import Inventory, Known, Record
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.ledger.records import GrantRecord

if TYPE_CHECKING:
    from reconciler.ledger.store import Ledger


def remembered(
    ledger: "Ledger",
    identity: str,
    *,
    expanded_since: datetime | None,
    fixed: frozenset[Ref] = frozenset(),
    undecided: frozenset[str] = frozenset(),
) -> Known:
    """All of it, each table read once. What was expanded is not asked for where `expanded_since` is None."""
    grants = ledger.grants(identity)
    expanded: Mapping[tuple[str, str], datetime] = {}
    if expanded_since is not None:
        expanded = ledger.expanded_since(identity, expanded_since)
    return Known(
        inventory=inventory_of(ledger, identity),
        granted=_granted(grants),
        fixed=fixed,
        undecided=undecided,
        owed={Ref(key.kind, key.name): key.since for key in ledger.owed_keys(identity)},
        unfinished=frozenset(Ref(*key) for key in ledger.unfinished_creations(identity)),
        operations=_operations(grants),
        expanded={Ref(*key): moment for key, moment in expanded.items()},
        facts=ledger.facts(identity),
    )


def inventory_of(ledger: "Ledger", identity: str) -> Inventory:
    """The ledger's inventory as the core knows it."""
    rows = ledger.inventory(identity)
    return {
        Ref(kind, name): Record(owned.applied, owned.adopted)
        for (kind, name), owned in rows.items()
    }


Grants = Mapping[tuple[str, str], GrantRecord]


def _granted(grants: Grants) -> Mapping[str, frozenset[str]]:
    """Team -> the ids of top-ups that were granted, or that may have been: those are looked up, never sent again."""
    ids: dict[str, set[str]] = {}
    for (team, grant_id), grant in grants.items():
        if grant.state != "refused" and not grant_id.startswith(f"{ALLOCATION}:"):
            ids.setdefault(team, set()).add(grant_id)
    return {team: frozenset(of_team) for team, of_team in ids.items()}


def _operations(grants: Grants) -> Mapping[str, frozenset[str]]:
    """Team -> the operation ids that count as given, or that may still be; one that was given up does not."""
    operations: dict[str, set[str]] = {}
    for (team, _), grant in grants.items():
        if grant.state != "refused":
            operations.setdefault(team, set()).add(grant.operation_id)
    return {team: frozenset(of_team) for team, of_team in operations.items()}
