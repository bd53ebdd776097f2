"""Rule: one lint rule as a value, made of a function by `@rule`, and the world that rules look at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from reconciler.core.access.rules import Access, AccessRules, access
from reconciler.core.explain.routes import GROUPS
from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Status, Team
from reconciler.core.model.prices import NO_PRICES, PriceMap, price_of
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.settings import LintSettings
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import Resolved


@dataclass(frozen=True)
class Linted:
    """What rules look at: the config as written and resolved, never the gateway."""

    written: State
    desired: Resolved
    now: datetime
    prices: PriceMap = NO_PRICES
    limits: LintSettings = field(default_factory=LintSettings)
    rules: AccessRules = GROUPS

    @cached_property
    def access(self) -> Access:
        return access(self.desired.state, self.rules)

    @cached_property
    def groups(self) -> Mapping[str, AccessGroup]:
        return self.desired.state.of(AccessGroup)

    @cached_property
    def aliases(self) -> Mapping[str, ModelAlias]:
        return self.desired.state.of(ModelAlias)

    @cached_property
    def teams(self) -> Mapping[str, Team]:
        return self.desired.state.of(Team)

    @cached_property
    def active(self) -> frozenset[str]:
        return frozenset(
            name for name, alias in self.aliases.items() if alias.status is Status.ACTIVE
        )

    @cached_property
    def price_output(self) -> Mapping[str, float | None]:
        """Alias -> USD per million output tokens, declared or from the price map."""
        return {name: price_of(alias, self.prices)[1] for name, alias in self.aliases.items()}

    @cached_property
    def plan_models(self) -> Mapping[str, frozenset[str]]:
        """Pricing plan -> the active aliases of all its groups, inherited ones too."""
        return {name: self._reached(plan) for name, plan in self.desired.plans.items()}

    def _reached(self, plan: PricingPlan) -> frozenset[str]:
        members = (self.groups[g].model_aliases for g in plan.access_groups if g in self.groups)
        return frozenset[str]().union(*members) & self.active


class Hit(NamedTuple):
    """One thing that a rule found; `hint` is better than the rule's own where it is set."""

    message: str
    ref: Ref
    path: FieldPath = ()
    hint: str | None = None


Find = Callable[[Linted], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A lint rule: settings may give its code another level (`lint: {code: level}`), also `off`."""

    code: str
    level: Level
    summary: str
    reason: str
    hint: str
    find: Find


def rule(
    code: str, level: Level, summary: str, *, reason: str, hint: str
) -> Callable[[Find], Rule]:
    """Makes a Rule of the function below it."""
    return lambda find: Rule(code, level, summary, reason, hint, find)
