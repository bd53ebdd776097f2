"""import --update as a law: whatever git says and the gateway has, the merge leaves a plan with nothing untold."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from live_worlds import live_state
from test_import_round_trip import NOW, SUPPORTS, dialects, seen_by, written

from reconciler.core.imports.export import Source, export
from reconciler.core.imports.merge import Declared, merge
from reconciler.core.imports.plans import with_plans
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.plan.diff import diff
from reconciler.core.plan.resolve import resolve
from reconciler.files.imports.update import Updating
from reconciler.files.manifests import load_manifests
from reconciler.files.variables import Variables


@settings(max_examples=30, deadline=None)
@given(dialects, st.integers(0, 2**64), st.booleans())
def test_after_an_update_a_plan_holds_nothing_that_was_not_told(dialect, seed, owned):
    support, rng = SUPPORTS[dialect], random.Random(seed)
    before = with_plans(export(Source(seen_by(support, live_state(rng, tidy=True)), support)))
    applied = resolve(before.state, NOW, NO_PRICES).state.resources
    records = {
        ref: Record(record_of(res)) for ref, res in applied.items() if owned and rng.random() < 0.8
    }
    source = Source(seen_by(support, live_state(rng, tidy=True)), support, Known(records))
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        written(before, directory)
        manifests = load_manifests(directory, variables=Variables())
        merged = merge(Declared(manifests.state, NOW, NO_PRICES), source)
        files = Updating(directory, manifests)
        for name, text in files.into(merged).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(text.encode())
        again = load_manifests(directory, variables=Variables())
    assert not again.findings, again.findings
    assert not files.findings
    told = {finding.ref for finding in merged.findings}
    changes = diff(
        resolve(again.state, NOW, NO_PRICES).state, source.live, source.known, support
    ).changes
    untold = [
        change
        for change in changes
        if change.verb not in ("adopt", "delete") and change.ref not in told
    ]
    assert untold == []
    assert {ref for ref in source.live if ref.kind in support.kinds} <= set(again.state) | told
