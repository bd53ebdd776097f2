"""Small companies as desired states, version after version, and what the laws must know of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from reconciler.core.model.kinds import (
    AccessGroup,
    ModelAlias,
    Organization,
    Resource,
    Status,
    Team,
    TopUp,
)
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State

AMOUNTS = (100, 250, 600, 1000)
TEAMS = ("t0", "t1", "t2")
GROUPS = ("g0", "g1", "g2")
ALIASES = ("m0", "m1", "m2")


@dataclass(frozen=True)
class TeamWish:
    groups: frozenset[str]
    credits: int
    top_ups: tuple[tuple[str, int], ...] = ()
    suspended: bool = False


ORGANIZATION = Organization(name="O")
ALIAS = ModelAlias(litellm_model="openai/gpt-4")


@lru_cache(maxsize=10_000)
def _group(aliases: frozenset[str]) -> AccessGroup:
    return AccessGroup(model_aliases=aliases)


@lru_cache(maxsize=10_000)
def _team(wish: TeamWish) -> Team:
    return Team(
        organization_id="o",
        access_groups=wish.groups,
        credits_allocated=wish.credits,
        status=Status.SUSPENDED if wish.suspended else Status.ACTIVE,
        top_ups=tuple(TopUp(id=name, amount=amount) for name, amount in wish.top_ups),
    )


@dataclass(frozen=True)
class Company:
    aliases: frozenset[str]
    groups: dict[str, frozenset[str]]
    teams: dict[str, TeamWish] = field(default_factory=dict)

    def state(self) -> State:
        found: dict[Ref, Resource] = {Ref("organization", "o"): ORGANIZATION}
        for alias in sorted(self.aliases):
            found[Ref("model_alias", alias)] = ALIAS
        for group, aliases in self.groups.items():
            found[Ref("access_group", group)] = _group(aliases)
        for team, wish in self.teams.items():
            found[Ref("team", team)] = _team(wish)
        return State(found)

    def models(self, team: str) -> frozenset[str]:
        """What the team is to call; while it is suspended, nothing, so that nothing has to be kept for it."""
        wish = self.teams.get(team)
        if wish is None or wish.suspended:
            return frozenset()
        return frozenset(alias for group in wish.groups for alias in self.groups[group])


def founded(rng: random.Random) -> Company:
    aliases = frozenset(ALIASES[: rng.randint(1, 3)])
    groups = {name: _some(aliases, rng) for name in GROUPS[: rng.randint(1, 3)]}
    company = Company(aliases, groups)
    for team in TEAMS[: rng.randint(1, 2)]:
        company = _with(company, team, _wish(company, rng))
    return company


def changed(company: Company, rng: random.Random, *, returns: bool) -> Company:
    """One to three changes: what a pull request does. `returns`: a team that went may come again."""
    for _ in range(rng.randint(1, 3)):
        change = rng.choice(CHANGES)
        if returns or change is not _went:
            company = change(company, rng)
    return company


def _some(names: Sequence[str] | frozenset[str], rng: random.Random) -> frozenset[str]:
    return frozenset(rng.sample(sorted(names), rng.randint(1, len(names))))


def _with(company: Company, team: str, wish: TeamWish) -> Company:
    return replace(company, teams={**company.teams, team: wish})


def _wish(company: Company, rng: random.Random) -> TeamWish:
    top_ups = (("promo-0", 77),) if rng.random() < 0.3 else ()
    return TeamWish(_some(frozenset(company.groups), rng), rng.choice(AMOUNTS), top_ups)


def _picked(company: Company, rng: random.Random) -> str | None:
    return rng.choice(sorted(company.teams)) if company.teams else None


def recredited(company: Company, rng: random.Random) -> Company:
    team = _picked(company, rng)
    if team is None:
        return company
    return _with(company, team, replace(company.teams[team], credits=rng.choice(AMOUNTS)))


def _other_groups(company: Company, rng: random.Random) -> Company:
    team = _picked(company, rng)
    return regrouped(company, team, rng) if team is not None else company


def regrouped(company: Company, team: str, rng: random.Random) -> Company:
    return _with(
        company, team, replace(company.teams[team], groups=_some(frozenset(company.groups), rng))
    )


def _top_up(company: Company, rng: random.Random) -> Company:
    team = _picked(company, rng)
    if team is None:
        return company
    wish = company.teams[team]
    given = (*wish.top_ups, (f"promo-{len(wish.top_ups)}", rng.choice((7, 50, 77))))
    return _with(company, team, replace(wish, top_ups=given))


def _suspended(company: Company, rng: random.Random) -> Company:
    team = _picked(company, rng)
    if team is None:
        return company
    return _with(
        company, team, replace(company.teams[team], suspended=not company.teams[team].suspended)
    )


def came(company: Company, rng: random.Random) -> Company:
    absent = [team for team in TEAMS if team not in company.teams]
    return _with(company, absent[0], _wish(company, rng)) if absent else company


def _went(company: Company, rng: random.Random) -> Company:
    team = _picked(company, rng)
    if team is None or len(company.teams) == 1:
        return company
    return replace(
        company, teams={name: wish for name, wish in company.teams.items() if name != team}
    )


def _other_models(company: Company, rng: random.Random) -> Company:
    group = rng.choice(sorted(company.groups))
    return replace(company, groups={**company.groups, group: _some(company.aliases, rng)})


CHANGES = (
    recredited,
    recredited,
    _other_groups,
    _other_groups,
    _top_up,
    _suspended,
    came,
    came,
    _went,
    _other_models,
)
