"""`renamed_from:` through the command line, on a gateway over HTTP: nothing is lost, and the plan says what it is."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx
import pytest
from e2e_world import ADMIN_KEY, ROOT, Place, company

BASE = """
organizations: {{{org}: {{name: ACME}}}}
model_aliases:
  {alias}: {{litellm_model: openai/gpt-4, litellm_params: {{mock_response: hello}}{alias_more}}}
access_groups:
  {group}: {{model_aliases: [{alias}]{group_more}}}
teams:
  {team}:
    organization_id: {org}
    access_groups: [{group}]
    credits_allocated: 100
    top_ups: [{{id: welcome, amount: 7}}]{team_more}
"""


def text(p, **more):
    names = {"org": f"{p}-org", "alias": f"{p}-gpt-4", "group": f"{p}-pro", "team": f"{p}-prod"}
    return BASE.format(**{**names, "alias_more": "", "group_more": "", "team_more": "", **more})


@pytest.fixture
def prefix(request) -> str:
    return f"r{abs(hash(request.node.name)) % 10**6}"


@pytest.fixture
def admin(served):
    with httpx.Client(base_url=served[0], headers={"X-Admin-Key": ADMIN_KEY}, timeout=60) as client:
        yield client


@pytest.fixture
def founded(tmp_path, served, prefix, admin):
    """The company, applied; with the virtual key of its team, and one call made."""
    settings = (
        f"gateways: {{embedded: {{backend: embedded, url: {served[0]}, admin_key_env: KEY}}}}\n"
    )
    place = company(tmp_path, settings, all=text(prefix))
    place.environ["KEY"] = ADMIN_KEY
    place.applied()
    key = admin.post(f"/api/teams/{prefix}-prod/rotate-key").json()["virtual_key"]
    assert call(admin, key, f"{prefix}-gpt-4") == 200
    return place, key


def call(admin, key: str, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return admin.post(
        "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
    ).status_code


def balance(admin, team: str) -> tuple[int, int]:
    found = admin.get(f"/api/teams/{team}").json()
    return found["credits_allocated"], found["credits_used"]


def forget(place: Place) -> None:
    """The ledger is lost."""
    for path in (place.config / ".reconciler").glob("ledger.db*"):
        path.unlink()


def test_a_renamed_team_keeps_its_key_its_credits_and_its_top_ups(founded, prefix, admin):
    place, key = founded
    place.write(
        "all.yaml",
        text(prefix, team=f"{prefix}-live", team_more=f"\n    renamed_from: {prefix}-prod"),
    )
    plan = place.pending()
    assert f"{prefix}-live (renamed from {prefix}-prod)" in plan
    assert "loses" not in plan
    assert "1 to update" in plan
    assert "create" not in plan
    place.applied()
    place.settled()
    assert call(admin, key, f"{prefix}-gpt-4") == 200
    assert balance(admin, f"{prefix}-live") == (107, 2)
    assert admin.get(f"/api/teams/{prefix}-prod").status_code == 404
    place.reconciler("drift")

    forget(place)
    place.applied()
    assert balance(admin, f"{prefix}-live") == (107, 2)
    place.settled()
    place.write(
        "all.yaml", text(prefix, team=f"{prefix}-live")
    )  # the rename is done, so its line goes
    place.settled()
    forget(place)
    place.applied()
    assert balance(admin, f"{prefix}-live") == (107, 2)


def test_a_ledger_lost_before_the_rename_grants_nothing_twice(founded, prefix, admin):
    place, key = founded
    forget(place)
    place.write(
        "all.yaml",
        text(prefix, team=f"{prefix}-live", team_more=f"\n    renamed_from: {prefix}-prod"),
    )
    place.applied()
    place.settled()
    assert balance(admin, f"{prefix}-live") == (107, 1)
    assert call(admin, key, f"{prefix}-gpt-4") == 200


def test_the_old_name_can_be_given_to_another_team_with_the_same_top_up(founded, prefix, admin):
    place, _ = founded
    place.write(
        "all.yaml",
        text(prefix, team=f"{prefix}-live", team_more=f"\n    renamed_from: {prefix}-prod"),
    )
    place.applied()
    again = f"\n  {prefix}-prod:\n    organization_id: {prefix}-org\n    top_ups: [{{id: welcome, amount: 7}}]"
    place.write("all.yaml", text(prefix, team=f"{prefix}-live", team_more=again))
    place.applied()
    place.settled()
    assert balance(admin, f"{prefix}-prod") == (7, 0)
    assert balance(admin, f"{prefix}-live") == (107, 1)


def test_everything_renamed_at_once_and_changed_along(founded, prefix, admin):
    place, key = founded
    more = {
        "team_more": f"\n    renamed_from: {prefix}-prod\n    metadata: {{env: live}}",
        "group_more": f", renamed_from: {prefix}-pro, description: all",
        "alias_more": f", renamed_from: {prefix}-gpt-4",
    }
    names = {"team": f"{prefix}-live", "group": f"{prefix}-all", "alias": f"{prefix}-gpt-5"}
    place.write("all.yaml", text(prefix, **names, **more))
    plan = place.pending()
    assert "alias-renamed" in plan
    assert "loses" in plan
    assert "Risk: high" in plan
    assert "--allow-loss" in place.reconciler("apply", "--yes", code=1).err
    place.applied("--allow-loss")
    place.settled()
    place.reconciler("drift")
    assert (call(admin, key, f"{prefix}-gpt-5"), call(admin, key, f"{prefix}-gpt-4")) == (200, 403)
    team = admin.get(f"/api/teams/{prefix}-live").json()
    assert (team["access_groups"], team["metadata"]) == ([f"{prefix}-all"], {"env": "live"})
    assert balance(admin, f"{prefix}-live") == (107, 2)


def test_a_saved_plan_of_a_rename_is_applied_and_refused_when_the_old_one_moved(
    founded, prefix, admin
):
    place, _ = founded
    place.write(
        "all.yaml",
        text(prefix, team=f"{prefix}-live", team_more=f"\n    renamed_from: {prefix}-prod"),
    )
    place.reconciler("plan", "--out", "plan.json")
    admin.put(f"/api/teams/{prefix}-prod", json={"metadata": {"by": "hand"}})
    refused = place.reconciler("apply", "plan.json", "--yes", code=1)
    assert "plan-stale" in refused.text
    place.reconciler("plan", "--out", "plan.json")
    place.applied("plan.json")
    place.settled()


def test_only_takes_a_rename_in_or_leaves_both_names_alone(founded, prefix, admin):
    place, _ = founded
    place.write(
        "all.yaml",
        text(prefix, team=f"{prefix}-live", team_more=f"\n    renamed_from: {prefix}-prod"),
    )
    nothing = place.reconciler("plan", "--exit-code", "--only", "team/nobody-*", code=1)
    assert "scope-empty" in nothing.text
    place.applied("--only", f"team/{prefix}-prod")
    assert balance(admin, f"{prefix}-live") == (107, 1)
    place.settled()


def test_a_rename_that_is_not_declared_is_suspected(founded, prefix):
    place, _ = founded
    place.write("all.yaml", text(prefix, team=f"{prefix}-live"))
    plan = place.pending()
    assert "looks-like-rename" in plan
    assert f"renamed_from: {prefix}-prod" in plan


DYING = """
import os
from reconciler.ledger.store import Ledger
Ledger.settle = lambda *given: os._exit(9)
from reconciler.cli import main
main()
"""


def test_a_kill_between_the_rename_and_its_outcome_converges(founded, prefix, admin, tmp_path):
    """The process dies when the gateway has renamed and nobody wrote it down."""
    place, key = founded
    place.write(
        "all.yaml",
        text(prefix, team=f"{prefix}-live", team_more=f"\n    renamed_from: {prefix}-prod"),
    )
    environ = {**os.environ, **place.environ, "PYTHONPATH": str(ROOT)}
    dying = [sys.executable, "-c", DYING, "apply", "--yes"]
    assert (
        subprocess.run(
            dying, cwd=tmp_path, env=environ, capture_output=True, check=False
        ).returncode
        == 9
    )
    assert admin.get(f"/api/teams/{prefix}-live").status_code == 200
    place.reconciler("unlock", "--yes")
    place.applied()
    place.settled()
    assert call(admin, key, f"{prefix}-gpt-4") == 200
    assert balance(admin, f"{prefix}-live") == (107, 2)
    with closing(sqlite3.connect(place.config / ".reconciler" / "ledger.db")) as ledger:
        assert ledger.execute(
            "SELECT name FROM ledger_inventory WHERE kind = 'team'"
        ).fetchall() == [(f"{prefix}-live",)]
        assert ledger.execute("SELECT team, operation_id FROM ledger_grants").fetchall() == [
            (f"{prefix}-live", f"reconciler:top-up:{prefix}-live:welcome")
        ]
