"""The whole product as functions: load, plan, apply, drift. The command line is a thin layer over these.

    loaded = load(Path("config"), variables=os.environ)         files -> desired state and findings
    async with opened(loaded, gateway=None, ...) as session:    ledger and gateway, read-only unless asked
        plan  = await make(session)                             read the gateway, compare, say what it means
        done  = await apply(session, ...)                       lock, recover, plan, ask, execute, verify

Everything that depends on the world is a parameter: `now`, the environment, who is applying.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.model.findings import (
    Finding,
    Origin,
    ReconcilerError,
    did_you_mean,
    error,
    errors,
    info,
    leveled,
    ordered,
)
from reconciler.core.model.inventory import Known
from reconciler.core.model.kinds import PricingPlan, Team
from reconciler.core.model.prices import PriceMap
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.typed import veiled
from reconciler.core.model.settings import GatewaySettings, Settings
from reconciler.core.model.state import State
from reconciler.core.plan.credits.memories import Stranger, counted, given_before, strangers, told
from reconciler.core.plan.drift import Drift
from reconciler.core.plan.drift import drift as find_drift
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.meaning.unpriced import unpriced_selections
from reconciler.core.plan.order.holding import MARGIN, Fresh
from reconciler.core.plan.order.schedule import Order
from reconciler.core.plan.plan import Plan, Target
from reconciler.core.plan.resolve import Resolved, resolve
from reconciler.core.plan.saved import Approved
from reconciler.core.plan.scope import EVERYTHING, Scope
from reconciler.core.plan.shown import Shown
from reconciler.core.plan.support import Support
from reconciler.core.rules.check import check
from reconciler.core.rules.policies import VIOLATION
from reconciler.core.rules.undeclared import decided, put_off
from reconciler.files.base_settings import load_base_settings
from reconciler.files.discovery import shown
from reconciler.files.manifests import Manifests, load_manifests, locate
from reconciler.files.prices.loading import load_prices
from reconciler.files.revisions import as_of, current_commit
from reconciler.files.settings import load_settings, readable
from reconciler.gateways import backend_of, connect, identity, is_local
from reconciler.gateways.base import Gateway, Live
from reconciler.ledger import Ledger, LedgerError, open_ledger
from reconciler.ledger.place import ledger_place, lone_ledger
from reconciler.ledger.remembered import counted_operations, granted_of, inventory_of
from reconciler.policies import POLICY_CODES, Judging, judged, policy_findings, rules_of
from reconciler.system.disk import readable_database

if TYPE_CHECKING:
    from collections.abc import Iterator

SQLITE = "sqlite:///"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Loaded:
    """A config directory, read and checked at one instant. `desired` is empty where more than a policy is in error."""

    directory: Path
    settings: Settings
    manifests: Manifests
    desired: Resolved
    findings: tuple[Finding, ...]
    now: datetime
    variables: Mapping[str, str]
    prices: PriceMap = field(repr=False)
    environment: str | None = None
    revision: str | None = None
    renamed: tuple[str, str] | None = None

    @property
    def valid(self) -> bool:
        return not errors(self.findings)


def load(
    directory: Path,
    *,
    variables: Mapping[str, str],
    environment: str | None = None,
    now: datetime | None = None,
    revision: str | None = None,
    settings_revision: str | None = None,
) -> Loaded:
    """Settings and manifests with every finding of validation. Never raises for what the files hold.

    `variables` is the process's environment; `now` decides which time-limited grants hold. With a `revision` the
    manifests are those of that git revision (the working tree is not touched), the settings those of today, or of the
    `settings_revision` where there is one. Raises ReconcilerError where git does not know a revision.
    """
    if settings_revision is None:
        settings = load_settings(directory, variables=variables)
    else:
        settings = load_base_settings(directory, settings_revision, variables=variables)
    if revision is None:
        return _load(
            directory, directory, settings, variables, environment, now, current_commit(directory)
        )
    source, commit = as_of(directory, revision)
    found = _load(directory, source, settings, variables, environment, now, commit)
    found = replace(found, renamed=(shown(source), f"{shown(directory)}@{commit[:9]}"))
    return replace(found, findings=tuple(located(found, finding) for finding in found.findings))


def _place(loaded: Loaded, ref: Ref, path: tuple[str | int, ...]) -> Origin | None:
    return located(loaded, info("place", "", ref=ref, path=path)).origin


def located(loaded: Loaded, finding: Finding) -> Finding:
    """The finding with the place of what it is about; a place in a git revision is said as one."""
    placed = locate(loaded.manifests, finding)
    if loaded.renamed is None or placed.origin is None:
        return placed
    return replace(
        placed, origin=replace(placed.origin, file=placed.origin.file.replace(*loaded.renamed))
    )


def _load(
    directory: Path,
    source: Path,
    read: tuple[Settings, tuple[Finding, ...]],
    variables: Mapping[str, str],
    environment: str | None,
    now: datetime | None,
    commit: str | None,
) -> Loaded:
    moment = now or utc_now()
    settings, settings_findings = read
    manifests = load_manifests(
        source, environment=environment, variables=readable(settings, variables)
    )
    prices, prices_findings = load_prices(source)
    checked = (
        *check(manifests.state, declared=tuple(manifests.files), complete=manifests.complete),
        *unpriced_selections(manifests.state, prices),
    )
    if any(backend_of(gateway.backend).undeclared for gateway in settings.gateways.values()):
        checked = put_off(checked)
    placed = (locate(manifests, finding) for finding in checked)
    levels = leveled(placed, settings.lint)
    findings = ordered((*settings_findings, *prices_findings, *manifests.findings, *levels))
    desired = (
        Resolved(State(), {}) if errors(findings) else resolve(manifests.state, moment, prices)
    )
    if not errors(findings):
        rules = rules_of(settings.gateways.get(settings.default_gateway), prices)
        findings = ordered((*findings, *policy_findings(manifests, desired, moment, prices, rules)))
    return Loaded(
        directory,
        settings,
        manifests,
        desired,
        findings,
        moment,
        variables,
        prices,
        environment,
        commit,
    )


@dataclass(frozen=True)
class Session:
    """A loaded config with its gateway and ledger open."""

    loaded: Loaded
    target: Target
    gateway: Gateway
    ledger: Ledger


def gateway_settings(loaded: Loaded, name: str | None) -> tuple[str, GatewaySettings]:
    """The chosen gateway of the settings. Raises ReconcilerError where it is not among them."""
    chosen = name or loaded.settings.default_gateway
    known = loaded.settings.gateways
    if chosen not in known:
        hint = did_you_mean(chosen, known) or f"the settings name: {', '.join(sorted(known))}"
        raise ReconcilerError(
            error("unknown-gateway", f"there is no gateway {chosen!r} in the settings", hint=hint)
        )
    return chosen, known[chosen]


def gateway_identity(ledger: Ledger, settings: GatewaySettings, directory: Path) -> str:
    """What names a gateway in the ledger, without connecting to it."""
    return ledger.known_as(identity(settings, directory))


def require_valid(loaded: Loaded) -> None:
    """Raises ReconcilerError with all findings where the config has errors that leave nothing to plan.

    A violated policy is no such error: the plan is shown with it, and apply refuses that plan.
    """
    if any(finding.code != VIOLATION for finding in errors(loaded.findings)):
        raise ReconcilerError(*loaded.findings)


def require_readable(loaded: Loaded) -> None:
    """Raises ReconcilerError with all findings where the config has errors, those of its policies apart.

    Drift and explanations need no policies: neither does it matter what they say, nor that nobody can evaluate them.
    """
    if any(finding.code not in POLICY_CODES for finding in errors(loaded.findings)):
        raise ReconcilerError(*loaded.findings)


@asynccontextmanager
async def opened(
    loaded: Loaded, gateway: str | None = None, *, read_only: bool = True
) -> AsyncIterator[Session]:
    """Gateway and ledger, open. With `read_only` the transport refuses every write."""
    name, settings = gateway_settings(loaded, gateway)
    with ledger_of(loaded, read_only=read_only) as ledger:
        connection = connect(
            name,
            settings,
            directory=loaded.directory,
            environ=loaded.variables,
            read_only=read_only,
            prices=loaded.prices,
        )
        async with connection as connected:
            others = [
                name for name in connected.called if ledger.known_as(name) != connected.identity
            ]
            if others:
                ledger.unite(connected.identity, others)
            yield Session(
                loaded, Target(name, connected.identity, settings.backend), connected, ledger
            )


@contextmanager
def ledger_of(loaded: Loaded, *, read_only: bool = False) -> "Iterator[Ledger]":
    """The ledger that the settings name; by default SQLite beside the config. LedgerErrors become findings.

    One that is only read may lie on a read-only file system.
    """
    url = ledger_place(loaded.settings.ledger, loaded.directory, loaded.variables)
    try:
        with ExitStack() as stack:
            if read_only and url.startswith(SQLITE):
                url = SQLITE + str(
                    stack.enter_context(readable_database(Path(url.removeprefix(SQLITE))))
                )
            yield stack.enter_context(open_ledger(url))
    except LedgerError as problem:
        raise ReconcilerError(
            error("ledger", problem.message, hint=problem.hint or None)
        ) from problem


def known_of(session: Session, live: Live, undecided: frozenset[str] = frozenset()) -> Known:
    """What is remembered of the gateway: inventory and top-ups from the ledger, fixed objects from the read."""
    ledger, identity = session.ledger, session.target.identity
    return Known(
        inventory_of(ledger, identity),
        granted_of(ledger, identity),
        live.fixed,
        undecided,
        owed={Ref(key.kind, key.name): key.since for key in ledger.owed_keys(identity)},
        unfinished=frozenset(
            Ref(kind, name) for kind, name in ledger.unfinished_creations(identity)
        ),
    )


@dataclass(frozen=True)
class Planned:
    """A plan with what it was made of. `strangers` are grants of ours that this ledger did not know."""

    plan: Plan
    live: Live
    known: Known
    strangers: tuple[Stranger, ...] = ()


def fresh_of(session: Session, now: datetime) -> Fresh:
    """What applies expanded so recently that not every process of the gateway knows of it, with the seconds left."""
    lifetimes = session.gateway.support.lifetimes
    if not lifetimes:
        return {}
    since = now - timedelta(seconds=max(lifetimes.values()) + MARGIN)
    expanded = session.ledger.expanded_since(session.target.identity, since).items()
    left = {
        Ref(*key): lifetimes.get(key[0], 0) + MARGIN - (now - moment).total_seconds()
        for key, moment in expanded
    }
    return {ref: seconds for ref, seconds in left.items() if seconds > 0}


async def make(
    session: Session,
    *,
    order: Order = Order.GRANT_FIRST,
    scope: Scope = EVERYTHING,
    undecided: frozenset[str] = frozenset(),
) -> tuple[Plan, Live]:
    """The plan for the gateway as it is now. Raises ReconcilerError for an invalid config or a failed read."""
    planned = await plan_now(session, order=order, scope=scope, undecided=undecided)
    return planned.plan, planned.live


async def plan_now(
    session: Session,
    *,
    order: Order = Order.GRANT_FIRST,
    scope: Scope = EVERYTHING,
    undecided: frozenset[str] = frozenset(),
) -> Planned:
    """As `make`, with what was read and remembered.

    Before credits are granted, the gateway's own record of our grants is looked at: what another ledger has given, or
    a lost one, is not given again.
    """
    require_valid(session.loaded)
    live = await session.gateway.read()
    known = known_of(session, live, undecided)
    plan = plan_against(session, live, known, order=order, scope=scope)
    teams = _to_look_at(plan, session.gateway.support)
    if not teams:
        return Planned(plan, live, known)
    operations = await session.gateway.operations(teams)
    unknown = strangers(operations, counted_operations(session.ledger, session.target.identity))
    given = given_before(operations, known)
    if not unknown and not given:
        return Planned(plan, live, known)
    # Such a grant may have come after the read: the balances must not be older than the record of what made them.
    live = await session.gateway.read()
    known = replace(counted(known_of(session, live, undecided), unknown), given=given)
    plan = plan_against(session, live, known, order=order, scope=scope, told=told(unknown))
    return Planned(plan, live, known, unknown)


def _found(session: Session, live: Live, known: Known) -> tuple[Finding, ...]:
    """The findings of the config, now that the gateway is known: what it serves, and its own rules of access."""
    loaded, support = session.loaded, session.gateway.support
    state = live.state.updated(loaded.desired.state.resources)
    found = decided(
        loaded.findings, live.fixed, support.serving(state) if support.serving else None
    )
    default = loaded.settings.gateways.get(loaded.settings.default_gateway)
    if support.rules == rules_of(default, loaded.prices):
        return found
    by = Judging(loaded.manifests, loaded.desired, loaded.now, loaded.prices, support.rules)
    return judged(found, by, live.state, known.inventory)


def _to_look_at(plan: Plan, support: Support) -> frozenset[str]:
    """Teams whose credits would move, and, where the gateway keeps who gave a team its first ones, those we adopt.

    By the names that the gateway knows them by.
    """
    teams: set[str] = set()
    for change in plan.changes:
        there = change.ref.kind == Team.kind and change.before is not None
        if there and (change.credits or (change.adopt and support.voids)):
            teams.add(change.renamed_from or change.ref.name)
    return frozenset(teams)


def plan_against(
    session: Session,
    live: Live,
    known: Known,
    *,
    order: Order = Order.GRANT_FIRST,
    scope: Scope = EVERYTHING,
    approved: Approved | None = None,
    told: tuple[Finding, ...] = (),
) -> Plan:
    """The plan for a live state that was read before. Findings carry the place of what they are about.

    With `approved` it is cut to what a saved plan holds.
    """
    loaded = session.loaded
    plan = make_plan(
        Inputs(
            target=session.target,
            desired=loaded.desired.state,
            live=live.state,
            known=known,
            support=session.gateway.support,
            settings=loaded.settings,
            prices=loaded.prices,
            order=order,
            revision=loaded.revision,
            findings=(
                *_found(session, live, known),
                *live.findings,
                *told,
                *_ledger_findings(session),
            ),
            runtime=live.runtime,
            scope=scope,
            approved=approved,
            fresh=fresh_of(session, utc_now()),
            plans=loaded.desired.plans,
            now=loaded.now,
            written=loaded.manifests.state,
            find=partial(_place, loaded),
        )
    )
    placed = tuple(located(loaded, finding) for finding in plan.findings)
    return replace(plan, findings=ordered(leveled(placed, loaded.settings.lint)))


def _ledger_findings(session: Session) -> tuple[Finding, ...]:
    loaded, name = session.loaded, session.target.name
    place = ledger_place(loaded.settings.ledger, loaded.directory, loaded.variables)
    return lone_ledger(name, place, local=is_local(loaded.settings.gateways[name]))


async def drift(session: Session) -> Drift:
    """How live differs from what was last applied, and where git moved on since."""
    require_readable(session.loaded)
    live = await session.gateway.read()
    known = known_of(session, live)
    return find_drift(
        session.loaded.desired.state, live.state, known, session.gateway.support, live.runtime
    )


async def show(session: Session, ref: Ref) -> Shown:
    """One object from every side. Raises ReconcilerError where it is nowhere, with the nearest name."""
    loaded = session.loaded
    live = await session.gateway.read()
    record = inventory_of(session.ledger, session.target.identity).get(ref)
    desired = (
        loaded.desired.plans.get(ref.name)
        if ref.kind == PricingPlan.kind
        else loaded.desired.state.get(ref)
    )
    written, found = loaded.manifests.state.get(ref), live.state.get(ref)
    if written is None and found is None and record is None:
        names = [
            each.name for each in (*loaded.manifests.state, *live.state) if each.kind == ref.kind
        ]
        hint = did_you_mean(ref.name, names)
        raise ReconcilerError(
            error("not-found", f"{ref} is neither declared nor on {session.target.name}", hint=hint)
        )
    place = located(loaded, info("place", "", ref=ref)).origin
    applied = record.applied if record else None
    found = veiled(found, desired, applied) if found is not None else None
    return Shown(ref, written, desired, found, applied, live.runtime.get(ref, {}), place)
