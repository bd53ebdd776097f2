"""Random worlds, teams and model names from a seed, dense in the corners of LiteLLM's rule of access."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from reconciler.core.access.litellm import lists as litellm_access
from reconciler.core.access.litellm.providers import InferProvider, inference
from reconciler.core.access.litellm.world import (
    Deployment,
    LiteLLMTeam,
    LiteLLMWorld,
    compile_world,
)
from reconciler.files.prices.loading import shipped_prices

BARE = [
    "gpt-4o", "gpt-4o-mini", "GPT-4o", "gptX4o", "gpt.4o", "gpt-image-9", "o3", "text-embedding-3-small", "claude-opus-4-8", "claude-2",
    "claude-newfamily-7", "command-r", "command-r-plus", "amazon_nova_x", "gemini-2.5-pro", "anthropic.claude-v2", "text-bison",
    "prod.chat", "prodXchat", "my-model", "my_model", "llama3", "ft:gpt-4:org", "gpt-4o ", "openai", "*",
]  # fmt: skip
NAMESPACED = [
    "openai/gpt-4o", "openai/GPT-4o", "openai/gpt-9", "openai/openai/gpt-4o", "anthropic/claude-2", "anthropic/claude-opus-4-8",
    "cohere/command-r", "cohere_chat/command-r", "azure/command-r-plus", "azure/gpt-4o", "bedrock/us.nova", "bedrockz/anthropic.claude-x-1",
    "foo/bar", "foo/ft:gpt-4x", "foo/gpt-4o", "vertex_ai/gemini-2.5-pro", "bedrock_mantle/us-east-1/gpt-x", "None/llama3",
]  # fmt: skip
DEPLOYED_PATTERNS = [
    "openai/*",
    "anthropic/*",
    "*",
    "prod.*",
    "claude*",
    "bedrock/us.*",
    "foo/*",
    "*/gpt-4o",
    "None/*",
    "gpt-*-mini",
    "openai/gpt-*",
    "o*",
]
PATTERNS = [
    "openai/*", "anthropic/*", "*", "**", "*/*", "gpt.4o*", "gpt-4o*", "GPT-*", "*-mini", "prod.*", "prod.chat*", "cohere_chat/*", "bedrock/*",
    "anthropic_text/*", "foo/*", "foo/ba.*", "a|gpt-4o*", "gpt-4o+*", "openai/gpt-4*", "[gm]*", "vertex_ai/*", "cohere/*", "bedrock_mantle/gpt*",
]  # fmt: skip
BROKEN = ["foo[*", "(gpt*", "gpt*)", "a{99999999999}*"]
SENTINELS = ["no-default-models", "all-proxy-models", "all-team-models"]
TAGS = [
    "beta",
    "prod-models",
    "eu",
    "gpt-4o",
    "openai/*",
    "foo[*",
    "all-proxy-models",
    "all-team-models",
    "*",
]
TAG_WEIGHTS = [30, 30, 20, 3, 2, 1, 1, 1, 1]
ALIASES = ["fast", "smart", "chat", "gpt-4o", "claude", "my-alias", "o3", "beta"]
UNIFIED = ["alpha", "bravo", "charlie", "delta", "echo"]


@dataclass(frozen=True)
class Case:
    world: LiteLLMWorld
    team: LiteLLMTeam
    model: str

    def __str__(self) -> str:
        tagged = [(d.model_name, sorted(d.access_groups)) for d in self.world.deployments]
        return (
            f"call {self.model!r}\n  deployments {tagged}\n  groups {dict(self.world.groups)}\n  router {dict(self.world.router_aliases)}\n"
            f"  models {self.team.models} groups {self.team.access_groups} aliases {dict(self.team.model_aliases)}"
        )


@cache
def price_map() -> dict:
    spec = find_spec("litellm")  # finds the package without the seconds of importing it
    return json.loads(
        Path(spec.origin).with_name("model_prices_and_context_window_backup.json").read_text()
    )


@cache
def infer_from_price_map() -> InferProvider:
    return inference(shipped_prices())


def disagreements(decided: list[tuple[Case, bool]]) -> list[str]:
    compiled = {
        id(world): compile_world(world)
        for world in {id(case.world): case.world for case, _ in decided}.values()
    }
    return [
        f"LiteLLM says {theirs}: {case}"
        for case, theirs in decided
        if litellm_access.team_can_call(compiled[id(case.world)], case.team, case.model) != theirs
    ]


def cases(
    seed: int, worlds: int, teams_per_world: int = 5, names_per_team: int = 12
) -> Iterator[Case]:
    rng = random.Random(seed)
    for _ in range(worlds):
        world = random_world(rng)
        for _ in range(teams_per_world):
            team = random_team(rng, world)
            for model in _names(rng, world, team, names_per_team):
                yield Case(world, team, model)


def random_world(rng: random.Random) -> LiteLLMWorld:
    deployments = tuple(_deployment(rng) for _ in range(rng.choice([0, 1, 3, 5, 7, 9])))
    deployments += tuple(
        Deployment(d.model_name, d.litellm_model, _tags(rng))
        for d in deployments
        if rng.random() < 0.3
    )
    known = [d.model_name for d in deployments]
    router = {
        rng.choice(ALIASES): rng.choice([*known, *known, *BARE, *NAMESPACED, *ALIASES])
        for _ in range(rng.randrange(4))
    }
    groups = {
        name: _entries(rng, [*known, *router], rng.randrange(5))
        for name in rng.sample(UNIFIED, rng.randrange(1, 5))
    }
    return LiteLLMWorld(deployments, groups, router, infer_from_price_map())


def _deployment(rng: random.Random) -> Deployment:
    name = rng.choice(
        rng.choices(
            [BARE[:-1], NAMESPACED, DEPLOYED_PATTERNS, SENTINELS, BROKEN], [60, 25, 25, 1, 1]
        )[0]
    )
    return Deployment(name, "openai/*" if name.endswith("/*") else "openai/gpt-4o", _tags(rng))


def _tags(rng: random.Random) -> frozenset[str]:
    return frozenset(rng.choices(TAGS, TAG_WEIGHTS, k=rng.choice([0, 0, 1, 1, 2])))


def random_team(rng: random.Random, world: LiteLLMWorld) -> LiteLLMTeam:
    known = [d.model_name for d in world.deployments] + list(world.router_aliases)
    models = _entries(rng, known, rng.choice([0, 1, 1, 2, 2, 3, 4]))
    if rng.random() < 0.3:
        models = ("no-default-models",)
    aliases = {
        rng.choice([*ALIASES, *BARE]): rng.choice([*known, *BARE])
        for _ in range(rng.choice([0, 0, 1, 2]))
    }
    return LiteLLMTeam(models, tuple(rng.sample(UNIFIED, rng.choice([0, 0, 1, 2, 3]))), aliases)


def _entries(rng: random.Random, known: list[str], count: int) -> tuple[str, ...]:
    pools = [
        known or BARE,
        BARE,
        NAMESPACED,
        PATTERNS,
        TAGS[:3],
        SENTINELS,
        BROKEN,
        ["gone", "GPT-4O", "Beta"],
    ]
    return tuple(
        rng.choice(rng.choices(pools, [40, 12, 12, 25, 20, 10, 2, 5])[0]) for _ in range(count)
    )


def _names(rng: random.Random, world: LiteLLMWorld, team: LiteLLMTeam, count: int) -> list[str]:
    near = {d.model_name for d in world.deployments} | {
        *world.router_aliases,
        *world.router_aliases.values(),
    }
    near |= {*team.models, *team.model_aliases, *team.model_aliases.values()}
    near |= {entry for group in team.access_groups for entry in world.groups.get(group, ())}
    near |= set(rng.sample([*BARE, *NAMESPACED, "never-heard-of"], 6))
    return rng.sample(sorted(near), min(count, len(near)))
