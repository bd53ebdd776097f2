"""LiteLLM's price map, read from the installed package without importing it: that takes seconds and the network."""

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reconciler.core.model.prices import NO_PRICES, Price, PriceMap

PRICE_FILE = "model_prices_and_context_window_backup.json"
NOT_MODELS = frozenset({"sample_spec", "fallback_generalizations"})
PER_MILLION = 1_000_000


@cache
def load_prices() -> PriceMap:
    """The price map of the installed LiteLLM; empty where LiteLLM is absent."""
    path = price_file()
    return NO_PRICES if path is None else parse_prices(json.loads(path.read_text(encoding="utf-8")))


def price_file() -> Path | None:
    """Where the installed LiteLLM keeps its price map; `find_spec` does not import it."""
    spec = find_spec("litellm")
    locations = spec.submodule_search_locations if spec else None
    paths = [Path(location) / PRICE_FILE for location in locations or ()]
    return next((path for path in paths if path.is_file()), None)


def parse_prices(raw: Mapping[str, Mapping[str, Any]]) -> PriceMap:
    """The map as values; entries without a provider are left out."""
    rows = {
        name: row
        for name, row in raw.items()
        if name not in NOT_MODELS and row.get("litellm_provider")
    }
    prices = {name: _price(row) for name, row in rows.items()}
    return PriceMap(prices, frozenset(price.provider for price in prices.values()))


def _price(row: Mapping[str, Any]) -> Price:
    return Price(
        provider=str(row["litellm_provider"]),
        input=_per_million(row.get("input_cost_per_token")),
        output=_per_million(row.get("output_cost_per_token")),
        deprecation=_day(row.get("deprecation_date")),
    )


def _per_million(per_token: Any) -> float | None:
    return round(float(per_token) * PER_MILLION, 6) if isinstance(per_token, (int, float)) else None


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
