"""Lint rules about model aliases."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import Key, ModelAlias, Status
from reconciler.core.model.prices import models_of
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.plan.resolve import instant
from reconciler.core.rules.lint.rule import Hit, Linted, rule

# Providers whose model names are chosen by whoever runs the deployment: no public list can know them.
OWN_NAMES = frozenset(
    {
        "azure", "azure_ai", "bedrock", "cloudflare", "custom", "custom_openai", "databricks", "github", "hosted_vllm",
        "huggingface", "litellm_proxy", "llamafile", "lm_studio", "nvidia_nim", "oci", "ollama", "ollama_chat",
        "oobabooga", "openai_like", "openrouter", "petals", "predibase", "replicate", "sagemaker", "sagemaker_chat",
        "snowflake", "text-completion-openai", "triton", "vllm", "watsonx", "xinference",
    }
)  # fmt: skip
# Names that SaaS LiteLLM and LiteLLM know beside those of the price map.
MORE_PROVIDERS = frozenset({"fireworks", "fireworks_ai", "google", "vertex_ai", "mock"})


def alias_ref(name: str) -> Ref:
    return Ref(ModelAlias.kind, name)


@rule(
    "unused-alias",
    Level.WARNING,
    "An active model alias that no access group holds.",
    reason="An alias in no group is callable by nobody. Either it was forgotten in a group, which a client reports as "
    "'model access denied', or it is left over.",
    hint="add it to an access group, or remove it",
)
def unused_alias(world: Linted) -> Iterator[Hit]:
    held = frozenset(chain.from_iterable(group.model_aliases for group in world.groups.values()))
    teams = chain.from_iterable(team.models for team in world.teams.values())
    keys = chain.from_iterable(key.models for key in world.desired.state.of(Key).values())
    used = held.union(teams, keys, *set(world.access.teams.values()))
    for name in world.active - used:
        sunset = world.aliases[name].sunset
        if sunset is None or instant(sunset) > world.now:
            yield Hit(f"no access group holds {name}", alias_ref(name))


@rule(
    "model-deprecation",
    Level.WARNING,
    "A model at or near the day on which its provider retires it.",
    reason="After that day calls fail, whatever the access groups say. LiteLLM's price map knows the dates; "
    "lint_limits.deprecation_days says how early to warn. The documentation's best practices: remove deprecated models "
    "from groups, notify teams before, provide a migration path.",
    hint="point the alias to a newer model, or give it a sunset and a replacement",
)
def model_deprecation(world: Linted) -> Iterator[Hit]:
    horizon = world.now + timedelta(days=world.limits.deprecation_days)
    for name in sorted(world.active):
        alias = world.aliases[name]
        for index, model in enumerate(models_of(alias)):
            entry = world.prices.find(model)
            if entry is None or entry.deprecation is None or instant(entry.deprecation) > horizon:
                continue
            verb = "was" if instant(entry.deprecation) <= world.now else "will be"
            path = (
                ("litellm_model",)
                if alias.litellm_model
                else ("deployments", index, "litellm_model")
            )
            follow = f"teams can move to {alias.replacement}" if alias.replacement else None
            yield Hit(
                f"{model} {verb} retired on {entry.deprecation.isoformat()}",
                alias_ref(name),
                path,
                follow,
            )


@rule(
    "unknown-provider",
    Level.WARNING,
    "A model of a provider that LiteLLM's price map does not know.",
    reason="A typing error in the provider's name breaks every call of the alias, and nothing refuses it before. "
    "A private provider is fine: set this code to off in settings.",
    hint="write provider/model as LiteLLM names it",
)
def unknown_provider(world: Linted) -> Iterator[Hit]:
    known = world.prices.providers
    for name, model, path in _models(world):
        provider, slash, _ = model.partition("/")
        if not slash and world.prices.find(model) is None:
            yield Hit(
                f"{model} names no provider, and no provider is known for it", alias_ref(name), path
            )
        elif slash and not (provider in OWN_NAMES | MORE_PROVIDERS or _listed(provider, known)):
            yield Hit(f"{provider} is not a provider that LiteLLM knows", alias_ref(name), path)


def _listed(provider: str, known: frozenset[str]) -> bool:
    return provider in known or any(name.startswith(f"{provider}-") for name in known)


def _models(world: Linted) -> Iterator[tuple[str, str, FieldPath]]:
    """(alias, model, path) of models that a public list can know: without an address or a price of their own."""
    if not world.prices.providers:
        return
    for name, alias in world.aliases.items():
        declared = alias.pricing_input is not None or alias.pricing_output is not None
        if declared or "api_base" in (alias.litellm_params or {}):
            continue
        if alias.litellm_model:
            yield name, alias.litellm_model, ("litellm_model",)
        for index, deployment in enumerate(alias.deployments):
            if deployment.api_base is None and deployment.base_model is None:
                yield name, deployment.litellm_model, ("deployments", index, "litellm_model")


@rule(
    "unknown-model",
    Level.WARNING,
    "A model that LiteLLM's price map does not know, of a provider that it does.",
    reason="The name is misspelt, or the model is so new (or private) that its price is not known: then costs are not "
    "counted, and price limits in select and policies pass it by.",
    hint="correct the name, or declare pricing_input and pricing_output",
)
def unknown_model(world: Linted) -> Iterator[Hit]:
    for name, model, path in _models(world):
        provider, slash, rest = model.partition("/")
        private = provider in OWN_NAMES or "*" in rest or rest.startswith("ft:")
        if (
            slash
            and not private
            and _listed(provider, world.prices.providers)
            and world.prices.find(model) is None
        ):
            yield Hit(f"LiteLLM's price map has no {model}", alias_ref(name), path)


@rule(
    "sunset-without-replacement",
    Level.WARNING,
    "An alias with a sunset that names no replacement.",
    reason="On that day its teams lose the model. The documentation's best practices: notify teams before removal, "
    "provide a migration path.",
    hint="add replacement: ALIAS",
)
def sunset_without_replacement(world: Linted) -> Iterator[Hit]:
    for name, alias in world.aliases.items():
        if alias.sunset is not None and alias.replacement is None:
            yield Hit(
                f"{name} has a sunset ({alias.sunset.isoformat()}) and no replacement",
                alias_ref(name),
                ("sunset",),
            )


@rule(
    "replacement-unreachable",
    Level.WARNING,
    "An alias with a sunset whose teams do not all reach its replacement.",
    reason="A migration path that a team may not walk is none: at the sunset it is left with neither model.",
    hint="put the replacement into the groups that hold the alias",
)
def replacement_unreachable(world: Linted) -> Iterator[Hit]:
    for name, alias in world.aliases.items():
        if alias.sunset is None or alias.replacement is None or alias.status is not Status.ACTIVE:
            continue
        stuck = [
            t
            for t in world.access.callers.get(name, ())
            if alias.replacement not in world.access.of(t)
        ]
        if stuck:
            rest = f" and {len(stuck) - 1:,} more" if len(stuck) > 1 else ""
            says = f"{stuck[0]}{rest} can call {name} but not its replacement {alias.replacement}"
            yield Hit(says, alias_ref(name), ("replacement",))
