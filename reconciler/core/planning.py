"""make_plan: desired and live -> Plan. Pure: everything it looks at is a parameter."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.core.diff import Known, diff
from reconciler.core.findings import Finding, errors, ordered
from reconciler.core.impact import Context, impact
from reconciler.core.inventory import record_of
from reconciler.core.kinds import Resource
from reconciler.core.plan import Plan, Target
from reconciler.core.prices import NO_PRICES, PriceMap
from reconciler.core.refs import Ref
from reconciler.core.safety import Runtime, refusals
from reconciler.core.schedule import Order
from reconciler.core.settings import Settings
from reconciler.core.state import State
from reconciler.core.support import Support


@dataclass(frozen=True)
class Inputs:
    """All that a plan depends on. `desired` is effective (`resolve`), `live` as read."""

    target: Target
    desired: State
    live: State
    known: Known
    support: Support
    settings: Settings = field(default_factory=Settings)
    prices: PriceMap = NO_PRICES
    order: Order = Order.GRANT_FIRST
    revision: str | None = None
    findings: tuple[Finding, ...] = ()
    runtime: Runtime = field(default_factory=dict)


def make_plan(given: Inputs) -> Plan:
    """The changes from live to desired with their meaning, and what stands against applying them."""
    found = diff(given.desired, given.live, given.known, given.support, given.settings.prune)
    meaning = impact(
        Context(
            found.changes, given.live, given.desired, given.known.inventory, given.support, given.prices, given.order
        )
    )
    refused = (
        *refusals(found.changes, given.live, given.desired, meaning, given.settings.safety, given.runtime),
        *found.refused,
    )
    return Plan(
        target=given.target,
        changes=found.changes,
        impact=meaning,
        findings=ordered((*given.findings, *found.findings)),
        refusals=ordered(refused),
        foreign=found.foreign,
        unchanged=found.unchanged,
        held=found.held,
        gone=found.gone,
        fingerprints=fingerprints(given.live, (change.ref for change in found.changes)),
        order=given.order.value,
        revision=given.revision,
    )


def applicable(plan: Plan) -> bool:
    """Whether nothing of what the plan found is an error."""
    return not errors(plan.findings)


def fingerprint(resource: Resource) -> str:
    """A short digest of one live object; equal objects have equal digests."""
    text = json.dumps(record_of(resource), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprints(live: State, refs: Iterable[Ref]) -> Mapping[Ref, str]:
    """Ref -> digest, for those of the refs that exist; `absent` for the others."""
    found = ((ref, live.get(ref)) for ref in refs)
    return {ref: fingerprint(resource) if resource else "absent" for ref, resource in found}
