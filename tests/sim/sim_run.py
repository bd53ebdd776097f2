"""One history from its seed to its verdict; and, of one that broke a law, the smallest that still does."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sim_founding import found
from sim_history import FOUNDING, Apply, History
from sim_laws import Broken, Watch, ending
from sim_loop import Stuck
from sim_seams import begun
from sim_world import World


@dataclass(frozen=True)
class Verdict:
    history: History
    broken: tuple[Broken, ...]
    trace: tuple[str, ...] = ()
    steps: int = 0
    requests: int = 0
    accounts: str = ""

    def __str__(self) -> str:
        laws = "\n".join(f"! {each}" for each in self.broken)
        return "\n".join([str(self.history), "", *self.trace, "", laws])


def carried_out(history: History, home: Path, *, traced: bool = False) -> Verdict:
    """What became of a history. `home` is an empty directory of the simulation (`sim_world.simulation`)."""
    place = home / str(history.seed)
    watch = Watch()
    world = World(history, place, traced=traced, watch=watch)
    with begun(world.loop, history.seed):
        try:
            events = history.events
            if events[0] == FOUNDING:
                found(world)
                watch.settled, events = True, events[1:]
            for event in events:
                world.happen(event)
                watch.settled = watch.settled or any(run.code == 0 for run in world.runs)
            broken = tuple(dict.fromkeys(ending(world, watch)))
        except Stuck as stuck:
            broken = (Broken("stuck", str(stuck)),)
    shutil.rmtree(place, ignore_errors=True)
    trace = tuple(world.trace.lines) if world.trace else ()
    requests = sum(run.process.client.reads + run.process.client.writes for run in world.runs)
    accounts = world.gateway.account.digest()
    return Verdict(history, broken, trace, world.loop.steps, requests, accounts)


def smallest(verdict: Verdict, home: Path) -> Verdict:
    """The history with everything left out that its broken law does not need."""
    laws = {each.law for each in verdict.broken}
    best = verdict
    while True:
        for smaller in _smaller(best.history):
            found = carried_out(smaller, home)
            if laws & {each.law for each in found.broken}:
                best = found
                break
        else:
            return carried_out(best.history, home, traced=True)


def _smaller(history: History) -> Iterator[History]:
    events = history.events
    for number, event in enumerate(events):
        if len(events) > 1:
            yield replace(history, events=events[:number] + events[number + 1 :])
        if isinstance(event, Apply):
            for less in _simpler(event):
                yield replace(history, events=(*events[:number], less, *events[number + 1 :]))
    if history.skews != (0.0, 0.0):
        yield replace(history, skews=(0.0, 0.0))
    if not history.shared:
        yield replace(history, shared=True)
    if history.patient:
        yield replace(history, patient=False)
    for number, company in enumerate(history.versions):
        for team in company.teams:
            rest = {name: wish for name, wish in company.teams.items() if name != team}
            if rest:
                fewer = replace(company, teams=rest)
                yield replace(
                    history,
                    versions=(*history.versions[:number], fewer, *history.versions[number + 1 :]),
                )


def _simpler(event: Apply) -> Iterator[Apply]:
    for name in ("fates", "halts", "disk"):
        values = getattr(event, name)
        for number in range(len(values)):
            yield replace(event, **{name: values[:number] + values[number + 1 :]})
    if not event.waits:
        yield replace(event, waits=True)
    if event.gap != 1.0:
        yield replace(event, gap=1.0)
    if event.lock_wait:
        yield replace(event, lock_wait=0.0)
