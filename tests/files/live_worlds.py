"""Random live states as gateways hold them: hostile names and texts, secrets, dangling links, values of other hands."""

import random

from hypothesis import strategies as st

from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State

NAMES = [
    "a",
    "b",
    "c",
    "on",
    "null",
    "1.5",
    "ACME Corp",
    "x y",
    "-",
    "<<",
    "~",
    "é",
    "#h",
    "a: b",
    "2026-01-01",
    "${X}",
]
TEXTS = [
    None,
    "",
    "plain",
    "two\nlines",
    "  blank ",
    "yes",
    "12",
    "a # b",
    "${HOME} $${x}",
    '"q"',
    "\x07bell",
    "日本",
    "x" * 300,
]
SECRET = "sk-abcdefghijklmnopqrstuvwx"
JSON = [
    None,
    {},
    {"a": 1},
    {"api_key": SECRET},
    {"k": [1, {"n": None}], "on": True},
    {"big": 10**20},
    {"m": "sk-****1234"},
    {"f": 0.1},
]


def live_state(rng: random.Random, *, tidy: bool = False) -> State:
    names = NAMES[:3] if tidy else NAMES
    some = lambda: rng.sample(names, rng.randint(0, min(5, len(names))))  # noqa: E731
    orgs, aliases, groups, teams = some() or ["a"], some(), some(), some()
    found = {
        Ref("organization", o): Organization.model_construct(
            name=rng.choice(TEXTS[2:]), metadata=rng.choice(JSON)
        )
        for o in orgs
    }
    for alias in aliases:
        found[Ref("model_alias", alias)] = ModelAlias.model_construct(
            litellm_model=rng.choice(["openai/gpt-4", "anthropic/x: y", "openai/*"]),
            description=rng.choice(TEXTS),
            display_name=rng.choice(TEXTS),
            status=rng.choice([Status.ACTIVE, Status.INACTIVE, Status.DEPRECATED]),
            pricing_input=rng.choice([None, 0.15, 30.0, 2.5e-05]),
            pricing_output=rng.choice([None, 60.0]),
            litellm_params=rng.choice(JSON),
        )
    reach = lambda pool: frozenset(rng.sample(pool, rng.randint(0, len(pool))))  # noqa: E731
    stray = frozenset() if tidy or rng.random() < 0.8 else frozenset({"gone"})
    for group in groups:
        members = reach(aliases) | (stray if rng.random() < 0.3 else frozenset())
        found[Ref("access_group", group)] = AccessGroup.model_construct(
            description=rng.choice(TEXTS), display_name=rng.choice(TEXTS), model_aliases=members
        )
    for team in teams:
        found[Ref("team", team)] = Team.model_construct(
            organization_id=rng.choice(orgs if tidy else [*orgs, "gone"]),
            team_alias=rng.choice(TEXTS),
            access_groups=rng.choice([reach(groups), frozenset(groups[:1])]),
            credits_allocated=rng.choice([0, 1000, 5000]),
            status=rng.choice([Status.ACTIVE, Status.SUSPENDED]),
            metadata=rng.choice(JSON),
            budget_mode="job_based",
            credits_per_dollar=rng.choice([10.0, 12.5]),
        )
    return State(found)


def live_states(*, tidy: bool = False):
    return st.integers(0, 2**64).map(lambda seed: live_state(random.Random(seed), tidy=tidy))
