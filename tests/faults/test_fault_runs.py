"""Seeded companies through a faulty network, killed at random: nothing lost, no credit granted twice."""

import os
import random
import uuid
from dataclasses import replace

import psycopg
import pytest
from fault_company import changed, founded
from fault_world import GATEWAYS, pre_existing, settle_strangers, world
from proxy import evenly

QUICK = range(1)
# Every seed runs on each gateway; more of them find more, at about ten seconds a run.
MANY = range(100, 100 + int(os.environ.get("RECONCILER_TEST_FAULT_SEEDS", "20")))


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
    return replace(
        company, teams={**company.teams, first: replace(company.teams[first], top_ups=())}
    )


def buyers(company, account):
    """Teams whose own top-ups may fall anywhere into an apply: what they come to does not depend on the moment."""
    return tuple(
        team
        for team, wish in company.teams.items()
        if wish.mode in (None, "managed", "initial") and team in account.last
    )


@pytest.mark.parametrize("seed", QUICK)
@pytest.mark.parametrize("kind", ["embedded", pytest.param("saas", marks=pytest.mark.slow)])
def test_a_faulty_network_and_a_killed_reconciler_change_nothing_in_the_end(kind, seed, tmp_path):
    run(kind, seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_hundreds_of_runs(kind, seed, tmp_path):
    run(kind, seed, tmp_path)


@pytest.fixture
def postgres():
    """The URL of a ledger in a schema of its own."""
    server = os.environ.get("RECONCILER_TEST_POSTGRES_URL")
    if not server:
        pytest.skip("RECONCILER_TEST_POSTGRES_URL is not set")
    schema = f"faults_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {schema}")
        yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"
        admin.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(20, 30))
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_the_same_with_the_ledger_in_postgresql(kind, seed, tmp_path, postgres):
    run(kind, seed, tmp_path, postgres)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_reads_may_fail_too(kind, seed, tmp_path):
    rng = random.Random(seed)
    with world(kind, tmp_path, seed, evenly(0.15), reads=True) as here:
        settle_strangers(here.gateway)
        company, before = founded(rng, reuses=False), here.strangers()
        here.converge(company, rng, kill=0.3)
        here.proxy.heal()
        here.verify(company, before)
