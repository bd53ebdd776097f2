"""The rules that make a grant count once, each broken on purpose in a process of its own: see `test_fault_mutations`."""

from dataclasses import replace
from typing import Any


def settled_before_performed() -> None:
    """The outcome is written before the request is sent."""
    from reconciler import apply
    from reconciler.core.changes import Outcome, Result

    intend, run = apply._Run.start, apply._Run

    def start(self: Any) -> None:
        before = set(self.flying)
        intend(self)
        early = [as_sent for task, (_, as_sent) in self.flying.items() if task not in before]
        if early:
            self.journal.settle([Outcome(step, Result.APPLIED) for step in early], unknown=frozenset())

    run.start = start


def no_intent() -> None:
    """Nothing is written before the request; the outcome comes with its intent."""
    from reconciler.recording import Recorder

    settle = Recorder.settle

    def late(self: Any, outcomes: Any, *, unknown: Any) -> None:
        steps = [outcome.step for outcome in outcomes]
        self.ledger.intend(self.lease, self.apply_id, [self._intent(step) for step in steps], self.now())
        settle(self, outcomes, unknown=unknown)

    Recorder.intend = lambda self, steps: [self._named(step) for step in steps]
    Recorder.settle = late


def no_look() -> None:
    """What is in doubt is taken not to have happened."""
    from reconciler.gateways.base import Landed
    from reconciler.gateways.rest import RestGateway

    async def absent(_self: Any, _step: Any) -> Any:
        return Landed.ABSENT

    RestGateway.landed = absent


def grants_are_sent_again_in_doubt() -> None:
    """A grant of unknown outcome is sent at once under a new name, without a look."""
    from reconciler import apply
    from reconciler.core.changes import Action
    from reconciler.gateways.base import GatewayError

    careful = apply.attempt

    async def again(step: Any, gateway: Any, deliver: Any, pace: Any) -> Any:
        if step.action is Action.GRANT:
            try:
                await gateway.perform(step)
            except GatewayError:
                renamed = replace(step.credit, operation_id=f"{step.credit.operation_id}-2")
                return await careful(replace(step, credit=renamed), gateway, deliver, pace)
            return apply.Tried(apply.Result.APPLIED)
        return await careful(step, gateway, deliver, pace)

    apply.attempt = again


def no_recovery() -> None:
    """What an earlier apply left open is closed without a look."""
    from reconciler import recording
    from reconciler.gateways.base import Landed

    async def absent(_step: Any, _gateway: Any) -> Any:
        return Landed.ABSENT

    recording._verdict = absent


async def _no_calm(_session: Any, _options: Any) -> None:
    return None


def no_grace() -> None:
    """The absence of a grant counts at once, and nobody waits for what a dead apply still has on its way."""
    from reconciler import applying, recording
    from reconciler.gateways.base import Landed

    async def at_once(_step: Any, _gateway: Any, _rest: Any) -> Any:
        return Landed.ABSENT

    recording._absent_for = at_once
    applying._calm = _no_calm


def operation_id_forgotten() -> None:
    """Every request of a grant has a new operation id on the gateway."""
    import secrets

    from reconciler.gateways.rest import RestGateway

    perform = RestGateway._perform

    async def renamed(self: Any, step: Any) -> Any:
        if step.credit is not None:
            step = replace(step, credit=replace(step.credit, operation_id=f"x:{secrets.token_hex(8)}"))
        return await perform(self, step)

    RestGateway._perform = renamed


def no_lock() -> None:
    """Two applies at once."""
    from reconciler import applying
    from reconciler.ledger import lock

    applying._calm = _no_calm  # the second would wait for what looks like a dead first
    lock._holder = lambda *_args: None
    lock.check = lambda *_args: None


def not_one_at_a_time() -> None:
    """Several steps of one object may be in flight at once."""
    from reconciler import apply

    class Never(set):  # type: ignore[type-arg]
        def __contains__(self, _item: object) -> bool:
            return False

    begin = apply._Run.__init__

    def init(self: Any, *args: Any) -> None:
        begin(self, *args)
        self.busy = Never()

    apply._Run.__init__ = init
