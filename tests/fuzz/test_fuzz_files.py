"""The law for what files hold: manifests, settings, plan files (also sealed anew) and ledgers."""

import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from damages import ODD, RAW_VALUES, SPOTS, edited
from fuzz_world import COMPANY, LEAN, LONG, changed, corpus, fresh, lawful, plans
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.plan.saved import sealed

SETTINGS = """\
default_gateway: e
gateways: {e: {backend: embedded}, s: {backend: saas-litellm, url: "http://127.0.0.1:9", admin_key_env: KEY}}
prune: owned
safety: {max_update_percent: 100, min_objects: 1}
ledger: {url: "sqlite:///.reconciler/ledger.db", lock_seconds: 30}
lint: {name-style: warning}
"""
POLICIES = """\
policies:
  no-dev: {match: 'team.env == "dev"', rule: '!(model.alias in ["gpt-4"])', level: warning}
  dear: {rule: 'model.price_output == null || model.price_output < 100.0'}
"""
PIECES = (
    "\t", "  ", "\n", ": ", "- ", "{", "}", "[", "]", "'", '"', "&a ", "*a", "!!x ", "<<: ", "|\n", ">\n", "?", "#", "---\n", "...\n",
    "\0", "\x7f", "\udcff", "\u2028", "\ufeff", "${HOME}", "${", "null", "~", "1e999", ".nan", "0x10", "9" * 400, "2026-99-99",
    "teams:", "plans:", "extends: pro", "renamed_from: a-prod", "protect: true", "rule: '1'", "rule: '['", "match: 'team'",
    "url: ", "database: ../../x", "keys_out: /dev/full", "backend: litellm", "timeout_seconds: 1e308", "lock_seconds: -1",
    "a" * 300, "[" * 300, "{a: " * 100,
)  # fmt: skip
CHECKING = (
    ("validate",),
    ("lint",),
    ("plan", "--format", "json"),
    ("policy", "test"),
    ("access",),
)
REMEMBERING = (
    ("plan",),
    ("drift",),
    ("history",),
    ("history", "show", "1"),
    ("show", "team", "a-prod"),
    ("apply", "--yes"),
    ("unlock", "--yes"),
)
EDIT = st.tuples(
    st.integers(0, 2000), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=6)
)
TEXT_CASES = st.fixed_dictionaries(
    {
        "command": st.sampled_from(range(len(CHECKING))),
        "edits": st.lists(EDIT, min_size=1, max_size=4),
    }
)
JSON_EDIT = st.one_of(
    st.builds(lambda spot, v: {"set": spot, "to": v}, SPOTS, st.sampled_from(ODD)),
    st.builds(lambda spot: {"drop": spot}, SPOTS),
    st.builds(lambda spot, v: {"raw": spot, "to": v}, SPOTS, st.sampled_from(RAW_VALUES)),
)
PLAN_CASES = st.fixed_dictionaries(
    {"edits": st.lists(JSON_EDIT, min_size=1, max_size=3), "sealed": st.booleans()}
)
CELL = st.sampled_from(
    [value for value in ODD if not isinstance(value, (list, dict, bool)) and value != 10**30]
) | st.sampled_from(
    [
        "{",
        "[]",
        "{}",
        '{"a":',
        '"x"',
        '{"before": 5, "after": 5}',
        '{"record": 5}',
        '{"credit": {"x": 1}}',
        "2026-13-01",
        "[" * 3000,
    ]
)
LEDGER_CASES = st.fixed_dictionaries(
    {
        "command": st.sampled_from(range(len(REMEMBERING))),
        "cells": st.lists(
            st.tuples(st.integers(0, 200), st.integers(0, 40), CELL), min_size=1, max_size=3
        ),
        "open": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """The company, applied, with a saved plan for a change."""
    place = tmp_path_factory.mktemp("files") / "template"
    (place / "config").mkdir(parents=True)
    (place / "config" / "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    (place / "config" / "policies.yaml").write_text(POLICIES, encoding="utf-8")
    (place / "config" / "all.yaml").write_text(COMPANY, encoding="utf-8")
    code, said = lawful(place, "apply", "--yes")
    assert code == 0, said
    (place / "config" / "all.yaml").write_text(changed(1), encoding="utf-8")
    assert lawful(place, "plan", "--out", "plan.json")[0] == 0
    return place


def with_edits(text: str, edits: list) -> bytes:
    for start, length, piece in edits:
        at = start % (len(text) + 1)
        text = text[:at] + piece + text[at + length :]
    return (
        text.encode("utf-8", "surrogateescape")
        if "\udcff" in text
        else text.encode("utf-8", "replace")
    )


def try_manifest(template: Path, case: dict) -> None:
    place = fresh(template, template.with_name("place"))
    (place / "config" / "all.yaml").write_bytes(
        with_edits(COMPANY + POLICIES.replace("policies:", "policies:", 1), case["edits"])
    )
    (place / "config" / "policies.yaml").unlink()
    lawful(place, *CHECKING[case["command"]])


def try_settings(template: Path, case: dict) -> None:
    place = fresh(template, template.with_name("place"))
    (place / "config" / "reconciler.yaml").write_bytes(with_edits(SETTINGS, case["edits"]))
    lawful(place, *CHECKING[case["command"]])


def try_plan(template: Path, case: dict) -> None:
    place = fresh(template, template.with_name("place"))
    content = json.loads((place / "plan.json").read_text(encoding="utf-8"))
    content.pop("sha256")
    raw = edited(content, case["edits"])
    if case["sealed"]:
        with suppress(
            ValueError, RecursionError, TypeError
        ):  # what is no JSON object cannot be sealed
            raw = json.dumps(sealed(json.loads(raw))).encode()
    (place / "plan.json").write_bytes(raw)
    lawful(place, "apply", "plan.json", "--yes")


def try_ledger(template: Path, case: dict) -> None:
    place = fresh(template, template.with_name("place"))
    with closing(sqlite3.connect(place / "config" / ".reconciler" / "ledger.db")) as db, db:
        tables = [
            name
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'ledger%'"
            )
        ]
        if case["open"]:
            db.execute("UPDATE ledger_journal SET state = 'unknown', settled = NULL")
            db.execute("UPDATE ledger_applies SET status = 'interrupted'")
        for spot, column, value in case["cells"]:
            table = tables[spot % len(tables)]
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            name = names[column % len(names)]
            cell = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            try:
                rows = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                db.execute(
                    f"UPDATE {table} SET {name} = ? WHERE rowid = ?",
                    (cell, spot % max(rows, 1) + 1),
                )
            except (sqlite3.Error, OverflowError):
                pass  # a constraint is in the way: nothing is damaged
    lawful(place, *REMEMBERING[case["command"]])


LAWS = {
    "manifests": (TEXT_CASES, try_manifest),
    "settings": (TEXT_CASES, try_settings),
    "plans": (PLAN_CASES, try_plan),
    "ledgers": (LEDGER_CASES, try_ledger),
}


@pytest.mark.parametrize("what", LAWS)
@LEAN
@given(data=st.data())
def test_files(template, what, data):
    cases, attempt = LAWS[what]
    attempt(template, data.draw(cases))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", LAWS)
@LONG
@given(data=st.data())
def test_many_files(template, what, data):
    cases, attempt = LAWS[what]
    attempt(template, data.draw(cases))


PAST = [
    pytest.param(what, *param.values, id=f"{what}-{param.id}")
    for what in LAWS
    for param in plans(what)
]


@pytest.mark.parametrize(("what", "case"), PAST)
def test_past_crashes_of_files(template, what, case):
    LAWS[what][1](template, case)


@pytest.mark.parametrize("raw", corpus("raw-plans"))
def test_plan_files_of_any_bytes(template, raw):
    place = fresh(template, template.with_name("place"))
    (place / "plan.json").write_bytes(raw)
    assert lawful(place, "apply", "plan.json", "--yes")[0] == 1
