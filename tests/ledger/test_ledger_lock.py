from datetime import timedelta

import pytest

from reconciler.ledger import (
    Claim,
    GrantRecord,
    Intent,
    LeaseLost,
    LedgerError,
    LockHeld,
    Settlement,
    open_ledger,
)

GATEWAY = "embedded http://gw"
TTL = timedelta(minutes=5)

WRITES = {
    "renew": lambda ledger, lease, apply_id, now: ledger.renew(lease, now, TTL),
    "own": lambda ledger, lease, apply_id, now: ledger.own(lease, [Claim("team", "b", {})], now),
    "disown": lambda ledger, lease, apply_id, now: ledger.disown(lease, [("team", "a")]),
    "begin": lambda ledger, lease, apply_id, now: ledger.begin(
        lease, actor="x", revision=None, plan_digest="", counts={}, now=now, command=""
    ),
    "finish": lambda ledger, lease, apply_id, now: ledger.finish(lease, apply_id, "done", {}, now),
    "intend": lambda ledger, lease, apply_id, now: ledger.intend(
        lease,
        apply_id,
        [Intent("2", "team", "b", "create", grant=GrantRecord("b", "p", 1, "op2"))],
        now,
    ),
    "settle": lambda ledger, lease, apply_id, now: ledger.settle(
        lease, apply_id, [Settlement("1", "applied", own=Claim("team", "b", {}))], now
    ),
    "resolve": lambda ledger, lease, apply_id, now: ledger.resolve(
        lease, ledger.unsettled(GATEWAY)[0].journal_id, "applied", "seen", now
    ),
    "prune_history": lambda ledger, lease, apply_id, now: ledger.prune_history(lease, 0),
}


def everything(ledger):
    records = ledger.history(GATEWAY)
    journals = [ledger.apply_record(GATEWAY, record.apply_id) for record in records]
    return ledger.inventory(GATEWAY), ledger.grants(GATEWAY), journals


@pytest.mark.parametrize("taken", [False, True], ids=["broken", "taken-over"])
@pytest.mark.parametrize("write", WRITES)
def test_a_lease_whose_lock_was_broken_writes_nothing(ledger, lease, apply_id, now, write, taken):
    ledger.own(lease, [Claim("team", "a", {"n": 1})], now)
    ledger.intend(lease, apply_id, [Intent("1", "team", "a", "update")], now)
    ledger.break_lock(GATEWAY, now)
    if taken:
        ledger.acquire(GATEWAY, "bob", now, TTL)
    before = everything(ledger)

    with pytest.raises(LeaseLost, match="bob" if taken else "broken"):
        WRITES[write](ledger, lease, apply_id, now)

    assert everything(ledger) == before


@pytest.mark.parametrize("write", WRITES)
def test_the_same_writes_go_through_while_the_lease_is_current(ledger, lease, apply_id, now, write):
    ledger.intend(lease, apply_id, [Intent("1", "team", "a", "update")], now)

    WRITES[write](ledger, lease, apply_id, now)


def test_the_second_is_refused_with_the_name_of_the_first(ledger, lease, now):
    with pytest.raises(LockHeld, match=r"alice@ci-7 pid 4242") as caught:
        ledger.acquire(GATEWAY, "bob", now + timedelta(minutes=2), TTL)

    assert caught.value.holder.age == timedelta(minutes=2)
    assert not caught.value.holder.stale


def test_an_expired_lock_is_reported_with_its_way_out_and_not_taken_over(ledger, lease, now):
    late = now + timedelta(hours=1)

    with pytest.raises(LockHeld, match="expired") as caught:
        ledger.acquire(GATEWAY, "bob", late, TTL)

    assert caught.value.holder.stale
    assert "reconciler unlock" in caught.value.hint
    ledger.own(
        lease, [Claim("team", "a", {})], late
    )  # slow is not dead: nobody else has come in between
    assert ledger.renew(lease, late, TTL).expires == late + TTL
    assert not ledger.holder(GATEWAY, late).stale


def test_a_lease_that_was_watched_and_not_renewed_is_taken_over_and_its_holder_writes_nothing(
    ledger, lease, now
):
    watched = ledger.holder(GATEWAY, now)
    late = now + timedelta(hours=1)

    taken = ledger.acquire(GATEWAY, "bob", late, TTL, instead_of=watched)

    assert taken.token == lease.token + 1
    with pytest.raises(LeaseLost, match="taken over by bob"):
        ledger.own(lease, [Claim("team", "b", {})], late)
    assert not ledger.release(lease)
    assert ledger.holder(GATEWAY, late).owner == "bob"


def test_a_lease_that_was_renewed_since_it_was_watched_stays(ledger, lease, now):
    watched = ledger.holder(GATEWAY, now)
    ledger.renew(lease, now + timedelta(seconds=1), TTL)

    with pytest.raises(LockHeld):
        ledger.acquire(GATEWAY, "bob", now + timedelta(hours=1), TTL, instead_of=watched)


def test_the_token_grows_by_one_with_each_acquisition(ledger, now):
    tokens = []
    for turn in range(6):
        lease = ledger.acquire(GATEWAY, "alice", now, TTL)
        tokens.append(lease.token)
        ledger.break_lock(GATEWAY, now) if turn % 2 else ledger.release(lease)

    assert tokens == [1, 2, 3, 4, 5, 6]


def test_to_release_a_lost_lease_leaves_the_lock_of_its_successor(ledger, lease, now):
    ledger.break_lock(GATEWAY, now)
    ledger.acquire(GATEWAY, "bob", now, TTL)

    assert ledger.release(lease) is False
    assert ledger.holder(GATEWAY, now).owner == "bob"


def test_a_released_lock_is_free_and_its_lease_is_lost(ledger, lease, now):
    assert ledger.release(lease) is True
    assert ledger.holder(GATEWAY, now) is None
    assert ledger.break_lock(GATEWAY, now) is None
    with pytest.raises(LeaseLost):
        ledger.own(lease, [], now)


def test_breaking_a_lock_says_whose_it_was_and_ends_its_apply(ledger, lease, apply_id, now):
    broken = ledger.break_lock(GATEWAY, now + timedelta(minutes=1))

    assert (broken.owner, broken.token, broken.age) == (
        lease.holder,
        lease.token,
        timedelta(minutes=1),
    )
    assert ledger.history(GATEWAY)[0].status == "interrupted"


def test_only_the_lock_that_was_looked_at_is_broken(ledger, lease, now):
    ledger.break_lock(GATEWAY, now)
    successor = ledger.acquire(GATEWAY, "bob", now, TTL)

    with pytest.raises(LockHeld, match="bob"):
        ledger.break_lock(GATEWAY, now, token=lease.token)

    assert ledger.holder(GATEWAY, now).owner == "bob"
    assert ledger.break_lock(GATEWAY, now, token=successor.token).owner == "bob"


def test_a_gateway_with_a_password_in_its_url_is_refused(ledger, now):
    with pytest.raises(LedgerError, match="password") as caught:
        ledger.acquire("litellm https://admin:hunter2@gw/", "bob", now, TTL)

    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_gateways_are_locked_apart(ledger, lease, now):
    other = ledger.acquire("embedded http://other", "bob", now, TTL)
    ledger.own(other, [Claim("team", "a", {})], now)

    assert ledger.inventory(GATEWAY) == {}
    assert list(ledger.inventory("embedded http://other")) == [("team", "a")]


def test_an_apply_of_another_gateway_is_not_ours_to_write(ledger, lease, apply_id, now):
    other = ledger.acquire("embedded http://other", "bob", now, TTL)

    with pytest.raises(LedgerError, match="not a running apply"):
        ledger.intend(other, apply_id, [Intent("1", "team", "a", "create")], now)
    with pytest.raises(LedgerError, match="no apply"):
        ledger.apply_record("embedded http://other", apply_id)


RACER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from reconciler.ledger import LockHeld, open_ledger

ledger, counter = open_ledger(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
tokens = []
while len(tokens) < int(sys.argv[3]):
    try:
        lease = ledger.acquire("gw", sys.argv[4], datetime.now(UTC), timedelta(minutes=5))
    except LockHeld:
        sleep(0.001)
        continue
    seen = int(counter.read_text())
    sleep(0.002)
    counter.write_text(str(seen + 1))
    tokens.append(lease.token)
    assert ledger.release(lease)
ledger.close()
print(*tokens)
"""


def test_processes_that_race_for_the_lock_never_have_it_together(url, tmp_path, process):
    open_ledger(url).close()
    counter = tmp_path / "counter"
    counter.write_text("0")
    racers = [process(RACER, url, counter, 12, f"racer {number}") for number in range(3)]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 3
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()

    ends = [racer.communicate(timeout=60) for racer in racers]

    assert [errors for _, errors in ends] == [""] * 3
    tokens = sorted(int(token) for output, _ in ends for token in output.split())
    assert tokens == list(range(1, 37))
    assert counter.read_text() == "36"
