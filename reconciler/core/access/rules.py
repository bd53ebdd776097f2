"""Effective access: which aliases each team can call, and through which paths, by the gateway's rules.

A team has sources; a source covers names. Access is the union over the sources of a team that may call at all.
The rules of a gateway (`AccessRules`) say what the sources are and what they cover; everything else is common.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

from reconciler.core.model.kinds import AccessGroup, ModelAlias, Status, Team
from reconciler.core.model.state import State


class SourceKind(StrEnum):
    """A group by its name, the team's own list (its entries), or an alias of its own (name, and what that means)."""

    GROUP = "group"
    DIRECT = "direct"
    ALIAS = "alias"


class Source(NamedTuple):
    """Where access comes from."""

    kind: SourceKind
    name: str = ""
    entries: frozenset[str] = frozenset()


Covers = Callable[[Source], frozenset[str]]


class AccessRules(Protocol):
    """A gateway's way of deciding, as two functions of a State."""

    @property
    def name(self) -> str:
        """What the rules are called in messages."""
        ...

    def sources(self, team: Team) -> tuple[Source, ...]:
        """What the team draws access from; nothing for a team that may not call at all."""
        ...

    def covers(self, state: State) -> Covers:
        """Which callable aliases a source grants in this state."""
        ...

    def everything(self, team: Team) -> bool:
        """Whether the team may call any model at all, now and in the future (LiteLLM: an empty list)."""
        ...

    def asking(self, model: str) -> "AccessRules":
        """The rules that also answer for a name which cannot be listed: a wildcard may serve it."""
        ...


@lru_cache(maxsize=2**17)
def group_sources(groups: frozenset[str]) -> tuple[Source, ...]:
    """One source for each group, sorted; the same tuple for the same groups, because thousands of teams share them."""
    return tuple(Source(SourceKind.GROUP, group) for group in sorted(groups))


@dataclass(frozen=True, slots=True)
class GroupRules:
    """SaaS LiteLLM and the embedded gateway: team -> access groups -> active aliases.

    Source: SaaS LiteLLM, src/auth/dependencies.py. A group's own status is not looked at; an alias must be active;
    a suspended team is refused everything; an alias in no group is callable by nobody.
    """

    name: str = "groups"

    def sources(self, team: Team) -> tuple[Source, ...]:
        if team.status is not Status.ACTIVE:
            return ()
        return group_sources(team.access_groups)

    def covers(self, state: State) -> Covers:
        active = frozenset(
            name for name, alias in state.of(ModelAlias).items() if alias.status is Status.ACTIVE
        )
        groups = {
            name: group.model_aliases & active for name, group in state.of(AccessGroup).items()
        }
        return lambda source: groups.get(source.name, frozenset())

    def everything(self, team: Team) -> bool:  # noqa: ARG002  no team can under these rules
        return False

    def asking(self, model: str) -> "GroupRules":  # noqa: ARG002  every model is listed
        return self


@dataclass(frozen=True)
class Access:
    """The access of a whole state; sets are shared between teams with the same sources."""

    teams: Mapping[str, frozenset[str]]
    sources: Mapping[str, tuple[Source, ...]]
    covers: Covers

    def of(self, team: str) -> frozenset[str]:
        return self.teams.get(team, frozenset())

    def paths(self, team: str, model: str) -> tuple[Source, ...]:
        """The team's sources that grant the model."""
        return tuple(
            source for source in self.sources.get(team, ()) if model in self.covers(source)
        )

    @cached_property
    def callers(self) -> Mapping[str, tuple[str, ...]]:
        """Model -> the teams that can call it."""
        found: dict[str, list[str]] = {}
        for team in sorted(self.teams):
            for model in self.teams[team]:
                found.setdefault(model, []).append(team)
        return {model: tuple(teams) for model, teams in found.items()}


def access(state: State, rules: AccessRules) -> Access:
    """Effective access of every team, computed once per distinct combination of sources."""
    covers = rules.covers(state)
    known: dict[tuple[Source, ...], frozenset[str]] = {}
    teams: dict[str, frozenset[str]] = {}
    sources: dict[str, tuple[Source, ...]] = {}
    for name, team in state.of(Team).items():
        own = rules.sources(team)
        if own not in known:
            known[own] = frozenset().union(*map(covers, own))
        teams[name], sources[name] = known[own], own
    return Access(teams, sources, covers)
