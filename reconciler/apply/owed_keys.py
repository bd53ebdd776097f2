"""Virtual keys that an earlier apply made and could not hand over: found again, or renewed, and delivered.

A key is renewed only where nobody can have the old one: the object is ours, and the key that we chose for it is lost.
Where the gateway gave it a key of ours and does not know that one any more, somebody else has renewed it, and nothing
is owed. A renewal is in the ledger before its request is sent, so that every machine knows of it: one that happened
gave the object a key that only the machine which chose it has, and where that is another one, it is renewed once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.apply.keys import Delivery, PendingKey
from reconciler.core.model.findings import Finding, ReconcilerError, warning
from reconciler.core.model.inventory import Known
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import Gateway, GatewayError
from reconciler.ledger import Lease, Ledger, Renewal

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of the keys that were owed: `left` still are, `findings` say why, or what else there is to know."""

    delivered: int = 0
    left: tuple[Ref, ...] = ()
    findings: tuple[Finding, ...] = ()


async def hand_over(
    ledger: Ledger, lease: Lease, gateway: Gateway, keys: Delivery, known: Known
) -> Handed:
    """Try to deliver every key that is owed. What cannot be delivered now stays owed; nothing is raised for it.

    Recovery came before: no renewal of before can still happen, but where it was stopped while it waited for that.
    """
    unsettled = {Ref(entry.kind, entry.name) for entry in ledger.unsettled(lease.gateway)}
    renewed = _renewed_before(ledger, lease)
    if not gateway.support.voids:
        unsettled |= renewed.keys()
    delivered, left, findings = 0, [], []
    pending = keys.pending() if known.owed else {}
    for ref in known.owed:
        if ref in unsettled:
            left.append(ref)
            continue
        if ref not in known.inventory:
            ledger.key_delivered(lease, [(ref.kind, ref.name)])
            continue
        debt = _Debt(ref, pending.get(ref, ()), renewed.get(ref))
        try:
            replaced = await _handed(debt, gateway, keys, ledger, lease)
        except ReconcilerError as problem:
            left.append(ref)
            findings.append(_still_owed(ref, problem))
            continue
        ledger.key_delivered(lease, [(ref.kind, ref.name)])
        findings += [replaced] if replaced else []
        delivered += replaced is None
    keys.settle({*left, *unsettled})
    return Handed(delivered, tuple(left), tuple(findings))


@dataclass(frozen=True, slots=True)
class _Debt:
    """A key that is owed: those that this machine has for the object, and the last renewal that any machine sent."""

    ref: Ref
    pending: Sequence[PendingKey]
    renewal: str | None


def _renewed_before(ledger: Ledger, lease: Lease) -> dict[Ref, str]:
    """Object -> the operation id of its last renewal."""
    return {
        Ref(renewal.kind, renewal.name): renewal.operation_id
        for renewal in ledger.renewals(lease.gateway)
    }


async def _handed(
    debt: _Debt, gateway: Gateway, keys: Delivery, ledger: Ledger, lease: Lease
) -> Finding | None:
    """Deliver the key of one object; a finding where it turned out that nothing is owed. The first row that fits:

    the gateway knows a key that this machine has                        that one is delivered
    the last renewal happened, and another machine has its key           renewed once more
    the gateway gave it a key of this machine, and knows another one     somebody else's: nothing is owed
    none of this machine's keys was ever given to it                     renewed
    """
    ref, pending = debt.ref, debt.pending
    voids = gateway.support.voids and bool(pending)
    given = (
        await gateway.void_keys(ref, [(made.key, made.operation) for made in pending])
        if voids
        else ()
    )
    for made in reversed(pending):
        if await gateway.accepts(ref, made.key) is not False:
            await keys.deliver(ref, made.key, again=True)
            return None
    own = {gateway.renewal(ref, made.key) for made in pending}
    elsewhere = debt.renewal is not None and debt.renewal not in own
    if any(given) and not elsewhere:
        return _replaced(ref)
    return await _renewed(ref, gateway, keys, ledger, lease)


async def _renewed(
    ref: Ref, gateway: Gateway, keys: Delivery, ledger: Ledger, lease: Lease
) -> Finding | None:
    """Give the object another key, which is intended in the ledger first, and deliver it."""
    chosen = keys.prepare([ref])[ref] if ref.kind in gateway.support.chosen_keys else None
    operation = gateway.renewal(ref, chosen)
    if operation is not None:
        ledger.intend_renewal(lease, Renewal(ref.kind, ref.name, operation))
    # Where it can be asked what became of it, it is; elsewhere only a request without an answer may still arrive.
    answered = [operation] if operation is not None and not gateway.support.voids else []
    try:
        receipt = await gateway.reissue(ref, chosen)
    except GatewayError as problem:
        if answered and not problem.unknown:
            ledger.forget_renewals(lease, answered)
        if problem.status == NOT_FOUND:
            return warning(
                "key-not-needed",
                f"{ref} is gone, and with it the virtual key that was owed",
                ref=ref,
            )
        raise
    if answered:
        ledger.forget_renewals(lease, answered)
    if receipt.secret is None:
        return _replaced(ref)
    await keys.deliver(ref, receipt.secret, again=True)
    return None


def _still_owed(ref: Ref, problem: ReconcilerError) -> Finding:
    hint = "remove the cause, and apply again"
    return warning(
        "key-owed", f"{ref}: its virtual key could not be delivered: {problem}", hint=hint, ref=ref
    )


def _replaced(ref: Ref) -> Finding:
    message = f"{ref}: the virtual key that was owed is not its key any more: somebody gave it another one"
    hint = "ask who renewed it; nothing was changed"
    return warning("key-replaced", message, hint=hint, ref=ref)
