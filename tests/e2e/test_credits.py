"""Credits that are declared, left out and declared again: the gateway never has more or less than was meant."""

import sqlite3
from contextlib import closing

import pytest
from e2e_world import company


def teams(said=""):
    return f"teams:\n  t: {{organization_id: o{', ' + said if said else ''}}}\n"


def credits_of(place):
    with closing(sqlite3.connect(place.database)) as db:
        return db.execute("SELECT credits_allocated FROM teams").fetchone()[0]


@pytest.mark.parametrize(
    "stages",
    [
        [
            ("credits_allocated: 1000", 1000),
            ("", 1000),
            ("credits_allocated: 500", 500),
            ("credits_allocated: 1000", 1000),
        ],
        [("", 0), ("credits_allocated: 700", 700), ("", 700), ("credits_allocated: 700", 700)],
        [
            ("credits_allocated: 1000, credits_mode: initial", 1000),
            ("credits_allocated: 2000, credits_mode: initial", 1000),
            ("credits_allocated: 2000", 2000),
            ("credits_allocated: 1000", 1000),
        ],
        [
            ("credits_allocated: 100", 100),
            ("credits_allocated: 100, top_ups: [{id: promo, amount: 50}]", 150),
            ("top_ups: [{id: promo, amount: 50}]", 150),
            ("credits_allocated: 300, top_ups: [{id: promo, amount: 50}]", 350),
        ],
    ],
)
def test_what_was_given_is_remembered(tmp_path, stages):
    place = company(tmp_path, organizations="organizations:\n  o: {name: O}\n")
    for said, expected in stages:
        place.write("teams.yaml", teams(said))
        place.applied()
        assert credits_of(place) == expected, said
        place.settled()
        assert "Git moved on" not in place.reconciler("drift").out
