"""What load asks of policies, and by which rules of access, before any gateway is known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.core.access.rules import AccessRules
from reconciler.core.explain.routes import GROUPS, Asked
from reconciler.core.model.findings import Finding, Origin, error, info
from reconciler.core.model.inventory import Inventory
from reconciler.core.model.kinds import ModelAlias, Policy
from reconciler.core.model.prices import PriceMap
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import Resolved
from reconciler.core.rules.policies import VIOLATION, violations
from reconciler.files.expressions import expression_origin
from reconciler.files.manifests import Manifests, locate
from reconciler.gateways import backend_of
from reconciler.system.confined import LimitError, Limits, confined, is_confinable
from reconciler.system.extras import MISSING, lacking

POLICY_CODES = frozenset(
    {VIOLATION, MISSING, "policy-failed", "policy-invalid", "policy-limit", "policy-unconfined"}
)


def rules_of(settings: GatewaySettings | None, prices: PriceMap) -> AccessRules:
    """The rules of access of a gateway's backend, without connecting to it; those of groups without a gateway.

    Raises ReconcilerError for a backend that there is not.
    """
    return backend_of(settings.backend).rules(prices) if settings else GROUPS


LIMITS = Limits()
UNCONFINED = "on this platform policies are evaluated without a limit of memory and time"


@dataclass(frozen=True)
class Judging:
    """What policies are judged by."""

    manifests: Manifests
    desired: Resolved
    now: datetime
    prices: PriceMap
    rules: AccessRules


def judged(
    findings: Iterable[Finding], judging: Judging, live: State, inventory: Inventory
) -> tuple[Finding, ...]:
    """The findings of a config with its policies judged by what the gateway that was read does.

    Its aliases that are neither declared nor ours stay, so a declared team may reach them, too.
    """
    state = judging.desired.state
    others = {
        ref: alias
        for ref, alias in live.resources.items()
        if ref.kind == ModelAlias.kind and ref not in state and ref not in inventory
    }
    desired = replace(judging.desired, state=state.updated(others))
    kept = (finding for finding in findings if finding.code not in POLICY_CODES)
    return (
        *kept,
        *policy_findings(judging.manifests, desired, judging.now, judging.prices, judging.rules),
    )


def finder(manifests: Manifests) -> Callable[[Ref, FieldPath], Origin | None]:
    """A function from a place in a resource to its place in the files."""

    def find(ref: Ref, path: FieldPath) -> Origin | None:
        return locate(manifests, error("", "", ref=ref, path=path)).origin

    return find


def policy_findings(
    manifests: Manifests,
    desired: Resolved,
    now: datetime,
    prices: PriceMap,
    rules: AccessRules = GROUPS,
) -> tuple[Finding, ...]:
    """What the config's policies say of the desired state, each finding with its place; nothing without policies."""
    policies = manifests.state.of(Policy)
    if not policies:
        return ()
    missing = lacking("policies", "cel_expr_python")
    if missing is not None:
        first = Ref(Policy.kind, min(policies))
        return (locate(manifests, replace(missing, ref=first)),)
    question = Asked(
        manifests.state, desired, now, rules=rules, prices=prices, find=finder(manifests)
    )

    def find_expression(ref: Ref, path: FieldPath, line: int, column: int) -> Origin | None:
        return expression_origin(manifests, ref, path, line, column)

    try:
        findings = confined(lambda begins: violations(question, find_expression, begins), LIMITS)
    except LimitError as limit:
        findings = (beyond_limits(limit),)
    free = () if is_confinable() else (info("policy-unconfined", UNCONFINED),)
    return tuple(locate(manifests, finding) for finding in (*findings, *free))


def beyond_limits(met: LimitError) -> Finding:
    """`policy-limit`: nothing is known of what the policies say, so nothing can be planned."""
    hint = "what .map() and .filter() make of lists of lists grows fast: ask for less at once"
    ref = Ref(Policy.kind, met.last) if met.last else None
    return error(
        "policy-limit", f"policy {met.last} cannot be evaluated: {met.why}", hint=hint, ref=ref
    )
