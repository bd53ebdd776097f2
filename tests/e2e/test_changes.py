"""What an edit in git means for the gateway: only what follows from it, and nothing that is not ours."""

from pathlib import Path

import httpx
from e2e_world import ADMIN_KEY, Place, company, content, example

ONE_TEAM = """
model_aliases:
  gpt-4: {litellm_model: openai/gpt-4}
  gpt-3.5-turbo: {litellm_model: openai/gpt-3.5-turbo}
access_groups:
  basic: {model_aliases: [gpt-3.5-turbo]}
  pro: {model_aliases: [gpt-4]}
organizations: {org_a: {name: A}}
teams:
  a-prod: {organization_id: org_a, access_groups: [basic, pro]}
"""


def served_company(directory: Path, url: str, text: str = ONE_TEAM) -> Place:
    settings = f"gateways: {{embedded: {{backend: embedded, url: {url}, admin_key_env: KEY}}}}\n"
    place = company(directory, settings, all=text)
    place.environ["KEY"] = ADMIN_KEY
    return place


def test_a_group_removed_from_a_plan_changes_its_teams_and_nothing_else(place):
    place.applied()
    before = content(place.database).splitlines()
    place.edit("plans.yaml", "[analysis-models, chat-models]", "[analysis-models]")
    plan = place.pending()
    assert "loses" in plan
    named = [
        team
        for team in ("insight-prod", "helpdesk-prod", "acme-prod", "techco-prod")
        if team in plan
    ]
    assert named == ["insight-prod"]

    refused = place.reconciler("apply", "--yes", code=1)
    assert "--allow-loss" in refused.err
    assert content(place.database).splitlines() == before

    place.applied("--allow-loss")
    place.settled()
    moved = set(before) ^ set(content(place.database).splitlines())
    rows = [line for line in moved if line.startswith("INSERT")]
    assert rows
    assert all("insight-prod" in row for row in rows), rows


def test_an_upgrade_is_one_line_and_its_credits_come_once(place):
    place.applied()
    place.edit("customers/newclient.yaml", "[starter-models]\n", "[starter-models, pro-models]\n")
    place.edit("customers/newclient.yaml", "    # top_ups:", "    top_ups:")
    assert "5,000" in place.pending()
    place.applied()
    place.settled()
    assert "6000" in place.reconciler("show", "team", "newclient-prod").out.replace(",", "")
    place.applied()
    assert "6000" in place.reconciler("show", "team", "newclient-prod").out.replace(",", "")


def test_what_others_made_is_foreign_and_stays(tmp_path, served):
    url, _ = served
    admin = httpx.Client(base_url=url, headers={"X-Admin-Key": ADMIN_KEY}, verify=False)
    with admin:
        made = admin.post(
            "/api/organizations/create", json={"organization_id": "org_other", "name": "Other"}
        )
        assert made.status_code == 200, made.text
        place = served_company(tmp_path, url)
        place.applied()
        place.settled()
        place.write("all.yaml", ONE_TEAM.partition("teams:")[0])
        gone = place.applied("--allow-loss").out
        assert "a-prod" in gone
        assert "org_other" not in gone
        left = admin.get("/api/organizations/org_other")
        assert left.status_code == 200
        place.declare_nothing()
        place.applied("--allow-empty")
        assert admin.get("/api/organizations/org_other").json() == left.json()
        assert admin.get("/api/organizations/org_a").status_code == 404


def test_declaring_what_exists_adopts_it_and_the_plan_says_so(tmp_path, served):
    url, _ = served
    with httpx.Client(base_url=url, headers={"X-Admin-Key": ADMIN_KEY}, verify=False) as admin:
        admin.post(
            "/api/organizations/create", json={"organization_id": "org_found", "name": "Found"}
        )
    place = served_company(tmp_path, url, "organizations: {org_found: {name: Found}}\n")
    assert "adopt" in place.pending()
    place.applied()
    place.settled()
    place.declare_nothing()
    assert "delete" in place.pending()  # ours now
    place.applied("--allow-empty")


def test_prune_never_keeps_owned_adds_back_and_all_takes_what_others_made(tmp_path, served):
    url, _ = served
    with httpx.Client(base_url=url, headers={"X-Admin-Key": ADMIN_KEY}, verify=False) as admin:
        admin.post(
            "/api/organizations/create", json={"organization_id": "org_stray", "name": "Stray"}
        )
        place = served_company(
            tmp_path, url, "organizations:\n  org_one: {name: One}\n  org_two: {name: Two}\n"
        )
        place.applied()
        place.write("all.yaml", "organizations: {org_one: {name: One}}\n")

        settings = (place.config / "reconciler.yaml").read_text(encoding="utf-8")
        place.write("reconciler.yaml", settings + "prune: never\n")
        place.settled()
        place.write("reconciler.yaml", settings + "prune: owned\n")
        owned = place.pending()
        assert "org_two" in owned
        assert "org_stray" not in owned
        place.write("reconciler.yaml", settings + "prune: all\n")
        assert "org_stray" in place.pending()
        place.applied()
        place.settled()
        assert [row["organization_id"] for row in _organizations(admin)] == ["org_one"]
        place.declare_nothing()
        place.applied("--allow-empty")


def _organizations(admin: httpx.Client) -> list[dict[str, str]]:
    answer = admin.get("/api/organizations").json()
    return answer if isinstance(answer, list) else answer["organizations"]


def test_a_hand_edit_in_process_is_drift_while_an_edit_in_git_is_none(place):
    place.applied()
    place.edit("customers/acme.yaml", "credits_allocated: 500", "credits_allocated: 600")
    place.reconciler("drift")
    place.pending()


def test_an_invalid_config_is_refused_before_the_gateway_is_touched(place):
    place.applied()
    before = content(place.database)
    place.edit("customers/acme.yaml", "plan: professional", "plan: profesional")
    for command in (("validate",), ("plan",), ("apply", "--yes"), ("drift",)):
        text = place.reconciler(*command, code=1).text
        assert "config/customers/acme.yaml:10:11" in text
        assert "did you mean professional?" in text
    assert content(place.database) == before


def test_two_gateways_are_remembered_apart(tmp_path, served):
    url, _ = served
    place = example(tmp_path, LOCAL_ADMIN_KEY=ADMIN_KEY)
    place.edit("reconciler.yaml", "http://127.0.0.1:8003", url)
    place.applied()
    place.settled()
    assert "create" in place.pending("--gateway", "local-http")
    place.reconciler("drift")
