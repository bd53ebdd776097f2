"""Runs the real command line in processes of their own that can be killed.

A fork server imports the reconciler once; each run is forked off it, so a process costs milliseconds instead of a
second. What runs in it is `reconciler.cli.main(args)`, nothing less.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hurry import hurry

PRELOAD = [
    "reconciler.cli.applying",
    "reconciler.cli.commands.apply",
    "reconciler.cli.commands.plan",
    "reconciler.cli.commands.unlock",
    "reconciler.apply.run",
    "reconciler.apply.keys",
    "reconciler.pipeline",
    "reconciler.ledger.store",
    "reconciler.gateways.embedded",
    "reconciler.gateways.saas.backend",
    "reconciler.render.plan.text",
    "reconciler.render.outcomes",
    "reconciler.render.progress",
    "reconciler.render.findings.text",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "psycopg",
    "warmed",
]
ALLOWANCES = ("loss", "updates", "deletes", "empty", "protected", "cascade")
APPLY = ("apply", "--yes", "--quiet", *(f"--allow-{each}" for each in ALLOWANCES))
PATIENCE = 60
KILLED = -signal.SIGKILL


@cache
def _fork_server() -> Any:
    """The context of the fork server, which finds the modules of this directory as well."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with patch.dict(os.environ, {"PYTHONPATH": str(Path(__file__).parent)}):
        forkserver.ensure_running()
    return context


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (negative: killed by that signal) and everything it said."""

    code: int
    said: str


@dataclass
class Running:
    process: Any
    output: Path

    def kill(self) -> None:
        self.process.kill()

    def wait(self, seconds: float = PATIENCE) -> Ended:
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"no end after {seconds} s: {self.output.read_text()}")
        return Ended(self.process.exitcode, self.output.read_text())


@dataclass
class Driver:
    """Starts commands on one config. `before` runs in the new process first: a private sabotage, or a kill switch."""

    config: Path
    variables: Mapping[str, str]
    runs: int = 0

    def start(
        self, *args: str, before: Callable[..., None] | None = None, given: Sequence[Any] = ()
    ) -> Running:
        self.runs += 1
        output = self.config.parent / f"run-{self.runs}.log"
        whole = [args[0], "--config", str(self.config), *args[1:]]
        process = _fork_server().Process(
            target=_main, args=(whole, dict(self.variables), str(output), before, tuple(given))
        )
        process.start()
        return Running(process, output)

    def run(
        self, *args: str, before: Callable[..., None] | None = None, given: Sequence[Any] = ()
    ) -> Ended:
        return self.start(*args, before=before, given=given).wait()


def _main(
    args: list[str],
    variables: dict[str, str],
    output: str,
    before: Callable[..., None] | None,
    given: tuple[Any, ...],
) -> None:
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(variables)
    sys.argv = ["reconciler", *args]
    hurry()
    if before is not None:
        before(*given)
    from reconciler.cli import main

    main(args)
