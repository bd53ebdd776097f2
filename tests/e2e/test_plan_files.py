"""Plans on disk: what apply takes, what it says of a file that is none, and where a plan cannot be written."""

import pytest
from e2e_world import Place


@pytest.fixture
def report(place: Place) -> Place:
    place.reconciler("plan", "--report", "plan.json")
    return place


def test_a_report_is_told_from_a_saved_plan(report: Place):
    done = report.reconciler("apply", "plan.json", "--yes", code=1)
    assert "is a report of a plan" in done.err
    assert "reconciler plan --out FILE" in done.err


def test_what_json_prints_is_a_report_too(place: Place):
    (place.directory / "printed.json").write_text(
        place.reconciler("plan", "--format", "json").out, encoding="utf-8"
    )
    assert "is a report of a plan" in place.reconciler("apply", "printed.json", "--yes", code=1).err


@pytest.mark.parametrize("name", ["no/such/plan.json", "plan.json/inside"])
def test_a_plan_is_not_saved_where_there_is_no_directory(report: Place, name):
    done = report.reconciler("plan", "--out", name, code=1)
    assert f"cannot write {name}: there is no directory" in done.err
    assert not (report.directory / "no").exists()
