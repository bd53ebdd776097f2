"""The main job on the gateway that ships with the product: clone, plan, apply, plan again."""

import json
import re
from pathlib import Path

import httpx
import pytest
from e2e_world import ADMIN_KEY, Place, company, content, example, finished, process, serving


def test_a_newcomer_plans_and_applies_the_example_and_the_second_plan_is_empty(place):
    assert "gains" in place.reconciler("plan").out
    applied = finished(process("apply", "--yes", cwd=place.directory))
    assert applied.code == 0
    assert "45 applied of 45 steps" in applied.out
    second = place.reconciler("plan", "--exit-code")
    assert second.err == ""
    assert "No changes" in second.out


def test_plan_reads_only(place):
    place.applied()
    before = content(place.database)
    place.edit("plans.yaml", "credits_allocated: 3000", "credits_allocated: 3500")
    assert "3,500" in place.pending()
    assert content(place.database) == before


def test_apply_asks_and_without_a_terminal_wants_yes(place):
    done = place.reconciler("apply", code=1)
    assert "--yes" in done.err
    assert "Plan for local" in done.out
    place.pending()


def test_init_and_apply_in_an_empty_directory(tmp_path):
    place = Place(tmp_path)
    place.reconciler("init")
    assert place.reconciler("validate").out.strip() == "no findings"
    place.applied()
    place.settled()
    assert "is not empty" in place.reconciler("init", code=1).err


def test_no_settings_at_all_mean_the_embedded_gateway(tmp_path):
    place = company(tmp_path, teams="organizations: {org_a: {name: A}}\n")
    assert "embedded" in place.applied().out
    place.settled()


def test_no_config_at_all_is_said(tmp_path):
    assert "config" in Place(tmp_path).reconciler("plan", code=1).err


def test_show_tells_declared_live_and_applied(place):
    place.applied()
    place.edit("customers/acme.yaml", "credits_allocated: 6000", "credits_allocated: 7000")
    shown = place.reconciler("show", "team", "acme-prod").out
    assert "7000" in shown.replace(",", "")
    assert "6000" in shown.replace(",", "")
    assert "acme-prod" in place.reconciler("show", "team", "acme-pord", code=1).err  # did you mean
    plan = place.reconciler("show", "plan", "professional").out
    assert "live: in git alone" in plan
    assert "not ours" not in plan


def test_formats_and_history(place):
    assert "acme-prod" in str(json.loads(place.reconciler("plan", "--format", "json").out))
    assert "acme-prod" in place.reconciler("plan", "--format", "markdown").out
    place.applied()
    assert "45" in place.reconciler("history").out
    assert "--format" in place.reconciler("plan", "--format", "nonsense", code=1).err


# Over HTTP


def _over_http(directory: Path, url: str, key: str | None = ADMIN_KEY) -> Place:
    place = example(directory)
    place.edit("reconciler.yaml", "http://127.0.0.1:8003", url)
    if key is not None:
        place.environ["LOCAL_ADMIN_KEY"] = key
    return place


def _meaning(plan: str) -> str:
    """The plan but for its first line, which names the gateway."""
    return plan.partition("\n")[2].replace(" --gateway local-http", "")


def test_a_second_gateway_over_http_has_the_same_plan_and_takes_the_same_apply(tmp_path, served):
    url, database = served
    place = _over_http(tmp_path, url)
    assert _meaning(place.pending("--gateway", "local-http")) == _meaning(place.pending())
    place.applied("--gateway", "local-http")
    place.settled("--gateway", "local-http")
    place.pending()  # the first gateway is another one

    _a_hand_edit_is_drift_and_apply_heals_it(place, url)
    _keys_of_the_file_open_what_the_plan_promised(place, url)
    assert ADMIN_KEY not in content(database)


def _a_hand_edit_is_drift_and_apply_heals_it(place: Place, url: str) -> None:
    admin = {"X-Admin-Key": ADMIN_KEY}
    edit = httpx.put(
        f"{url}/api/teams/shop-prod",
        json={"access_groups": ["gpt-models"]},
        headers=admin,
        verify=False,
    )
    assert edit.status_code == 200, edit.text
    found = place.reconciler("drift", "--gateway", "local-http", code=2).out
    assert "shop-prod" in found
    assert "acme-prod" not in found
    place.applied("--gateway", "local-http", "--allow-loss")
    place.reconciler("drift", "--gateway", "local-http")
    live = httpx.get(f"{url}/api/teams/shop-prod", headers=admin, verify=False).json()
    assert live["access_groups"] == ["basic-models"]


def _keys_of_the_file_open_what_the_plan_promised(place: Place, url: str) -> None:
    written = place.config / ".reconciler" / "keys-local-http.jsonl"
    assert written.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    keys = {row["name"]: row["key"] for row in rows}
    assert len(keys) == 12
    with httpx.Client(base_url=f"{url}/v1", timeout=60, verify=False) as http:
        answers = {
            team: http.get("/models", headers={"Authorization": f"Bearer {key}"})
            for team, key in keys.items()
        }
    shown = {
        team: {model["id"] for model in answer.json()["data"]} if answer.is_success else set()
        for team, answer in answers.items()
    }
    assert {team for team, models in shown.items() if "gpt-4" in models} == {
        "acme-prod",
        "client-prod",
        "client-staging",
        "insight-prod",
        "studio-prod",
        "techco-dev",
        "techco-prod",
    }


@pytest.mark.slow  # the first call imports litellm
def test_a_key_of_the_file_calls_what_the_plan_promised(tmp_path):
    arguments = ("--database", "gateway.db", "--admin-key-env", "LOCAL_ADMIN_KEY")
    with serving(tmp_path, *arguments, environ={"LOCAL_ADMIN_KEY": ADMIN_KEY}) as url:
        place = _over_http(tmp_path, url)
        place.applied("--gateway", "local-http")
        written = place.config / ".reconciler" / "keys-local-http.jsonl"
        rows = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
        keys = {row["name"]: row["key"] for row in rows}
        body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]}
        with httpx.Client(base_url=f"{url}/v1", timeout=60, verify=False) as http:
            answers = {
                team: http.post(
                    "/chat/completions",
                    json=body,
                    headers={"Authorization": f"Bearer {keys[team]}"},
                )
                for team in ("acme-prod", "shop-prod")
            }
    assert {team: answer.status_code for team, answer in answers.items()} == {
        "acme-prod": 200,
        "shop-prod": 403,
    }
    assert "example company's gpt-4" in answers["acme-prod"].text


@pytest.mark.parametrize(
    ("key", "word"), [(None, "LOCAL_ADMIN_KEY"), ("wrong", "admin key"), ("", "LOCAL_ADMIN_KEY")]
)
def test_a_wrong_or_missing_admin_key_is_one_clear_line(key, word, tmp_path, served, monkeypatch):
    monkeypatch.delenv("LOCAL_ADMIN_KEY", raising=False)
    place = _over_http(tmp_path, served[0], key)
    for command in (("plan",), ("apply", "--yes"), ("drift",)):
        done = place.reconciler(*command, "--gateway", "local-http", code=1)
        assert done.out == ""
        first, *rest = done.err.strip().splitlines()
        assert first.startswith("error")
        assert word in done.err
        assert [line for line in rest if not line.startswith("    ")] in ([], ["1 error"])
        assert len(rest) <= 2


def test_a_gateway_that_is_not_there_is_one_clear_line(place):
    place.environ["LOCAL_ADMIN_KEY"] = "any"
    place.edit("reconciler.yaml", "http://127.0.0.1:8003", "http://127.0.0.1:1")
    done = place.reconciler("plan", "--gateway", "local-http", code=1)
    assert re.match(r"error .*127\.0\.0\.1:1", done.err)
    assert (
        "local-http" in place.reconciler("plan", "--gateway", "local-htpp", code=1).err
    )  # did you mean
