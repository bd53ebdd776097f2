"""A generated customer base: N teams with their organizations, pricing plans, access groups and model aliases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.model.inventory import Inventory, Record, record_of
from reconciler.core.model.kinds import Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.support import Support

ALIASES, GROUPS, PLANS = 200, 100, 20
TEAMS_PER_ORGANIZATION = 10
TEAMS_PER_FILE = 500


def write(directory: Path, teams: int) -> int:
    """Writes the manifests; returns their bytes."""
    directory.mkdir(parents=True)
    texts = {"catalog.yaml": "".join(_catalog())}
    for first in range(0, teams, TEAMS_PER_FILE):
        texts[f"teams-{first:06}.yaml"] = "".join(
            _customers(first, min(first + TEAMS_PER_FILE, teams))
        )
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return sum(len(text.encode()) for text in texts.values())


def _catalog() -> Iterator[str]:
    yield "model_aliases:\n"
    for n in range(ALIASES):
        yield f"  model-{n:03}: {{litellm_model: openai/model-{n:03}, description: Model number {n}}}\n"
    yield "access_groups:\n"
    for n in range(GROUPS):
        members = ", ".join(f"model-{(n * 7 + k * 11) % ALIASES:03}" for k in range(10))
        yield f"  group-{n:03}:\n    description: Group number {n}\n    model_aliases: [{members}]\n"
    yield "plans:\n"
    for n in range(PLANS):
        parent = f"    extends: plan-{n - 1:02}\n" if n % 4 else ""
        group = f"group-{n:03}"
        yield f"  plan-{n:02}:\n{parent}    access_groups: [{group}]\n    credits_allocated: {1000 * (n + 1)}\n"


def _customers(first: int, last: int) -> Iterator[str]:
    yield "organizations:\n"
    for n in range(first // TEAMS_PER_ORGANIZATION, (last - 1) // TEAMS_PER_ORGANIZATION + 1):
        yield f"  org_{n:05}: {{name: Customer number {n}}}\n"
    yield "teams:\n"
    for n in range(first, last):
        yield (
            f"  team-{n:06}:\n"
            f"    organization_id: org_{n // TEAMS_PER_ORGANIZATION:05}\n"
            f"    team_alias: Team number {n}\n"
            f"    plan: plan-{n % PLANS:02}\n"
            f"    access_groups: [group-{20 + n % 80:03}, group-{20 + (n + 1 + n % 7) % 80:03}]\n"
            f"    labels: {{env: {'prod' if n % 3 else 'dev'}}}\n"
        )


@dataclass(frozen=True)
class World:
    """A gateway some applies ago: what is live there, and what we remember to own."""

    live: State
    inventory: Inventory


def some_applies_ago(desired: State, support: Support) -> World:
    """Live as desired, but for every tenth team: a fifth of those is not there yet, the others have other groups."""
    live: dict[Ref, Resource] = {}
    for number, (ref, resource) in enumerate(desired.resources.items()):
        if resource.virtual or ref.kind not in support.kinds:
            continue
        earlier = _earlier(number, support.normalise(ref, resource))
        if earlier is not None:
            live[ref] = earlier
    inventory: Mapping[Ref, Record] = {
        ref: Record(record_of(resource)) for ref, resource in live.items()
    }
    return World(State(live), inventory)


def _earlier(number: int, resource: Resource) -> Resource | None:
    if not isinstance(resource, Team) or number % 10:
        return resource
    if number % 50 == 0:
        return None
    return resource.model_copy(
        update={"access_groups": frozenset({"group-000", f"group-{number % 100:03}"})}
    )
