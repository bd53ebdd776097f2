"""LiteLLM's rule of access: may a team call a model, through which grants, and what can it call at all.

Source of the rule: LiteLLM 1.106.2, `can_team_access_model` and `check_model_access_helper` in
`proxy/auth/auth_checks.py`. `tests/oracle` runs that code against this module.

Not covered: team-scoped deployments (`model_info.team_id`), routing groups, the global `litellm.model_alias_map`, and
the further gates of a request (the key's own list and aliases, the member, the project, budgets).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.access.litellm.world import (
    CompiledWorld,
    LiteLLMTeam,
    invalid_patterns,
    legacy_groups,
    pattern_regex,
    routed_groups,
)

ALL_TEAM_MODELS = "all-team-models"
ALL_PROXY_MODELS = "all-proxy-models"
NO_DEFAULT_MODELS = "no-default-models"
_SENTINELS = frozenset({ALL_TEAM_MODELS, ALL_PROXY_MODELS, NO_DEFAULT_MODELS})
_OPEN = frozenset({"*", ALL_PROXY_MODELS})
_NO_ALIASES = LiteLLMTeam(())

# the names that an entry, or a list of them, lets through; None for a list that has to be asked name by name
Reached = dict[str | tuple[str, ...], frozenset[str] | None]


class PathKind(StrEnum):
    """How an entry of a list lets a model through."""

    EMPTY_LIST = "empty list = everything"
    NAME = "models"
    WILDCARD = "wildcard"
    ALL_PROXY_MODELS = "all-proxy-models"
    ALL_TEAM_MODELS = "all-team-models"
    LEGACY_GROUP = "legacy access group"
    TEAM_ALIAS = "team alias"


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """One grant that suffices on its own: `entry` of the team's `models`, or of unified access group `group` when set.

    `via` is the target of the router alias that was called, where the grant is for the target and not for the alias.
    """

    kind: PathKind
    entry: str = ""
    group: str = ""
    via: str = ""

    def __str__(self) -> str:
        how = (
            f"{self.kind} {self.entry}"
            if self.entry and self.entry != self.kind
            else str(self.kind)
        )
        where = f"unified access group {self.group} (via {how})" if self.group else how
        return f"{where}, through router alias of {self.via}" if self.via else where


def _candidates(compiled: CompiledWorld, model: str) -> tuple[str, ...]:
    target = compiled.world.router_aliases.get(model)
    return (model, target) if target else (model,)


def _spellings(compiled: CompiledWorld, name: str) -> tuple[str, ...]:
    inferred = compiled.world.infer(name)
    # a namespace that the inference did not consume is never granted by a guess
    if inferred is None or (inferred.model == name and "/" in name):
        return (name,)
    return (name, f"{inferred.provider}/{inferred.model}")


def _expanded(compiled: CompiledWorld, entries: Sequence[str]) -> Sequence[str]:
    if ALL_TEAM_MODELS not in entries:
        return entries
    others = [entry for entry in entries if entry != ALL_TEAM_MODELS]
    return [*others, *compiled.listed] if compiled.listed else others or entries


def _by_pattern(compiled: CompiledWorld, patterns: Sequence[str], name: str) -> bool | None:
    for pattern in patterns:
        regex = pattern_regex(pattern)
        if regex is None:
            return None
        if regex.match(name):
            return True
    return bool(patterns) and _any_matches(patterns, _spellings(compiled, name)[1:])


def _any_matches(patterns: Iterable[str], spellings: Iterable[str]) -> bool:
    regexes = [regex for pattern in patterns if (regex := pattern_regex(pattern))]
    return any(regex.match(spelling) for spelling in spellings for regex in regexes)


def _allows(
    compiled: CompiledWorld, entries: Sequence[str], team: LiteLLMTeam, name: str
) -> bool | None:
    allowed, tags = _expanded(compiled, entries), legacy_groups(compiled, name)
    if not tags.isdisjoint(allowed) or name in team.model_aliases or not allowed:
        return True
    rest = [entry for entry in allowed if entry not in tags]
    matched = _by_pattern(compiled, [entry for entry in rest if "*" in entry], name)
    return matched if matched is not False else name in rest or not _OPEN.isdisjoint(rest)


def _list_allows(
    compiled: CompiledWorld, entries: Sequence[str], team: LiteLLMTeam, model: str
) -> bool | None:
    for name in _candidates(compiled, model):
        allowed = _allows(compiled, entries, team, name)
        if allowed is not False:
            return allowed
    return False


def _unified(compiled: CompiledWorld, team: LiteLLMTeam) -> tuple[tuple[str, str], ...]:
    groups = compiled.world.groups
    return tuple((group, entry) for group in team.access_groups for entry in groups.get(group, ()))


def _lists(compiled: CompiledWorld, team: LiteLLMTeam) -> Iterator[Sequence[str]]:
    yield team.models
    entries = {entry for _, entry in _unified(compiled, team)}
    if entries:
        # LiteLLM reads groups in the order of a set; with the broken patterns first, True holds in every order
        broken = invalid_patterns(entries)
        yield tuple(dict.fromkeys([*team.models, *broken, *entries]))


def team_can_call(compiled: CompiledWorld, team: LiteLLMTeam, model: str) -> bool:
    """Whether LiteLLM lets the team call the model, deployed or not; False too where it fails on a broken pattern."""
    if team.blocked:
        return False
    for entries in _lists(compiled, team):
        allowed = _list_allows(compiled, entries, team, model)
        if allowed is not False:
            return allowed is True
    return False


def granting_paths(compiled: CompiledWorld, team: LiteLLMTeam, model: str) -> tuple[Path, ...]:
    """Every grant that on its own lets the team call the model; empty exactly when `team_can_call` is False."""
    if not team_can_call(compiled, team, model):
        return ()
    return tuple(dict.fromkeys(_paths(compiled, team, model)))


def _paths(compiled: CompiledWorld, team: LiteLLMTeam, model: str) -> Iterator[Path]:
    if not team.models:
        yield Path(PathKind.EMPTY_LIST)
    entries = [*(("", entry) for entry in team.models), *_unified(compiled, team)]
    for name in _candidates(compiled, model):
        via = name if name != model else ""
        if name in team.model_aliases:
            yield Path(PathKind.TEAM_ALIAS, name, "", via)
        for group, entry in entries:
            kind = _kind(compiled, entry, name)
            if kind:
                yield Path(kind, entry, group, via)


def _kind(compiled: CompiledWorld, entry: str, name: str) -> PathKind | None:
    if entry == ALL_TEAM_MODELS and compiled.listed:
        return PathKind.ALL_TEAM_MODELS if _allows(compiled, [entry], _NO_ALIASES, name) else None
    return _kind_of_plain(compiled, entry, name)


def _kind_of_plain(compiled: CompiledWorld, entry: str, name: str) -> PathKind | None:
    if entry in legacy_groups(compiled, name):
        return PathKind.LEGACY_GROUP
    if entry == ALL_PROXY_MODELS:
        return PathKind.ALL_PROXY_MODELS
    if "*" not in entry:
        return PathKind.NAME if entry == name else None
    matches = entry in {"*", name} or _any_matches([entry], _spellings(compiled, name))
    return PathKind.WILDCARD if matches and pattern_regex(entry) else None


def everything(compiled: CompiledWorld, team: LiteLLMTeam) -> bool:
    """Whether the team can call any string at all, also names that are deployed later."""
    return not team.blocked and any(
        _is_open(compiled, entries) for entries in _lists(compiled, team)
    )


def _is_open(compiled: CompiledWorld, entries: Sequence[str]) -> bool:
    allowed = list(_expanded(compiled, entries))
    stars = [entry for entry in allowed if "*" in entry and not entry.strip("*")]
    broken = invalid_patterns(allowed)
    if broken:
        return any(allowed.index(entry) < allowed.index(broken[0]) for entry in stars)
    return not allowed or bool(stars) or ALL_PROXY_MODELS in allowed


def accessible(
    compiled: CompiledWorld, team: LiteLLMTeam, reached: Reached | None = None
) -> frozenset[str]:
    """The names that the team can call, out of `callable_names`; `reached` is a memo that teams of a world share."""
    if team.blocked or not team.models:
        return frozenset() if team.blocked else callable_names(compiled, team)
    memo = {} if reached is None else reached
    lists = (team.models, *(compiled.world.groups.get(group, ()) for group in team.access_groups))
    parts = [part for entries in lists if (part := _reach(compiled, entries, memo)) is not None]
    if len(parts) < len(lists):
        return frozenset(
            name for name in callable_names(compiled, team) if team_can_call(compiled, team, name)
        )
    return frozenset().union(
        *parts, *((name, *compiled.called_as.get(name, ())) for name in team.model_aliases)
    )


def callable_names(compiled: CompiledWorld, team: LiteLLMTeam) -> frozenset[str]:
    """The names worth asking about for a team.

    All deployed names and router aliases, the team's own aliases, and the names in its lists that only a wildcard
    deployment serves: `openai/gpt-4o` next to a deployment `openai/*` is a model, though nothing deploys that name.
    """
    entries = (*team.models, *(entry for _, entry in _unified(compiled, team)))
    return compiled.names.union(
        team.model_aliases, (entry for entry in entries if _is_served(compiled, entry))
    )


def _is_served(compiled: CompiledWorld, entry: str) -> bool:
    if "*" in entry or entry in _SENTINELS or entry in compiled.names or entry in compiled.tagged:
        return False
    return routed_groups(compiled.world, compiled.routes, entry) is not None


def _reach(
    compiled: CompiledWorld, entries: tuple[str, ...], memo: Reached
) -> frozenset[str] | None:
    if entries not in memo:
        # without deployments or with a broken pattern, entries no longer grant each on its own
        alone = compiled.listed and not invalid_patterns(_expanded(compiled, entries))
        memo[entries] = (
            frozenset().union(*(_reached(compiled, e, memo) for e in entries)) if alone else None
        )
    return memo[entries]


def _reached(compiled: CompiledWorld, entry: str, memo: Reached) -> frozenset[str]:
    found = memo.get(entry)
    if found is None:
        found = memo[entry] = frozenset(_granted(compiled, entry))
    return found


def _granted(compiled: CompiledWorld, entry: str) -> Iterable[str]:
    if "*" in entry or entry in {ALL_TEAM_MODELS, ALL_PROXY_MODELS}:
        return (
            n
            for n in compiled.names
            if any(_kind(compiled, entry, c) for c in _candidates(compiled, n))
        )
    names = (entry, *compiled.tagged.get(entry, ()))
    called = {
        called for name in names for called in (name, *compiled.called_as.get(name, ()))
    } & compiled.names
    return called | {entry} if _is_served(compiled, entry) else called
