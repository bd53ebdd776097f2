"""What is looked at without a plan: drift of everything that is ours, and one object from every side."""

from reconciler.core.model.findings import ReconcilerError, did_you_mean, error
from reconciler.core.model.kinds import PricingPlan
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.typed import veiled
from reconciler.core.plan.drift import Drift, Shown
from reconciler.core.plan.drift import drift as drift_of
from reconciler.ledger.remembered import inventory_of
from reconciler.pipeline.loading import require_readable
from reconciler.pipeline.session import Session, known_of


async def drift(session: Session) -> Drift:
    """How live differs from what was last applied, and where git moved on since."""
    require_readable(session.loaded)
    live = await session.gateway.read()
    known = known_of(session, live.fixed)
    return drift_of(
        session.loaded.desired.state, live.state, known, session.gateway.support, live.runtime
    )


async def show(session: Session, ref: Ref) -> Shown:
    """One object from every side. Raises ReconcilerError where it is nowhere, with the nearest name."""
    loaded = session.loaded
    live = await session.gateway.read()
    record = inventory_of(session.ledger, session.target.identity).get(ref)
    written, on_gateway = loaded.manifests.state.get(ref), live.state.get(ref)
    if written is None and on_gateway is None and record is None:
        refs = (*loaded.manifests.state, *live.state)
        hint = did_you_mean(ref.name, [other.name for other in refs if other.kind == ref.kind])
        raise ReconcilerError(
            error("not-found", f"{ref} is neither declared nor on {session.target.name}", hint=hint)
        )
    desired = loaded.desired.state.get(ref)
    if ref.kind == PricingPlan.kind:
        desired = loaded.desired.plans.get(ref.name)
    applied = record.applied if record else None
    return Shown(
        ref=ref,
        written=written,
        desired=desired,
        live=veiled(on_gateway, desired, applied) if on_gateway is not None else None,
        applied=applied,
        runtime=live.runtime.get(ref, {}),
        origin=loaded.place(ref),
    )
