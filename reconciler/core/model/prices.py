"""What models cost and how long they live, as a value with a version. Source: LiteLLM's price map."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from reconciler.core.model.kinds import ModelAlias


@dataclass(frozen=True, slots=True)
class Price:
    """One entry of the price map; USD per million tokens, None where the map does not say.

    `mode` is what the model does, in LiteLLM's words: chat, embedding, image_generation, ...
    """

    provider: str
    input: float | None = None
    output: float | None = None
    deprecation: date | None = None
    mode: str | None = None


@dataclass(frozen=True, eq=False)
class PriceMap:
    """Model name as in LiteLLM's price map -> Price, and the providers it knows.

    `version` says where the prices are from (`litellm 1.106.2`), `digest` (SHA-256) names just these. `routing` are
    LiteLLM's regular expressions for names that the map does not know, each with the provider, in order.
    """

    prices: Mapping[str, Price]
    providers: frozenset[str] = frozenset()
    routing: tuple[tuple[str, str], ...] = ()
    version: str = ""
    digest: str = ""

    def find(self, litellm_model: str) -> Price | None:
        """The entry for `provider/model`: under its full name, else without the provider prefix."""
        if litellm_model in self.prices:
            return self.prices[litellm_model]
        provider, slash, bare = litellm_model.partition("/")
        entry = self.prices.get(bare) if slash else None
        return entry if entry and same_provider(entry.provider, provider) else None

    @property
    def note(self) -> str:
        """What follows a sentence that depends on prices; nothing where nobody knows where they are from."""
        return f" (prices of {self.version})" if self.version else ""


NO_PRICES = PriceMap({})


@dataclass(frozen=True, slots=True)
class PriceChanges:
    """What another version of the prices says of models, by name and sorted: `moved` have another price."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...]


def price_changes(before: PriceMap, after: PriceMap) -> PriceChanges:
    """From one version to another."""
    old, new = before.prices, after.prices
    return PriceChanges(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        moved=tuple(sorted(n for n in old.keys() & new.keys() if _cost(old[n]) != _cost(new[n]))),
    )


def _cost(price: Price) -> tuple[float | None, float | None]:
    return price.input, price.output


def same_provider(entry: str, prefix: str) -> bool:
    """Whether a prefix means an entry's provider (`text-completion-openai`, `vertex_ai-language-models`)."""
    return entry == prefix or entry.startswith(prefix + "-") or entry.endswith("-" + prefix)


def models_of(alias: ModelAlias) -> tuple[str, ...]:
    """The `provider/model` names behind an alias."""
    return (
        (alias.litellm_model,)
        if alias.litellm_model
        else tuple(d.litellm_model for d in alias.deployments)
    )


def providers_of(alias: ModelAlias, prices: PriceMap) -> frozenset[str]:
    """The providers behind an alias: the prefix, or for a bare model name what the price map says."""
    return frozenset(filter(None, (_provider(model, prices) for model in models_of(alias))))


def _provider(model: str, prices: PriceMap) -> str | None:
    if "/" in model:
        return model.partition("/")[0]
    entry = prices.find(model)
    return entry.provider if entry else None


def price_of(alias: ModelAlias, prices: PriceMap) -> tuple[float | None, float | None]:
    """(input, output) in USD per million tokens: as declared, else the dearest of the alias's models in the map."""
    entries = [entry for model in models_of(alias) if (entry := prices.find(model))]
    return (
        _first(alias.pricing_input, [entry.input for entry in entries]),
        _first(alias.pricing_output, [entry.output for entry in entries]),
    )


def _first(declared: float | None, found: list[float | None]) -> float | None:
    known = [price for price in found if price is not None]
    return declared if declared is not None else max(known, default=None)
