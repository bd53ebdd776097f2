"""What other programs read: JSON of every command that looks, with what people read in it, and nothing else beside."""

import json
from dataclasses import replace

import pytest
from e2e_world import Place

from reconciler import __version__
from reconciler.core.explain.checks import Checked
from reconciler.ledger import open_ledger


def read(place: Place, *words: str, code: int = 0):
    return json.loads(place.reconciler(*words, "--format", "json", code=code).out)


@pytest.fixture
def applied(place: Place) -> Place:
    place.applied()
    return place


def test_the_history_and_one_apply_of_it(applied: Place):
    [record] = read(applied, "history")
    one = read(applied, "history", "show", str(record["apply"]))
    steps = one.pop("steps")
    assert one == record
    assert record["status"] == "done"
    assert record["finished"] >= record["started"]
    assert sum(record["counts"].values()) == len(steps)
    assert {step["state"] for step in steps} == {"applied"}
    text = applied.reconciler("history", "show", str(record["apply"])).out
    assert all(step["step"] in text for step in steps)


def test_one_object_from_every_side(applied: Place):
    shown = read(applied, "show", "team", "acme-dev")
    assert shown["ref"] == "team/acme-dev"
    assert shown["origin"].startswith("config/customers/acme.yaml:")
    assert shown["written"]["organization_id"] == shown["applied"]["organization_id"]
    assert set(shown["live"]["access_groups"]) == set(shown["desired"]["access_groups"])
    assert shown["runtime"]
    plan = read(applied, "show", "plan", "starter")
    assert (plan["ref"], plan["live"]) == ("pricing_plan/starter", None)


def test_a_lock_is_looked_at_without_being_asked_about(applied: Place):
    assert read(applied, "unlock") == {
        "gateway": "local",
        "locked": False,
        "holder": None,
        "broken": False,
    }
    from datetime import UTC, datetime, timedelta

    with open_ledger(str(applied.config / ".reconciler" / "ledger.db")) as ledger:
        identity = (
            ledger._engine.connect().exec_driver_sql("select gateway from ledger_locks").scalar()
        )
        ledger.acquire(identity, "somebody", datetime.now(UTC), timedelta(minutes=5))
    held = read(applied, "unlock", code=1)
    assert (held["locked"], held["broken"], held["holder"]["owner"]) == (True, False, "somebody")
    assert held["holder"]["expired"] is False
    freed = read(applied, "unlock", "--yes")
    assert (freed["locked"], freed["broken"]) == (False, True)
    assert read(applied, "unlock")["holder"] is None


def test_what_a_check_of_explain_found_is_one_of_four_words(place: Place):
    found = read(place, "explain", "acme-dev", "gpt-4", "--offline", code=1)
    results = {check["result"] for check in found["config"]["checks"]}
    assert "fail" in results
    assert results <= {str(each) for each in Checked}


def test_the_version_by_every_name(place: Place):
    for words in (("--version",), ("-V",), ("version",)):
        assert "reconciler" in place.reconciler(*words).out
        assert __version__ in place.reconciler(*words).out
    assert read(place, "version")["version"] == __version__


@pytest.mark.parametrize(("word", "meant"), [("get", "show"), ("ls", "list"), ("sync", "apply")])
def test_a_word_of_another_tool_is_answered_with_ours(place: Place, word, meant):
    assert f"did you mean {meant}" in place._run((word,)).err


def test_a_config_above_is_named_and_one_here_or_asked_for_is_not(place: Place):
    (place.directory / "src").mkdir()
    above = replace(place, directory=place.directory / "src")
    assert above.reconciler("validate").err == "Config: ../config\n"
    assert above.reconciler("validate", "--config", "../config").err == ""
    assert place.reconciler("validate").err == ""
    assert json.loads(above.reconciler("access", "--format", "json").out)
