"""What is measured, each against something that does the same or the least of it, right after one another."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import servers, worlds
from benchmarks.measured import Sample, run
from benchmarks.peers import octodns_zone

OURS = (sys.executable, "-m", "reconciler")
ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config"


@dataclass(frozen=True)
class Row:
    """A case: our samples and the other's, in pairs. `objects` is 0 where the case has no size."""

    name: str
    objects: int
    ours: tuple[Sample, ...]
    other_name: str = ""
    others: tuple[Sample, ...] = ()

    @property
    def wall(self) -> float:
        return median(sample.wall for sample in self.ours)

    @property
    def peak_mb(self) -> float:
        return max(sample.peak_mb for sample in self.ours)

    @property
    def ratio(self) -> float | None:
        """Our wall time as a multiple of the other's, pair by pair; None where nothing was compared."""
        if not self.others:
            return None
        return median(
            mine.wall / other.wall for mine, other in zip(self.ours, self.others, strict=True)
        )


@dataclass(frozen=True)
class Bench:
    """How a run is made. `home` holds worlds and databases; `peers` is the Python that has the programs of others."""

    home: Path
    objects: int
    rounds: int
    seed: int
    files: int
    peers: Path | None
    say: Callable[[str], None] = print
    sizes: Sequence[int] = field(default_factory=tuple)

    def ours(self, config: Path, *words: str) -> Sample:
        return run([*OURS, *words, "--config", config], env={"NO_COLOR": "1"})


def pairs(
    bench: Bench, mine: Callable[[], Sample], other: Callable[[], Sample]
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Both sides, in turn, `rounds` times."""
    samples = [(mine(), other()) for _ in range(bench.rounds)]
    return tuple(first for first, _ in samples), tuple(second for _, second in samples)


def start_up(bench: Bench) -> Iterator[Row]:
    """The shortest commands against an interpreter that does nothing."""

    def nothing() -> Sample:
        return run([sys.executable, "-c", "pass"])

    for name, words in (
        ("--help", ["--help"]),
        ("validate, example", ["validate", "--config", str(EXAMPLE)]),
    ):
        mine, others = pairs(bench, lambda words=words: run([*OURS, *words]), nothing)
        yield Row(name, 0, mine, "python -c pass", others)


def config_of(bench: Bench, objects: int, *, files: int | None = None, settings: str = "") -> Path:
    """A new world of about so many objects; settings let one apply update and delete as it likes."""
    directory = bench.home / f"world-{objects}-{files or bench.files}"
    worlds.write(directory, worlds.size_of(objects), seed=bench.seed, files=files or bench.files)
    worlds.settings(
        directory, settings or "default_gateway: local\ngateways: {local: {backend: embedded}}\n"
    )
    return directory


def life(bench: Bench, objects: int) -> Iterator[Row]:
    """One world from its first plan to questions about it, on the embedded gateway in process."""
    config = config_of(bench, objects)
    count = worlds.size_of(objects).objects

    def bare() -> Sample:
        return run([sys.executable, "-m", "benchmarks.peers.bare_yaml", config], cwd=ROOT)

    validated = pairs(bench, lambda: bench.ours(config, "validate"), bare)
    yield Row("validate", count, validated[0], "bare YAML parse", validated[1])
    first = pairs(bench, lambda: bench.ours(config, "plan"), bare)
    yield Row("first plan", count, first[0], "bare YAML parse", first[1])
    yield Row("apply, in process", count, (bench.ours(config, "apply", "--yes", "-q"),))
    cold, warm = [], []
    for _ in range(bench.rounds):
        forget(config)
        cold.append((bench.ours(config, "plan"), bare()))
        warm.append((bench.ours(config, "plan"), bare()))
    for name, samples in (("plan, nothing to do", cold), ("the same again", warm)):
        mine, others = zip(*samples, strict=True)
        yield Row(name, count, tuple(mine), "bare YAML parse", tuple(others))
    yield Row("access --model", count, (bench.ours(config, "access", "--model", "model-0001"),))
    explained = run(
        [*OURS, "explain", "team-0000001", "model-0001", "--config", config], expected=(0, 1, 2)
    )
    yield Row("explain", count, (explained,))


def forget(config: Path) -> None:
    """Takes away what an earlier run cached; the ledger and the gateway's database stay."""
    cache = config / ".reconciler" / "cache"
    if cache.is_dir():
        for path in sorted(cache.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


def over_http(bench: Bench, objects: int) -> Iterator[Row]:
    """Apply over HTTP against the same requests from the same HTTP library with nothing around them."""
    config = config_of(bench, objects)

    def mine() -> Sample:
        with fresh_gateway(bench) as url:
            worlds.settings(config, served(url, 16))
            forget_ledger(config)
            return bench.ours(config, "apply", "--yes", "-q")

    def bare() -> Sample:
        with fresh_gateway(bench) as url:
            client = [
                sys.executable,
                "-m",
                "benchmarks.peers.bare_client",
                config,
                url,
                servers.KEY,
                "16",
            ]
            return run(client, cwd=ROOT)

    ours, others = pairs(bench, mine, bare)
    yield Row(
        "apply over HTTP",
        worlds.size_of(objects).objects,
        ours,
        "bare client, as many at once",
        others,
    )


def far_away(bench: Bench, objects: int, milliseconds: float = 20) -> Iterator[Row]:
    """Apply over a slow network against a script that sends one request after another."""
    config = config_of(bench, objects)

    def mine() -> Sample:
        with fresh_gateway(bench) as near, servers.slow_network(near, milliseconds) as url:
            worlds.settings(config, served(url, 16))
            forget_ledger(config)
            return bench.ours(config, "apply", "--yes", "-q")

    def naive() -> Sample:
        with fresh_gateway(bench) as near, servers.slow_network(near, milliseconds) as url:
            return run(
                [sys.executable, "-m", "benchmarks.peers.naive", config, url, servers.KEY], cwd=ROOT
            )

    ours, others = pairs(bench, mine, naive)
    name = f"apply, {milliseconds:.0f} ms away"
    yield Row(name, worlds.size_of(objects).objects, ours, "one request after another", others)


def served(url: str, concurrency: int) -> str:
    return (
        "default_gateway: served\n"
        f"gateways: {{served: {{backend: embedded, url: '{url}', concurrency: {concurrency}}}}}\n"
    )


def fresh_gateway(bench: Bench) -> servers.AbstractContextManager[str]:
    database = bench.home / "served.db"
    for path in bench.home.glob("served.db*"):
        path.unlink()
    return servers.embedded_gateway(database)


def forget_ledger(config: Path) -> None:
    for path in (config / ".reconciler").glob("*"):
        if path.is_file():
            path.unlink()


def octodns(bench: Bench, objects: int) -> Iterator[Row]:
    """A plan where nothing changed: our objects on the embedded gateway, octoDNS's records in YAML on both sides."""
    if bench.peers is None:
        return
    config = config_of(bench, objects)
    bench.ours(config, "apply", "--yes", "-q")
    zone = bench.home / "zone"
    octodns_zone.write(zone, objects)
    script = ROOT / "benchmarks" / "peers" / "octodns_zone.py"
    ours, others = pairs(
        bench, lambda: bench.ours(config, "plan"), lambda: run([bench.peers, script, zone])
    )
    yield Row("plan", worlds.size_of(objects).objects, ours, "octoDNS, as many records", others)


def litellm_as_code(bench: Bench, teams: int) -> Iterator[Row]:
    """A plan of unchanged teams on the same LiteLLM stand-in."""
    if bench.peers is None:
        return
    spec = bench.home / "spec.yml"
    spec.write_text(
        "teams:\n"
        + "".join(
            f"- {{team_id: team-{n:07}, team_alias: Team number {n}}}\n" for n in range(teams)
        )
    )
    config = bench.home / "litellm"
    config.mkdir(exist_ok=True)
    lines = (
        f"  team-{n:07}: {{team_alias: Team number {n}, models: [all-proxy-models]}}\n"
        for n in range(teams)
    )
    (config / "teams.yaml").write_text("teams:\n" + "".join(lines))
    with servers.litellm_stand_in() as empty, servers.litellm_stand_in(teams) as filled:
        worlds.settings(
            config,
            "default_gateway: proxy\n"
            f"gateways: {{proxy: {{backend: litellm, url: '{empty}', admin_key_env: BENCH_KEY}}}}\n",
        )
        forget_ledger(config)
        os.environ["BENCH_KEY"] = servers.KEY
        bench.ours(config, "apply", "--yes", "-q", "--fast")
        tool = bench.peers.with_name("litellm-as-code")
        theirs = [tool, spec, "--base-url", filled, "--api-key", servers.KEY, "--dry-run"]
        ours, others = pairs(bench, lambda: bench.ours(config, "plan"), lambda: run(theirs))
    yield Row("plan, LiteLLM", teams, ours, "litellm-as-code", others)
