"""What load asks of policies, and by which rules of access, before any gateway is known."""

from collections.abc import Callable, Mapping
from datetime import datetime

from reconciler.core.access import AccessRules
from reconciler.core.findings import Finding, Origin, error
from reconciler.core.kinds import Policy
from reconciler.core.litellm_rules import LiteLLMRules
from reconciler.core.policies import violations
from reconciler.core.prices import PriceMap
from reconciler.core.refs import Ref
from reconciler.core.resolve import Resolved
from reconciler.core.routes import GROUPS, Asked, Path
from reconciler.core.settings import GatewaySettings
from reconciler.files.expressions import expression_origin
from reconciler.files.manifests import Manifests, locate

# LiteLLM's own rules also know its legacy groups and router aliases; only a connection tells those.
RULES_BY_BACKEND: Mapping[str, AccessRules] = {"embedded": GROUPS, "saas-litellm": GROUPS, "litellm": LiteLLMRules()}


def rules_of(settings: GatewaySettings | None) -> AccessRules:
    """The rules of access of a backend, without connecting to it."""
    return RULES_BY_BACKEND.get(settings.backend, GROUPS) if settings else GROUPS


def finder(manifests: Manifests) -> Callable[[Ref, Path], Origin | None]:
    """A function from a place in a resource to its place in the files."""

    def find(ref: Ref, path: Path) -> Origin | None:
        return locate(manifests, error("", "", ref=ref, path=path)).origin

    return find


def policy_findings(
    manifests: Manifests, desired: Resolved, now: datetime, prices: PriceMap, rules: AccessRules = GROUPS
) -> tuple[Finding, ...]:
    """What the config's policies say of the desired state, each finding with its place; nothing without policies."""
    if not manifests.state.of(Policy):
        return ()
    asked = Asked(manifests.state, desired, now, rules=rules, prices=prices, find=finder(manifests))

    def find_expression(ref: Ref, path: Path, line: int, column: int) -> Origin | None:
        return expression_origin(manifests, ref, path, line, column)

    return tuple(locate(manifests, finding) for finding in violations(asked, find_expression))
