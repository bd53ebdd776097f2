import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.ledger import Claim, GrantRecord, Intent, LedgerError, Owned, Settlement

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TTL = timedelta(minutes=5)
on_one_ledger = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
keys = st.tuples(
    st.sampled_from(["team", "plan"]),
    st.one_of(st.sampled_from("abc"), st.text(storable, max_size=8)),
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
any_text = st.text(st.characters(), max_size=5)
values = st.recursive(
    scalars | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
)
claims = st.builds(
    lambda key, applied, adopted: Claim(*key, applied, adopted),
    keys,
    st.dictionaries(any_text, values, max_size=3),
    st.booleans(),
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("own"), st.lists(claims, max_size=5)),
        st.tuples(st.just("disown"), st.lists(keys, max_size=5)),
    ),
    max_size=8,
)


def owned_in(model, claim, at):
    before = model.get((claim.kind, claim.name))
    adopted, since = (claim.adopted, at) if before is None else (before.adopted, before.since)
    return Owned(claim.kind, claim.name, claim.applied, adopted, since, None)


@on_one_ledger
@given(steps=operations)
def test_the_inventory_is_a_dictionary(ledger, steps):
    lease = ledger.acquire(uuid.uuid4().hex, "law", NOW, TTL)
    model = {}
    for number, (what, entries) in enumerate(steps):
        at = NOW + timedelta(seconds=number)
        if what == "own":
            ledger.own(lease, entries, at)
            last = {(claim.kind, claim.name): claim for claim in entries}
            model |= {key: owned_in(model, claim, at) for key, claim in last.items()}
        else:
            ledger.disown(lease, entries)
            model = {key: owned for key, owned in model.items() if key not in entries}
        assert ledger.inventory(lease.gateway) == model


attempts = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["applied", "failed", "unknown", "crash"])),
    max_size=8,
)


@on_one_ledger
@given(attempts=attempts)
def test_a_grant_is_let_through_once_ever(ledger, attempts):
    """A new operation gets in only while no earlier one is granted or may have been."""
    lease = ledger.acquire(uuid.uuid4().hex, "law", NOW, TTL)
    number = ledger.begin(
        lease, actor="a", revision=None, plan_digest="d", counts={}, now=NOW, command="apply"
    )
    granted, maybe = None, None
    for step, (operation, end) in enumerate(attempts):
        grant = GrantRecord("a", "promo", 100, f"{lease.gateway} {operation}")
        intents = [Intent(f"{step}", "team", "a", "top_up", grant=grant)]
        if granted or maybe not in (None, operation):
            with pytest.raises(LedgerError, match="granted already" if granted else "unknown"):
                ledger.intend(lease, number, intents, NOW)
            continue
        ledger.intend(lease, number, intents, NOW)
        if end != "crash":
            ledger.settle(lease, number, [Settlement(f"{step}", end)], NOW)
        granted = operation if end == "applied" else None
        maybe = operation if end in ("unknown", "crash") else None
    states = [record.state for record in ledger.grants(lease.gateway).values()]
    assert states == (
        [] if not attempts else ["granted" if granted else "intended" if maybe else "refused"]
    )


@pytest.mark.slow
def test_an_inventory_of_100_000_comes_back_as_it_was(ledger):
    lease = ledger.acquire("big", "law", NOW, TTL)
    entries = [
        Claim("team", f"team-{n}", {"access_groups": ["a", f"g{n % 50}"], "n": n})
        for n in range(100_000)
    ]
    ledger.own(lease, entries, NOW)

    found = ledger.inventory("big")

    assert len(found) == len(entries)
    assert all(found["team", entry.name].applied == entry.applied for entry in entries)
    ledger.disown(lease, list(found)[1:])
    assert len(ledger.inventory("big")) == 1
