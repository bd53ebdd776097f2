import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.ledger import Claim, GrantRecord, Intent, LedgerError, LockHeld, Settlement

GATEWAY = "embedded http://gw"
TTL = timedelta(minutes=5)


def test_an_outcome_changes_journal_inventory_and_grant_together(ledger, lease, apply_id, now):
    later = now + timedelta(seconds=3)
    grant = GrantRecord("a", "2026-11-promo", 10_000, "op-1")
    ledger.intend(
        lease,
        apply_id,
        [Intent("1", "team", "a", "create", detail={"path": "/t"}, grant=grant)],
        now,
    )
    assert [entry.state for entry in ledger.unsettled(GATEWAY)] == ["intended"]

    ledger.settle(
        lease,
        apply_id,
        [Settlement("1", "applied", seconds=0.5, own=Claim("team", "a", {"n": 1}))],
        later,
    )

    record, (entry,) = ledger.apply_record(GATEWAY, apply_id)
    assert (entry.state, entry.operation_id, entry.grant_id) == ("applied", "op-1", "2026-11-promo")
    # What was to be done is only needed while nobody knows what became of it.
    assert (entry.detail, entry.seconds, entry.intended, entry.settled) == ({}, 0.5, now, later)
    assert ledger.inventory(GATEWAY)["team", "a"].apply_id == record.apply_id
    granted = ledger.grants(GATEWAY)["a", "2026-11-promo"]
    assert granted == GrantRecord(
        "a", "2026-11-promo", 10_000, "op-1", "granted", apply_id, now, later
    )
    assert ledger.unsettled(GATEWAY) == ()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Settlement("3", "applied"), "without having been intended"),
        (
            Settlement("2", "applied", grant=GrantRecord("c", "p", 1, "op-1")),
            "failed",
        ),  # the database refuses it
        (Settlement("2", "applied", grant=GrantRecord("a", "p", 7, "op-9")), "unknown"),
        (Settlement("2", "applied", own=Claim("team", "b", {"n": object()})), "JSON"),
    ],
)
def test_a_batch_that_fails_leaves_nothing_behind(ledger, lease, apply_id, now, bad, why):
    ledger.own(lease, [Claim("team", "old", {})], now)
    intents = [
        Intent("1", "team", "a", "create", grant=GrantRecord("a", "p", 5, "op-1")),
        Intent("2", "team", "old", "delete"),
    ]
    ledger.intend(lease, apply_id, intents, now)
    before = (
        ledger.inventory(GATEWAY),
        ledger.grants(GATEWAY),
        ledger.apply_record(GATEWAY, apply_id),
    )

    with pytest.raises(LedgerError, match=why):
        ledger.settle(
            lease, apply_id, [Settlement("1", "unknown", own=Claim("team", "a", {})), bad], now
        )

    assert (
        ledger.inventory(GATEWAY),
        ledger.grants(GATEWAY),
        ledger.apply_record(GATEWAY, apply_id),
    ) == before


def test_a_batch_of_intents_that_fails_leaves_nothing_behind(ledger, lease, apply_id, now):
    twice = [Intent("1", "team", "a", "create"), Intent("1", "team", "a", "create")]
    pays_twice = [
        Intent(n, "team", "a", "top_up", grant=GrantRecord("a", "p", 5, f"op-{n}"))
        for n in ("1", "2")
    ]
    shared = [
        Intent(n, "team", "a", "top_up", grant=GrantRecord("a", n, 5, "op")) for n in ("1", "2")
    ]
    for batch in (twice, pays_twice, shared):
        with pytest.raises(LedgerError):
            ledger.intend(lease, apply_id, batch, now)

    assert ledger.unsettled(GATEWAY) == ()
    assert ledger.grants(GATEWAY) == {}


def test_a_settled_step_keeps_its_outcome(ledger, lease, apply_id, now):
    ledger.intend(lease, apply_id, [Intent("1", "team", "a", "create")], now)
    ledger.settle(lease, apply_id, [Settlement("1", "unknown", error="cut")], now)
    ledger.settle(lease, apply_id, [Settlement("1", "failed", error="400\0 bad \ud800")], now)
    ledger.settle(
        lease, apply_id, [Settlement("1", "failed", error="400")], now
    )  # said again, e.g. after a lost answer

    with pytest.raises(LedgerError, match="failed already"):
        ledger.settle(lease, apply_id, [Settlement("1", "applied")], now)
    with pytest.raises(LedgerError, match="intended twice"):
        ledger.intend(lease, apply_id, [Intent("1", "team", "a", "create")], now)
    assert ledger.apply_record(GATEWAY, apply_id)[1][0].state == "failed"


def test_within_a_batch_the_last_word_about_an_object_counts(ledger, lease, apply_id, now):
    ledger.own(lease, [Claim("team", "a", {}), Claim("team", "b", {})], now)
    steps = {"1": "a", "2": "a", "3": "b", "4": "b"}
    ledger.intend(
        lease,
        apply_id,
        [Intent(step, "team", name, "replace") for step, name in steps.items()],
        now,
    )
    outcomes = [
        Settlement("1", "applied", disown=True),
        Settlement("2", "applied", own=Claim("team", "a", {"n": 2})),
        Settlement("3", "applied", own=Claim("team", "b", {"n": 1})),
        Settlement("4", "applied", disown=True),
    ]

    ledger.settle(lease, apply_id, outcomes, now)

    assert {key: owned.applied for key, owned in ledger.inventory(GATEWAY).items()} == {
        ("team", "a"): {"n": 2}
    }


def test_thousands_of_steps_in_one_batch(ledger, lease, apply_id, now):
    names = [f"team-{number}" for number in range(3500)]
    intents = [
        Intent(name, "team", name, "create", grant=GrantRecord(name, "p", 1, name))
        for name in names
    ]
    ledger.intend(lease, apply_id, intents, now)
    ledger.settle(
        lease,
        apply_id,
        [Settlement(name, "applied", own=Claim("team", name, {})) for name in names],
        now,
    )

    assert len(ledger.inventory(GATEWAY)) == len(names)
    assert {grant.state for grant in ledger.grants(GATEWAY).values()} == {"granted"}
    assert [entry.name for entry in ledger.apply_record(GATEWAY, apply_id)[1]] == names


def test_threads_may_write_at_once(ledger, lease, apply_id, now):
    def step(number):
        ledger.intend(lease, apply_id, [Intent(f"{number}", "team", f"{number}", "create")], now)
        own = Claim("team", f"{number}", {"n": number})
        ledger.settle(lease, apply_id, [Settlement(f"{number}", "applied", own=own)], now)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(step, range(60)))

    assert len(ledger.inventory(GATEWAY)) == 60
    assert ledger.unsettled(GATEWAY) == ()


def test_history_says_who_what_and_how_it_ended(ledger, lease, apply_id, now):
    ledger.finish(
        lease, apply_id, "partial", {"applied": 1, "failed": 1}, now + timedelta(seconds=9)
    )
    with pytest.raises(LedgerError, match="not a running apply"):
        ledger.finish(lease, apply_id, "done", {}, now)
    second = ledger.begin(
        lease, actor="bob", revision=None, plan_digest="d", counts={}, now=now, command="apply"
    )

    newest, oldest = ledger.history(GATEWAY)
    assert (newest.apply_id, newest.status, newest.finished, newest.revision) == (
        second,
        "running",
        None,
        None,
    )
    assert (oldest.actor, oldest.revision, oldest.plan_digest) == ("alice", "c0ffee", "sha256:1")
    assert (oldest.status, oldest.planned) == ("partial", {"create": 2})
    assert (oldest.counts, oldest.finished) == (
        {"applied": 1, "failed": 1},
        now + timedelta(seconds=9),
    )
    assert ledger.history(GATEWAY, limit=1) == (newest,)


def test_pruning_keeps_the_newest_and_what_is_unsettled(ledger, lease, now):
    def run(step, state):
        number = ledger.begin(
            lease, actor="a", revision=None, plan_digest="d", counts={}, now=now, command="apply"
        )
        ledger.intend(lease, number, [Intent(step, "team", step, "create")], now)
        ledger.settle(lease, number, [Settlement(step, state)], now)
        ledger.finish(lease, number, "done", {}, now)
        return number

    first, unknown, third, newest = (
        run("1", "applied"),
        run("2", "unknown"),
        run("3", "failed"),
        run("4", "applied"),
    )

    assert ledger.prune_history(lease, keep=1) == 2
    assert [record.apply_id for record in ledger.history(GATEWAY)] == [newest, unknown]
    assert [entry.name for entry in ledger.unsettled(GATEWAY)] == ["2"]
    assert run("5", "applied") > newest > third > first


CRASHING = """
import sys
from datetime import UTC, datetime, timedelta
from reconciler.ledger import Claim, GrantRecord, Intent, Settlement, open_ledger

ledger = open_ledger(sys.argv[1])
now = datetime.fromisoformat(sys.argv[2])
lease = ledger.acquire("gw", "crasher", now, timedelta(minutes=5))
number = ledger.begin(lease, actor="a", revision=None, plan_digest="d", counts={}, now=now, command="apply")
grant = GrantRecord("b", "promo", 100, "op-b")
names = ["a", "b", "c"]
ledger.intend(lease, number, [Intent(n, "team", n, "create", grant=grant if n == "b" else None) for n in names], now)
ledger.settle(lease, number, [Settlement("a", "applied", own=Claim("team", "a", {}))], now)
print("intended", flush=True)
sys.stdin.readline()
"""


def test_after_kill_9_the_open_steps_are_found_and_decided(ledger, url, process):
    now = datetime(2026, 11, 1, tzinfo=UTC)
    child = process(CRASHING, url, now.isoformat())
    assert child.stdout.readline() == "intended\n", child.stderr.read()
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=10)

    later = now + timedelta(minutes=6)
    with pytest.raises(LockHeld, match="crasher"):
        ledger.acquire("gw", "next", later, TTL)
    assert ledger.break_lock("gw", later).stale
    lease = ledger.acquire("gw", "next", later, TTL)
    assert [record.status for record in ledger.history("gw")] == ["interrupted"]
    paid, lost = ledger.unsettled("gw")
    assert [(entry.name, entry.operation_id) for entry in (paid, lost)] == [
        ("b", "op-b"),
        ("c", None),
    ]
    assert ledger.grants("gw")["b", "promo"].state == "intended"

    ledger.resolve(
        lease,
        paid.journal_id,
        "applied",
        "team reads back",
        later,
        own=Claim("team", "b", {"n": 1}),
    )
    ledger.resolve(lease, lost.journal_id, "failed", "404", later)

    assert ledger.unsettled("gw") == ()
    assert sorted(ledger.inventory("gw")) == [("team", "a"), ("team", "b")]
    assert ledger.grants("gw")["b", "promo"].state == "granted"
    assert [entry.note for entry in ledger.apply_record("gw", paid.apply_id)[1]] == [
        None,
        "team reads back",
        "404",
    ]
    with pytest.raises(LedgerError, match="settled already"):
        ledger.resolve(lease, paid.journal_id, "failed", "", later)


def test_what_was_expanded_lately_is_told_with_the_last_time(ledger, lease, apply_id, now):
    states = {"a": "applied", "b": "unknown", "c": "failed"}
    steps = [Intent(f"expand team/{name}", "team", name, "expand") for name in states]
    cut = Intent("contract team/d", "team", "d", "contract")
    ledger.intend(lease, apply_id, [*steps, cut], now)
    ends = [Settlement(step.step_id, states[step.name]) for step in steps]
    ledger.settle(lease, apply_id, [*ends, Settlement(cut.step_id, "applied")], now)
    assert ledger.expanded_since(GATEWAY, now) == {("team", "a"): now, ("team", "b"): now}
    assert ledger.expanded_since(GATEWAY, now + timedelta(seconds=1)) == {}
    assert ledger.expanded_since("another gateway", now) == {}
