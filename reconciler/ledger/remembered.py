"""What the ledger remembers, in the terms of the core."""

from collections.abc import Mapping

from reconciler.core.model.inventory import Inventory, Record
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.ledger.store import Ledger


def inventory_of(ledger: Ledger, identity: str) -> Inventory:
    """The ledger's inventory as the core knows it."""
    rows = ledger.inventory(identity)
    return {
        Ref(kind, name): Record(owned.applied, owned.adopted)
        for (kind, name), owned in rows.items()
    }


def granted_of(ledger: Ledger, identity: str) -> Mapping[str, frozenset[str]]:
    """Team -> the ids of top-ups that were granted, or that may have been: those are looked up, never sent again."""
    found: dict[str, set[str]] = {}
    for (team, grant_id), grant in ledger.grants(identity).items():
        if grant.state != "refused" and not grant_id.startswith(f"{ALLOCATION}:"):
            found.setdefault(team, set()).add(grant_id)
    return {team: frozenset(ids) for team, ids in found.items()}


def counted_operations(ledger: Ledger, identity: str) -> Mapping[str, frozenset[str]]:
    """Team -> the operation ids that count as given, or that may still be; one that was given up does not."""
    operations: dict[str, set[str]] = {}
    for (team, _), grant in ledger.grants(identity).items():
        if grant.state != "refused":
            operations.setdefault(team, set()).add(grant.operation_id)
    return {team: frozenset(ids) for team, ids in operations.items()}
