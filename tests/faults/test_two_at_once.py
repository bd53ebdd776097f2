"""Two applies on one gateway, and locks that outlive their holder."""

import random
import time

import pytest
from driver import APPLY, KILLED
from fault_company import founded
from fault_world import settle_strangers, world

SLOW = {"slow": 1.0}


def declared(here, seed, **settings):
    company = founded(random.Random(seed), reuses=False)
    settle_strangers(here.gateway)
    here.declare(company, **settings)
    here.proxy.rates = SLOW
    return company, here.strangers()


def finished(here, company, before):
    here.proxy.heal()
    here.account.applied(company)
    here.verify(company, before)


@pytest.mark.parametrize("kind", ["embedded", pytest.param("saas", marks=pytest.mark.slow)])
def test_one_works_and_the_other_refuses_with_the_holders_name(kind, tmp_path):
    with world(kind, tmp_path, 1) as here:
        company, before = declared(here, 1)
        both = [here.driver.start(*APPLY) for _ in range(2)]
        codes = {ended.code: ended.said for ended in [process.wait() for process in both]}
        assert set(codes) == {0, 1}, codes
        assert "locked by" in codes[1]
        assert f"pid {both[0].process.pid}" in codes[1] or f"pid {both[1].process.pid}" in codes[1]
        finished(here, company, before)


@pytest.mark.parametrize("kind", ["embedded", pytest.param("saas", marks=pytest.mark.slow)])
def test_with_lock_wait_the_other_waits_and_finds_nothing_to_do(kind, tmp_path):
    with world(kind, tmp_path, 2) as here:
        company, before = declared(here, 2)
        both = [here.driver.start(*APPLY, "--lock-wait", "50") for _ in range(2)]
        ended = [process.wait() for process in both]
        assert [each.code for each in ended] == [0, 0], ended
        creations = [entry.path for entry in here.proxy.log if entry.path.endswith("/teams/create")]
        assert len(creations) == len(company.teams)
        finished(here, company, before)


def killed_in_the_middle(here):
    """A holder that is killed with a request on the way."""
    ended = here.killed_at(4, "committed")
    assert ended.code == KILLED
    here.proxy.heal()


def test_a_valid_lock_of_a_killed_holder_is_refused_until_unlocked(tmp_path):
    with world("embedded", tmp_path, 3) as here:
        company, before = declared(here, 3)
        killed_in_the_middle(here)
        refused = here.apply()
        assert refused.code == 1
        assert "locked by" in refused.said
        assert "reconciler unlock" in refused.said
        here.unlock()
        assert here.apply().code == 0, here.last.said
        finished(here, company, before)


def test_the_lock_of_a_killed_holder_is_taken_over_once_nobody_renewed_it_for_a_lease(tmp_path):
    with world("embedded", tmp_path, 4) as here:
        company, before = declared(here, 4, lock_seconds=0.5)
        killed_in_the_middle(here)
        time.sleep(0.6)
        assert here.apply().code == 0, here.last.said
        finished(here, company, before)


def test_a_holder_whose_lock_was_broken_stops_and_nothing_is_doubled(tmp_path):
    with world("embedded", tmp_path, 5, timeout=3.0) as here:
        company, before = declared(here, 5, lock_seconds=1)
        slow = here.driver.start(*APPLY)
        while here.proxy.writes < 3:
            time.sleep(0.01)
        here.unlock()
        ended = slow.wait()
        assert ended.code == 1, ended
        assert "lock" in ended.said
        assert here.apply().code == 0, here.last.said
        finished(here, company, before)
