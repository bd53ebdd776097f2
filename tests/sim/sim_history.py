"""Histories: one integer makes a company's versions and a list of events. Events are values, so that a list can shrink."""

import random
from dataclasses import dataclass, replace
from typing import Literal

from sim_company import TEAMS, Company, came, changed, founded, recredited, regrouped
from sim_machine import Halt
from sim_network import Fate

Dialect = Literal["embedded", "saas-litellm"]
DELAYS = (5.0, 16.0, 45.0, 300.0, 3 * 3600.0)
PAUSES = (5.0, 40.0, 200.0, 7200.0)


@dataclass(frozen=True)
class Apply:
    """`waits`: it starts when all before it have ended. `gap`: seconds until it starts after that."""

    machine: int
    version: int
    seed: int
    waits: bool = True
    gap: float = 1.0
    lock_wait: float = 0.0
    fates: tuple[tuple[str, Fate], ...] = ()
    halts: tuple[Halt, ...] = ()
    disk: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        parts = [f"apply version {self.version} on machine {self.machine}"]
        parts += [] if self.waits else ["at once"]
        parts += [f"after {self.gap:g} s"] if self.gap != 1 else []
        parts += [f"lock-wait {self.lock_wait:g}"] if self.lock_wait else []
        parts += [f"{number}: {fate}" for number, fate in self.fates]
        parts += [str(halt) for halt in self.halts]
        parts += [f"disk call {number}: {fault}" for number, fault in self.disk]
        return "; ".join(parts)


# How most histories begin: the first version, on a machine with a right clock, while nothing happens.
FOUNDING = Apply(machine=0, version=0, seed=0)
# So many companies there are; what becomes of them is another in each history.
COMPANIES = 64


@dataclass(frozen=True)
class Unlock:
    """Whoever has the lock: somebody says that this process is gone."""

    machine: int
    gap: float = 1.0


@dataclass(frozen=True)
class Bought:
    team: str
    amount: int


@dataclass(frozen=True)
class Stranger:
    """Another admin makes a team; where it has a name of ours, perhaps before we do."""

    team: str
    credits: int
    gap: float = 0.0


@dataclass(frozen=True)
class HandEdit:
    """Another admin changes a team of ours: its status, which the next apply sets right."""

    team: str
    gap: float = 0.0


@dataclass(frozen=True)
class Jump:
    """A machine's wall clock moves."""

    machine: int
    seconds: float


@dataclass(frozen=True)
class Saved:
    """A backup of a machine's ledger is made."""

    machine: int


@dataclass(frozen=True)
class Restored:
    """A machine's ledger is what the last backup holds, or empty where there is none."""

    machine: int


Event = Apply | Unlock | Bought | Stranger | HandEdit | Jump | Saved | Restored


@dataclass(frozen=True)
class History:
    """`shared`: the machines have one ledger; else each its own. `skews`: seconds that their wall clocks are off.

    `patient`: at the end what is late arrives before the last applies, not after them.
    """

    seed: int
    dialect: Dialect
    versions: tuple[Company, ...]
    events: tuple[Event, ...]
    shared: bool = True
    skews: tuple[float, float] = (0.0, 0.0)
    patient: bool = False

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.dialect}, {'one ledger' if self.shared else 'a ledger each'}"
        ]
        lines[0] += f", clocks {self.skews[0]:+g} s and {self.skews[1]:+g} s"
        lines[0] += ", late requests arrive before the last applies" if self.patient else ""
        for number, company in enumerate(self.versions):
            groups = {name: sorted(models) for name, models in company.groups.items()}
            teams = {
                name: f"{sorted(wish.groups)} {wish.credits}{' suspended' if wish.suspended else ''} {wish.top_ups or ''}"
                for name, wish in company.teams.items()
            }
            lines.append(f"  version {number}: groups {groups} teams {teams}")
        return "\n".join([*lines, *(f"  - {event}" for event in self.events)])


def history(seed: int, dialect: Dialect = "embedded") -> History:
    """The history of a seed. Most have a theme, so that what must meet to do harm meets often enough."""
    rng = random.Random(seed)
    versions = [founded(random.Random(f"company {seed % COMPANIES}"))]
    for _ in range(rng.randint(1, 2)):
        versions.append(changed(versions[-1], rng, returns=dialect == "embedded"))
    shared = rng.random() < 0.85
    theme = rng.choice(THEMES)
    if theme is not None:
        versions, events, shared = theme(rng, versions, dialect)
    else:
        events = _events(rng, len(versions), dialect)
    if _nothing_happens(events[0]):
        events[0] = FOUNDING
    skews = (0.0, rng.choice((0.0, 0.0, 60.0, -60.0, 86400.0, -86400.0)))
    return History(
        seed=seed,
        dialect=dialect,
        versions=tuple(versions),
        events=tuple(events),
        shared=shared,
        skews=skews if rng.random() < 0.5 else (skews[1], 0.0),
        patient=rng.random() < 0.3,
    )


def _nothing_happens(event: Event) -> bool:
    return isinstance(event, Apply) and replace(event, machine=0, seed=0) == FOUNDING


def _calm(rng: random.Random, version: int) -> Apply:
    return Apply(machine=rng.randrange(2), version=version, seed=rng.getrandbits(32))


Themed = tuple[list[Company], list[Event], bool]


def _late(rng: random.Random, versions: list[Company], dialect: Dialect) -> Themed:
    """There, back and on again: what the second apply has on its way when it dies arrives some time."""
    kind = rng.random()
    if kind < 0.25:
        versions = [versions[0], came(versions[0], rng), versions[0]]
    elif kind < 0.5:
        versions = [versions[0], recredited(versions[0], rng)]
        versions.append(_like(versions[0], versions[1], rng))
    else:
        versions = [versions[0], changed(versions[0], rng, returns=False)]
        versions.append(_like(versions[0], versions[1], rng))
    fate = Fate("late, and its sender dies", out=rng.choice(_delays(dialect)), dies=True)
    second = replace(_calm(rng, 1), fates=((f"w{rng.randint(1, 4)}", fate),))
    if rng.random() < 0.5:
        second = replace(second, fates=tuple(_outage(rng, dialect)))
    gap = rng.choice((0.5, 1.0, 8.0, 30.0))
    return (
        versions,
        [_calm(rng, 0), second, replace(_apply(rng, 2, dialect, fair=rng.random() < 0.7), gap=gap)],
        True,
    )


def _like(first: Company, second: Company, rng: random.Random) -> Company:
    """Back to the first version, as far as its teams are still there, or on from there."""
    teams = {name: first.teams.get(name, wish) for name, wish in second.teams.items()}
    back = replace(first, teams=teams)
    return back if rng.random() < 0.6 else changed(back, rng, returns=False)


def _outage(rng: random.Random, dialect: Dialect) -> list[tuple[str, Fate]]:
    """Nothing that is sent for a while is answered; some of it arrives."""
    begin = rng.randint(1, 3)
    cut = rng.choice((None, 0.1))
    fates = (
        Fate("late", out=rng.choice(_delays(dialect)), cut=cut),
        Fate("lost", out=None, cut=cut),
    )
    return [(f"w{number}", rng.choice(fates)) for number in range(begin, begin + rng.randint(4, 9))]


def _stands_still(rng: random.Random, versions: list[Company], dialect: Dialect) -> Themed:
    """An apply stops when it has written down what it is about to do; others go on, and it wakes up."""
    versions = [versions[0], changed(versions[0], rng, returns=False)]
    seconds = rng.choice((5.0, 130.0, 200.0, 1000.0, 7200.0))
    halt = Halt(f"i{rng.randint(1, 3)}", seconds=seconds, after=True, asleep=rng.random() < 0.3)
    second = replace(_calm(rng, 1), halts=(halt,))
    if rng.random() < 0.5:
        versions.append(_like(versions[0], versions[1], rng))
    last = len(versions) - 1
    between: list[Event] = [Unlock(rng.randrange(2), gap=rng.choice((1.0, 125.0, 150.0)))]
    third = replace(_calm(rng, last), waits=False, gap=rng.choice((0.1, 1.0, 100.0)))
    return versions, [_calm(rng, 0), second, *between, third], True


def _namesake(rng: random.Random, versions: list[Company], dialect: Dialect) -> Themed:
    """Somebody else makes a team of the name that we were about to make."""
    versions = [versions[0], came(versions[0], rng)]
    name = next(iter(versions[1].teams.keys() - versions[0].teams.keys()))
    fate = rng.choice(
        (
            Fate("lost, and its sender dies", out=None, dies=True),
            Fate("late, and its sender dies", out=rng.choice(_delays(dialect)), dies=True),
            Fate("lost", out=None),
            Fate("lost and cut", out=None, cut=0.1),
        )
    )
    second = replace(_calm(rng, 1), fates=(("w1", fate),))
    stranger = Stranger(name, rng.choice((0, 500)), gap=rng.choice((0.0, 0.07, 0.1, 0.13)))
    third = replace(_apply(rng, 1, dialect, fair=True), gap=rng.choice((1.0, 30.0)))
    order: list[Event] = [stranger, third] if rng.random() < 0.7 else [third, stranger]
    return versions, [_calm(rng, 0), second, *order], True


def _at_once(rng: random.Random, versions: list[Company], dialect: Dialect) -> Themed:
    """A laptop and a job at once, often each with a ledger of its own; what the one has on its way may come late."""
    events: list[Event] = [_calm(rng, 0)]
    last = len(versions) - 1
    for version in range(1, last + 1):
        first = replace(_calm(rng, version), machine=0)
        if rng.random() < 0.5:
            late = Fate("late", out=rng.choice(_delays(dialect)[:2]), cut=rng.choice((None, 0.1)))
            first = replace(first, fates=((f"w{rng.randint(1, 3)}", late),))
        again = _apply(rng, rng.choice((version, last)), dialect, fair=rng.random() < 0.7)
        gap = rng.choice((0.0, 0.02, 0.05, 0.1, 1.0))
        events += [first, replace(again, machine=1, waits=rng.random() < 0.3, gap=gap)]
    return versions, events, rng.random() < 0.4


def _overtaken(rng: random.Random, versions: list[Company], dialect: Dialect) -> Themed:
    """Somebody else changes a team after it was read, and before what was decided then arrives."""
    team = rng.choice(sorted(versions[0].teams))
    versions = [versions[0], regrouped(versions[0], team, rng)]
    second = _calm(rng, 1)
    if rng.random() < 0.7:
        late = Fate("late", out=rng.choice((1.0, 5.0)), cut=rng.choice((None, 0.1)))
        second = replace(second, fates=tuple((f"w{number}", late) for number in (1, 2, 3)))
    edit = HandEdit(team, gap=rng.choice((0.05, 0.1, 0.2, 0.5, 0.9)))
    return versions, [_calm(rng, 0), second, edit], True


def _keys(rng: random.Random, versions: list[Company], dialect: Dialect) -> Themed:
    """A team is made, and something happens to the request that makes it, to its answer, or to the disk."""
    versions = [versions[0], came(versions[0], rng)]
    fate = rng.choice((*_fates(rng, dialect), Fate("answered, and its sender dies", dies=True)))
    second = replace(_calm(rng, 1), fates=(("w1", fate),) if rng.random() < 0.7 else ())
    if rng.random() < 0.6:
        second = replace(second, disk=((rng.randint(1, 24), rng.choice(("ENOSPC", "EIO"))),))
    if rng.random() < 0.3:
        second = replace(second, halts=(Halt(rng.randint(20, 60)),))
    events: list[Event] = [_calm(rng, 0), second, _apply(rng, 1, dialect, fair=False)]
    if rng.random() < 0.4:
        events = [events[0], *_renewals(rng, dialect)]
    return versions, events, True


def _renewals(rng: random.Random, dialect: Dialect) -> list[Event]:
    """A team's key is owed, and one machine after another tries to hand it over: what each sends may come late."""
    full = ((rng.randint(12, 15), rng.choice(("ENOSPC", "EIO"))),)
    events: list[Event] = [replace(_calm(rng, 1), machine=0, disk=full)]
    for machine in rng.choice(((1, 0), (1, 0, 1), (1, 1, 0), (1, 0, 0))):
        late = rng.choice(_delays(dialect)[2:4])
        fate = rng.choice(
            (
                Fate("late, and its sender dies", out=late, dies=True),
                Fate("late and cut", out=late, cut=0.1),
                Fate("lost, and its sender dies", out=None, dies=True),
                Fate("answered, and its sender dies", dies=True),
                Fate("500 but saved", status=500),
            )
        )
        gap = rng.choice((0.5, 1.0, 8.0, 30.0))
        hindered = replace(_calm(rng, 1), machine=machine, gap=gap)
        if rng.random() < 0.7:
            hindered = replace(hindered, fates=((f"w{rng.randint(1, 2)}", fate),))
        if rng.random() < 0.2:
            hindered = replace(hindered, halts=(Halt(rng.randint(8, 30)),))
        events.append(hindered)
    return events


THEMES = (
    None,
    None,
    None,
    _late,
    _late,
    _stands_still,
    _namesake,
    _at_once,
    _overtaken,
    _keys,
    _keys,
)


def _delays(dialect: Dialect) -> tuple[float, ...]:
    """How late a request may be; SaaS LiteLLM has served what it took before a client's whole time-out is over."""
    return DELAYS if dialect == "embedded" else DELAYS[:3]


def _events(rng: random.Random, versions: int, dialect: Dialect) -> list[Event]:
    """One apply a version at least, in git's order but for a slow job now and then; things happen in between."""
    events: list[Event] = []
    calm = rng.random() < 0.7
    for version in range(versions):
        first = version == 0 and calm
        for number in range(1 if first else rng.randint(1, 2)):
            if not first and rng.random() < 0.35:
                events.append(_incident(rng))
            if number and rng.random() < 0.5:
                events.append(Unlock(rng.randrange(2), gap=rng.choice((0.0, 1.0, 150.0))))
            late = (
                version - 1
                if version and dialect == "embedded" and rng.random() < 0.05
                else version
            )
            events.append(_apply(rng, late, dialect, fair=first))
    return events


def _apply(rng: random.Random, version: int, dialect: Dialect, *, fair: bool) -> Apply:
    basic = Apply(machine=rng.randrange(2), version=version, seed=rng.getrandbits(32))
    if fair:
        return basic
    basic = replace(
        basic,
        waits=rng.random() < 0.8,
        gap=rng.choice((0.0, 0.02, 1.0, 1.0, 20.0, 4000.0)),
        lock_wait=rng.choice((0.0, 0.0, 30.0)),
    )
    kinds = rng.sample(("fate", "fate", "halt", "disk", "none"), 2)
    fates = tuple(_fate(rng, dialect) for _ in range(rng.randint(1, 3))) if "fate" in kinds else ()
    halts = (_halt(rng, dialect),) if "halt" in kinds else ()
    disk = ((rng.randint(1, 24), rng.choice(("ENOSPC", "EIO"))),) if "disk" in kinds else ()
    return replace(basic, fates=tuple(dict(fates).items()), halts=halts, disk=disk)


def _halt(rng: random.Random, dialect: Dialect) -> Halt:
    deed = min(rng.randint(1, 60), rng.randint(1, 60))
    if rng.random() < 0.7:
        return Halt(deed, after=rng.random() < 0.5)
    return Halt(
        deed, seconds=rng.choice(PAUSES), after=rng.random() < 0.5, asleep=rng.random() < 0.3
    )


def _fate(rng: random.Random, dialect: Dialect) -> tuple[str, Fate]:
    number = rng.randint(1, 6)
    if rng.random() < 0.1:
        read = rng.choice(
            (Fate("read lost", out=None, cut=0.1), Fate("503", status=503, refused=True))
        )
        return f"r{number + rng.randint(0, 12)}", read
    return f"w{number}", rng.choice(_fates(rng, dialect))


def _fates(rng: random.Random, dialect: Dialect) -> tuple[Fate, ...]:
    late = rng.choice(_delays(dialect))
    return (
        Fate("late", out=late),
        Fate("late and cut", out=late, cut=0.1),
        Fate("late, and its sender dies", out=late, dies=True),
        Fate("lost", out=None),
        Fate("lost and cut", out=None, cut=0.1),
        Fate("answer lost", back=None),
        Fate("answer cut", back=None, cut=0.1),
        Fate("answer late", back=late),
        Fate("doubled", again=late),
        Fate("doubled at once", again=0.05),
        Fate("doubled, second answers", again=0.05, second=True),
        Fate("cut and doubled", cut=0.005, again=late),
        Fate("500 but saved", status=500),
        Fate("502", status=502, refused=True),
        Fate("429", status=429, refused=True, after=rng.choice((0.0, 1.0, 30.0, 80.0))),
        Fate("garbage", garbage=True),
        Fate("no connection", unsent=True),
    )


def _incident(rng: random.Random) -> Event:
    kind = rng.random()
    if kind < 0.3:
        return Bought(rng.choice(TEAMS), rng.choice((11, 13)))
    if kind < 0.45:
        return Stranger(rng.choice((*TEAMS, "other")), rng.choice((0, 500)))
    if kind < 0.6:
        return HandEdit(rng.choice(TEAMS))
    if kind < 0.75:
        return Jump(rng.randrange(2), rng.choice((-86400.0, -60.0, 60.0, 86400.0)))
    return Saved(rng.randrange(2)) if kind < 0.9 else Restored(rng.randrange(2))
