"""Which prices a plan was made with, whether they decide anything, and what moved since prices were written down."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.model.findings import Finding, info
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Policy
from reconciler.core.model.prices import PriceMap, models_of
from reconciler.core.model.state import State
from reconciler.core.plan.plan import PricesUsed

MOVED = "prices-moved"
# The name under which a ledger keeps them, beside the facts of a gateway.
PRICES = "prices"
UNKNOWN = "unknown"
_OF_POLICIES = "model.price_"
_OF_SELECTIONS = ("max_price_input", "max_price_output", "min_price_input", "min_price_output")


def prices_used(written: State, prices: PriceMap, record: Any) -> PricesUsed | None:
    """The prices that a plan names, and what moved since the `record` of the last apply (None: there is none).

    None where nobody knows where the prices are from.
    """
    if not prices.version:
        return None
    former, moved = _moved(record, prices)
    return PricesUsed(prices.version, prices.digest, _is_priced(written), former, moved)


def _is_priced(written: State) -> bool:
    """Whether a group selects by price, or a policy judges by it."""
    selects = [group.select for group in written.of(AccessGroup).values() if group.select]
    policies = written.of(Policy).values()
    return any(
        getattr(select, name) is not None for select in selects for name in _OF_SELECTIONS
    ) or any(_OF_POLICIES in f"{policy.match} {policy.rule}" for policy in policies)


def since_saved(saved: PricesUsed | None, now: PricesUsed | None) -> PricesUsed | None:
    """The prices of a plan that was saved with others, if it was. What it changes is compared by itself."""
    if saved is None or now is None or saved.digest == now.digest:
        return now
    return replace(now, former=saved.version)


def prices_finding(used: PricesUsed | None) -> Iterator[Finding]:
    """That prices are others than those of the last apply, where that concerns a model of the config."""
    if used is None or not used.moved:
        return
    says = f"prices moved from {used.former} to {used.version}: {in_number(used.moved)}"
    hint = "selections and policies go by the new ones; said until an apply is complete"
    yield info(MOVED, says, hint=hint, details=used.moved)


def in_number(models: Collection[str]) -> str:
    """`1 model`, `1,000 models`."""
    return "1 model" if len(models) == 1 else f"{len(models):,} models"


# ---- since the last apply


def price_record(desired: State, prices: PriceMap) -> dict[str, Any]:
    """What is written down of the prices that an apply was planned with: their version, and what the config uses."""
    models = {model for alias in desired.of(ModelAlias).values() for model in models_of(alias)}
    costs = [f"{model}: {_cost(model, prices)}" for model in sorted(models)]
    return {"version": prices.version, "digest": prices.digest, "models": costs}


def _moved(record: Any, prices: PriceMap) -> tuple[str | None, tuple[str, ...]]:
    """The version that the record names, and what became of the prices of its models; nothing where none moved."""
    if not isinstance(record, Mapping) or record.get("digest") == prices.digest:
        return None, ()
    moved: list[str] = []
    for cost in record.get("models", ()):
        model, _, before = cost.rpartition(": ")
        after = _cost(model, prices)
        if after != before:
            moved.append(f"{model}: {before} -> {after}")
    return (str(record.get("version")), tuple(moved)) if moved else (None, ())


def _cost(model: str, prices: PriceMap) -> str:
    """USD per million tokens, in words that can be compared."""
    price = prices.find(model)
    return f"${_amount(price.input)} in, ${_amount(price.output)} out" if price else UNKNOWN


def _amount(price: float | None) -> str:
    return "?" if price is None else f"{price:g}"
