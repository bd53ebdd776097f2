"""import through the command line: a gateway filled by hand or by us, its YAML, and the empty plan that follows."""

import asyncio
import json
import os
import shutil
import tomllib

import httpx
import pytest
import yaml
from e2e_world import ROOT, Place, company, example
from saas_litellm import saas_double

from reconciler.cli import COMMANDS
from reconciler.embedded.app import close, create_app

SETTINGS = "default_gateway: local\ngateways:\n  local: {backend: embedded}\n"
TEAMS = """\
# Our customers
organizations:
  org_acme: {name: ACME Corp}   # since 2019

teams:
  acme-prod:
    organization_id: org_acme
    plan: pro   # paid yearly
    labels: {env: prod}

  # the small one
  acme-dev:
    organization_id: org_acme
    access_groups:
      - basic # all may
    credits_allocated: 100
"""
MODELS = """\
model_aliases:
  gpt-4: {litellm_model: openai/gpt-4, description: 'Most capable'}
  mini: {litellm_model: openai/gpt-4o-mini}
access_groups:
  basic: {model_aliases: [mini]}
  best: {model_aliases: [gpt-4]}
plans:
  pro: {price_usd_per_month: 99, access_groups: [basic, best], credits_allocated: 1000}
"""


@pytest.fixture
def place(tmp_path) -> Place:
    found = company(tmp_path, SETTINGS, teams=TEAMS, models=MODELS)
    found.applied()
    return found


def on_the_gateway(place: Place, method: str, path: str, body=None) -> None:
    """What somebody else does to the embedded gateway."""

    async def send() -> None:
        app = create_app(place.database)
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://x"
            ) as client:
                answer = await client.request(method, path, json=body)
                assert answer.status_code < 300, answer.text
        finally:
            close(app)

    asyncio.run(send())


def files(place: Place, directory: str = "config") -> dict[str, str]:
    root = place.directory / directory
    return {
        file.relative_to(root).as_posix(): file.read_text()
        for file in sorted(root.rglob("*.yaml"))
        if ".reconciler" not in file.parts
    }


def test_import_of_what_was_applied_gives_the_same_objects_and_an_empty_plan(place):
    done = place.reconciler("import", "--out", "again")
    assert (
        "Imported 1 organization, 2 model aliases, 2 access groups, 1 pricing plan, 2 teams"
        in done.out
    )
    assert not done.err
    assert set(files(place, "again")) == {
        "access-groups.yaml",
        "models.yaml",
        "organizations.yaml",
        "plans.yaml",
        "reconciler.yaml",
        "teams/org_acme.yaml",
    }
    place.settled("--config", "again")
    place.reconciler("validate", "--config", "again")
    for kind, name in (("team", "acme-prod"), ("plan", "pro"), ("access_group", "best")):
        shown = [
            place.reconciler("show", kind, name, "--config", each).out
            for each in ("config", "again")
        ]
        assert "pro" in shown[1] or kind != "team"
    assert (
        "    plan: pro\n    labels: {env: prod}\n" in files(place, "again")["teams/org_acme.yaml"]
    )
    assert "price_usd_per_month: 99" in files(place, "again")["plans.yaml"]


def test_the_example_company_comes_back(tmp_path):
    place = example(tmp_path)
    place.applied()
    place.reconciler("import", "--out", "again")
    plan = json.loads(place.reconciler("plan", "--config", "again", "--format", "json").out)
    assert plan["changes"] == []
    noted = {(change["kind"], *(f["name"] for f in change["fields"])) for change in plan["noted"]}
    assert {one[0] for one in noted} == {"pricing_plan", "team"}, "tiers and ends are in no gateway"
    assert [one for one in noted if one[0] == "team"] == [("team", "grants")]
    place.reconciler("validate", "--config", "again")


def test_without_a_ledger_only_adoptions_are_left(place):
    shutil.copytree(place.config, place.directory / "fresh")
    (place.directory / "fresh" / ".reconciler" / "ledger.db").unlink()
    for file in ("teams.yaml", "models.yaml"):
        (place.directory / "fresh" / file).unlink()
    place.reconciler("import", "--config", "fresh")
    plan = json.loads(place.reconciler("plan", "--config", "fresh", "--format", "json").out)
    assert {change["verb"] for change in plan["changes"]} == {"adopt"}


def test_adopted_at_once_the_next_plan_is_empty(place):
    shutil.copytree(place.config, place.directory / "mine")
    (place.directory / "mine" / ".reconciler" / "ledger.db").unlink()
    for file in ("teams.yaml", "models.yaml"):
        (place.directory / "mine" / file).unlink()
    assert "the next plan is empty" in place.reconciler("import", "--config", "mine", "--adopt").out
    place.reconciler("plan", "--config", "mine", "--exit-code", code=0)


def test_nothing_is_overwritten_unasked(place):
    before = files(place)
    assert "already holds manifests" in place.reconciler("import", code=1).err
    assert files(place) == before


def test_which_gateway_is_never_guessed(tmp_path):
    place = Place(tmp_path)
    assert "--url, --backend and --admin-key-env" in place.reconciler("import", code=1).err
    place.write("reconciler.yaml", "gateways: {a: {backend: nope}}\n")
    assert "reconciler.yaml:1" in place.reconciler("import", code=1).err
    done = place.reconciler("import", "--out", "x", "--url", "http://127.0.0.1:1", code=1)
    assert "e.g. --backend saas-litellm" in done.err
    assert not (tmp_path / "x").exists()


def test_the_hooks_name_commands_that_exist():
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    for hook in hooks:
        program, command = hook["entry"].split()
        assert (program, command in COMMANDS, hook["language"]) == ("reconciler", True, "python")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert hooks[0]["additional_dependencies"] == extras["policies"]


def test_a_dry_run_writes_nothing(place):
    assert (
        "litellm_model: openai/gpt-4"
        in place.reconciler("import", "--out", "again", "--dry-run").out
    )
    assert not (place.directory / "again").exists()


def test_settings_that_are_there_stay(tmp_path):
    place = company(tmp_path, "# mine\n" + SETTINGS, teams=TEAMS, models=MODELS)
    place.applied()
    for file in ("teams.yaml", "models.yaml"):
        (place.config / file).unlink()
    place.reconciler("import")
    assert files(place)["reconciler.yaml"] == "# mine\n" + SETTINGS
    place.settled()


def test_update_edits_only_what_moved(place):
    on_the_gateway(
        place,
        "PUT",
        "/api/teams/acme-dev",
        {"access_groups": ["basic", "best"], "status": "suspended"},
    )
    on_the_gateway(place, "PUT", "/api/model-aliases/gpt-4", {"description": "Dear"})
    on_the_gateway(
        place,
        "POST",
        "/api/teams/create",
        {"team_id": "acme-new", "organization_id": "org_acme", "access_groups": ["best"]},
    )
    place.reconciler("import", "--update")
    expected = TEAMS.replace(
        "      - basic # all may\n    credits_allocated: 100\n",
        "      - basic # all may\n      - best\n    status: suspended\n    credits_allocated: 100\n"
        "  acme-new:\n    organization_id: org_acme\n    access_groups: [best]\n",
    )
    found = files(place)
    assert found["teams.yaml"] == expected
    assert found["models.yaml"] == MODELS.replace("'Most capable'", "Dear")
    plan = json.loads(place.reconciler("plan", "--format", "json").out)
    assert [(change["verb"], change["ref"]) for change in plan["changes"]] == [
        ("adopt", "team/acme-new")
    ]
    assert "already say" in place.reconciler("import", "--update").out


def test_update_never_changes_a_plan_for_one_team(place):
    on_the_gateway(place, "PUT", "/api/teams/acme-prod", {"access_groups": ["basic"]})
    done = place.reconciler("import", "--update")
    assert "team/acme-prod has no best on the gateway, but its plan or a grant gives it" in done.err
    assert files(place)["models.yaml"] == MODELS
    assert files(place)["teams.yaml"] == TEAMS


def test_update_says_what_is_gone_and_removes_it_when_asked(place):
    on_the_gateway(place, "DELETE", "/api/teams/acme-dev")
    done = place.reconciler("import", "--update")
    assert "team/acme-dev is declared and was applied, but is gone from the gateway" in done.err
    assert files(place)["teams.yaml"] == TEAMS
    place.reconciler("import", "--update", "--prune-files")
    assert files(place)["teams.yaml"] == TEAMS[: TEAMS.index("  # the small one")]


def test_update_writes_into_the_overlay_that_holds_the_field(place):
    place.write(
        "environments/prod/teams.yaml",
        "teams:\n  acme-dev: {credits_allocated: 100, status: active} # prod\n",
    )
    on_the_gateway(place, "PUT", "/api/teams/acme-dev", {"status": "suspended"})
    place.reconciler("import", "--update", "--environment", "prod")
    assert files(place)["environments/prod/teams.yaml"].endswith(
        "{credits_allocated: 100, status: suspended} # prod\n"
    )
    assert files(place)["teams.yaml"] == TEAMS


def test_update_leaves_variables_alone(place):
    place.edit("models.yaml", "'Most capable'", '"${RECONCILER_VAR_WORDS:-Most capable}"')
    on_the_gateway(place, "PUT", "/api/model-aliases/gpt-4", {"description": "Dear"})
    done = place.reconciler("import", "--update")
    assert "description of model_alias/gpt-4 comes from a variable" in done.err
    assert "${RECONCILER_VAR_WORDS:-Most capable}" in files(place)["models.yaml"]


def test_drift_adopt_takes_the_live_side_and_leaves_what_git_changed(place):
    on_the_gateway(place, "PUT", "/api/teams/acme-dev", {"status": "suspended"})
    place.edit(
        "teams.yaml", "labels: {env: prod}", "labels: {env: prod}\n    credits_allocated: 2000"
    )
    before = files(place)
    place.reconciler("drift", "--adopt")
    after = files(place)
    assert after["models.yaml"] == before["models.yaml"]
    old = "    credits_allocated: 100\n"
    assert after["teams.yaml"] == before["teams.yaml"].replace(old, "    status: suspended\n" + old)
    plan = json.loads(place.reconciler("plan", "--format", "json").out)
    assert [change["name"] for change in plan["changes"]] == ["acme-prod"]
    assert [change["name"] for change in plan["noted"]] == ["acme-dev"]


def test_only_takes_a_part_with_what_it_refers_to(place):
    place.reconciler("import", "--out", "part", "--only", "team/acme-dev")
    found = "".join(text for name, text in files(place, "part").items())
    assert "acme-dev" in found
    assert "mini:" in found
    assert "acme-prod" not in found
    assert "gpt-4:" not in found


@pytest.fixture(params=["double", "real"])
def server(request):
    if request.param == "double":
        with saas_double() as double:
            yield double.url, double.admin_key, "team/p-*"
        return
    url, key = (
        os.environ.get("RECONCILER_TEST_SAAS_URL"),
        os.environ.get("RECONCILER_TEST_SAAS_KEY"),
    )
    if not (url and key):
        pytest.skip(
            "no real SaaS LiteLLM: set RECONCILER_TEST_SAAS_URL and RECONCILER_TEST_SAAS_KEY"
        )
    yield url, key, None


def test_a_saas_gateway_without_any_settings(server, tmp_path):
    """Filled by hand (the double) or by many other tests (the real server): import, then a plan that only adopts."""
    url, key, filled = server
    place = Place(tmp_path, {"KEY": key})
    if filled:
        fill(url, key)
    done = place.reconciler(
        "import", "--backend", "saas-litellm", "--url", url, "--admin-key-env", "KEY"
    )
    assert key not in "".join(files(place).values())
    plan = json.loads(place.reconciler("plan", "--format", "json").out)
    assert {change["verb"] for change in plan["changes"]} == {"adopt"}
    place.reconciler("validate")
    if filled:
        assert (
            "Not taken over:\n#   p-org_default: it can only be read on this gateway"
            in files(place)["teams/p-org.yaml"]
        )
        assert "team/p-org_default is not taken over" in done.err
        assert "name-invalid: warning" in files(place)["reconciler.yaml"]
        assert "plan: p-basic" in files(place)["teams/p-org.yaml"]
        assert "sk-" not in "".join(files(place).values())


def fill(url: str, key: str) -> None:
    """As people do it by hand, through the API."""
    with httpx.Client(base_url=url, headers={"X-Admin-Key": key}) as client:

        def post(path: str, **body) -> None:
            answer = client.post(path, json=body)
            assert answer.status_code < 300, answer.text

        model = {"provider": "openai", "actual_model": "gpt-4o", "pricing_input": 2.5}
        post(
            "/api/models/create",
            model_alias="P GPT",
            display_name="P Gpt",
            **{**model, "pricing_input": None},
        )
        post("/api/models/create", model_alias="p-mini", display_name="Mini!", **model)
        post(
            "/api/model-access-groups/create",
            group_name="p-basic-models",
            display_name="P Basic Models",
            model_aliases=["p-mini", "P GPT"],
        )
        post(
            "/api/organizations/create",
            organization_id="p-org",
            name="P",
            metadata={},
            create_default_team=True,
        )
        for name in ("p-one", "p-two", "p-three"):
            post(
                "/api/teams/create",
                team_id=name,
                team_alias=name,
                organization_id="p-org",
                access_groups=["p-basic-models"],
                credits_allocated=500 if name != "p-three" else 9,
                metadata={},
            )
