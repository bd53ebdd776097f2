"""kill -9 at every boundary of a small apply, one after the other: intent, request, commit, outcome, lock."""

from dataclasses import replace
from pathlib import Path

import pytest
from driver import KILLED
from fault_company import Company, TeamWish
from fault_world import GATEWAYS, World, pre_existing, settle_strangers, world
from kill_switch import armed

FOUNDED = Company(
    aliases={"m0": "openai/gpt-4", "m1": "openai/gpt-4o-mini"},
    groups={"g0": frozenset({"m0"}), "g1": frozenset({"m0", "m1"})},
    plans={"starter": (frozenset({"g0"}), 100), "pro": (frozenset({"g1"}), 1000)},
    teams={
        "t0": TeamWish("pro"),
        "t1": TeamWish("starter", top_ups=(("welcome", 77),)),
        "t2": TeamWish("starter", credits=250),
    },
)
# An upgrade with a top-up, a downgrade, a group renamed, a team gone and one that came.
CHANGED = Company(
    aliases={"m0": "openai/gpt-4", "m2": "anthropic/claude-3-opus"},
    groups={"g0": frozenset({"m0"}), "r1": frozenset({"m0", "m2"})},
    plans={"starter": (frozenset({"g0"}), 100), "pro": (frozenset({"r1"}), 1000)},
    teams={
        "t0": TeamWish("starter"),
        "t1": TeamWish("pro", top_ups=(("welcome", 77), ("promo", 500))),
        "t3": TeamWish("pro", top_ups=(("welcome", 77),)),
    },
)


def killed_at(here: World, boundary: int, log: Path) -> bool:
    """Whether the apply came to that boundary."""
    log.unlink(missing_ok=True)
    return here.apply(before=armed, given=(boundary, str(log))).code == KILLED


def recovered(here: World, company: Company, before: dict) -> None:
    """What a person does after a crash: break the lock, apply again, once."""
    here.unlock()
    again = here.apply()
    assert again.code == 0, again.said
    here.account.applied(company)
    here.verify(company, before)


def founded(here: World) -> dict:
    settle_strangers(here.gateway)
    pre_existing(here.gateway, FOUNDED, here.account)
    here.declare(FOUNDED)
    return here.strangers()


def changed(here: World) -> dict:
    before = founded(here)
    assert here.apply().code == 0
    here.account.applied(FOUNDED)
    here.gateway.buy("t1", 7)
    here.account.buys("t1", 7)
    here.declare(CHANGED)
    return before


SITUATIONS = {"first": (founded, FOUNDED), "change": (changed, CHANGED)}


def boundaries(kind: str, situation: str, directory: Path) -> int:
    """How many boundaries the undisturbed apply has."""
    prepare, company = SITUATIONS[situation]
    log = directory / "boundaries"
    with world(kind, directory, 0) as here:
        before = prepare(here)
        assert not killed_at(here, 10**9, log)
        assert here.last.code == 0, here.last.said
        here.account.applied(company)
        here.verify(company, before)
    return len(log.read_text().splitlines())


def every(kind: str, situation: str, tmp_path: Path, start: int, step: int) -> int:
    prepare, company = SITUATIONS[situation]
    (tmp_path / "whole").mkdir()
    total = boundaries(kind, situation, tmp_path / "whole")
    kills = 0
    for boundary in range(start, total + 1, step):
        directory = tmp_path / str(boundary)
        directory.mkdir()
        with world(kind, directory, 0) as here:
            before = prepare(here)
            # Requests in flight finish in any order, so the last boundaries are not the same in every run.
            if killed_at(here, boundary, directory / "boundaries"):
                kills += 1
                recovered(here, company, before)
    print(f"{kind} {situation}: {total} boundaries, {kills} kills")
    assert kills >= (total - start) // step * 0.9
    return kills


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_a_kill_at_every_boundary_is_healed_by_one_more_apply(kind, situation, tmp_path):
    every(kind, situation, tmp_path, 1, 1)


@pytest.mark.parametrize(
    ("kind", "start"), [("embedded", 5), pytest.param("saas", 13, marks=pytest.mark.slow)]
)
def test_a_kill_at_some_boundaries_is_healed_by_one_more_apply(kind, start, tmp_path):
    every(kind, "change", tmp_path, start, 40)


def test_the_boundaries_are_those_of_intent_request_commit_and_outcome(tmp_path):
    assert boundaries("embedded", "first", tmp_path) > 20
    lines = (tmp_path / "boundaries").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if " POST " in line)
    assert lines[first - 1] == "after ledger intend"
    assert lines[0] == "before ledger acquire"
    assert lines[-1] == "after ledger release"
    assert {"before ledger begin", "before ledger settle", "before ledger finish"} <= set(lines)


def test_a_renamed_team_counts_as_another(tmp_path):
    """Top-ups are granted once per team and id: under another name the same person gets them anew."""
    with world("embedded", tmp_path, 0) as here:
        before = founded(here)
        assert here.apply().code == 0
        here.account.applied(FOUNDED)
        renamed = replace(
            FOUNDED,
            teams={("t9" if name == "t1" else name): w for name, w in FOUNDED.teams.items()},
        )
        here.declare(renamed)
        assert here.apply().code == 0
        here.account.applied(renamed)
        here.verify(renamed, before)
