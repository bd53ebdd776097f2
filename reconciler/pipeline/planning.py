"""Planning: what the gateway says and what is remembered, read once, to a plan whose findings have their places."""

from dataclasses import dataclass, replace

from reconciler.core.model.findings import Finding, ReconcilerError, error, leveled, ordered
from reconciler.core.model.inventory import Known, Record
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import CREDITS
from reconciler.core.plan.credits.memories import Stranger, counted, given_before, strangers, told
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.order.holding import fresh
from reconciler.core.plan.order.schedule import Order
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.saved import Approved
from reconciler.core.plan.scope import EVERYTHING, Scope
from reconciler.core.rules.undeclared import decided
from reconciler.gateways import is_local
from reconciler.gateways.base import Live
from reconciler.ledger.place import ledger_place, lone_ledger
from reconciler.pipeline.loading import located, require_valid, utc_now
from reconciler.pipeline.policies import Judging, judged, rules_of
from reconciler.pipeline.session import Session, known_of


@dataclass(frozen=True)
class Terms:
    """On what terms a plan is made: its order, and the part that it is cut to, by patterns and by a saved plan."""

    order: Order = Order.GRANT_FIRST
    scope: Scope = EVERYTHING
    approved: Approved | None = None


AS_DECLARED = Terms()
# Balances are read so often until nobody granted anything meanwhile.
MOST_READINGS = 5


@dataclass(frozen=True)
class Planned:
    """A plan with what it was made of. `strangers` are grants of ours that this ledger did not know."""

    plan: Plan
    live: Live
    known: Known
    strangers: tuple[Stranger, ...] = ()


async def make(
    session: Session, *, order: Order = Order.GRANT_FIRST, scope: Scope = EVERYTHING
) -> tuple[Plan, Live]:
    """The plan for the gateway as it is now. Raises ReconcilerError for an invalid config or a failed read."""
    require_valid(session.loaded)
    planned = await plan_now(session, known_of(session), Terms(order, scope))
    return planned.plan, planned.live


async def plan_now(session: Session, remembered: Known, terms: Terms = AS_DECLARED) -> Planned:
    """As `make`, from what is remembered, with what was read.

    Before credits are granted, or counted as given, the gateway's own record of our grants is looked at: what another
    ledger has given, or a lost one, is not given again. Raises ReconcilerError where that record does not stand still.
    """
    live = await session.gateway.read()
    known = replace(remembered, fixed=live.fixed)
    plan = plan_against(session, live, known, terms)
    teams = _with_credits_to_look_at(session, plan, known)
    if not teams:
        return Planned(plan, live, known)
    operations = await session.gateway.operations(teams)
    if not strangers(operations, known.operations) and not given_before(operations, known):
        return Planned(plan, live, known)
    for _ in range(MOST_READINGS):
        unknown = strangers(operations, remembered.operations)
        given = given_before(operations, remembered)
        live = await session.gateway.read()
        known = replace(counted(remembered, unknown), fixed=live.fixed, given=given)
        plan = plan_against(session, live, known, terms, told(unknown))
        # Balances and the record of what made them are of one moment where nothing was granted between two looks: a
        # grant that only the balance has would be met again later as a stranger's, and count twice.
        teams |= _with_credits_to_look_at(session, plan, known)
        now_on_record = await session.gateway.operations(teams)
        if now_on_record == operations:
            return Planned(plan, live, known, unknown)
        operations = now_on_record
    raise ReconcilerError(
        error(
            "credits-moving",
            f"somebody with another ledger grants credits meanwhile: {MOST_READINGS} readings of what was given differ",
            hint="run again when the other apply is done; let everybody who applies use one ledger",
        )
    )


def plan_against(
    session: Session,
    live: Live,
    known: Known,
    terms: Terms = AS_DECLARED,
    findings: tuple[Finding, ...] = (),
) -> Plan:
    """The plan for a live state that was read before. Findings carry the place of what they are about."""
    loaded, support = session.loaded, session.gateway.support
    plan = make_plan(
        Inputs(
            target=session.target,
            desired=loaded.desired.state,
            live=live.state,
            known=known,
            support=support,
            settings=loaded.settings,
            prices=loaded.prices,
            order=terms.order,
            revision=loaded.revision,
            findings=(
                *_of_config(session, live, known),
                *live.findings,
                *findings,
                *_of_ledger(session),
            ),
            runtime=live.runtime,
            scope=terms.scope,
            approved=terms.approved,
            fresh=fresh(known.expanded, support, utc_now()),
            plans=loaded.desired.plans,
            now=loaded.now,
            written=loaded.manifests.state,
            find=loaded.place,
        )
    )
    placed = tuple(located(loaded, finding) for finding in plan.findings)
    return replace(plan, findings=ordered(leveled(placed, loaded.settings.lint)))


def _with_credits_to_look_at(session: Session, plan: Plan, known: Known) -> frozenset[str]:
    """Teams whose grants on the gateway decide what we give them, by the names that the gateway knows them by.

    credits move                                                         what others gave is not given again
    adopted, where the gateway keeps who gave a team its first credits   what was given counts as given
    the record of what we gave moves, and no credits do                  somebody else may have moved them already
    """
    support = session.gateway.support
    teams: set[str] = set()
    for change in (*plan.changes, *plan.noted):
        if change.ref.kind != Team.kind or change.before is None or change.after is None:
            continue
        old = plan.renames.in_place.old(change.ref)
        adopted = change.adopt and support.voids
        if change.credits or adopted or _recounts(session, change.ref, known.inventory.get(old)):
            teams.add(old.name)
    return frozenset(teams)


def _recounts(session: Session, team: Ref, record: Record | None) -> bool:
    """Whether other credits are declared for the team than were when it was last recorded."""
    wish = session.loaded.desired.state.get(team)
    if record is None or not isinstance(wish, Team) or wish.credits_allocated is None:
        return False
    return record.applied.get(CREDITS) != wish.credits_allocated


def _of_config(session: Session, live: Live, known: Known) -> tuple[Finding, ...]:
    """The findings of the config, now that the gateway is known: what it serves, and its own rules of access."""
    loaded, support = session.loaded, session.gateway.support
    state = live.state.updated(loaded.desired.state.resources)
    serves = support.serving(state) if support.serving else None
    findings = decided(loaded.findings, live.fixed, serves)
    default = loaded.settings.gateways.get(loaded.settings.default_gateway)
    if support.rules == rules_of(default, loaded.prices):
        return findings
    by = Judging(loaded.manifests, loaded.desired, loaded.now, loaded.prices, support.rules)
    return judged(findings, by, live.state, known.inventory)


def _of_ledger(session: Session) -> tuple[Finding, ...]:
    """What there is to tell of a ledger that nobody else can see."""
    loaded, name = session.loaded, session.target.name
    place = ledger_place(loaded.settings.ledger, loaded.directory, loaded.variables)
    return lone_ledger(name, place, local=is_local(loaded.settings.gateways[name]))
