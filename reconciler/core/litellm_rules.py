"""LiteLLM Proxy's rule of access as `AccessRules`: what a team draws from, and which aliases each source grants.

Adapts `litellm_access` (proven against LiteLLM's own code) to a State: a team's own list and its team aliases are one
`direct` source, each unified access group another. LiteLLM grants what any of them grants.

Beyond the list of a team: an alias of which every deployment is blocked answers nobody (403 "Model is blocked",
observed on 1.106.2) though LiteLLM's access check lets it through: such an alias counts as not callable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.access import Covers, Source
from reconciler.core.kinds import AccessGroup, ModelAlias, Status, Team
from reconciler.core.litellm_access import ALL_PROXY_MODELS, NO_DEFAULT_MODELS, Reached, accessible
from reconciler.core.litellm_providers import InferProvider, no_provider
from reconciler.core.litellm_world import CompiledWorld, Deployment, LiteLLMTeam, LiteLLMWorld, compile_world
from reconciler.core.state import State

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class LiteLLMRules:
    """The rules, with what a State does not hold.

    `legacy`: alias -> its legacy access groups (`model_info.access_groups`), as last read. `router_aliases`: the
    router's `model_group_alias`. `infer`: `litellm_providers.infer_provider` with its catalog bound.
    """

    legacy: Mapping[str, frozenset[str]] = field(default_factory=dict)
    router_aliases: Mapping[str, str] = field(default_factory=dict)
    infer: InferProvider = no_provider
    name: str = "litellm"

    def sources(self, team: Team) -> tuple[Source, ...]:
        """A blocked team is refused everything. An alias of the team grants its name as an entry of the list would."""
        if team.status is not Status.ACTIVE:
            return ()
        entries = team.models.union(team.model_aliases or ())
        direct = (Source("direct", "", entries),) if entries else ()
        return (*direct, *(Source("group", name) for name in sorted(team.access_groups)))

    def covers(self, state: State) -> Covers:
        world = compile_world(self._world(state))
        silent = _silent(state, world)
        groups = {name: tuple(sorted(group.model_aliases)) for name, group in state.of(AccessGroup).items()}
        known: dict[Source, frozenset[str]] = {}
        memo: Reached = {}

        def covered(source: Source) -> frozenset[str]:
            if source not in known:
                entries = tuple(sorted(source.entries)) if source.kind == "direct" else groups.get(source.name, ())
                # never an empty list, which would be everything
                known[source] = accessible(world, LiteLLMTeam(entries or (NO_DEFAULT_MODELS,)), memo) - silent
            return known[source]

        return covered

    def _world(self, state: State) -> LiteLLMWorld:
        aliases = state.of(ModelAlias)
        deployments = (Deployment(name, "", self.legacy.get(name, frozenset())) for name in sorted(aliases))
        return LiteLLMWorld(tuple(deployments), {}, self.router_aliases, self.infer)

    def everything(self, team: Team) -> bool:
        """An empty list on the wire reads as `*` here. What is in its groups is theirs to say."""
        stars = any(entry and not entry.strip(EVERYTHING) for entry in team.models)
        return team.status is Status.ACTIVE and (stars or ALL_PROXY_MODELS in team.models)


def _silent(state: State, world: CompiledWorld) -> frozenset[str]:
    """The names whose deployments are all blocked, and the router aliases that lead to them alone."""
    blocked = {name for name, alias in state.of(ModelAlias).items() if alias.status is not Status.ACTIVE}
    aliases = world.world.router_aliases
    led = {name for name, target in aliases.items() if target in blocked and name not in world.deployed}
    return frozenset(blocked | led)
