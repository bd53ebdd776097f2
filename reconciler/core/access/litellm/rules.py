"""LiteLLM Proxy's rule of access as `AccessRules`: what a team draws from, and which aliases each source grants.

Adapts `litellm_access` (proven against LiteLLM's own code) to a State: a team's own list is a `direct` source, each
team alias an `alias`, each unified access group a `group`. LiteLLM grants what any of them grants.

Beyond that rule: an alias of which every deployment is blocked answers nobody (403 "Model is blocked", observed on
1.106.2) though LiteLLM's access check lets it through, and so does a team alias whose target nothing serves. Neither
counts as callable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.access.litellm.lists import (
    ALL_PROXY_MODELS,
    NO_DEFAULT_MODELS,
    Reached,
    accessible,
)
from reconciler.core.access.litellm.providers import InferProvider, no_provider
from reconciler.core.access.litellm.world import (
    CompiledWorld,
    Deployment,
    LiteLLMTeam,
    LiteLLMWorld,
    compile_world,
    routed_groups,
)
from reconciler.core.access.rules import Covers, Source, SourceKind
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Status, Team
from reconciler.core.model.state import State

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class LiteLLMRules:
    """The rules, with what a State does not hold.

    `legacy`: alias -> its legacy access groups (`model_info.access_groups`), as last read. `router_aliases`: the
    router's `model_group_alias`. `infer`: `litellm_providers.infer_provider` with its catalog bound. `asked`: a name
    that a wildcard deployment may serve; all that it could serve cannot be listed.
    """

    legacy: Mapping[str, frozenset[str]] = field(default_factory=dict)
    router_aliases: Mapping[str, str] = field(default_factory=dict)
    infer: InferProvider = no_provider
    name: str = "litellm"
    asked: frozenset[str] = frozenset()

    def asking(self, model: str) -> "LiteLLMRules":
        """The same rules, which also answer for this name."""
        return replace(self, asked=self.asked | {model})

    def serving(self, state: State) -> Callable[[str], bool]:
        """Whether an entry of a group means something in this state though no alias of that name is there."""
        world = compile_world(self._world(state))

        def serves(name: str) -> bool:
            known = (
                name in world.names
                or name in world.tagged
                or name in (ALL_PROXY_MODELS, NO_DEFAULT_MODELS)
            )
            return (
                known or "*" in name or routed_groups(world.world, world.routes, name) is not None
            )

        return serves

    def sources(self, team: Team) -> tuple[Source, ...]:
        """A blocked team is refused everything. Its own aliases bypass its list, whatever they lead to."""
        if team.status is not Status.ACTIVE:
            return ()
        aliases = sorted((team.model_aliases or {}).items())
        return (
            *((Source(SourceKind.DIRECT, "", team.models),) if team.models else ()),
            *(Source(SourceKind.ALIAS, name, frozenset({target})) for name, target in aliases),
            *(Source(SourceKind.GROUP, name) for name in sorted(team.access_groups)),
        )

    def covers(self, state: State) -> Covers:
        world = compile_world(self._world(state))
        sources = _Sources(world, _silent(state, world), _groups(state))
        known: dict[Source, frozenset[str]] = {}

        def covered(source: Source) -> frozenset[str]:
            if source not in known:
                known[source] = sources.grant(source)
            return known[source]

        return covered

    def _world(self, state: State) -> LiteLLMWorld:
        aliases = state.of(ModelAlias)
        deployments = (
            Deployment(name, "", self.legacy.get(name, frozenset())) for name in sorted(aliases)
        )
        return LiteLLMWorld(tuple(deployments), {}, self.router_aliases, self.infer, self.asked)

    def everything(self, team: Team) -> bool:
        """An empty list on the wire reads as `*` here. What is in its groups is theirs to say."""
        stars = any(entry and not entry.strip(EVERYTHING) for entry in team.models)
        return team.status is Status.ACTIVE and (stars or ALL_PROXY_MODELS in team.models)


@dataclass(frozen=True)
class _Sources:
    """What each source grants in one world; `reached` is shared between them."""

    world: CompiledWorld
    silent: frozenset[str]
    groups: Mapping[str, tuple[str, ...]]
    reached: Reached = field(default_factory=dict)

    def grant(self, source: Source) -> frozenset[str]:
        if source.kind is SourceKind.ALIAS:
            return self._alias(source.name, *source.entries)
        entries = (
            tuple(sorted(source.entries))
            if source.kind is SourceKind.DIRECT
            else self.groups.get(source.name, ())
        )
        return self._list(entries) - self.silent

    def _list(self, entries: tuple[str, ...]) -> frozenset[str]:
        # never an empty list, which would be everything
        return accessible(self.world, LiteLLMTeam(entries or (NO_DEFAULT_MODELS,)), self.reached)

    def _alias(self, name: str, target: str) -> frozenset[str]:
        """A team alias grants its name, and the router aliases of it, if something answers to its target."""
        answered = self._list((target,)) - self.silent
        return (
            frozenset({name, *self.world.called_as.get(name, ())})
            if target in answered
            else frozenset()
        )


def _groups(state: State) -> Mapping[str, tuple[str, ...]]:
    return {
        name: tuple(sorted(group.model_aliases)) for name, group in state.of(AccessGroup).items()
    }


def _silent(state: State, world: CompiledWorld) -> frozenset[str]:
    """The names whose deployments are all blocked, and the router aliases that lead to them alone."""
    blocked = {
        name for name, alias in state.of(ModelAlias).items() if alias.status is not Status.ACTIVE
    }
    aliases = world.world.router_aliases
    led = {
        name for name, target in aliases.items() if target in blocked and name not in world.deployed
    }
    return frozenset(blocked | led)
