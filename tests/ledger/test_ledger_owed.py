"""Keys that are owed, what a gateway is called, and what an apply that was cut off left behind."""

from datetime import timedelta

import pytest

from reconciler.ledger import (
    Claim,
    GrantRecord,
    Intent,
    LeaseLost,
    Renamed,
    Renewal,
    Settlement,
)

TTL = timedelta(minutes=5)
GW = "embedded http://gw"


def owed(ledger):
    return {(key.kind, key.name) for key in ledger.owed_keys(GW)}


def creating(name):
    return Intent(f"create team/{name}", "team", name, "create", owes_key=True)


def test_a_key_is_owed_from_its_intent_until_it_is_delivered(ledger, lease, apply_id, now):
    ledger.intend(lease, apply_id, [creating("a"), creating("b"), creating("c")], now)
    assert owed(ledger) == {("team", "a"), ("team", "b"), ("team", "c")}
    done = Settlement("create team/a", "applied", own=Claim("team", "a", {}), key_settled=True)
    undelivered = Settlement("create team/b", "applied", "disk full", own=Claim("team", "b", {}))
    refused = Settlement("create team/c", "failed", "400", key_settled=True)
    ledger.settle(lease, apply_id, [done, undelivered, refused], now)
    assert owed(ledger) == {("team", "b")}
    ledger.key_delivered(lease, [("team", "b"), ("team", "unknown")])
    assert owed(ledger) == set()


@pytest.mark.parametrize(
    ("state", "key_settled", "left"), [("applied", False, 1), ("failed", True, 0)]
)
def test_a_creation_that_is_looked_up_later_owes_its_key_if_it_happened(
    ledger, lease, apply_id, now, state, key_settled, left
):
    ledger.intend(lease, apply_id, [creating("a")], now)
    [entry] = ledger.unsettled(GW)
    ledger.resolve(lease, entry.journal_id, state, "looked", now, key_settled=key_settled)
    assert len(owed(ledger)) == left


def test_what_is_deleted_is_owed_nothing_and_a_renamed_team_is_owed_its_key(
    ledger, lease, apply_id, now
):
    ledger.intend(lease, apply_id, [creating("a"), creating("b"), creating("c")], now)
    ledger.own(lease, [Claim("team", name, {}) for name in "abc"], now)
    ledger.disown(lease, [("team", "a")])
    ledger.rename(lease, [Renamed("team", "b", "b2")], now)
    gone = Intent("delete team/c", "team", "c", "delete")
    ledger.intend(lease, apply_id, [gone], now)
    ledger.settle(lease, apply_id, [Settlement(gone.step_id, "applied", disown=True)], now)
    assert owed(ledger) == {("team", "b2")}


def test_a_lost_request_of_an_apply_that_was_cut_off_is_remembered(ledger, lease, apply_id, now):
    steps = [Intent(f"expand team/{name}", "team", name, "expand", f"op-{name}") for name in "ab"]
    ledger.intend(lease, apply_id, steps, now)
    settled = [Settlement(step.step_id, "applied", doubted=step.name == "a") for step in steps]
    ledger.settle(lease, apply_id, settled, now)
    assert ledger.late(GW) == ()
    ledger.break_lock(GW, now)
    [entry] = ledger.late(GW)
    assert (entry.name, entry.operation_id) == ("a", "op-a")


def test_what_was_created_since_the_last_whole_apply_is_an_unfinished_creation(ledger, lease, now):
    def one(name, status):
        number = ledger.begin(
            lease, actor="a", revision=None, plan_digest="", counts={}, now=now, command=""
        )
        ledger.intend(lease, number, [creating(name)], now)
        ledger.settle(lease, number, [Settlement(f"create team/{name}", "applied")], now)
        ledger.finish(lease, number, status, {}, now)

    one("a", "done")
    assert ledger.unfinished_creations(GW) == frozenset()
    one("b", "partial")
    one("c", "interrupted")
    assert ledger.unfinished_creations(GW) == {("team", "b"), ("team", "c")}
    one("d", "done")
    assert ledger.unfinished_creations(GW) == frozenset()


def test_a_lease_can_be_checked_without_writing(ledger, lease, now):
    ledger.check(lease)
    ledger.break_lock(GW, now)
    with pytest.raises(LeaseLost):
        ledger.check(lease)


def remembered(ledger, name, *teams, now, grant=None):
    lease = ledger.acquire(name, "alice", now, TTL)
    ledger.own(lease, [Claim("team", team, {"by": name}) for team in teams], now)
    if grant:
        number = ledger.begin(
            lease, actor="a", revision=None, plan_digest="", counts={}, now=now, command=""
        )
        record = GrantRecord(grant, "promo", 10, f"op {name}")
        ledger.intend(lease, number, [Intent("g", "team", grant, "grant", None, None, record)], now)
        ledger.settle(lease, number, [Settlement("g", "applied")], now)
    ledger.release(lease)


def test_the_names_of_one_gateway_are_one_memory(ledger, now):
    remembered(ledger, "http://localhost", "a", "b", now=now, grant="a")
    remembered(ledger, "http://127.0.0.1", "b", "c", now=now, grant="c")
    ledger.unite("http://127.0.0.1", ["http://localhost", "http://127.0.0.1"])
    inventory = ledger.inventory("http://127.0.0.1")
    assert {name: owned.applied["by"][-9:] for (_, name), owned in inventory.items()} == {
        "a": "localhost",
        "b": "127.0.0.1",
        "c": "127.0.0.1",
    }
    assert {team for team, _ in ledger.grants("http://127.0.0.1")} == {"a", "c"}
    assert len(ledger.history("http://127.0.0.1")) == 2
    assert ledger.inventory("http://localhost") == {}
    assert ledger.known_as("http://localhost") == "http://127.0.0.1"
    assert ledger.known_as("http://elsewhere") == "http://elsewhere"
    ledger.unite("http://127.0.0.1", ["http://localhost"])
    assert len(ledger.inventory("http://127.0.0.1")) == 3


def test_a_lock_goes_on_being_held_under_the_new_name(ledger, now):
    ledger.acquire("old", "alice", now, TTL)
    ledger.unite("new", ["old"])
    assert ledger.holder("new", now).owner == "alice"


def renewals(ledger, gateway=GW):
    return [(renewal.name, renewal.operation_id) for renewal in ledger.renewals(gateway)]


def test_a_renewal_is_known_to_every_machine_until_its_key_is_delivered(ledger, lease, now):
    for name, operation in (("a", "key:1"), ("b", "key:2"), ("a", "key:3"), ("c", "key:4")):
        ledger.intend_renewal(lease, Renewal("team", name, operation))
    assert renewals(ledger) == [("a", "key:1"), ("b", "key:2"), ("a", "key:3"), ("c", "key:4")]
    assert renewals(ledger, "another") == []
    ledger.forget_renewals(lease, ["key:1", "unknown"])
    ledger.forget_renewals(lease, [])
    assert renewals(ledger) == [("b", "key:2"), ("a", "key:3"), ("c", "key:4")]
    ledger.key_delivered(lease, iter([("team", "a"), ("team", "unknown")]))
    assert renewals(ledger) == [("b", "key:2"), ("c", "key:4")]
    ledger.rename(lease, [Renamed("team", "b", "c")], now)
    assert renewals(ledger) == [("c", "key:2")]
    ledger.disown(lease, [("team", "c")])
    assert renewals(ledger) == [("c", "key:2")], "its request may still arrive"


def test_a_renewal_is_written_under_the_lock_and_follows_the_gateways_name(ledger, lease, now):
    ledger.intend_renewal(lease, Renewal("team", "a", "key:1"))
    ledger.release(lease)
    for write in (
        lambda: ledger.intend_renewal(lease, Renewal("team", "a", "key:2")),
        lambda: ledger.forget_renewals(lease, ["key:1"]),
    ):
        with pytest.raises(LeaseLost):
            write()
    ledger.unite("new", [GW])
    assert renewals(ledger, "new") == [("a", "key:1")]
    assert renewals(ledger) == []
