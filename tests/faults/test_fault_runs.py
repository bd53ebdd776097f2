"""Seeded companies through a faulty network, killed at random: nothing lost, no credit granted twice."""

import random
from dataclasses import replace

import pytest
from fault_company import changed, founded
from fault_world import GATEWAYS, pre_existing, settle_strangers, world
from proxy import evenly

QUICK = range(6)
MANY = range(100, 250)


def run(kind: str, seed: int, directory, ledger_url: str | None = None):
    rng = random.Random(f"{kind} {seed}")
    with world(kind, directory, seed, evenly(0.3), ledger_url) as here:
        settle_strangers(here.gateway)
        # SaaS LiteLLM keeps a deleted team's id in LiteLLM: it can never be created again.
        company = founded(rng, reuses=here.gateway.documented)
        if rng.random() < 0.5:
            company = without_top_ups_of_the_first(company)
            pre_existing(here.gateway, company, here.account)
        before = here.strangers()
        rounds = here.converge(company, rng, kill=0.6)
        here.verify(company, before)
        for _ in range(2):
            for team in sorted(company.teams):
                if rng.random() < 0.5:
                    here.gateway.buy(team, 7)
                    here.account.buys(team, 7)
            company = changed(company, rng)
            here.proxy.rates = evenly(0.3)
            rounds += here.converge(company, rng, kill=0.6, buyers=buyers(company, here.account))
            here.verify(company, before)
        return here, rounds


def without_top_ups_of_the_first(company):
    """What an adoption raises a team to depends on whether a top-up came before it."""
    first = min(company.teams)
    return replace(company, teams={**company.teams, first: replace(company.teams[first], top_ups=())})


def buyers(company, account):
    """Teams whose own top-ups may fall anywhere into an apply: what they come to does not depend on the moment."""
    return tuple(
        team
        for team, wish in company.teams.items()
        if wish.mode in (None, "managed", "initial") and team in account.last
    )


@pytest.mark.parametrize("seed", QUICK)
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_a_faulty_network_and_a_killed_reconciler_change_nothing_in_the_end(kind, seed, tmp_path):
    run(kind, seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_hundreds_of_runs(kind, seed, tmp_path):
    run(kind, seed, tmp_path)
