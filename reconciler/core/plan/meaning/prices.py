"""Which prices a plan was made with, whether they decide anything, and what moved since prices were written down."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.model.findings import Finding, info
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Policy
from reconciler.core.model.prices import Price, PriceMap, models_of
from reconciler.core.model.state import State
from reconciler.core.plan.plan import PricesUsed

MOVED = "prices-moved"
_OF_POLICIES = "model.price_"
_OF_SELECTIONS = ("max_price_input", "max_price_output", "min_price_input", "min_price_output")


def prices_used(written: State, prices: PriceMap) -> PricesUsed | None:
    """The prices that a plan names; None where nobody knows where they are from."""
    if not prices.version:
        return None
    return PricesUsed(prices.version, prices.digest, decisive=_is_priced(written))


def _is_priced(written: State) -> bool:
    """Whether a group selects by price, or a policy judges by it."""
    selects = [group.select for group in written.of(AccessGroup).values() if group.select]
    policies = written.of(Policy).values()
    return any(
        getattr(select, name) is not None for select in selects for name in _OF_SELECTIONS
    ) or any(_OF_POLICIES in f"{policy.match} {policy.rule}" for policy in policies)


def other_prices(saved: PricesUsed | None, now: PricesUsed | None) -> Iterator[Finding]:
    """That a saved plan was made with other prices than those in force. What it changes is compared by itself."""
    if saved and now and saved.digest != now.digest:
        says = f"prices moved since the plan was saved: from {saved.version} to {now.version}"
        yield info(MOVED, says, hint="its changes are still the same ones, or apply refuses it")


# ---- since the last apply


def price_record(desired: State, prices: PriceMap) -> dict[str, Any]:
    """What is written down of the prices that an apply was planned with: their version, and what the config uses."""
    rows = [
        f"{model} {_amount(p.input)} {_amount(p.output)}" for model, p in _used(desired, prices)
    ]
    return {"version": prices.version, "digest": prices.digest, "models": sorted(set(rows))}


def prices_moved(record: Mapping[str, Any] | None, prices: PriceMap) -> Iterator[Finding]:
    """That models cost something else than when an apply last wrote prices down. Nothing without such a record."""
    if record is None or record["digest"] == prices.digest:
        return
    moved: list[str] = []
    for row in record["models"]:
        model, before_input, before_output = row.rsplit(" ", 2)
        price = prices.find(model) or Price("")
        after_input, after_output = _amount(price.input), _amount(price.output)
        if (before_input, before_output) != (after_input, after_output):
            moved.append(
                f"{model}: {before_input} -> {after_input} USD per million input tokens, "
                f"{before_output} -> {after_output} output"
            )
    if moved:
        models = "1 model" if len(moved) == 1 else f"{len(moved):,} models"
        says = f"prices moved from {record['version']} to {prices.version}: {models}"
        hint = "what is selected and judged by price was computed anew; this is said once"
        yield info(MOVED, says, hint=hint, details=tuple(moved))


def _used(desired: State, prices: PriceMap) -> Iterator[tuple[str, Price]]:
    """The models behind the config's aliases that have an entry."""
    for alias in desired.of(ModelAlias).values():
        for model in models_of(alias):
            price = prices.find(model)
            if price is not None:
                yield model, price


def _amount(price: float | None) -> str:
    return "unknown" if price is None else f"{price:g}"
