"""Facts of a gateway that no manifest says: kept under its lease, in every format, and never taken for another's."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from reconciler.ledger import Claim, LeaseLost, LedgerError, open_ledger

TTL = timedelta(minutes=5)
GW = "embedded http://gw"
# What each format has that the one before it lacks.
ADDED = {
    "0002": ("ledger_owed_keys", "ledger_names"),
    "0003": ("ledger_facts",),
    "0004": ("ledger_renewals",),
}
FACTS = {"legacy_groups": {"m": ["beta", "eu"]}, "router_aliases": {"best": "m"}}


def test_what_is_named_is_so_now_and_the_rest_stays(ledger, lease, now):
    assert ledger.facts(GW) == {}
    ledger.remember_facts(lease, FACTS, now)
    ledger.remember_facts(lease, {"router_aliases": {}, "names": ["a\0b", "é"]}, now)
    known = {**FACTS, "router_aliases": {}, "names": ["a\0b", "é"]}
    assert ledger.facts(GW) == known
    assert ledger.facts("another") == {}


def test_since_is_when_a_fact_moved_and_not_when_it_was_looked_at(ledger, lease, now):
    ledger.remember_facts(lease, FACTS, now)
    moved = {**FACTS, "router_aliases": {}}
    ledger.remember_facts(lease, moved, now + timedelta(hours=1))
    with ledger._engine.connect() as conn:
        since = dict(conn.execute(text("SELECT name, since FROM ledger_facts")).all())
    assert str(since["legacy_groups"])[:19] < str(since["router_aliases"])[:19]


def test_who_lost_the_lock_writes_no_fact(ledger, lease, now):
    ledger.break_lock(GW, now)
    with pytest.raises(LeaseLost):
        ledger.remember_facts(lease, FACTS, now)
    assert ledger.facts(GW) == {}


def test_the_facts_of_two_names_of_one_gateway_are_one(ledger, lease, now):
    ledger.remember_facts(lease, FACTS, now)
    ledger.release(lease)
    other = ledger.acquire("new", "bob", now, TTL)
    ledger.remember_facts(other, {"router_aliases": {"best": "theirs"}}, now)
    ledger.unite("new", [GW])
    assert ledger.facts("new") == {**FACTS, "router_aliases": {"best": "theirs"}}
    assert ledger.facts(GW) == {}


@pytest.mark.parametrize("former", ["0001", "0002", "0003"])
def test_a_ledger_of_an_earlier_format_keeps_everything_and_takes_facts(url, now, former):
    with open_ledger(url) as ledger:
        lease = ledger.acquire(GW, "alice", now, TTL)
        ledger.own(lease, [Claim("team", "a", {"n": 1}, adopted=True)], now)
        tables = [name for added, names in ADDED.items() if added > former for name in names]
        with ledger._engine.connect() as conn, conn.begin():
            for table in tables:
                conn.execute(text(f"DROP TABLE {table}"))
            conn.execute(text(f"UPDATE ledger_version SET version_num = '{former}'"))
    with open_ledger(url) as again:
        owned = again.inventory(GW)["team", "a"]
        assert (owned.applied, owned.adopted) == ({"n": 1}, True)
        assert again.facts(GW) == {}
        again.remember_facts(lease, FACTS, now)
        assert again.facts(GW) == FACTS
        assert again.owed_keys(GW) == ()


@pytest.mark.parametrize("value", ["5", '"text"', "[1]", '{"m": {"x": 1}}', '{"m": [null]}', "not"])
def test_a_damaged_fact_is_said_to_be_one(ledger, lease, now, value):
    ledger.remember_facts(lease, FACTS, now)
    with ledger._engine.connect() as conn, conn.begin():
        conn.execute(text("UPDATE ledger_facts SET value = :value"), {"value": value})
    with pytest.raises(LedgerError, match="cannot be read"):
        ledger.facts(GW)
