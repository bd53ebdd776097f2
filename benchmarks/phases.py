"""How long a plan takes, phase by phase, as multiples of reading the same YAML with PyYAML's C loader.

    python -m benchmarks.phases                10,000 teams
    python -m benchmarks.phases --teams 100000

The same machine and run measure both, so the ratios can be compared between machines; seconds cannot.
"""

import argparse
import gc
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import yaml

from benchmarks.company import some_applies_ago, write
from reconciler.core.access.rules import access
from reconciler.core.model.inventory import Known
from reconciler.core.plan.diff import diff
from reconciler.core.plan.meaning.impact import Context, impact, transition_in
from reconciler.core.plan.order.schedule import schedule
from reconciler.core.plan.resolve import resolve
from reconciler.core.rules.check import check
from reconciler.files.manifests import load_manifests
from reconciler.files.prices.loading import shipped_prices
from reconciler.files.variables import Variables
from reconciler.gateways.saas.documented import DIALECT

T = TypeVar("T")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUPPORT = DIALECT.support


def cpu_seconds() -> float:
    """Of this process and its finished children: other work on the machine does not count."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Clock:
    """CPU seconds by phase, in the order of measuring."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, phase: str, work: Callable[[], T]) -> T:
        gc.collect()
        start = cpu_seconds()
        result = work()
        self.seconds[phase] = cpu_seconds() - start
        return result


def measure(directory: Path, clock: Clock) -> str:
    """Runs every phase once; returns what was planned, in a line."""
    texts = [path.read_bytes() for path in sorted(directory.glob("*.yaml"))]
    clock(
        "baseline: yaml.CSafeLoader", lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts]
    )
    manifests = clock(
        "parse and validate", lambda: load_manifests(directory, variables=Variables())
    )
    findings = clock(
        "check links and names", lambda: check(manifests.state, declared=tuple(manifests.files))
    )
    prices = shipped_prices()
    desired = clock("resolve", lambda: resolve(manifests.state, NOW, prices)).state
    if manifests.findings or findings:
        raise SystemExit(
            f"the generated company is not valid: {(*manifests.findings, *findings)[:3]}"
        )
    world = some_applies_ago(desired, SUPPORT)
    found = clock("diff", lambda: diff(desired, world.live, Known(world.inventory), SUPPORT))
    clock("access of every team", lambda: access(desired, SUPPORT.rules))
    context = Context(found.changes, world.live, desired, world.inventory, SUPPORT, prices)
    meant = clock("impact", lambda: impact(context, transition_in(context)))
    steps = clock("schedule", lambda: schedule(found.changes, world.live, SUPPORT))
    planned = (
        f"{len(found.changes):,} changes, {len(meant.teams):,} teams affected, {len(steps):,} steps"
    )
    return f"{len(desired):,} objects, {planned}"


def table(seconds: dict[str, float]) -> Iterator[str]:
    baseline, *phases = seconds
    unit = seconds[baseline]
    yield f"{baseline:<28} {'1.00':>7}   ({unit:.2f} CPU seconds)"
    yield from (f"{phase:<28} {seconds[phase] / unit:>7.2f}" for phase in phases)
    yield f"{'all phases':<28} {sum(seconds[phase] for phase in phases) / unit:>7.2f}"


@contextmanager
def generated(teams: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as home:
        directory = Path(home) / "config"
        size = write(directory, teams)
        print(f"{teams:,} teams, {size / 1e6:.1f} MB of YAML")
        yield directory


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Times of a plan's phases, relative to reading the YAML."
    )
    parser.add_argument("--teams", type=int, default=10_000)
    clock = Clock()
    with generated(parser.parse_args().teams) as directory:
        print(measure(directory, clock))
    print("\n".join(table(clock.seconds)))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
