"""What an apply tells the ledger beside its steps: renames, adoptions, fields of git only, grants of other memories."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.apply.journal import renamed
from reconciler.core.model.inventory import (
    DELETED_WITH_SECRET,
    Inventory,
    Record,
    record_of,
    required_of,
    resource_of,
)
from reconciler.core.model.kinds import PricingPlan, Team
from reconciler.core.model.prices import PriceMap
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.meaning.announced import recorded
from reconciler.core.plan.meaning.prices import PRICES, price_record
from reconciler.core.plan.noting import recordable, settled_record
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.renaming import Renaming
from reconciler.core.plan.saved import SavedPlan, facts_digest
from reconciler.core.plan.support import Support
from reconciler.ledger import Claim, GrantRecord
from reconciler.pipeline import Planned

if TYPE_CHECKING:
    from reconciler.ledger import Lease, Ledger

Wishes = Mapping[Ref, dict[str, Any]]


@dataclass(frozen=True)
class Books:
    """The ledger of one apply, and the plan with what it was made of.

    `owed` are the teams whose allocation has a step of its own, or must not move for now.
    """

    ledger: "Ledger"
    lease: "Lease"
    now: Callable[[], datetime]
    planned: Planned
    owed: frozenset[Ref] = frozenset()

    @property
    def plan(self) -> Plan:
        return self.planned.plan


def owed_allocations(plan: Plan, undecided: frozenset[str], support: Support) -> frozenset[Ref]:
    """Teams whose allocation moves with a grant of its own, or must not move for now."""
    if support.credits != "operations":
        return frozenset()
    changed = {c.ref for c in plan.changes for grant in c.credits if grant.grant_id == ALLOCATION}
    return frozenset(changed | {Ref(Team.kind, team) for team in undecided})


def recorded_wishes(plan: Plan, desired: State, inventory: Inventory, now: datetime) -> Wishes:
    """What the inventory will say of each declared ref; fields that the gateway cannot change stay as they were.

    Dates count as announced where they lie ahead of `now`.
    """
    wishes: dict[Ref, dict[str, Any]] = {}
    for ref, wish in desired.resources.items():
        last = _last(inventory.get(ref))
        record = recordable(record_of(wish), plan.held.get(ref, ()), last)
        wishes[ref] = recorded(record, wish, last, now)
    return wishes


def record_at_once(books: Books, wishes: Wishes, inventory: Inventory) -> None:
    """Write down what needs no request, in this order:

    grants of ours that this ledger did not know    known, with what they came to
    an adoption that changes nothing                ours from now on
    an object of ours that only git moved           its new record
    an object of ours that is gone                  ours no longer

    An object that a request changes is recorded with its last step, a pricing plan when all is applied.
    """
    plan = books.plan
    _remember_strangers(books, inventory)
    adopted = {change.ref for change in plan.changes if change.verb == "adopt"}
    noted = {change.ref for change in plan.noted if change.ref in wishes}
    claims: list[Claim] = []
    for ref in sorted(adopted | noted):
        last = _last(inventory.get(ref))
        record = settled_record(wishes[ref], last, owed=ref in books.owed)
        claims.append(Claim(ref.kind, ref.name, record, adopted=ref in adopted))
    if claims:
        books.ledger.own(books.lease, claims, books.now())
    if plan.gone:
        books.ledger.disown(books.lease, [(ref.kind, ref.name) for ref in plan.gone])


def remember_secrets(books: Books, support: Support) -> None:
    """Write down which objects are about to be deleted while the gateway alone has a secret for them.

    Before any is: a deletion that never happens leaves a mark that nobody looks at, because only what is created anew
    is asked for its secret. A mark goes once the object is ours again. What the secret is, nobody knows here.
    """
    known = books.planned.known
    going = {change.ref: change.before for change in books.plan.changes if change.after is None}
    marked = set(known.deleted_with_secret)
    marked -= {str(ref) for ref in known.inventory}
    for ref in (*going, *books.plan.gone):
        record, live = known.inventory.get(ref), going.get(ref)
        last = live
        if record is not None:
            last = resource_of(ref, record) if record.adopted else None
        if last is not None and support.owes_secret(ref, last) is not None:
            marked.add(str(ref))
    if marked != known.deleted_with_secret:
        facts = {DELETED_WITH_SECRET: sorted(marked)}
        books.ledger.remember_facts(books.lease, facts, books.now())


def remember_first_sight(books: Books, support: Support) -> None:
    """Write down facts that nobody wrote down before, whatever the apply is about and comes to."""
    known = books.planned.known.facts
    first = {name: value for name, value in support.facts.items() if name not in known}
    if first:
        books.ledger.remember_facts(books.lease, first, books.now())


def remember_facts(
    books: Books, support: Support, saved: SavedPlan | None, live: State, renaming: Renaming
) -> None:
    """Write down the facts that the plan told, as of `live`.

    Not of a plan about a part, nor of a saved one that was approved with others.
    """
    as_approved = saved is None or saved.facts in (None, facts_digest(support.facts))
    if support.facts and as_approved and not books.plan.scope:
        known = support.facts_after(support.facts, live, renaming.old_of)
        books.ledger.remember_facts(books.lease, known, books.now())


def remember_prices(books: Books, desired: State, prices: PriceMap) -> None:
    """Write down the prices that the plan was made with, unless it was about a part."""
    if books.plan.prices is None or books.plan.scope:
        return
    record = price_record(desired, prices)
    if books.planned.known.facts.get(PRICES) != record:
        books.ledger.remember_facts(books.lease, {PRICES: record}, books.now())


def record_pricing(books: Books) -> None:
    """Write down the pricing plans, once everything that follows from them is applied."""
    moved = [change for change in books.plan.noted if change.ref.kind == PricingPlan.kind]
    claims: list[Claim] = []
    removed: list[tuple[str, str]] = []
    for change in moved:
        kind, name = change.ref
        if change.after is None:
            removed.append((kind, name))
        else:
            claims.append(Claim(kind, name, record_of(change.after)))
    if claims:
        books.ledger.own(books.lease, claims, books.now())
    if removed:
        books.ledger.disown(books.lease, removed)


def _remember_strangers(books: Books, inventory: Inventory) -> None:
    """Grants of ours that this ledger did not know are known from now on, together with what they came to."""
    strangers = books.planned.strangers
    if not strangers:
        return
    records = [
        GrantRecord(
            stranger.team,
            stranger.top_up or f"{ALLOCATION}:elsewhere:{stranger.operation_id}",
            stranger.amount or 0,
            stranger.operation_id,
            state="granted",
        )
        for stranger in strangers
    ]
    teams = sorted({Ref(Team.kind, stranger.team) for stranger in strangers} & inventory.keys())
    claims = [Claim(ref.kind, ref.name, inventory[ref].applied) for ref in teams]
    books.ledger.own(books.lease, claims, books.now())
    books.ledger.remember_grants(books.lease, records, books.now())


def carry_over(books: Books) -> None:
    """Write down what renames need before any request.

    What the gateway knows only by its new name moves in the ledger. An object that is about to be replaced becomes
    ours first, so that an interruption does not leave it behind.
    """
    renames, inventory = books.plan.renames, books.planned.known.inventory
    if renames.settled:
        books.ledger.rename(books.lease, renamed(renames.settled, inventory), books.now())
    claims: list[Claim] = []
    for old in renames.replaced.new_of:
        if old not in inventory:
            least = required_of(books.planned.live.state[old])
            claims.append(Claim(old.kind, old.name, least, adopted=True))
    if claims:
        books.ledger.own(books.lease, claims, books.now())


def _last(record: Record | None) -> Mapping[str, Any] | None:
    return record.applied if record else None
