"""A history, carried out: the product's own `applying.apply` on simulated machines, against a gateway in memory."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import sim_seams
from sim_company import Company
from sim_disk import Disk
from sim_embedded import Embedded
from sim_history import (
    FOUNDING,
    Apply,
    Bought,
    Event,
    HandEdit,
    History,
    Jump,
    Restored,
    Saved,
    Stranger,
    Unlock,
)
from sim_ledger import Book, Ledger
from sim_loop import Loop
from sim_machine import EPOCH, Killed, Machine, Process
from sim_network import Client, Network, Request, Url
from sim_remembered import forget_plans, remembering
from sim_saas import Saas

from reconciler.apply import execute as execution
from reconciler.apply import keys
from reconciler.apply import run as applying
from reconciler.apply.means import Pace
from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.settings import GatewaySettings, LedgerSettings, Settings
from reconciler.core.plan.plan import Target
from reconciler.core.plan.resolve import Resolved, resolve
from reconciler.core.plan.safety import FLAGS
from reconciler.files.manifests import Manifests
from reconciler.gateways import connect, http
from reconciler.ledger import LedgerError
from reconciler.pipeline import Loaded, Session
from reconciler.system import disk

NAME = "gateway"
URL = "http://gateway:8003"
LOCK_SECONDS = 120.0
WEEK = 7 * 86400.0
MOST_TRIES = 6
KEY_FILES = (Path(keys.DEFAULT.format(name=NAME)).name,)


@dataclass
class Run:
    """One process's apply and how it ended: exit code 0 or 1, None while it runs or where it was killed; 3 is a bug."""

    event: Apply
    process: Process
    code: int | None = None
    said: str = ""
    changes: int = 0
    ended: float | None = None
    problem: BaseException | None = None
    findings: tuple[str, ...] = ()


@dataclass
class Trace:
    """What happened, in order; only where somebody reads it."""

    loop: Loop
    lines: list[str] = field(default_factory=list)

    def __call__(self, who: str, what: str) -> None:
        self.lines.append(f"{self.loop.now:12.2f}  {who:8} {what}")


class World:
    """The machines, the ledgers, the network and the gateway of one history."""

    def __init__(
        self, history: History, home: Path, *, traced: bool = False, watch: Any = None
    ) -> None:
        forget_plans()
        self.history, self.home, self.watch = history, home, watch
        self.loop = Loop()
        self.trace = Trace(self.loop) if traced else None
        self.rng = random.Random(history.seed)
        self.machines = [Machine(str(number), self.loop) for number in range(len(history.skews))]
        if history.events[0] != FOUNDING:
            self.set_clocks()
        book = Book()
        self.books = [book, book] if history.shared else [book, Book()]
        self.backups = [Book(), Book()]
        self.broken = not history.shared
        make = Embedded if history.dialect == "embedded" else Saas
        self.gateway = make(lambda: self.loop.now, lambda: f"{self.rng.getrandbits(64):016x}")
        self.network = Network(self.loop, self._serve, self.trace)
        self.runs: list[Run] = []
        self.edited: set[str] = set()
        self.loaded: dict[int, Loaded] = {}

    def set_clocks(self) -> None:
        for machine, skew in zip(self.machines, self.history.skews, strict=True):
            machine.skew = skew

    def dice(self, seed: int | str) -> None:
        """All that is random from now on."""
        self.rng = random.Random(seed)
        sim_seams.HERE.rng = random.Random(seed)
        random.seed(seed)

    def _serve(self, request: Request) -> tuple[int, Any]:
        answer = self.gateway.serve(request)
        if self.watch is not None and request.method != "GET":
            self.watch(self, request)
        return answer

    # --- the events

    def happen(self, event: Event) -> None:
        if self.trace and not isinstance(event, Apply):
            self.trace("world", str(event))
        match event:
            case Apply():
                self._start(event)
            case Unlock():
                self.forward(event.gap)
                self.unlock(event.machine)
            case Bought():
                if event.team in self.gateway.tables.teams:
                    self.by_hand(*self.gateway.bought(event.team, event.amount), "customer")
            case Stranger():
                self._stranger(event)
            case HandEdit():
                self.forward(event.gap)
                if event.team in self.gateway.tables.teams:
                    self.edited.add(event.team)
                    self.by_hand(*self.gateway.toggled(event.team), "admin")
            case Jump():
                self.machines[event.machine].skew += event.seconds
            case Saved():
                self.backups[event.machine] = self.books[event.machine].copied()
            case Restored():
                self.books[event.machine].become(self.backups[event.machine])
                self.broken = True

    def _stranger(self, event: Stranger) -> None:
        self.forward(event.gap)
        if not self.gateway.tables.organizations:
            self.by_hand(*self.gateway.founded("x"), "admin")
        organization = min(self.gateway.tables.organizations)
        if event.team not in self.gateway.tables.teams:
            self.by_hand(*self.gateway.made(event.team, organization, event.credits), "admin")

    def by_hand(self, method: str, path: str, body: Any, who: str) -> tuple[int, Any]:
        request = Request(method, Url(path), {}, {}, body, who, self.loop.now)
        answer = self.gateway.serve(request)
        if self.trace:
            self.trace(who, f"{request} -> {answer[0]}")
        return answer

    def forward(self, seconds: float) -> None:
        until = self.loop.now + seconds
        while self.loop.ready or (self.loop.timers and self.loop.timers[0][0] <= until):
            self.loop.step()
        self.loop.now = max(self.loop.now, until)

    @property
    def takes_over(self) -> bool:
        """In half of the histories nobody unlocks: the next apply watches the lock of whoever is gone or asleep."""
        return self.history.seed % 2 == 1

    def unlock(self, machine: int) -> None:
        """What `reconciler unlock` does."""
        operator = Process("operator", self.machines[machine], told=self.trace)
        ledger = Ledger(self.books[machine], operator)
        for gateway in self.books[machine].locks:
            broken = ledger.break_lock(gateway, self.machines[machine].wall())
            if self.trace and broken is not None:
                self.trace("operator", f"unlocks {broken.owner}")

    def alive(self) -> list[Run]:
        return [run for run in self.runs if not run.process.ended]

    def waited(self, seconds: float) -> None:
        """Until every process has ended, at most that long."""
        until = self.loop.now + seconds
        while self.alive() and self.loop.now < until:
            if not self.loop.step():
                break

    def drained(self) -> None:
        """Until nothing is on its way any more and every process has ended."""
        self.loop.run(lambda: not self.network.flying and not self.alive())

    # --- an apply

    def _start(self, event: Apply) -> Run:
        if event.waits:
            self.waited(3600.0)
            if not self.alive() and not self.takes_over:
                self.unlock(event.machine)
        self.forward(event.gap)
        return self.begin(event)

    def tried(self, gap: float) -> Run:
        """An apply of the last version to which nothing happens, after whoever is gone or asleep was unlocked."""
        self.forward(gap)
        machine = (
            self.history.events[-1].machine if isinstance(self.history.events[-1], Apply) else 0
        )
        if not self.takes_over and all(run.process.awake > self.loop.now for run in self.alive()):
            self.unlock(machine)
        seed = self.history.seed + len(self.runs)
        wait = LOCK_SECONDS + 30.0 if self.takes_over else 30.0
        run = self.begin(Apply(machine, len(self.history.versions) - 1, seed, lock_wait=wait))
        self.loop.run(lambda: run.process.ended)
        return run

    def begin(self, event: Apply) -> Run:
        name = f"A{len(self.runs) + 1}"
        halts = {halt.deed: halt for halt in event.halts}
        process = Process(name, self.machines[event.machine], halts, told=self.trace)
        prompt = self.history.dialect != "embedded"
        process.client = Client(
            self.network, process, random.Random(event.seed), dict(event.fates), prompt=prompt
        )
        process.disk = Disk(process, dict(event.disk))
        run = Run(event, process)
        self.runs.append(run)
        if self.trace:
            self.trace(name, f"{event}")
        process.task = self.loop.start(process, self._applied(run))
        return run

    async def _applied(self, run: Run) -> None:
        try:
            report = await self._apply(run)
        except Killed:
            return
        except ReconcilerError as problem:
            run.code, run.said = 1, "; ".join(finding.message for finding in problem.findings)
            run.findings = tuple(finding.code for finding in problem.findings)
        except Exception as problem:  # noqa: BLE001 - a bug of the product is a law that is broken
            if run.process.dead:
                return
            run.code, run.said, run.problem = 3, repr(problem), problem
        else:
            run.code = 0 if report.complete else 1
            run.changes = len(report.outcomes)
            run.findings = tuple(
                finding.code for finding in (*report.findings, *report.plan.findings)
            )
            failed = [
                f"{outcome.step.id}: {outcome.error}"
                for outcome in report.outcomes
                if outcome.error
            ]
            left = [str(change.ref) for change in report.left.changes] if report.left else []
            run.said = "; ".join([*failed, *(["left " + ", ".join(left)] if left else [])])
        run.ended = self.loop.now
        if self.trace:
            self.trace(run.process.name, f"exit {run.code} {run.said}")

    def _loaded(self, version: int) -> Loaded:
        if version not in self.loaded:
            company = self.history.versions[version]
            self.loaded[version] = _loaded(self.home, company, version, self.history.dialect)
        return self.loaded[version]

    async def _apply(self, run: Run) -> Any:
        event, process = run.event, run.process
        directory = self.home / process.machine.name
        loaded = replace(self._loaded(event.version), directory=directory)
        settings = loaded.settings.gateways[NAME]
        connection = connect(NAME, settings, directory=directory, environ={}, read_only=False)
        async with connection as gateway:
            target = Target(NAME, gateway.identity, settings.backend)
            ledger = Ledger(self.books[event.machine], process)
            others = [name for name in gateway.called if ledger.known_as(name) != gateway.identity]
            if others:
                ledger.unite(gateway.identity, others)
            session = Session(loaded, target, gateway, ledger)
            options = applying.Options(
                actor=process.name,
                allowed=frozenset(FLAGS),
                lock_wait=event.lock_wait,
                keys=replace(keys.delivery(NAME, settings, directory), now=process.machine.wall),
                now=process.machine.wall,
                pace=Pace(rng=random.Random(event.seed)),
            )
            try:
                return await applying.apply(session, options)
            except LedgerError as problem:
                raise ReconcilerError(
                    error("ledger", problem.message, hint=problem.hint or None)
                ) from problem

    # --- afterwards

    def keys_in_hand(self) -> set[str]:
        """Every key that stands in a file of ours, on whichever machine."""
        found: set[str] = set()
        files = [
            Path(place, name)
            for place, _, names in os.walk(self.home)
            for name in names
            if name in KEY_FILES
        ]
        for file in files:
            for line in file.read_text().splitlines():
                _, _, rest = line.partition('"key": "')
                key, quote, _ = rest.partition('"')
                if quote:
                    found.add(key)
        return found

    @property
    def last(self) -> Company:
        return self.history.versions[-1]


class _Os:
    """The module `os`, as seen by what writes keys: each process has a disk of its own."""

    def __getattr__(self, name: str) -> Any:
        process = sim_seams.HERE.loop.current
        return getattr(process.disk if process is not None else os, name)


@contextmanager
def simulation() -> Iterator[Path]:
    """Everything in place for histories; the directory is where their keys go."""
    over_network, whole, system, sorter = (
        http._over_network,
        http.Http._whole,
        disk.os,
        execution.TopologicalSorter,
    )
    execution.TopologicalSorter = _Sorter
    http._over_network = _client
    http.Http._whole = _whole
    disk.os = _Os()
    home = Path(tempfile.mkdtemp(prefix="sim-", dir=sim_seams.SHM))
    try:
        with remembering(), sim_seams.simulated():
            yield home
    finally:
        http._over_network, http.Http._whole, disk.os, execution.TopologicalSorter = (
            over_network,
            whole,
            system,
            sorter,
        )
        shutil.rmtree(home, ignore_errors=True)


def _client(_url: str, options: dict[str, Any]) -> Client:
    client: Client = sim_seams.HERE.loop.current.client
    client.headers = options.get("headers", {})
    return client


class _Sorter(TopologicalSorter[Any]):
    """What a step needs is a set, whose order is another in each run: here it is the one of their names."""

    def __init__(self, graph: Any) -> None:
        super().__init__(
            {step: sorted(needs, key=lambda need: need.id) for step, needs in graph.items()}
        )


async def _whole(http: Any, request: Any) -> Any:
    """An answer of the simulation is whole from the start: how it is read in pieces is none of its business."""
    return await http.client.send(request)


@lru_cache(maxsize=1)
def _settings(dialect: str) -> Settings:
    gateway = GatewaySettings(backend=dialect, url=URL)
    return Settings(
        default_gateway=NAME,
        gateways={NAME: gateway},
        ledger=LedgerSettings(url_env="LEDGER"),
    )


def _loaded(directory: Path, company: Company, version: int, dialect: str) -> Loaded:
    state = company.state()
    desired: Resolved = resolve(state, EPOCH, NO_PRICES)
    return Loaded(
        directory=directory,
        settings=_settings(dialect),
        manifests=Manifests(state),
        desired=desired,
        findings=(),
        now=EPOCH,
        variables={"LEDGER": "postgresql://ledger/one"},
        prices=NO_PRICES,
        revision=f"v{version}",
    )
