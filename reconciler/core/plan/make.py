"""make_plan: desired and live -> Plan. Pure: everything it looks at is a parameter."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler.core.model.changes import Change
from reconciler.core.model.digest import digest
from reconciler.core.model.findings import Finding, ordered, warning
from reconciler.core.model.inventory import Known, record_of
from reconciler.core.model.kinds import PricingPlan, Resource, Team
from reconciler.core.model.prices import NO_PRICES, PriceMap
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import Settings
from reconciler.core.model.state import State
from reconciler.core.plan.diff import Diff, diff
from reconciler.core.plan.lookalikes import lookalikes
from reconciler.core.plan.meaning.announced import Come, by_date, come
from reconciler.core.plan.meaning.causes import causes
from reconciler.core.plan.meaning.evidence import Evidence, Find, nowhere
from reconciler.core.plan.meaning.impact import Context, impact, transition_in
from reconciler.core.plan.meaning.moved import moved_findings
from reconciler.core.plan.meaning.prices import PRICES, prices_finding, prices_used
from reconciler.core.plan.meaning.unpriced import unpriced_changes
from reconciler.core.plan.noting import noted
from reconciler.core.plan.order.holding import Fresh, waits_finding
from reconciler.core.plan.order.schedule import Order
from reconciler.core.plan.part import Part
from reconciler.core.plan.plan import Impact, Plan, Risk, Target
from reconciler.core.plan.renames import renames, view, with_renames
from reconciler.core.plan.safety import BUDGET_CUT, Runtime, refusals
from reconciler.core.plan.saved import Approved
from reconciler.core.plan.scope import EVERYTHING, Scope
from reconciler.core.plan.support import Support

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Inputs:
    """All that a plan depends on. `desired` and `plans` are effective (`resolve`), `live` as read.

    `scope` and `approved` (of a saved plan) cut it to a part of the changes. `fresh` as in `core.plan.order.holding`.
    `now` is the moment that `desired` was resolved for, from `written`; `find` tells where something is written.
    """

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
    scope: Scope = EVERYTHING
    fresh: Fresh = field(default_factory=dict)
    approved: Approved | None = None
    plans: Mapping[str, PricingPlan] = field(default_factory=dict)
    now: datetime = LONG_AGO
    written: State = field(default_factory=State)
    find: Find = nowhere


def make_plan(given: Inputs) -> Plan:
    """The changes from live to desired with their meaning, and what stands against applying them."""
    declared = renames(given.desired, given.live, given.known, given.support)
    part = Part(given.scope, given.approved, given.known.inventory)
    renamed = part.cut_renames(declared, given.live, given.desired)
    seen = view(given.desired, given.live, given.known, renamed)
    # From here on everything has its new name.
    given = replace(given, desired=seen.desired, live=seen.live, known=seen.known)
    part = replace(part, inventory=given.known.inventory)
    compared = diff(given.desired, given.live, given.known, given.support, given.settings.prune)
    whole = with_renames(compared, renamed, seen)
    planned = part.cut(whole, given.live, given.desired, given.support.kinds)
    notes = noted(given.desired, given.plans, given.known, whole, given.now)
    noted_changes = tuple(part.cut_notes(notes))
    ahead = come(given.live, given.known.inventory, given.now)
    meaning = _meaning(given, part, planned.changes, noted_changes, ahead, seen.called)
    refused = (*_refusals(given, planned.changes, meaning, ahead), *planned.refused)
    prices = prices_used(given.written, given.prices, given.known.facts.get(PRICES))
    findings = (
        *given.findings,
        *planned.findings,
        *lookalikes(planned.changes, given.support),
        *_waits(planned, given),
        *part.unmatched(given.live, given.desired, given.plans),
        *_owed_keys(given.known),
        *moved_findings(given.known, given.live, given.support),
        *prices_finding(prices),
        *unpriced_changes(meaning, given.live, given.desired, given.prices),
    )
    return Plan(
        target=given.target,
        changes=planned.changes,
        impact=_with_cuts(meaning, refused),
        findings=ordered(findings),
        refusals=ordered(refused),
        foreign=planned.foreign,
        unchanged=planned.unchanged,
        held=planned.held,
        gone=planned.gone,
        fingerprints=fingerprints(given.live, (change.ref for change in planned.changes)),
        order=given.order.value,
        revision=given.revision,
        scope=given.scope.patterns,
        partial=part.partial,
        noted=noted_changes,
        on_plans=_on_plans(given.desired),
        owed=tuple(sorted(given.known.owed)),
        renames=renamed.of(planned.changes, partial=part.partial),
        facts=given.support.facts,
        prices=prices,
    )


def _meaning(
    given: Inputs,
    part: Part,
    changes: tuple[Change, ...],
    noted_changes: tuple[Change, ...],
    ahead: Come,
    called: State,
) -> Impact:
    """What the changes mean, with the causes of each gain, loss, price and credit."""
    context = Context(
        changes=changes,
        live=given.live,
        desired=part.declared(given.desired, changes),
        inventory=given.known.inventory,
        support=given.support,
        prices=given.prices,
        order=given.order,
        called=called,
        runtime=given.runtime,
        ahead=ahead,
    )
    transition = transition_in(context)
    meaning = impact(context, transition)
    evidence = Evidence(
        live=given.live,
        desired=transition.desired,
        written=given.written,
        before=transition.before,
        after=transition.after,
        inventory=given.known.inventory,
        changes={change.ref: change for change in changes},
        noted={change.ref: change for change in noted_changes},
        ahead=ahead,
        now=given.now,
        find=given.find,
    )
    teams = tuple(replace(team, causes=causes(team, evidence)) for team in meaning.teams)
    return replace(meaning, teams=teams)


def _refusals(
    given: Inputs, changes: tuple[Change, ...], meaning: Impact, ahead: Come
) -> tuple[Finding, ...]:
    return refusals(
        changes,
        given.live,
        given.desired,
        meaning,
        given.settings.safety,
        given.runtime,
        resumed=given.known.unfinished,
        dated=frozenset(change.ref for change in changes if by_date(change, ahead)),
    )


def _with_cuts(meaning: Impact, refused: Collection[Finding]) -> Impact:
    """A first limit may end calls one day, as nothing did before."""
    cut = sum(1 for finding in refused if finding.code == BUDGET_CUT)
    if not cut:
        return meaning
    reason = f"{cut:,} {'team gets' if cut == 1 else 'teams get'} a limit where there was none"
    return replace(meaning, risk=Risk.HIGH, reasons=(reason, *meaning.reasons))


def _waits(planned: Diff, given: Inputs) -> tuple[Finding, ...]:
    """How long an apply takes at least, where revokes wait until every process of the gateway knows of the expands."""
    if given.order is not Order.GRANT_FIRST:
        return ()
    finding = waits_finding(planned.changes, given.live, given.support, given.fresh)
    return (finding,) if finding else ()


def _on_plans(desired: State) -> Mapping[str, tuple[str, ...]]:
    teams_on: dict[str, list[str]] = {}
    for name, team in sorted(desired.of(Team).items()):
        if team.plan is not None:
            teams_on.setdefault(team.plan, []).append(name)
    return {plan: tuple(teams) for plan, teams in teams_on.items()}


def _owed_keys(known: Known) -> Iterable[Finding]:
    for ref, since in sorted(known.owed.items()):
        message = f"{ref}: its virtual key was made on {since:%Y-%m-%d %H:%M} UTC and nobody has been given it"
        yield warning("key-owed", message, hint="the next apply tries again to deliver it", ref=ref)


def fingerprint(resource: Resource) -> str:
    """A short digest of one live object; equal objects have equal digests."""
    return digest(record_of(resource))[:16]


def fingerprints(live: State, refs: Iterable[Ref]) -> Mapping[Ref, str]:
    """Ref -> digest, for those of the refs that exist; `absent` for the others."""
    resources = ((ref, live.get(ref)) for ref in refs)
    return {ref: fingerprint(resource) if resource else "absent" for ref, resource in resources}
