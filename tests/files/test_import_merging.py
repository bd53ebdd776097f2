"""import --update as a law: whatever git says and the gateway has, the merge leaves a plan with nothing untold."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_worlds import live_state
from test_import_round_trip import NOW, SUPPORTS, dialects, seen_by, written

from reconciler.core.imports.export import Export, Exported, Source, export
from reconciler.core.imports.merge import Declared, Merge, merge
from reconciler.core.imports.plans import with_plans
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.refs import Ref
from reconciler.core.plan.diff import diff
from reconciler.core.plan.resolve import resolve
from reconciler.files.imports.update import Updating
from reconciler.files.manifests import load_manifests
from reconciler.files.variables import Variables
from reconciler.files.yaml.read import read_yaml


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


@pytest.mark.parametrize(
    "lint", ["lint:\n", "lint: {}\n", "lint: # none yet\n", "", "lint: {x: off}\n"]
)
def test_levels_and_objects_go_into_what_is_empty(lint, tmp_path):
    (tmp_path / "reconciler.yaml").write_text(f"prune: owned\n{lint}")
    (tmp_path / "all.yaml").write_text("organizations: {o: {name: O}}\n---\norganizations:\n")
    manifests = load_manifests(tmp_path, variables=Variables())
    new = Exported(Ref("organization", "p"), {"name": "P"})
    files = Updating(tmp_path, manifests)
    texts = files.into(Merge(added=Export({new.ref: new}, lint={"name-style": "off"})))
    read = {name: read_yaml(text.encode(), name) for name, text in texts.items()}
    assert not files.findings
    assert not any(
        finding.code != "yaml-ambiguous" for each in read.values() for finding in each.findings
    )
    assert read["reconciler.yaml"].documents[0]["lint"]["name-style"] == "off"
    assert read["all.yaml"].documents[0]["organizations"]["p"] == {"name": "P"}
