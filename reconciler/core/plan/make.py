"""make_plan: desired and live -> Plan. Pure: everything it looks at is a parameter."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler.core.model.changes import Change
from reconciler.core.model.digest import digest
from reconciler.core.model.findings import Finding, ordered, warning
from reconciler.core.model.inventory import Known, record_of, resource_of
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
from reconciler.core.plan.order.schedule import Order, Transition
from reconciler.core.plan.plan import Impact, Plan, Risk, Target
from reconciler.core.plan.renames import View, renames, view, with_renames
from reconciler.core.plan.renaming import Renames
from reconciler.core.plan.safety import BUDGET_CUT, Runtime, refusals
from reconciler.core.plan.saved import Approved
from reconciler.core.plan.scope import EVERYTHING, Scope, out_of_scope, unmatched
from reconciler.core.plan.support import Support

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Inputs:
    """All that a plan depends on. `desired` and `plans` are effective (`resolve`), `live` as read.

    `scope` and `approved` (of a saved plan) cut it to a part of the changes. `fresh` as in `core.holding`.
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
    renamed = _renames(given)
    seen = view(given.desired, given.live, given.known, renamed)
    given = replace(given, desired=seen.desired, live=seen.live, known=seen.known)
    compared = _compared(given, renamed, seen)
    found = _scoped(compared, given)
    ahead = come(given.live, given.known.inventory, given.now)
    context = Context(
        changes=found.changes,
        live=given.live,
        desired=_declared(given, found),
        inventory=given.known.inventory,
        support=given.support,
        prices=given.prices,
        order=given.order,
        called=seen.called,
        runtime=given.runtime,
        ahead=ahead,
    )
    world = transition_in(context)
    noted_changes = tuple(_noted(given, compared))
    meaning = _explained(impact(context, world), given, world, found.changes, noted_changes, ahead)
    dated = frozenset(change.ref for change in found.changes if by_date(change, ahead))
    refused = (
        *refusals(
            found.changes,
            given.live,
            given.desired,
            meaning,
            given.settings.safety,
            given.runtime,
            resumed=given.known.unfinished,
            dated=dated,
        ),
        *found.refused,
    )
    prices = prices_used(given.written, given.prices, given.known.facts.get(PRICES))
    return Plan(
        target=given.target,
        changes=found.changes,
        impact=_with_cuts(meaning, refused),
        findings=ordered(
            (
                *given.findings,
                *found.findings,
                *lookalikes(found.changes, given.support),
                *_waits(found, given),
                *_unmatched(given),
                *_owed_keys(given.known),
                *moved_findings(given.known, given.live, given.support),
                *prices_finding(prices),
                *unpriced_changes(meaning, given.live, given.desired, given.prices),
            )
        ),
        refusals=ordered(refused),
        foreign=found.foreign,
        unchanged=found.unchanged,
        held=found.held,
        gone=found.gone,
        fingerprints=fingerprints(given.live, (change.ref for change in found.changes)),
        order=given.order.value,
        revision=given.revision,
        scope=given.scope.patterns,
        partial=_partial(given),
        noted=noted_changes,
        on_plans=_on_plans(given.desired),
        owed=tuple(sorted(given.known.owed)),
        renames=renamed.of(found.changes, partial=_partial(given)),
        facts=given.support.facts,
        prices=prices,
    )


def _explained(
    meaning: Impact,
    given: Inputs,
    world: Transition,
    changes: Iterable[Change],
    noted_changes: Iterable[Change],
    ahead: Come,
) -> Impact:
    """The meaning with the causes of each gain, loss, price and credit."""
    evidence = Evidence(
        live=given.live,
        desired=world.desired,
        written=given.written,
        before=world.before,
        after=world.after,
        inventory=given.known.inventory,
        changes={change.ref: change for change in changes},
        noted={change.ref: change for change in noted_changes},
        ahead=ahead,
        now=given.now,
        find=given.find,
    )
    return replace(
        meaning, teams=tuple(replace(team, causes=causes(team, evidence)) for team in meaning.teams)
    )


def _with_cuts(meaning: Impact, refused: Collection[Finding]) -> Impact:
    """A first limit may end calls one day, as nothing did before."""
    cut = sum(1 for finding in refused if finding.code == BUDGET_CUT)
    if not cut:
        return meaning
    said = f"{cut:,} {'team gets' if cut == 1 else 'teams get'} a limit where there was none"
    return replace(meaning, risk=Risk.HIGH, reasons=(said, *meaning.reasons))


def _waits(found: Diff, given: Inputs) -> tuple[Finding, ...]:
    """How long an apply takes at least, where revokes wait until every process of the gateway knows of the expands."""
    if given.order is not Order.GRANT_FIRST:
        return ()
    finding = waits_finding(found.changes, given.live, given.support, given.fresh)
    return (finding,) if finding else ()


def _unmatched(given: Inputs) -> tuple[Finding, ...]:
    """The patterns of the scope that nothing fits, neither declared nor live nor recorded."""
    if not given.scope.patterns:
        return ()
    inventory = given.known.inventory
    tiers = [Change(Ref(PricingPlan.kind, name), None, plan) for name, plan in given.plans.items()]
    refs = given.desired.resources.keys() | given.live.resources.keys() | inventory.keys()
    objects = [Change(ref, given.live.get(ref), given.desired.get(ref)) for ref in sorted(refs)]
    wishes = [(ref, wish) for ref, wish in given.desired.resources.items() if wish.renamed_from]
    former = [Change(Ref(ref.kind, str(wish.renamed_from)), None, wish) for ref, wish in wishes]
    return tuple(unmatched(given.scope, [*objects, *former, *tiers], inventory))


def _noted(given: Inputs, compared: Diff) -> Iterator[Change]:
    """What is only written down, cut to the scope; of a saved plan just what it says word for word."""
    for change in noted(given.desired, given.plans, given.known, compared, given.now):
        if _fits(change, given) and (given.approved is None or given.approved.notes(change)):
            yield change


def _on_plans(desired: State) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, team in sorted(desired.of(Team).items()):
        if team.plan is not None:
            found.setdefault(team.plan, []).append(name)
    return {plan: tuple(teams) for plan, teams in found.items()}


def _owed_keys(known: Known) -> Iterable[Finding]:
    for ref, since in sorted(known.owed.items()):
        message = f"{ref}: its virtual key was made on {since:%Y-%m-%d %H:%M} UTC and nobody has been given it"
        yield warning("key-owed", message, hint="the next apply tries again to deliver it", ref=ref)


def _compared(given: Inputs, renamed: Renames, seen: View) -> Diff:
    found = diff(given.desired, given.live, given.known, given.support, given.settings.prune)
    return with_renames(found, renamed, seen)


def _renames(given: Inputs) -> Renames:
    """The renames of the part that is planned: one belongs to it under its old name, too."""
    declared = renames(given.desired, given.live, given.known, given.support)
    sent = declared.sent.new_of.items()
    outside = [new for old, new in sent if not _within(new, old, given)]
    return declared.without(outside) if outside else declared


def _within(ref: Ref, old: Ref, given: Inputs) -> bool:
    sides = (Change(name, given.live[old], given.desired[ref]) for name in (ref, old))
    fits = any(given.scope.fits(side, given.known.inventory) for side in sides)
    return fits and (given.approved is None or ref in given.approved.refs)


def _partial(given: Inputs) -> bool:
    return bool(given.scope.patterns) or given.approved is not None


def _scoped(found: Diff, given: Inputs) -> Diff:
    """The diff cut to the scope, and to the refs of a saved plan; what that leaves dangling is an error."""
    if not _partial(given):
        return found
    kept = tuple(
        change
        for change in found.changes
        if _fits(change, given) and (given.approved is None or change.ref in given.approved.refs)
    )
    refs = {change.ref for change in kept}
    refused = tuple(finding for finding in found.refused if finding.ref in refs)
    about = tuple(
        finding
        for finding in found.findings
        if finding.ref is None or _concerns(finding.ref, given)
    )
    findings = (*about, *out_of_scope(kept, given.live, given.support.kinds))
    return replace(found, changes=kept, refused=refused, findings=findings, gone=())


def _concerns(ref: Ref, given: Inputs) -> bool:
    """Whether a finding about the ref belongs to the part that is planned."""
    fits = given.scope.fits(
        Change(ref, given.live.get(ref), given.desired.get(ref)), given.known.inventory
    )
    return fits and (given.approved is None or ref in given.approved.refs)


def _declared(given: Inputs, found: Diff) -> State:
    """What is declared, for money: a team that the scope leaves out stays on the plan that it was applied with."""
    if not given.scope.patterns:
        return given.desired
    within = {change.ref for change in found.changes}
    outside = {ref for ref in given.desired if ref.kind == Team.kind and ref not in within}
    inventory = given.known.inventory
    return given.desired.updated(
        {ref: resource_of(ref, inventory[ref]) if ref in inventory else None for ref in outside}
    )


def _fits(change: Change, given: Inputs) -> bool:
    former = (
        replace(change, ref=Ref(change.ref.kind, change.renamed_from))
        if change.renamed_from
        else change
    )
    return any(given.scope.fits(each, given.known.inventory) for each in (change, former))


def fingerprint(resource: Resource) -> str:
    """A short digest of one live object; equal objects have equal digests."""
    return digest(record_of(resource))[:16]


def fingerprints(live: State, refs: Iterable[Ref]) -> Mapping[Ref, str]:
    """Ref -> digest, for those of the refs that exist; `absent` for the others."""
    found = ((ref, live.get(ref)) for ref in refs)
    return {ref: fingerprint(resource) if resource else "absent" for ref, resource in found}
