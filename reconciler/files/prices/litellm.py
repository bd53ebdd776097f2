"""LiteLLM's price map to prices: of a file, or of an installed LiteLLM, which is not imported for it.

Importing LiteLLM takes seconds and the network. Source of the format: `model_prices_and_context_window.json` in
https://github.com/BerriAI/litellm, of which the package holds a copy.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from reconciler.core.model.prices import Price, PriceMap

PACKAGE = "litellm"
MAP_IN_PACKAGE = "model_prices_and_context_window_backup.json"
NOT_MODELS = frozenset({"sample_spec", "fallback_generalizations"})
PER_MILLION = 1_000_000


def installed_prices() -> PriceMap | None:
    """The prices of the LiteLLM that is installed beside us; None where there is none."""
    spec = find_spec(PACKAGE)  # does not import it
    for place in (spec.submodule_search_locations if spec else None) or ():
        file = Path(place) / MAP_IN_PACKAGE
        if file.is_file():
            raw = json.loads(file.read_text(encoding="utf-8"))
            return prices_of(raw, f"{PACKAGE} {_installed_version()}")
    return None


def _installed_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "of unknown version"


def prices_of(raw: Mapping[str, Any], label: str) -> PriceMap:
    """The prices of LiteLLM's map, sorted by name; entries without a provider are left out. `label` is their version.

    Raises ValueError where `raw` is no such map.
    """
    prices = {
        name: _price(row)
        for name, row in sorted(raw.items())
        if name not in NOT_MODELS and isinstance(row, Mapping) and row.get("litellm_provider")
    }
    if not prices:
        raise ValueError("it names no model with a litellm_provider")
    providers = frozenset(price.provider for price in prices.values())
    return PriceMap(prices, providers, _routing(raw), label)


def _price(row: Mapping[str, Any]) -> Price:
    mode = row.get("mode")
    return Price(
        provider=str(row["litellm_provider"]),
        input=_per_million(row.get("input_cost_per_token")),
        output=_per_million(row.get("output_cost_per_token")),
        deprecation=_day(row.get("deprecation_date")),
        mode=mode if isinstance(mode, str) else None,
    )


def _routing(raw: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The rules for names that the map does not know, as far as they name a provider."""
    general = raw.get("fallback_generalizations")
    rules = general.get("rules", ()) if isinstance(general, Mapping) else ()
    routing: list[tuple[str, str]] = []
    for rule in rules:
        provider = rule["model_info"].get("litellm_provider")
        if provider:
            re.compile(rule["pattern"])
            routing.append((rule["pattern"], provider))
    return tuple(routing)


def _per_million(per_token: Any) -> float | None:
    if isinstance(per_token, bool) or not isinstance(per_token, (int, float)):
        return None
    return round(float(per_token) * PER_MILLION, 6) if isfinite(per_token) else None


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
