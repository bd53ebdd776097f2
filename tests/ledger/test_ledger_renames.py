"""A rename in the ledger: the row, its grants and what refers to it, in the transaction of the outcome."""

from datetime import timedelta

from reconciler.ledger import Claim, GrantRecord, Intent, Renamed, Settlement

GATEWAY = "embedded http://gw"
NAMES = ("reconciler:top-up:old:", "reconciler:top-up:new:")


def granted(ledger, lease, apply_id, now, team, grant_id, state="applied", again=""):
    operation = f"reconciler:top-up:{team}:{grant_id}"
    step = f"grant {team} {grant_id}{again}"
    ledger.intend(
        lease,
        apply_id,
        [Intent(step, "team", team, "grant", grant=GrantRecord(team, grant_id, 5, operation))],
        now,
    )
    ledger.settle(lease, apply_id, [Settlement(step, state)], now)


def rename(ledger, lease, apply_id, now, **more):
    ledger.intend(lease, apply_id, [Intent("rename", "team", "new", "rename")], now)
    assert ("team", "new") not in ledger.inventory(GATEWAY) or more.pop("stale", False)
    moved = Renamed("team", "old", "new", NAMES, more.pop("records", ()))
    ledger.settle(
        lease,
        apply_id,
        [Settlement("rename", "applied", renamed=moved, **more)],
        now + timedelta(hours=1),
    )


def test_the_row_moves_with_its_history_and_the_grants_with_their_operations(
    ledger, lease, apply_id, now
):
    ledger.own(
        lease, [Claim("team", "old", {"n": 1}, adopted=True), Claim("team", "other", {})], now
    )
    granted(ledger, lease, apply_id, now, "old", "welcome")
    granted(ledger, lease, apply_id, now, "other", "welcome")
    rename(ledger, lease, apply_id, now)
    rows = ledger.inventory(GATEWAY)
    assert set(rows) == {("team", "new"), ("team", "other")}
    row = rows["team", "new"]
    assert (row.applied, row.adopted, row.since) == ({"n": 1}, True, now)
    found = ledger.grants(GATEWAY)
    assert set(found) == {("new", "welcome"), ("other", "welcome")}
    grant = found["new", "welcome"]
    assert (grant.operation_id, grant.state) == ("reconciler:top-up:new:welcome", "granted")
    granted(ledger, lease, apply_id, now, "old", "welcome", again=" again")  # the old name is free


def test_what_the_outcome_claims_and_what_refers_to_it_is_written_along(
    ledger, lease, apply_id, now
):
    ledger.own(lease, [Claim("team", "old", {"n": 1}), Claim("key", "k", {"team_id": "old"})], now)
    records = (Claim("key", "k", {"team_id": "new"}),)
    rename(ledger, lease, apply_id, now, records=records, own=Claim("team", "new", {"n": 2}))
    assert {key: row.applied for key, row in ledger.inventory(GATEWAY).items()} == {
        ("team", "new"): {"n": 2},
        ("key", "k"): {"team_id": "new"},
    }


def test_of_two_grants_with_one_id_the_one_that_was_made_counts(ledger, lease, apply_id, now):
    for team, grant_id, state in (
        ("old", "a", "failed"),
        ("new", "a", "applied"),
        ("old", "b", "applied"),
    ):
        granted(ledger, lease, apply_id, now, team, grant_id, state)
    granted(ledger, lease, apply_id, now, "new", "b", "failed")
    rename(ledger, lease, apply_id, now)
    assert {key: grant.state for key, grant in ledger.grants(GATEWAY).items()} == {
        ("new", "a"): "granted",
        ("new", "b"): "granted",
    }


def test_a_row_that_stands_under_the_new_name_gives_way_and_nothing_moves_for_what_is_not_ours(
    ledger, lease, apply_id, now
):
    ledger.own(lease, [Claim("team", "old", {"n": 1}), Claim("team", "new", {"n": 0})], now)
    rename(ledger, lease, apply_id, now, stale=True)
    assert {key: row.applied for key, row in ledger.inventory(GATEWAY).items()} == {
        ("team", "new"): {"n": 1}
    }
    ledger.rename(lease, [Renamed("access_group", "g", "h")], now)
    assert set(ledger.inventory(GATEWAY)) == {("team", "new")}
