"""What LiteLLM's rule of access depends on besides the team: deployments, groups, router aliases; and their indexes.

Source of the rules: LiteLLM 1.106.2, `get_model_access_groups` in `router.py` and `PatternMatchRouter` in
`router_utils/pattern_match_deployments.py`.
"""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from reconciler.core.access.litellm.providers import InferProvider, no_provider

_REGEX_CHARACTERS = "*+?\\^$|()"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment; several may share a name. `access_groups`: the legacy ones (`model_info.access_groups`)."""

    model_name: str
    litellm_model: str = ""
    access_groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LiteLLMWorld:
    """What access depends on besides the team.

    `groups`: unified access group -> its `access_model_names`. `router_aliases`: the router's `model_group_alias`,
    alias -> target (hidden ones too). `infer`: `litellm_providers.infer_provider` with its catalog bound.
    `asked`: names to be answered for though nothing deploys them; one that a wildcard deployment serves is a model.
    """

    deployments: tuple[Deployment, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    router_aliases: Mapping[str, str] = field(default_factory=dict)
    infer: InferProvider = no_provider
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LiteLLMTeam:
    """A team's grants: `models` as stored, unified `access_groups` as keys of `LiteLLMWorld.groups`, name -> target."""

    models: tuple[str, ...]
    access_groups: tuple[str, ...] = ()
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A deployment name with `*`, as the router matches it: by prefix, unlike an entry of a list."""

    regex: re.Pattern[str]
    access_groups: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledWorld:
    """A world with its indexes; all names are those of deployments and router aliases, and served ones asked about.

    `deployed`: name -> legacy access groups of its own deployments; `listed`: what `all-team-models` stands for on a
    team, in LiteLLM's order; `tags`: name or target of a router alias -> legacy access groups that let it through,
    `tagged` the other way round;
    `called_as`: name -> the router aliases that point to it.
    """

    deployed: Mapping[str, frozenset[str]]
    routes: tuple[Route, ...]
    listed: tuple[str, ...]
    names: frozenset[str]
    tags: Mapping[str, frozenset[str]]
    tagged: Mapping[str, Sequence[str]]
    called_as: Mapping[str, Sequence[str]]
    world: LiteLLMWorld


def compile_world(world: LiteLLMWorld) -> CompiledWorld:
    """The world with its indexes; build it once and ask many times."""
    deployed = _tags_by_name(world.deployments)
    routes = _routes(deployed)
    served = (name for name in world.asked if routed_groups(world, routes, name) is not None)
    names = frozenset(deployed).union(world.router_aliases, served)
    asked = names.union(world.router_aliases.values())
    tags = {name: _legacy_groups(world, deployed, routes, name) for name in asked}
    return CompiledWorld(
        deployed=deployed,
        routes=routes,
        listed=(
            *(a for a, target in world.router_aliases.items() if target in deployed),
            *deployed,
        ),
        names=names,
        tags=tags,
        tagged=_inverted(tags.items()),
        called_as=_inverted((alias, (target,)) for alias, target in world.router_aliases.items()),
        world=world,
    )


def _tags_by_name(deployments: Iterable[Deployment]) -> dict[str, frozenset[str]]:
    tags: dict[str, frozenset[str]] = {}
    for deployment in deployments:
        # one tagged deployment lets the whole name through, also to the untagged ones
        tags[deployment.model_name] = (
            tags.get(deployment.model_name, frozenset()) | deployment.access_groups
        )
    return tags


def _inverted(pairs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, keys in pairs:
        for key in keys:
            found.setdefault(key, []).append(name)
    return found


def _routes(deployed: Mapping[str, frozenset[str]]) -> tuple[Route, ...]:
    patterns = {
        re.escape(name).replace(r"\*", "(.*)"): tags
        for name, tags in deployed.items()
        if "*" in name
    }
    return tuple(
        Route(re.compile(text), patterns[text])
        for text in sorted(patterns, key=_specificity, reverse=True)
    )


def _specificity(regex: str) -> tuple[int, int]:
    return len(regex), sum(regex.count(character) for character in _REGEX_CHARACTERS)


def routed_groups(
    world: LiteLLMWorld, routes: tuple[Route, ...], name: str
) -> frozenset[str] | None:
    """The legacy access groups of the wildcard deployments that would serve the name, None where none does."""
    inferred = world.infer(name) if routes else None
    # an unknown provider reads "None" in LiteLLM's own second try
    spellings = (name, f"{inferred.provider if inferred else None}/{name}")
    found = (route for spelling in spellings for route in routes if route.regex.match(spelling))
    return next((route.access_groups for route in found), None)


def _legacy_groups(
    world: LiteLLMWorld,
    deployed: Mapping[str, frozenset[str]],
    routes: tuple[Route, ...],
    name: str,
) -> frozenset[str]:
    own, target = deployed.get(name), deployed.get(world.router_aliases.get(name, ""))
    if own is None and target is None:
        return routed_groups(world, routes, name) or frozenset()
    return (own or frozenset()) | (target or frozenset())


def legacy_groups(compiled: CompiledWorld, name: str) -> frozenset[str]:
    """The legacy access groups that let a name through, deployed or not."""
    known = compiled.tags.get(name)
    return (
        known
        if known is not None
        else _legacy_groups(compiled.world, compiled.deployed, compiled.routes, name)
    )


@lru_cache(maxsize=65536)
def pattern_regex(pattern: str) -> re.Pattern[str] | None:
    """The regex LiteLLM makes of an entry with `*`: only the star is translated. None where it is no regex."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(f"^{pattern.replace('*', '.*')}$")
        except (re.error, OverflowError, RecursionError):
            return None


def invalid_patterns(entries: Iterable[str]) -> tuple[str, ...]:
    """The entries that are no regex; one in a team's `models` makes nearly every call of the team fail (401)."""
    return tuple(entry for entry in entries if "*" in entry and pattern_regex(entry) is None)
