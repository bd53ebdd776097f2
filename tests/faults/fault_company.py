"""Random companies as config, how they change, and an independent account of what every team's credits must be."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

MODELS = ("openai/gpt-4", "openai/gpt-4o-mini", "anthropic/claude-3-opus", "gemini/gemini-1.5-pro")
AMOUNTS = (100, 250, 1000, 5000)


@dataclass(frozen=True)
class TeamWish:
    plan: str
    groups: frozenset[str] = frozenset()
    credits: int | None = None
    mode: str | None = None
    top_ups: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Company:
    """`plans`: name -> (groups, credits). `reuses`: the id of a deleted team may come again; `born` counts teams."""

    aliases: dict[str, str]
    groups: dict[str, frozenset[str]]
    plans: dict[str, tuple[frozenset[str], int]]
    teams: dict[str, TeamWish]
    reuses: bool = True
    born: int = 0

    def credits(self, team: str) -> int | None:
        wish = self.teams[team]
        return wish.credits if wish.credits is not None else self.plans[wish.plan][1]

    def groups_of(self, team: str) -> frozenset[str]:
        wish = self.teams[team]
        return wish.groups | self.plans[wish.plan][0]

    def manifests(self) -> dict[str, Any]:
        return {
            "organizations": {"acme": {"name": "ACME Corp"}},
            "model_aliases": {
                name: {"litellm_model": model} for name, model in self.aliases.items()
            },
            "access_groups": {
                name: {"model_aliases": sorted(members)} for name, members in self.groups.items()
            },
            "plans": {
                name: {"access_groups": sorted(groups), "credits_allocated": credit}
                for name, (groups, credit) in self.plans.items()
            },
            "teams": {name: _team(wish) for name, wish in self.teams.items()},
        }


def _team(wish: TeamWish) -> dict[str, Any]:
    found: dict[str, Any] = {"organization_id": "acme", "plan": wish.plan}
    if wish.groups:
        found["access_groups"] = sorted(wish.groups)
    if wish.credits is not None:
        found["credits_allocated"] = wish.credits
    if wish.mode is not None:
        found["credits_mode"] = wish.mode
    if wish.top_ups:
        found["top_ups"] = [{"id": name, "amount": amount} for name, amount in wish.top_ups]
    return found


def write(directory: Path, company: Company, settings: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "reconciler.yaml").write_text(yaml.safe_dump(settings))
    (directory / "company.yaml").write_text(yaml.safe_dump(company.manifests()))


def founded(rng: random.Random, *, reuses: bool = True) -> Company:
    aliases = {f"m{number}": rng.choice(MODELS) for number in range(rng.randint(3, 5))}
    groups = {f"g{number}": _some(aliases, rng) for number in range(rng.randint(2, 4))}
    plans = {name: (_some(groups, rng), rng.choice(AMOUNTS)) for name in ("starter", "pro", "max")}
    company = Company(aliases, groups, plans, {}, reuses)
    for _ in range(rng.randint(3, 5)):
        company = _came(company, rng)
    return company


def changed(company: Company, rng: random.Random) -> Company:
    """Several things at once: plans up and down, top-ups, groups renamed, split and refilled, teams come and go."""
    for change in rng.sample(CHANGES, rng.randint(2, 5)):
        company = change(company, rng)
    return company


def _some(names, rng: random.Random) -> frozenset[str]:
    return frozenset(rng.sample(sorted(names), rng.randint(1, len(names))))


def _fresh(names, stem: str) -> str:
    return next(f"{stem}{number}" for number in range(1000) if f"{stem}{number}" not in names)


def _joined(company: Company, name: str, rng: random.Random) -> Company:
    mode = rng.choice((None, None, None, "managed", "minimum", "initial"))
    wish = TeamWish(
        plan=rng.choice(sorted(company.plans)),
        groups=_some(company.groups, rng) if rng.random() < 0.5 else frozenset(),
        credits=rng.choice(AMOUNTS) if rng.random() < 0.3 else None,
        mode=mode,
        # What `minimum` comes to beside a top-up depends on which of the two is first.
        top_ups=(("welcome", 77),) if mode != "minimum" and rng.random() < 0.4 else (),
    )
    return replace(company, teams={**company.teams, name: wish})


def _team_changed(company: Company, rng: random.Random, **values: Any) -> Company:
    if not company.teams:
        return company
    name = rng.choice(sorted(company.teams))
    return replace(company, teams={**company.teams, name: replace(company.teams[name], **values)})


def _other_plan(company: Company, rng: random.Random) -> Company:
    return _team_changed(company, rng, plan=rng.choice(sorted(company.plans)))


def _other_credits(company: Company, rng: random.Random) -> Company:
    return _team_changed(company, rng, credits=rng.choice(AMOUNTS))


def _other_groups(company: Company, rng: random.Random) -> Company:
    return _team_changed(company, rng, groups=_some(company.groups, rng))


def _new_top_up(company: Company, rng: random.Random) -> Company:
    able = sorted(name for name, wish in company.teams.items() if wish.mode != "minimum")
    if not able:
        return company
    name = rng.choice(able)
    wish = company.teams[name]
    fresh = _fresh({each for each, _ in wish.top_ups}, "promo-")
    top_ups = (*wish.top_ups, (fresh, rng.choice(AMOUNTS)))
    return replace(company, teams={**company.teams, name: replace(wish, top_ups=top_ups)})


def _dearer_plan(company: Company, rng: random.Random) -> Company:
    name = rng.choice(sorted(company.plans))
    groups, _ = company.plans[name]
    return replace(company, plans={**company.plans, name: (groups, rng.choice(AMOUNTS))})


def _left(company: Company, rng: random.Random) -> Company:
    if not company.teams:
        return company
    gone = rng.choice(sorted(company.teams))
    return replace(
        company, teams={name: wish for name, wish in company.teams.items() if name != gone}
    )


def _came(company: Company, rng: random.Random) -> Company:
    name = _fresh(company.teams, "t") if company.reuses else f"t{company.born}"
    return replace(_joined(company, name, rng), born=company.born + 1)


def _refilled(company: Company, rng: random.Random) -> Company:
    name = rng.choice(sorted(company.groups))
    return replace(company, groups={**company.groups, name: _some(company.aliases, rng)})


def _renamed(company: Company, rng: random.Random) -> Company:
    """A group gets another name (to a gateway: another group), everywhere at once."""
    old = rng.choice(sorted(company.groups))
    new = _fresh(company.groups, "r")

    def after(names: frozenset[str]) -> frozenset[str]:
        return frozenset(new if name == old else name for name in names)

    return replace(
        company,
        groups={new if name == old else name: members for name, members in company.groups.items()},
        plans={name: (after(groups), credit) for name, (groups, credit) in company.plans.items()},
        teams={
            name: replace(wish, groups=after(wish.groups)) for name, wish in company.teams.items()
        },
    )


def _other_model(company: Company, rng: random.Random) -> Company:
    name = rng.choice(sorted(company.aliases))
    return replace(company, aliases={**company.aliases, name: rng.choice(MODELS)})


def _new_alias(company: Company, rng: random.Random) -> Company:
    name = _fresh(company.aliases, "m")
    group = rng.choice(sorted(company.groups))
    return replace(
        company,
        aliases={**company.aliases, name: rng.choice(MODELS)},
        groups={**company.groups, group: company.groups[group] | {name}},
    )


CHANGES = (
    _other_plan,
    _other_plan,
    _other_credits,
    _other_groups,
    _new_top_up,
    _new_top_up,
    _dearer_plan,
    _left,
    _came,
    _refilled,
    _renamed,
    _other_model,
    _new_alias,
)


@dataclass
class Account:
    """What every team's credits must be: written from the documentation of `credits_mode`, not from the code.

    `balance` is the gateway's credits_allocated, `last` what was declared when it was last applied.
    """

    balance: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    granted: dict[tuple[str, str], int] = field(default_factory=dict)

    def buys(self, team: str, amount: int) -> None:
        """The team's own top-up, past the reconciler."""
        self.balance[team] += amount

    def applied(self, company: Company) -> None:
        """A version of the config that was applied to its end."""
        for team in [team for team in self.balance if team not in company.teams]:
            self.balance.pop(team), self.last.pop(team, None)
        for team, wish in company.teams.items():
            self._allocated(team, wish.mode or "managed", company.credits(team))
            for name, amount in wish.top_ups:
                if (team, name) not in self.granted:
                    self.granted[team, name] = amount
                    self.balance[team] += amount

    def _allocated(self, team: str, mode: str, declared: int) -> None:
        if team not in self.balance:
            self.balance[team] = declared
        elif mode == "minimum" or (mode == "managed" and team not in self.last):
            self.balance[team] = max(self.balance[team], declared)
        elif mode == "managed":
            self.balance[team] += declared - self.last[team]
        self.last[team] = declared
