"""How fast and how large, as ratios of one run: `python -m benchmarks`.

    python -m benchmarks                     100,000 objects, about half an hour
    python -m benchmarks --smoke             every case, small; so that none rots
    python -m benchmarks --only octodns far_away

Wall times of a machine say little about another; the ratio to something that ran right before or after says much.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import cases
from benchmarks.cases import Bench, Row
from benchmarks.picture import svg

HERE = Path(__file__).parent
PEERS = ("octodns", "litellm-as-code")
SMOKE, FULL = 600, 100_000
Case = Callable[[Bench], Iterator[Row]]


def life_of_each(bench: Bench) -> Iterator[Row]:
    for objects in bench.sizes:
        yield from cases.life(bench, objects)


CASES: dict[str, Case] = {
    "start_up": cases.start_up,
    "life": life_of_each,
    "over_http": lambda bench: cases.over_http(bench, max(bench.objects // 10, 100)),
    "far_away": lambda bench: cases.far_away(bench, max(bench.objects // 100, 100)),
    "octodns": lambda bench: cases.octodns(bench, bench.objects // 2),
    "litellm_as_code": lambda bench: cases.litellm_as_code(
        bench, max(bench.objects * 3 // 100, 50)
    ),
}


def peers_python(home: Path) -> Path | None:
    """The Python of an environment that holds the peers, made if it is not there; None without package registries."""
    python = home / "peers" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home / "peers"], check=True)
        install = [python, "-m", "pip", "install", "-q", *PEERS]
        if subprocess.run(install, check=False).returncode:
            return None
    return python


def line(row: Row) -> str:
    against = f"{row.ratio:8.2f} x  {row.other_name}" if row.ratio is not None else ""
    objects = f"{row.objects:,}" if row.objects else ""
    return f"{row.name:<24} {objects:>10} {row.wall:>9.2f} s {row.peak_mb:>7,.0f} MB {against}".rstrip()


def sizes(largest: int) -> list[int]:
    """From a hundredth to the largest, in steps of about the root of ten."""
    return sorted({max(largest // step, 200) for step in (100, 33, 10, 3, 1)})


def draw(rows: Sequence[Row]) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault(row.name, []).append((row.objects, row.wall))
    return svg(lines, x_name="objects", y_name="seconds")


def machine() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
        "reconciler": version("llm-reconciler"),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios of one run.")
    parser.add_argument("--smoke", action="store_true", help=f"small: {SMOKE} objects")
    parser.add_argument("--objects", type=int, default=FULL)
    parser.add_argument("--rounds", type=int, default=1, help="pairs of each comparison")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--no-peers", action="store_true", help="install nothing")
    parser.add_argument("--home", type=Path, help="where worlds are made; kept")
    parser.add_argument("--out", type=Path, help="results.json and time.svg are written here")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    objects = SMOKE if given.smoke else given.objects
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.home or Path(temporary)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        peers = None if given.no_peers else peers_python(home)
        files = min(given.files, 20) if given.smoke else given.files
        bench = Bench(home, objects, given.rounds, given.seed, files, peers, sizes=sizes(objects))
        rows = list(measured(bench, given.only))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        facts = {"machine": machine(), "rows": [facts_of(row) for row in rows]}
        (given.out / "results.json").write_text(json.dumps(facts, indent=2) + "\n")
        grown = [row for row in rows if row.objects and not row.name.startswith("apply,")]
        (given.out / "time.svg").write_text(draw(grown))


def measured(bench: Bench, names: Sequence[str]) -> Iterator[Row]:
    for name in names:
        for row in CASES[name](bench):
            print(line(row), flush=True)
            yield row


def facts_of(row: Row) -> dict[str, object]:
    samples = {"ours": row.ours, "others": row.others}
    measured = {
        side: [{k: v for k, v in asdict(sample).items() if k != "output"} for sample in taken]
        for side, taken in samples.items()
    }
    return {
        "name": row.name,
        "objects": row.objects,
        "against": row.other_name,
        "ratio": row.ratio,
        **measured,
    }


if __name__ == "__main__":
    main()
