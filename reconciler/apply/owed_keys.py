"""Virtual keys that an earlier apply made and could not hand over: found again, or renewed, and delivered.

A key is renewed only where nobody can have the old one: the object is ours, and the key that we chose for it is lost.
Where the gateway gave it a key of ours and does not know that one any more, somebody else has renewed it, and nothing
is owed.
"""

from dataclasses import dataclass

from reconciler.apply.keys import Delivery, PendingKey
from reconciler.core.model.findings import Finding, ReconcilerError, warning
from reconciler.core.model.inventory import Known
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import Gateway, GatewayError
from reconciler.ledger import Lease, Ledger

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
    """Try to deliver every key that is owed. What cannot be delivered now stays owed; nothing is raised for it."""
    unsettled = {Ref(entry.kind, entry.name) for entry in ledger.unsettled(lease.gateway)}
    delivered, left, findings = 0, [], []
    pending = keys.pending() if known.owed else {}
    for ref in known.owed:
        if ref in unsettled:
            left.append(ref)
            continue
        if ref not in known.inventory:
            ledger.key_delivered(lease, [(ref.kind, ref.name)])
            continue
        try:
            replaced = await _handed(ref, gateway, keys, pending.get(ref, ()))
        except ReconcilerError as problem:
            left.append(ref)
            findings.append(_still_owed(ref, problem))
            continue
        ledger.key_delivered(lease, [(ref.kind, ref.name)])
        findings += [replaced] if replaced else []
        delivered += replaced is None
    keys.settle({*left, *unsettled})
    return Handed(delivered, tuple(left), tuple(findings))


async def _handed(
    ref: Ref, gateway: Gateway, keys: Delivery, pending: tuple[PendingKey, ...]
) -> Finding | None:
    """Deliver the key of one object; a finding where it turned out that nothing is owed."""
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
    # It was given one of these keys, and has another by now: that is somebody's.
    if any(given):
        return _replaced(ref)
    return await _renewed(ref, gateway, keys)


async def _renewed(ref: Ref, gateway: Gateway, keys: Delivery) -> Finding | None:
    chosen = keys.prepare([ref])[ref] if ref.kind in gateway.support.chosen_keys else None
    try:
        receipt = await gateway.reissue(ref, chosen)
    except GatewayError as problem:
        if problem.status == NOT_FOUND:
            return warning(
                "key-not-needed",
                f"{ref} is gone, and with it the virtual key that was owed",
                ref=ref,
            )
        raise
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
