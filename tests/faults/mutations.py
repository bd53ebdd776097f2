"""The rules that make a grant count once, each broken on purpose in a process of its own: see `test_fault_mutations`."""

from dataclasses import replace
from typing import Any


def _one_memory() -> None:
    """What the gateway has on record of our grants is not looked at: it would make up for a rule that is broken."""
    from reconciler.pipeline import planning

    planning.strangers = lambda _operations, _known: ()


def settled_before_performed() -> None:
    """The outcome is written before the request is sent."""
    from reconciler.apply import execute as apply
    from reconciler.core.model.changes import Outcome, Result

    intend, run = apply._Run.start, apply._Run

    def start(self: Any) -> None:
        before = set(self.flying)
        intend(self)
        early = [as_sent for task, (_, as_sent) in self.flying.items() if task not in before]
        if early:
            self.means.journal.settle(
                [Outcome(step, Result.APPLIED) for step in early],
                unknown=frozenset(),
                owed=frozenset(),
            )

    run.start = start


def no_intent() -> None:
    """Nothing is written before the request; the outcome comes with its intent."""
    from reconciler.apply.journal import Recorder

    _one_memory()
    settle = Recorder.settle

    def late(self: Any, outcomes: Any, *, unknown: Any, owed: Any) -> None:
        steps = [outcome.step for outcome in outcomes]
        self.ledger.intend(
            self.lease, self.apply_id, [self._intent(step) for step in steps], self.now()
        )
        settle(self, outcomes, unknown=unknown, owed=owed)

    Recorder.intend = lambda self, steps: [self._named(step) for step in steps]
    Recorder.settle = late


def no_look() -> None:
    """What is in doubt is taken not to have happened."""
    from reconciler.gateways.base import Landed
    from reconciler.gateways.saas.gateway import RestGateway

    async def absent(_self: Any, _step: Any) -> Any:
        return Landed.ABSENT

    _one_memory()
    RestGateway.landed = absent


def grants_are_sent_again_in_doubt() -> None:
    """A grant of unknown outcome is sent at once under a new name, without a look."""
    from reconciler.apply import execute as apply
    from reconciler.core.model.changes import Action
    from reconciler.gateways.base import GatewayError

    careful = apply.attempt

    async def again(step: Any, means: Any, key: Any = None) -> Any:
        if step.action is Action.GRANT:
            try:
                await means.gateway.perform(step)
            except GatewayError:
                renamed = replace(step.credit, operation_id=f"{step.credit.operation_id}-2")
                return await careful(replace(step, credit=renamed), means, key)
            return apply.Tried(apply.Result.APPLIED)
        return await careful(step, means, key)

    _one_memory()
    apply.attempt = again


def no_recovery() -> None:
    """What an earlier apply left open is closed without a look."""
    from reconciler.apply import recover as recovery
    from reconciler.gateways.base import Landed

    async def absent(self: Any, number: Any, _gateway: Any) -> None:
        self.verdicts[number] = Landed.ABSENT

    _one_memory()
    recovery._Open.look = absent


def no_grace() -> None:
    """The absence of a grant counts at once, and nobody waits for what a dead apply still has on its way."""
    from reconciler.apply import recover as recovery

    _one_memory()
    recovery._patience = lambda _step, _gateway: 0.0


def operation_id_forgotten() -> None:
    """Every request of a grant has a new operation id on the gateway."""
    import secrets

    from reconciler.gateways.saas.gateway import RestGateway

    perform = RestGateway._perform

    async def renamed(self: Any, step: Any, key: Any) -> Any:
        if step.credit is not None:
            step = replace(
                step, credit=replace(step.credit, operation_id=f"x:{secrets.token_hex(8)}")
            )
        return await perform(self, step, key)

    RestGateway._perform = renamed


def no_lock() -> None:
    """Two applies at once."""
    from reconciler.apply import recover as recovery
    from reconciler.ledger import lock

    _one_memory()
    recovery._patience = lambda _step, _gateway: (
        0.0
    )  # the second would wait for what looks like a dead first
    lock._holder = lambda *_args: None
    lock.check = lambda *_args: None


def not_one_at_a_time() -> None:
    """Several steps of one object may be in flight at once."""
    from reconciler.apply import execute as apply

    class Never(set):  # type: ignore[type-arg]
        def __contains__(self, _item: object) -> bool:
            return False

    begin = apply._Run.__init__

    def init(self: Any, *args: Any) -> None:
        begin(self, *args)
        self.busy = Never()

    apply._Run.__init__ = init
