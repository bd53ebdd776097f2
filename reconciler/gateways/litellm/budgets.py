"""Budgets of LiteLLM Proxy: wish and live in common terms, and what a budget must not be. Pure.

The proxy has one column for what is declared as USD or as credits; `usd_per_credit` says what a credit is worth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.model.findings import Finding, error
from reconciler.core.model.inventory import Record
from reconciler.core.model.kinds import Resource, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.safety import BUDGET_CUT, refusal
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.team_codec import credits_of, dollars


@dataclass(frozen=True, slots=True)
class Terms:
    """Wish and live in common terms: the budget in credits where the wish is, and of metadata only our keys."""

    facts: Facts
    rate: float | None

    def rate_of(self, wish: Team) -> float | None:
        return wish.usd_per_credit or self.rate

    def unkept(self, wish: Team) -> frozenset[str]:
        """Credits that nothing says the worth of."""
        if self.rate_of(wish) is not None:
            return frozenset()
        named = {
            "credits_allocated": wish.credits_allocated is not None,
            "top_ups": bool(wish.top_ups),
        }
        return frozenset(name for name, there in named.items() if there)

    def wished(self, ref: Ref, wish: Team, live: Resource | None, _record: Record | None) -> Team:
        """The wish; where a credit's worth changed, with the budget that the credits there are come to now."""
        rate = self.rate_of(wish)
        if rate is None:
            return (
                wish.model_copy(update={"credits_allocated": None, "top_ups": ()})
                if self.unkept(wish)
                else wish
            )
        if wish.credits_allocated is None:
            return wish
        update: dict[str, Any] = {"usd_per_credit": rate}
        there = self._credits(ref, rate)
        if live is not None and there is not None and self.facts.rates.get(ref.name, rate) != rate:
            update["max_budget_usd"] = dollars(there, rate)
        return wish.model_copy(update=update)

    def topped_up(self, ref: Ref, wish: Resource) -> int:
        given = self.facts.top_ups.get(ref.name, frozenset())
        return (
            sum(each.amount for each in wish.top_ups if each.id in given)
            if isinstance(wish, Team)
            else 0
        )

    def seen(self, ref: Ref, wish: Team, live: Team, record: Record | None) -> Resource:
        """The live team in the terms of the wish."""
        return our_metadata(self, ref, wish, self._budgeted(ref, wish, live), record)

    def _budgeted(self, ref: Ref, wish: Team, live: Team) -> Team:
        budget = self.facts.budgets.get(ref.name)
        rate = self.rate_of(wish)
        if wish.credits_allocated is None or rate is None:
            return live.model_copy(
                update={"credits_allocated": None, "max_budget_usd": budget, "usd_per_credit": None}
            )
        moved = self.facts.rates.get(ref.name, rate) != rate
        update = {
            "credits_allocated": self._credits(ref, rate),
            "max_budget_usd": budget if moved else None,
        }
        return live.model_copy(update={**update, "usd_per_credit": rate})

    def _credits(self, ref: Ref, rate: float) -> int | None:
        return credits_of(self.facts.budgets.get(ref.name), self.facts.rates.get(ref.name, rate))


def our_metadata(
    _terms: Terms, _ref: Ref, wish: Resource, live: Resource, record: Record | None
) -> Resource:
    """Others keep keys of their own in the same metadata: compared are those that we declare or declared."""
    declared = (getattr(wish, "metadata", None) or {}).keys()
    applied = (record.applied.get("metadata") or {}).keys() if record else set[str]()
    there = getattr(live, "metadata", None)
    if there is None or not ("metadata" in wish.model_fields_set or applied):
        return live
    ours = {name: value for name, value in there.items() if name in declared | applied}
    return live.model_copy(update={"metadata": ours or None})


def soft_above_hard(ref: Ref, team: Team) -> Iterator[Finding]:
    hard = _hard(team)
    if hard is not None and team.soft_budget_usd is not None and team.soft_budget_usd >= hard:
        message = (
            f"{ref}: soft_budget_usd {team.soft_budget_usd:g} is not below the hard budget {hard:g}"
        )
        yield error("budget-order", message, hint="LiteLLM refuses that", ref=ref)


def first_limit(ref: Ref, before: Resource | None, after: Team, facts: Facts) -> Iterator[Finding]:
    """A first limit. One that is spent already is the loss of every model: `core.plan.credits.spending` sees that."""
    hard, spend = _hard(after), facts.spend.get(ref.name, 0.0)
    if not isinstance(before, Team) or hard is None or after.status is not Status.ACTIVE:
        return
    if facts.budgets.get(ref.name) is None and spend < hard:
        message = (
            f"{ref}: its budget goes from unlimited to {hard:g} USD, of which {spend:g} are spent"
        )
        yield replace(refusal(BUDGET_CUT, message), ref=ref)


def _hard(team: Team) -> float | None:
    """The hard budget in USD that a team is to have, None for no limit."""
    if team.credits_allocated is None or team.usd_per_credit is None:
        return team.max_budget_usd
    return dollars(team.credits_allocated, team.usd_per_credit)
