"""The command line of the simulator."""

import argparse
import time
from collections import Counter

from sim_history import history
from sim_run import carried_out, smallest
from sim_world import simulation


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--histories", type=int, default=1000, help="how many seeds")
    parser.add_argument("--dialect", choices=["embedded", "saas-litellm"], default="embedded")
    parser.add_argument(
        "--show",
        type=int,
        default=1,
        help="how many failures to show in full, as small as they get",
    )
    parser.add_argument(
        "--trace", action="store_true", help="show the history of --seed whatever becomes of it"
    )
    given = parser.parse_args(arguments)
    clock, begun = time.perf_counter, time.perf_counter()
    with simulation() as home:
        if given.trace:
            print(carried_out(history(given.seed, given.dialect), home, traced=True))
            return 0
        laws: Counter[str] = Counter()
        seeds: dict[str, list[int]] = {}
        steps = requests = shown = 0
        for seed in range(given.seed, given.seed + given.histories):
            verdict = carried_out(history(seed, given.dialect), home)
            steps, requests = steps + verdict.steps, requests + verdict.requests
            for law in {each.law for each in verdict.broken}:
                laws[law] += 1
                seeds.setdefault(law, []).append(seed)
            if verdict.broken and shown < given.show:
                shown += 1
                print(smallest(verdict, home), "\n")
        seconds = clock() - begun
    per = given.histories / seconds
    print(
        f"{given.histories:,} histories, {requests:,} requests, {steps:,} steps in {seconds:.1f} s: {per:,.0f} a second"
    )
    for law, count in laws.most_common():
        print(f"{law}: {count:,}, seeds {' '.join(map(str, seeds[law][:12]))}")
    return 1 if laws else 0
