"""The rules that keep the promises, each broken on purpose: the simulator must notice, within so many histories.

A mutation is a function of `swap(owner, name, value)`, which is undone afterwards; `MUTATIONS` says where it shows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim_history import Dialect, history
from sim_remembered import forget
from sim_run import Verdict, carried_out

from reconciler.apply import attempt as attempting
from reconciler.apply import execute as apply
from reconciler.apply import journal as recording
from reconciler.apply import lock as locking
from reconciler.apply import owed_keys
from reconciler.apply import recover as recovery
from reconciler.core.model.changes import Action, Outcome, Result
from reconciler.core.plan.order.schedule import Order
from reconciler.gateways.base import GatewayError, Landed
from reconciler.gateways.saas import gateway as rest
from reconciler.gateways.saas import real as saas
from reconciler.gateways.saas import requests
from reconciler.pipeline import planning

Swap = Callable[[Any, str, Any], None]


# ---- requests that count once


def no_operation_ids(swap: Swap) -> None:
    """No request but a grant names its operation."""
    plain = requests.Requests._headers
    swap(
        requests.Requests,
        "_headers",
        lambda self: {k: v for k, v in plain(self).items() if k == "If-Match"},
    )


def no_generations(swap: Swap) -> None:
    """No request says for which state of its object it was decided."""
    plain = requests.Requests._headers
    swap(
        requests.Requests,
        "_headers",
        lambda self: {k: v for k, v in plain(self).items() if k != "If-Match"},
    )


def allocation_named_anew(swap: Swap) -> None:
    """Each try of an allocation is another operation."""
    plain = apply.attempt
    token = iter(range(10**9))

    async def attempt(step: Any, means: Any, key: Any = None) -> Any:
        gateway = _Renaming(means.gateway, lambda: f"again-{next(token)}")
        return await plain(step, replace(means, gateway=gateway), key)

    swap(apply, "attempt", attempt)


class _Renaming:
    """A gateway that names grants as it likes."""

    def __init__(self, gateway: Any, name: Any) -> None:
        self._gateway, self._name = gateway, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def perform(self, step: Any, key: Any) -> Any:
        if step.credit is not None:
            renamed = f"{step.credit.operation_id}:{self._name()}"
            step = replace(step, credit=replace(step.credit, operation_id=renamed))
        return await self._gateway.perform(step, key)


def swap_dialects(swap: Swap, **changed: Any) -> None:
    from reconciler.gateways import embedded

    swap(embedded, "DIALECT", replace(embedded.DIALECT, **changed))


def one_memory_is_enough(swap: Swap) -> None:
    """Nobody looks on the gateway for grants that the ledger does not know."""
    swap(planning, "strangers", lambda _operations, _known: ())


# ---- recovery


async def _all_absent(left: Any, *_args: Any, **_named: Any) -> None:
    left.verdicts.update(dict.fromkeys(left.steps, Landed.ABSENT))


def recovery_without_void(swap: Swap) -> None:
    """What an earlier apply left open is taken not to have happened, and may still arrive."""
    swap(recovery, "_void", _all_absent)


def recovery_only_looks(swap: Swap) -> None:
    """What an earlier apply left open is looked at, once; it may still arrive."""

    async def look(left: Any, gateway: Any, _late: Any) -> None:
        for number in left.steps:
            await left.look(number, gateway)

    swap(recovery, "_void", look)


def no_void_in_apply(swap: Swap) -> None:
    """A step that got no answer is given up without being made void."""

    async def given_up(_step: Any, problem: Any, _means: Any) -> Any:
        return apply.Tried(Result.FAILED, str(problem))

    swap(attempting, "_voided", given_up)


def no_recovery(swap: Swap) -> None:
    """What an earlier apply left open is closed without a look."""
    swap(recovery, "_void", _all_absent)
    swap(recovery, "_outwait", _all_absent)


def no_grace(swap: Swap) -> None:
    """Where nothing can be made void, nobody waits for what may still arrive."""
    swap(recovery, "_patience", lambda _step, _gateway: 0.0)


def short_grace(swap: Swap) -> None:
    """Nobody waits longer than ten seconds."""
    plain = recovery._patience
    swap(recovery, "_patience", lambda step, gateway: min(10.0, plain(step, gateway)))


def unknown_creation_is_ours(swap: Swap) -> None:
    """An object that stands where we wanted to create one is taken to be ours, and so is its key."""
    plain = recovery.resolve

    def resolve(
        ledger: Any, lease: Any, entry: Any, step: Any, *, done: bool, now: Any, by: Any = None
    ) -> Any:
        return plain(
            ledger, lease, entry, step, done=done or step.action is Action.CREATE, now=now, by=by
        )

    swap(recovery, "resolve", resolve)


def sent_again_in_doubt(swap: Swap) -> None:
    """A grant that counts each time it comes is sent again where nobody can tell whether it happened."""
    plain = attempting._decided

    def decided(
        step: Any, problem: Any, verdict: Any, gateway: Any, *, doubt: bool, last: bool
    ) -> Any:
        if step.action is Action.GRANT and problem.unknown and not last:
            return None
        return plain(step, problem, verdict, gateway, doubt=doubt, last=last)

    swap(attempting, "_decided", decided)
    swap(saas, "granted", _never_granted)


async def _never_granted(_http: Any, _step: Any) -> bool:
    return False


def no_look(swap: Swap) -> None:
    """What is in doubt is taken not to have happened."""

    async def absent(_self: Any, _step: Any) -> Landed:
        return Landed.ABSENT

    swap(rest.RestGateway, "landed", absent)
    swap(saas, "granted", _never_granted)


# ---- the journal


def settled_before_sent(swap: Swap) -> None:
    """The outcome is written before the request is sent."""
    plain = apply._Run.start

    def start(self: Any) -> None:
        before = set(self.flying)
        plain(self)
        early = [as_sent for task, (_, as_sent) in self.flying.items() if task not in before]
        if early:
            outcomes = [Outcome(step, Result.APPLIED) for step in early]
            self.means.journal.settle(outcomes, unknown=frozenset(), owed=frozenset())

    swap(apply._Run, "start", start)


def no_intents(swap: Swap) -> None:
    """Nothing is written before a request; the outcome comes with its intent."""
    settle = recording.Recorder.settle

    def late(self: Any, outcomes: Any, **named: Any) -> None:
        steps = [outcome.step for outcome in outcomes]
        self.ledger.intend(
            self.lease, self.apply_id, [self._intent(step) for step in steps], self.now()
        )
        settle(self, outcomes, **named)

    swap(recording.Recorder, "intend", lambda self, steps: [self._named(step) for step in steps])
    swap(recording.Recorder, "settle", late)


# ---- the lock


def no_fence(swap: Swap) -> None:
    """The clock is not looked at before a request leaves."""
    swap(locking.Held, "check", lambda _self: None)


def no_lock(swap: Swap) -> None:
    """Two applies at once."""
    import sim_ledger

    swap(sim_ledger, "find_holder", lambda *_args: None)
    swap(sim_ledger, "check", lambda *_args: None)
    swap(locking.Held, "check", lambda _self: None)


def revokes_first(swap: Swap) -> None:
    """The order of the steps is the one that prefers a gap to an exposure."""
    from reconciler.apply import carry_out

    plain = carry_out.schedule

    def schedule(changes: Any, live: Any, support: Any, ours: Any, _order: Any) -> Any:
        return plain(changes, live, support, ours, Order.REVOKE_FIRST)

    swap(carry_out, "schedule", schedule)


# ---- keys


def no_key_is_owed(swap: Swap) -> None:
    """A key that was not delivered is not remembered."""
    swap(apply, "_owes_key", lambda _step, _tried, _means: False)


def no_hand_over(swap: Swap) -> None:
    """What is owed is forgotten by the next apply."""

    async def forget(ledger: Any, lease: Any, _gateway: Any, _keys: Any, _ours: Any) -> Any:
        ledger.key_delivered(
            lease, [(owed.kind, owed.name) for owed in ledger.owed_keys(lease.gateway)]
        )
        return owed_keys.Handed()

    from reconciler.apply import run as applying

    swap(applying, "hand_over", forget)


def renewals_unwritten(swap: Swap) -> None:
    """Only the machine that chose a new key knows that the request which gives it may still arrive."""
    import sim_ledger

    swap(sim_ledger.Ledger, "intend_renewal", lambda *_args: None)


def renewals_not_voided(swap: Swap) -> None:
    """Renewals are in the ledger, and nobody keeps them from arriving late."""

    async def forgotten(ledger: Any, lease: Any, _gateway: Any, renewals: Any) -> None:
        ledger.forget_renewals(lease, [renewal.operation_id for renewal in renewals])

    swap(recovery, "_void_renewals", forgotten)


def existing_team_gets_a_key(swap: Swap) -> None:
    """A creation that meets its object gives that a new key."""
    plain = apply.attempt

    async def attempt(step: Any, means: Any, key: Any = None) -> Any:
        tried = await plain(step, means, key)
        if (
            step.action is Action.CREATE
            and tried.result is Result.FAILED
            and "already exists" in (tried.error or "")
        ):
            try:
                await means.gateway.reissue(step.ref, key)
            except GatewayError:
                return tried
        return tried

    swap(apply, "attempt", attempt)


@dataclass(frozen=True)
class Mutation:
    """In which dialect it shows, within how many histories, from which seed on."""

    breaks: Callable[[Swap], None]
    dialect: Dialect = "embedded"
    within: int = 500
    start: int = 0

    @property
    def name(self) -> str:
        return f"{self.breaks.__name__}-{self.dialect}"


MUTATIONS = (
    Mutation(no_operation_ids, start=5013),
    Mutation(no_generations, start=5051),
    Mutation(allocation_named_anew, start=5002),
    # That a grant does not say which one it was decided after is no longer noticed (6,000 histories): balances are read
    # between two equal looks at the grants. The gateway's own refusal of it has its test in tests/embedded.
    Mutation(one_memory_is_enough, start=5325),
    Mutation(recovery_without_void, start=5013),
    Mutation(recovery_only_looks, start=5072),
    Mutation(no_void_in_apply, start=5024),
    Mutation(unknown_creation_is_ours, start=5068),
    Mutation(settled_before_sent, start=5013),
    Mutation(no_intents, start=5013),
    Mutation(no_lock, "saas-litellm", start=5180),
    Mutation(revokes_first, start=5988),
    Mutation(no_key_is_owed, start=6200),
    Mutation(no_hand_over, start=5013),
    Mutation(renewals_unwritten, start=20360),
    Mutation(renewals_not_voided, start=20360),
    Mutation(existing_team_gets_a_key, start=5014),
    Mutation(no_recovery, "saas-litellm", start=5022),
    Mutation(no_grace, "saas-litellm", start=5385),
    Mutation(short_grace, "saas-litellm", start=5385),
    Mutation(sent_again_in_doubt, "saas-litellm", start=5030),
    Mutation(no_look, "saas-litellm", start=5020),
    Mutation(no_fence, "saas-litellm", start=5810),
)


@contextmanager
def mutated(breaks: Callable[[Swap], None]) -> Iterator[None]:
    undone: list[tuple[Any, str, Any]] = []
    forget()

    def swap(owner: Any, name: str, value: Any) -> None:
        undone.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    try:
        breaks(swap)
        yield
    finally:
        for owner, name, value in reversed(undone):
            setattr(owner, name, value)
        forget()


def first_caught(
    mutation: Mutation, home: Path, start: int, most: int
) -> tuple[int, Verdict | None]:
    """The first verdict that the mutation, and not the product, is to blame for: (histories until then, verdict).

    A mutation that only crashes breaks no rule.
    """
    for number in range(most):
        wanted = history(start + number, mutation.dialect)
        with mutated(mutation.breaks):
            verdict: Verdict = carried_out(wanted, home)
        noticed = any(broken.law != "exit 3" for broken in verdict.broken)
        if noticed and not carried_out(wanted, home).broken:
            return number + 1, verdict
    return most, None
