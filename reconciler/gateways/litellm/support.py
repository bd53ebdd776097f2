"""What LiteLLM Proxy stores and how a wish reads on it, out of the rows of its kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from reconciler.core.access.litellm.facts import facts_after, moved_facts
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.findings import Finding
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.plan.support import Support
from reconciler.gateways.litellm.budgets import Terms
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.kind import Kind
from reconciler.gateways.litellm.rows import KINDS

BACKEND = "litellm"


def support(
    rules: LiteLLMRules,
    facts: Facts,
    *,
    rate: float | None,
    kinds: Mapping[str, Kind] = KINDS,
    lifetimes: Mapping[str, float] | None = None,
) -> Support:
    """The abilities, with what the last read found.

    `rate` is the settings' usd_per_credit, `kinds` are those of this proxy, `lifetimes` what a revoke waits for.
    """
    terms = Terms(facts, rate)
    by_kind = _ByKind(facts, terms)
    with_keys = frozenset(kind for kind, row in KINDS.items() if row.keys)
    return Support(
        backend=BACKEND,
        kinds={kind: row.support for kind, row in kinds.items()},
        rules=rules,
        normalise=normalise,
        wished=by_kind.wished,
        seen=by_kind.seen,
        unkept=by_kind.unkept,
        check=by_kind.check,
        credits="operations",
        unlimited_credits=True,
        topped_up=terms.topped_up,
        owes_secret=by_kind.owes_secret,
        serving=rules.serving,
        repeatable_grants=True,
        keys=with_keys,
        chosen_keys=with_keys,
        renames=frozenset(kind for kind, row in KINDS.items() if row.verbs.rename),
        balance="usd",
        lifetimes={kind: seconds for kind, seconds in (lifetimes or {}).items() if seconds},
        processes="LiteLLM's processes",
        facts=facts.access,
        moved=partial(moved_facts, rules, facts.access),
        facts_after=facts_after,
    )


def normalise(ref: Ref, resource: Resource) -> Resource:
    """As the proxy would echo it, in the canonical form of its kind."""
    row = KINDS.get(ref.kind)
    return row.normalise(resource) if row else resource


@dataclass(frozen=True, slots=True)
class _ByKind:
    """The functions of a `Support`, each that of the resource's row."""

    facts: Facts
    terms: Terms

    def wished(
        self, ref: Ref, wish: Resource, live: Resource | None, record: Record | None
    ) -> Resource:
        row = KINDS.get(ref.kind)
        return row.wished(self.terms, ref, wish, live, record) if row else wish

    def seen(self, ref: Ref, wish: Resource, live: Resource, record: Record | None) -> Resource:
        row = KINDS.get(ref.kind)
        return row.seen(self.terms, ref, wish, live, record) if row else live

    def unkept(self, ref: Ref, wish: Resource) -> frozenset[str]:
        row = KINDS.get(ref.kind)
        return row.unkept(self.terms, wish) if row else frozenset()

    def owes_secret(self, ref: Ref, wish: Resource) -> str | None:
        row = KINDS.get(ref.kind)
        return row.owes(wish) if row else None

    def check(
        self, ref: Ref, before: Resource | None, after: Resource | None
    ) -> tuple[Finding, ...]:
        row = KINDS.get(ref.kind)
        return tuple(row.check(ref, before, after, self.facts)) if row and after else ()
