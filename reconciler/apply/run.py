"""One apply from lock to verification: lock, recover, plan, ask, carry out, unlock."""

import asyncio
from dataclasses import replace

from reconciler.apply.carry_out import Work, carry_out
from reconciler.apply.keys import Delivery, delivery
from reconciler.apply.lock import Held, Holding, locked
from reconciler.apply.options import Options, Report
from reconciler.apply.owed_keys import hand_over
from reconciler.apply.recover import Late, recover
from reconciler.core.model.changes import Step
from reconciler.core.model.findings import Finding, ReconcilerError, errors, warning
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.memories import told
from reconciler.core.plan.make import fingerprints
from reconciler.core.plan.meaning.prices import since_saved
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.safety import standing
from reconciler.core.plan.saved import SavedPlan, against
from reconciler.pipeline import (
    Planned,
    Session,
    Terms,
    known_of,
    plan_against,
    plan_now,
    require_valid,
)

__all__ = ["Options", "Report", "apply", "require_applicable"]


async def apply(session: Session, options: Options, stop: asyncio.Event | None = None) -> Report:
    """Take the gateway to the desired state. Raises ReconcilerError for what forbids it; then nothing was changed."""
    require_valid(session.loaded)
    stop = stop or asyncio.Event()
    holding = Holding(options.actor, options.now, options.lock_wait, options.clock, options.waiting)
    keys = options.keys or _keys_of(session)
    try:
        async with locked(session, holding, stop) as held:
            report = await _applied(session, options, keys, held, stop)
    finally:
        keys.close()
    owed = tuple(
        Ref(key.kind, key.name) for key in session.ledger.owed_keys(session.target.identity)
    )
    return replace(report, delivered=keys.delivered, delivered_to=keys.where, owed=owed)


def _keys_of(session: Session) -> Delivery:
    name = session.target.name
    return delivery(name, session.loaded.settings.gateways[name], session.loaded.directory)


async def _applied(
    session: Session, options: Options, keys: Delivery, held: Held, stop: asyncio.Event
) -> Report:
    """Under the lock. What is remembered is read once, when nothing of an earlier apply is open any more."""
    late = Late(stop, options.waiting, lambda step: _is_declared(session, step))
    recovered = await recover(session.ledger, held.lease, session.gateway, options.now, late)
    known = known_of(session, undecided={entry.name for entry in recovered.undecided})
    handed = await hand_over(session.ledger, held.lease, session.gateway, keys, known)
    known = replace(known, owed={ref: known.owed[ref] for ref in handed.left})
    planned = await plan_now(session, known, Terms(options.order, options.scope))
    if options.saved is not None:
        planned = _approved_only(session, options.saved, options, planned)
    findings = (*planned.plan.findings, *_undecided(known.undecided), *handed.findings)
    plan = replace(planned.plan, findings=findings)
    options.shown(plan)
    require_applicable(plan, options.allowed)
    if plan.pending and not await asyncio.to_thread(options.approve, plan):
        return Report(plan, approved=False, interrupted=stop.is_set(), recovered=recovered)
    approved = replace(planned, plan=plan)
    return await carry_out(Work(session, options, held, keys, approved, recovered, stop))


def _is_declared(session: Session, step: Step) -> bool:
    """Whether a top-up of an earlier apply is still in the files: then it is sent again as the same operation."""
    team = session.loaded.desired.state.get(step.ref)
    if step.credit is None or not isinstance(team, Team):
        return False
    declared = {top_up.id: top_up.amount for top_up in team.top_ups}
    return declared.get(step.credit.grant_id) == step.credit.amount


def _approved_only(
    session: Session, saved: SavedPlan, options: Options, planned: Planned
) -> Planned:
    """The fresh plan cut to what the saved one holds. Raises ReconcilerError where the saved one does not hold."""
    live, known = planned.live, planned.known
    now = fingerprints(live.state, live.state)
    hindrances = against(saved, planned.plan, now, rebase=options.rebase)
    if hindrances:
        raise ReconcilerError(*hindrances)
    plan = plan_against(session, live, known, options.terms, told(planned.strangers))
    return replace(planned, plan=replace(plan, prices=since_saved(saved.prices, plan.prices)))


def require_applicable(plan: Plan, allowed: frozenset[str]) -> None:
    """Raises ReconcilerError with the plan's errors and the refusals that no flag overrides."""
    hindrances = (*errors(plan.findings), *standing(plan.refusals, allowed))
    if hindrances:
        raise ReconcilerError(*hindrances)


def _undecided(teams: frozenset[str]) -> tuple[Finding, ...]:
    return tuple(
        warning(
            "credits-undecided",
            f"whether an earlier credit grant for {team} happened cannot be told; until then it gets no credits",
            hint="compare its balance on the gateway, then run `reconciler history decide`",
            ref=Ref("team", team),
        )
        for team in sorted(teams)
    )
