"""Options and Report: how an apply is to be done, and what it came to."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.apply.keys import Delivery
from reconciler.apply.lock import boot_seconds
from reconciler.apply.means import Pace
from reconciler.apply.recover import Recovered
from reconciler.core.model.changes import Outcome, Result
from reconciler.core.model.findings import Finding
from reconciler.core.model.refs import Ref
from reconciler.core.plan.order.schedule import Order
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.saved import SavedPlan
from reconciler.core.plan.scope import EVERYTHING, Scope
from reconciler.pipeline import Terms, utc_now

NOTHING_OPEN = Recovered()


@dataclass(frozen=True)
class Options:
    """How to apply. `allowed` holds the codes of refusals that flags override (`core.plan.safety.FLAGS`).

    `shown(plan)` hears the plan before anything is refused, `approve(plan)` is asked once; `told` hears each outcome;
    `keys` gets new virtual keys; None: where the settings say. `lock_wait` is how many seconds to wait for another
    apply to finish.
    `saved` is a plan that was approved before: nothing else is carried out (`core.plan.saved`).
    `fast` does not wait for processes that keep what they read (`core.plan.order.holding`); `waiting` hears how many
    seconds a wait takes at most, and what for. `clock` measures the lock's end (`apply.lock.boot_seconds`).
    """

    actor: str
    command: str = "apply"
    allowed: frozenset[str] = frozenset()
    order: Order = Order.GRANT_FIRST
    lock_wait: float = 0.0
    shown: Callable[[Plan], None] = lambda _plan: None
    approve: Callable[[Plan], bool] = lambda _plan: True
    started: Callable[[int], None] = lambda _total: None
    told: Callable[[Outcome], None] = lambda _outcome: None
    waiting: Callable[[float, str], None] = lambda _seconds, _why: None
    keys: Delivery | None = None
    now: Callable[[], datetime] = utc_now
    clock: Callable[[], float] = boot_seconds
    pace: Pace | None = None
    scope: Scope = EVERYTHING
    saved: SavedPlan | None = None
    rebase: bool = False
    fast: bool = False

    @property
    def terms(self) -> Terms:
        """On what terms the plan is made of which something is carried out."""
        approved = self.saved.approved if self.saved is not None else None
        return Terms(self.order, self.scope, approved)


@dataclass(frozen=True)
class Report:
    """What an apply came to. `left` are the changes that a re-plan after it still finds (None: not looked).

    `delivered` virtual keys went to `delivered_to`; `owed` are the objects whose key could not be delivered.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    approved: bool = True
    interrupted: bool = False
    recovered: Recovered = NOTHING_OPEN
    left: Plan | None = None
    apply_id: int | None = None
    findings: tuple[Finding, ...] = ()
    delivered: int = 0
    delivered_to: str = ""
    owed: tuple[Ref, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(outcome.result.value for outcome in self.outcomes)

    @property
    def complete(self) -> bool:
        """Whether everything planned was applied and nothing is left to do."""
        all_done = all(
            outcome.result is Result.APPLIED and not outcome.error for outcome in self.outcomes
        )
        nothing_left = self.left is None or not self.left.pending
        open_ends = self.interrupted or self.recovered.undecided or self.owed
        return all_done and nothing_left and not open_ends
