"""Generated customer bases: objects in the proportions of a large gateway, from a seed.

Of 100,000 objects 92 % are teams, 5 % organizations, 2 % access groups; the rest are model aliases and pricing plans.
"""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODELS_OF_A_GROUP = 10
CATALOG_FILES = 1


@dataclass(frozen=True)
class Size:
    """How many objects of each kind."""

    teams: int
    organizations: int
    groups: int
    aliases: int
    plans: int

    @property
    def objects(self) -> int:
        return self.teams + self.organizations + self.groups + self.aliases + self.plans


def size_of(objects: int) -> Size:
    """About so many objects, in the usual proportions; never less than one organization and a few of the others."""
    organizations, groups = max(objects // 20, 1), max(objects // 50, 10)
    aliases, plans = max(objects // 200, 20), 50
    teams = max(objects - organizations - groups - aliases - plans, 10)
    return Size(teams, organizations, groups, aliases, plans)


def write(directory: Path, size: Size, *, seed: int = 1, files: int = 200) -> int:
    """Writes the manifests of a new config into `files` files; returns their bytes."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    rng = random.Random(seed)
    total = _write(directory / "catalog.yaml", catalog(size, rng))
    teams = list(team_lines(size, rng))
    organizations = list(organization_lines(size))
    for number in range(files - CATALOG_FILES):
        text = [*_section("organizations", organizations[number :: files - CATALOG_FILES])]
        text += _section("teams", teams[number :: files - CATALOG_FILES])
        if text:
            total += _write(directory / f"customers-{number:05}.yaml", iter(text))
    return total


def _section(name: str, specs: list[str]) -> list[str]:
    return [f"{name}:\n", *specs] if specs else []


def _write(path: Path, lines: Iterator[str]) -> int:
    text = "".join(lines)
    path.write_text(text, encoding="utf-8")
    return len(text.encode())


def catalog(size: Size, rng: random.Random) -> Iterator[str]:
    yield "model_aliases:\n"
    for n in range(size.aliases):
        yield f"  model-{n:04}: {{litellm_model: openai/model-{n:04}, description: Model number {n}}}\n"
    yield "access_groups:\n"
    for n in range(size.groups):
        picked = sorted(rng.sample(range(size.aliases), min(MODELS_OF_A_GROUP, size.aliases)))
        members = ", ".join(f"model-{m:04}" for m in picked)
        yield f"  group-{n:05}:\n    description: Group number {n}\n    model_aliases: [{members}]\n"
    yield "plans:\n"
    for n in range(size.plans):
        parent = f"    extends: plan-{n - 1:02}\n" if n % 4 else ""
        yield f"  plan-{n:02}:\n{parent}    price_usd_per_month: {49 * (n + 1)}\n"
        yield f"    access_groups: [group-{n % size.groups:05}]\n    credits_allocated: {1000 * (n + 1)}\n"


def organization_lines(size: Size) -> Iterator[str]:
    for n in range(size.organizations):
        yield f"  org_{n:06}: {{name: Customer number {n}}}\n"


def team_lines(size: Size, rng: random.Random) -> Iterator[str]:
    for n in range(size.teams):
        groups = ", ".join(f"group-{g:05}" for g in sorted(rng.sample(range(size.groups), 2)))
        yield (
            f"  team-{n:07}:\n"
            f"    organization_id: org_{rng.randrange(size.organizations):06}\n"
            f"    team_alias: Team number {n}\n"
            f"    plan: plan-{n % size.plans:02}\n"
            f"    access_groups: [{groups}]\n"
            f"    labels: {{env: {'prod' if n % 3 else 'dev'}}}\n"
        )


def settings(directory: Path, text: str) -> None:
    (directory / "reconciler.yaml").write_text(text, encoding="utf-8")
