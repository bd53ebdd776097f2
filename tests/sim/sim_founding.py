"""How most histories begin: a company's first version, applied while nothing happens. One that was seen is not run again.

What a founding leaves does not depend on the rest of its history: it has dice and clocks of its own.
"""

import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim_company import Company
from sim_history import FOUNDING
from sim_machine import Process
from sim_network import Client
from sim_remembered import foundings
from sim_world import Run, World

DICE = "founding"
MOST = 2_000


@dataclass(frozen=True)
class Founded:
    """`state`: a pickle of the gateway's fields and the ledger's book; `files`: path -> content, in the machine's home."""

    state: bytes
    files: tuple[tuple[Path, bytes], ...]
    now: float
    steps: int
    requests: tuple[int, int]
    acquired: float


def found(world: World) -> None:
    """The world after its first event, which is FOUNDING; from then on its dice are those of its seed."""
    key = (world.history.dialect, _key(world.history.versions[0]))
    known = foundings.get(key) if world.trace is None else None
    if known is not None:
        _restore(world, known)
    else:
        _carry_out(world)
        if len(foundings) < MOST and world.runs[0].code == 0:
            foundings[key] = _taken(world)
    world.loop.close()
    world.dice(world.history.seed)
    world.set_clocks()


def _key(company: Company) -> Any:
    return company.aliases, tuple(company.groups.items()), tuple(company.teams.items())


def _carry_out(world: World) -> None:
    world.dice(DICE)
    world.happen(FOUNDING)
    world.drained()


def _home(world: World) -> Path:
    return world.home / world.machines[FOUNDING.machine].name


def _taken(world: World) -> Founded:
    run = world.runs[0]
    client, home = run.process.client, _home(world)
    files = tuple(
        (file.relative_to(home), file.read_bytes())
        for file in sorted(home.rglob("*"))
        if file.is_file()
    )
    state = pickle.dumps((_fields(world), world.books[FOUNDING.machine]))
    now, steps = world.loop.now, world.loop.steps
    return Founded(state, files, now, steps, (client.reads, client.writes), run.process.acquired)


def _fields(world: World) -> dict[str, Any]:
    gateway = world.gateway
    return {
        name: getattr(gateway, name)
        for name in ("tables", "keys", "account", "litellm")
        if hasattr(gateway, name)
    }


def _restore(world: World, founded: Founded) -> None:
    fields, book = pickle.loads(founded.state)
    for name, value in fields.items():
        setattr(world.gateway, name, value)
    world.books[FOUNDING.machine].__dict__.update(book.__dict__)
    home = _home(world)
    for path, content in founded.files:
        file = home / path
        if not file.parent.is_dir():
            file.parent.mkdir(parents=True, mode=0o700)
        file.write_bytes(content)
        file.chmod(0o600)
    world.loop.now, world.loop.steps = founded.now, founded.steps
    process = Process("A1", world.machines[FOUNDING.machine], dead=True)
    process.acquired = founded.acquired
    process.client = Client(world.network, process, random.Random(0), {})
    process.client.reads, process.client.writes = founded.requests
    world.runs.append(Run(FOUNDING, process, code=0, ended=founded.now))
