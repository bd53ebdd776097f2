"""Two machines with a ledger each move one team's credits at once: neither counts a grant of the other twice."""

from itertools import product

import pytest
from sim_company import Company, TeamWish
from sim_history import FOUNDING, Apply, History
from sim_run import carried_out
from sim_world import simulation

GAPS = tuple(step / 100 for step in range(0, 14, 2))


def company(credits_allocated):
    groups = {"g0": frozenset({"m0"})}
    return Company(
        frozenset({"m0"}), groups, {"t0": TeamWish(frozenset({"g0"}), credits_allocated)}
    )


def histories(amounts, gaps, before):
    """The second version on both machines, `gap` seconds apart; then the third, on the machine that came second."""
    versions = tuple(company(amount) for amount in amounts)
    for number, gap in enumerate(gaps):
        events = (
            FOUNDING,
            *before,
            Apply(machine=0, version=1, seed=number),
            Apply(machine=1, version=1, seed=number + 100, waits=gap is None, gap=gap or 1.0),
            Apply(machine=1, version=2, seed=number + 200, gap=30.0, lock_wait=30.0),
        )
        yield History(number, "embedded", versions, events, shared=False)


ADOPTS = ()
KNOWS = (Apply(machine=1, version=0, seed=1),)


@pytest.mark.parametrize(
    ("amounts", "before"),
    list(product([(250, 100, 250), (610, 430, 520)], [ADOPTS, KNOWS])),
    ids=lambda value: "adopts" if value == ADOPTS else "knows" if value == KNOWS else str(value),
)
def test_what_the_other_gave_or_took_while_one_reads_counts_once(amounts, before):
    with simulation() as home:
        for history in histories(amounts, (None, *GAPS), before):
            verdict = carried_out(history, home)
            assert not verdict.broken, f"{history}\n{verdict.broken}"
