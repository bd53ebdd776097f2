"""The ledger grows by a budget for each changed object, and not at all once it keeps as many applies as it keeps."""

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.ledger import Claim, GrantRecord, Intent, Settlement, open_ledger, store

GATEWAY = "saas-litellm https://gateway.example.com/a/long/path"
TTL = timedelta(minutes=5)
OBJECTS = 90
BYTES_PER_OBJECT = 450
RECORD = {
    "access_groups": [f"group-{n}" for n in range(12)],
    "metadata": {"owner": "x" * 200},
    "status": "active",
}
DETAIL = {"before": RECORD, "after": RECORD, "record": RECORD, "credit": None}


def one_apply(ledger, now, *, unknown: int = 0) -> int:
    """An apply that changes every object, its last `unknown` steps without an outcome; its id."""
    lease = ledger.acquire(GATEWAY, "alice@ci", now, TTL)
    apply_id = ledger.begin(
        lease,
        actor="alice@ci",
        revision="c" * 40,
        plan_digest="d" * 64,
        counts={},
        now=now,
        command="apply",
    )
    names = [f"team-{n:03}" for n in range(OBJECTS)]
    steps = [Intent(f"expand team/{name}", "team", name, "expand", detail=DETAIL) for name in names]
    for start in range(0, OBJECTS, 15):
        ledger.intend(lease, apply_id, steps[start : start + 15], now)
    done = OBJECTS - unknown
    ends = [
        Settlement(s.step_id, "applied", own=Claim("team", s.name, RECORD)) for s in steps[:done]
    ]
    ends += [Settlement(s.step_id, "unknown", "no answer") for s in steps[done:]]
    for start in range(0, OBJECTS, 9):
        ledger.settle(lease, apply_id, ends[start : start + 9], now)
    ledger.finish(lease, apply_id, "partial" if unknown else "done", {"applied": done}, now)
    ledger.release(lease)
    return apply_id


def size(file: Path) -> int:
    return sum(each.stat().st_size for each in file.parent.glob(f"{file.name}*"))


def test_an_apply_stays_within_its_budget(tmp_path, now):
    file, applies = tmp_path / "ledger.db", 8
    sizes = []
    for count in (3, applies):
        with open_ledger(f"sqlite:///{file}") as ledger:
            for _ in range(count):
                one_apply(ledger, now)
        sizes.append(size(file))
    grown = (sizes[1] - sizes[0]) / (applies * OBJECTS)
    assert grown < BYTES_PER_OBJECT, f"{grown:.0f} bytes for each changed object"


def test_it_stops_growing_where_applies_are_forgotten(tmp_path, now, monkeypatch):
    monkeypatch.setattr(store, "KEPT", 3)
    file = tmp_path / "ledger.db"
    sizes = []
    for _ in range(3):
        with open_ledger(f"sqlite:///{file}") as ledger:
            for _ in range(5):
                one_apply(ledger, now)
            assert len(ledger.history(GATEWAY, 100)) == 3
        sizes.append(size(file))
    assert sizes[2] == sizes[1]


def test_open_steps_and_grants_outlive_it(ledger, now, monkeypatch):
    monkeypatch.setattr(store, "KEPT", 2)
    odd = one_apply(ledger, now, unknown=3)
    lease = ledger.acquire(GATEWAY, "alice@ci", now, TTL)
    paid = ledger.begin(
        lease, actor="a", revision=None, plan_digest="d", counts={}, now=now, command="apply"
    )
    grant = GrantRecord("team-001", "promo", 5, "op-1")
    ledger.intend(lease, paid, [Intent("grant", "team", "team-001", "grant", grant=grant)], now)
    ledger.settle(lease, paid, [Settlement("grant", "applied")], now)
    ledger.finish(lease, paid, "done", {}, now)
    ledger.release(lease)
    for _ in range(4):
        one_apply(ledger, now)
    assert odd in [record.apply_id for record in ledger.history(GATEWAY, 100)]
    assert paid not in [record.apply_id for record in ledger.history(GATEWAY, 100)]
    still_open = ledger.unsettled(GATEWAY)
    assert [entry.apply_id for entry in still_open] == [odd] * 3
    assert all(entry.detail == DETAIL for entry in still_open)
    assert ledger.grants(GATEWAY)["team-001", "promo"].state == "granted"


@pytest.mark.parametrize("keep", [1, 3])
def test_what_nobody_needs_can_be_forgotten(ledger, now, keep):
    for _ in range(5):
        one_apply(ledger, now)
    lease = ledger.acquire(GATEWAY, "alice@ci", now, TTL)
    assert ledger.prune_history(lease, keep) == 5 - keep
    assert len(ledger.history(GATEWAY, 100)) == keep
