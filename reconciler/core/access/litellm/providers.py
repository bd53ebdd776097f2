"""Which provider LiteLLM reads out of a model's NAME: `claude-opus-4-8` looks like Anthropic, wherever it is routed to.

LiteLLM matches a wildcard such as `anthropic/*` against `<inferred provider>/<name>` too: access depends on this guess.
The rule is `get_llm_provider` of LiteLLM 1.106.2, given nothing but the name; its tables come from LiteLLM's price map.

Known differences, none for names in ordinary use: `github_copilot/`, `chatgpt/` (LiteLLM starts a login to answer),
`ragflow/` (LiteLLM fails on a short name), the environment variables `USE_LITELLM_PROXY` and `AZURE_AI_API_BASE`,
custom providers, names that LiteLLM learns at run time from deployments, and prefixes that only one of price map and
LiteLLM's list of providers knows (this can only matter for a deployment named like `x/x/*`).
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from reconciler.core.model.prices import Price, PriceMap

_SAME = [
    "openai",
    "text-completion-openai",
    "anthropic",
    "cohere",
    "cohere_chat",
    "openrouter",
    "aleph_alpha",
    "nlp_cloud",
    "bedrock",
    "watsonx",
    "empower",
    "gradient_ai",
]
_VERTEX = [
    "chat",
    "code-chat",
    "text",
    "code-text",
    "language",
    "embedding",
    "vision",
    "image",
    "video",
]

# litellm_provider of a price map entry -> the provider of a bare name; every other entry says nothing about a bare name
_PROVIDER_OF_ENTRY = {
    **{name: name for name in _SAME},
    **{f"vertex_ai-{kind}-models": "vertex_ai" for kind in _VERTEX},
    "ai21": "ai21_chat",
    "bedrock_converse": "bedrock",
}

# Names that LiteLLM's source lists by itself (litellm/constants.py, litellm/__init__.py), the price map apart
_LISTED = {
    **dict.fromkeys(("dall-e-2", "dall-e-3", "sora-2", "text-embedding-ada-002", "*"), "openai"),
    **dict.fromkeys(
        (
            f"embed-{kind}-v{n}.0"
            for kind in ("english", "english-light", "multilingual")
            for n in (2, 3)
        ),
        "cohere",
    ),
    "embed-v4.0": "cohere",
    **dict.fromkeys(("qvv0xeq", "q841o8w", "31dxrj3"), "baseten"),
    "petals-team/StableBeluga2": "petals",
    **dict.fromkeys(
        (
            "amazon.titan-embed-text-v1",
            "amazon.nova-2-multimodal-embeddings-v1:0",
            "cohere.embed-english-v3",
            "cohere.embed-multilingual-v3",
            "cohere.embed-v4:0",
            "twelvelabs.marengo-embed-2-7-v1:0",
            "twelvelabs.marengo-embed-3-0-v1:0",
            "anthropic.claude-3-sonnet-20240229-v1:0",
            "anthropic.claude-v2",
            "anthropic.claude-opus-4-6-v1:0",
            "anthropic.claude-3-haiku-20240307-v1:0",
        ),
        "bedrock",
    ),
}
_ANTHROPIC_TEXT = frozenset({"claude-2", "claude-instant-1"})
_REPLICATE_DIGEST = 64
_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_PREFIX_DROPPED = frozenset({"vertex_ai-image-models", "vertex_ai-video-models"})


@dataclass(frozen=True, slots=True)
class Inferred:
    """A provider and the rest of the name; `model` still holds its namespace when LiteLLM did not recognise that."""

    provider: str
    model: str


InferProvider = Callable[[str], Inferred | None]


@dataclass(frozen=True, slots=True)
class ProviderCatalog:
    """What a price map says about names: bare names, provider prefixes, and regexes for names not yet known."""

    names: Mapping[str, str]
    prefixes: frozenset[str]
    cohere_chat: frozenset[str]
    not_azure: frozenset[str]
    routing: tuple[tuple[re.Pattern[str], str], ...]


def no_provider(_: str) -> Inferred | None:
    """Infer nothing: for a gateway whose names are never matched by a provider wildcard."""
    return None


@lru_cache(maxsize=2)
def inference(prices: PriceMap) -> InferProvider:
    """`infer_provider` with the catalog of these prices."""
    return partial(infer_provider, provider_catalog(prices))


def provider_catalog(prices: PriceMap, providers: Collection[str] = ()) -> ProviderCatalog:
    """The catalog of a price map; `providers` adds prefixes that the map has no entry for."""
    chat = frozenset(_of("cohere_chat", prices))
    mistral = (name for name in _of("mistral", prices) if name.startswith("mistral/"))
    return ProviderCatalog(
        names={**_named(prices), **_LISTED},
        prefixes=prices.providers | frozenset(providers),
        cohere_chat=chat,
        not_azure=chat | {name.removeprefix("mistral/") for name in mistral},
        routing=tuple(
            (re.compile(pattern, re.IGNORECASE), provider) for pattern, provider in prices.routing
        ),
    )


def _of(provider: str, prices: PriceMap) -> Iterator[str]:
    return (name for name, price in prices.prices.items() if price.provider == provider)


def _named(prices: PriceMap) -> dict[str, str]:
    names: dict[str, str] = {}
    for key, price in prices.prices.items():
        provider = _PROVIDER_OF_ENTRY.get(price.provider)
        if provider is None or _is_price_only(key, price):
            continue
        bare = key.replace("vertex_ai/", "") if price.provider in _PREFIX_DROPPED else key
        names[bare] = provider
    return names


def _is_price_only(key: str, price: Price) -> bool:
    if price.provider == "openai":
        return key.startswith("ft:") and key.count(":") == 1
    if price.provider == "bedrock":
        regional = re.match(r"bedrock/[a-zA-Z0-9_-]+/.+$", key)
        return price.mode == "guardrail" or "month-commitment" in key or regional is not None
    return False


def infer_provider(catalog: ProviderCatalog, name: str) -> Inferred | None:
    """The provider that LiteLLM infers from a name, None where it finds none (`get_llm_provider` raises there)."""
    prefix, slash, rest = name.partition("/")
    if slash and (renamed := _renamed(catalog, prefix, rest)):
        return renamed
    if prefix in catalog.prefixes:
        return Inferred(prefix, rest) if slash else None
    provider = _bare_provider(catalog, name)
    return Inferred(provider, name) if provider else None


def _renamed(catalog: ProviderCatalog, prefix: str, rest: str) -> Inferred | None:
    if prefix == "azure" and rest in catalog.not_azure:
        return Inferred("openai", f"azure/{rest}")
    if prefix == "cohere" and rest in catalog.cohere_chat:
        return Inferred("cohere_chat", rest)
    if prefix == "anthropic" and rest in _ANTHROPIC_TEXT:
        return Inferred("anthropic_text", rest)
    region, _, model = rest.partition("/")
    if prefix == "bedrock_mantle" and model and _AWS_REGION.fullmatch(region):
        return Inferred(prefix, model)
    return None


def _bare_provider(catalog: ProviderCatalog, name: str) -> str | None:
    if "ft:gpt-3.5-turbo" in name or "ft:gpt-4" in name or name.startswith("gpt-image"):
        return "openai"
    known = catalog.names.get(name)
    if known == "anthropic" and name in _ANTHROPIC_TEXT:
        return "anthropic_text"
    return known or _shaped(name) or _routed(catalog, name)


def _shaped(name: str) -> str | None:
    parts = name.split(":")
    if len(name) > _REPLICATE_DIGEST and len(parts) > 1 and len(parts[1]) == _REPLICATE_DIGEST:
        return "replicate"
    return "amazon_nova" if name.startswith("amazon_nova") else None


def _routed(catalog: ProviderCatalog, name: str) -> str | None:
    return next(
        (provider for pattern, provider in catalog.routing if name and pattern.search(name)), None
    )
