"""Every command of the access-group documentation, in its order, through curl, as printed but for the port."""

import json
import re
import subprocess

import pytest

ALIASES = {
    "gpt-4": "openai/gpt-4",
    "gpt-3.5-turbo": "openai/gpt-3.5-turbo",
    "gpt-4-turbo": "openai/gpt-4-turbo",
    "gpt-4-vision": "openai/gpt-4-vision-preview",
    "claude-3-opus": "anthropic/claude-3-opus-20240229",
    "claude-3-sonnet": "anthropic/claude-3-sonnet-20240229",
    "claude-3-haiku": "anthropic/claude-3-haiku-20240307",
    "gemini-pro": "gemini/gemini-pro",
    "gemini-1.5-pro": "gemini/gemini-1.5-pro",
}
GROUPS = {
    "claude-models": ["claude-3-opus", "claude-3-sonnet"],
    "gemini-models": ["gemini-pro"],
    "old-models": ["gpt-3.5-turbo"],
    "basic-models": ["gpt-3.5-turbo", "claude-3-haiku"],
    "pro-models": ["gpt-4-turbo", "claude-3-sonnet", "gemini-pro"],
    "enterprise-models": ["gpt-4", "claude-3-opus", "gemini-1.5-pro"],
    "current-models": ["gpt-4"],
    "experimental-models": ["gpt-4-vision"],
    "existing-groups": ["claude-3-haiku"],
}


@pytest.fixture
def acme(gateway):
    """What the page takes for granted: aliases, groups, the organization, the team acme-dev."""
    for alias, model in ALIASES.items():
        gateway.alias(alias, litellm_model=model, description=f"about {alias}")
    for group, aliases in GROUPS.items():
        gateway.group(group, *aliases)
    gateway.organization("org_acme")
    gateway.team("acme-dev", "current-models")
    return gateway


@pytest.fixture
def curl(acme):
    def run(command: str):
        printed = command.replace("http://localhost:8003", acme.url)
        shell = re.sub(r"^curl", "curl -sS -w '\\\\n%{http_code}'", printed)
        done = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, timeout=30, check=True
        )
        body, _, status = done.stdout.rpartition("\n")
        assert status == "200", f"{command}\n{status} {body}"
        return json.loads(body)

    return run


def test_every_command_in_order(acme, curl):
    creating_and_assigning(curl)
    viewing_and_managing(acme, curl)
    workflows(curl)
    troubleshooting(acme, curl)
    denied(acme, onboarding(curl))


def creating_and_assigning(curl):
    created = curl("""curl -X POST http://localhost:8003/api/model-access-groups/create \\
  -H "Content-Type: application/json" \\
  -d '{
    "group_name": "gpt-models",
    "description": "OpenAI GPT models",
    "model_aliases": ["gpt-4", "gpt-3.5-turbo", "gpt-4-turbo"]
  }'""")
    assert (
        created.items() >= {"group_name": "gpt-models", "description": "OpenAI GPT models"}.items()
    )
    assert created["model_aliases"] == ["gpt-4", "gpt-3.5-turbo", "gpt-4-turbo"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created["created_at"])

    team = curl("""curl -X POST http://localhost:8003/api/teams/create \\
  -H "Content-Type: application/json" \\
  -d '{
    "organization_id": "org_acme",
    "team_id": "acme-prod",
    "team_alias": "Production",
    "access_groups": ["gpt-models", "claude-models"],
    "credits_allocated": 1000
  }'""")
    assert team["access_groups"] == ["gpt-models", "claude-models"]
    assert (team["team_alias"], team["credits_remaining"]) == ("Production", 1000)
    assert team["virtual_key"].startswith("sk-")

    team = curl("""curl -X PUT http://localhost:8003/api/teams/acme-prod \\
  -H "Content-Type: application/json" \\
  -d '{
    "access_groups": ["gpt-models", "claude-models", "gemini-models"]
  }'""")
    assert team["access_groups"] == ["gpt-models", "claude-models", "gemini-models"]


def viewing_and_managing(acme, curl):
    listed = curl("curl http://localhost:8003/api/model-access-groups")["access_groups"]
    rows = {row["group_name"]: row for row in listed}
    expected = {"description": "OpenAI GPT models", "model_count": 3, "team_count": 1}
    assert rows["gpt-models"].items() >= expected.items()
    assert list(rows) == sorted([*GROUPS, "gpt-models"])

    detail = curl("curl http://localhost:8003/api/model-access-groups/gpt-models")
    assert detail["model_aliases"] == [
        {"alias": alias, "litellm_model": ALIASES[alias], "description": f"about {alias}"}
        for alias in ("gpt-4", "gpt-3.5-turbo", "gpt-4-turbo")
    ]
    assert detail["teams_with_access"] == ["acme-prod"]

    added = curl("""curl -X POST http://localhost:8003/api/model-access-groups/gpt-models/add-models \\
  -H "Content-Type: application/json" \\
  -d '{
    "model_aliases": ["gpt-4-vision"]
  }'""")
    assert added["model_aliases"] == ["gpt-4", "gpt-3.5-turbo", "gpt-4-turbo", "gpt-4-vision"]

    removed = curl("""curl -X POST http://localhost:8003/api/model-access-groups/gpt-models/remove-models \\
  -H "Content-Type: application/json" \\
  -d '{
    "model_aliases": ["gpt-3.5-turbo"]
  }'""")
    assert removed["model_aliases"] == ["gpt-4", "gpt-4-turbo", "gpt-4-vision"]

    acme.put("/api/teams/acme-dev", access_groups=["current-models", "old-models"])
    deleted = curl("curl -X DELETE http://localhost:8003/api/model-access-groups/old-models")
    assert deleted["removed_from_teams"] == ["acme-dev"]
    assert acme.get("/api/teams/acme-dev")["access_groups"] == ["current-models"]


def workflows(curl):
    # Workflow 1: upgrade
    team = curl("curl http://localhost:8003/api/teams/acme-prod")
    assert team["access_groups"] == ["gpt-models", "claude-models", "gemini-models"]
    team = curl("""curl -X PUT http://localhost:8003/api/teams/acme-prod \\
  -d '{
    "access_groups": ["basic-models", "pro-models", "enterprise-models"]
  }'""")
    assert team["allowed_model_aliases"] == sorted(ALIASES.keys() - {"gpt-4-vision"})
    added = curl("""curl -X POST http://localhost:8003/api/credits/add \\
  -d '{
    "team_id": "acme-prod",
    "amount": 10000
  }'""")
    assert (added["credits_added"], added["credits_remaining"]) == (10000, 11000)

    # Workflow 2: custom access
    custom = curl("""curl -X POST http://localhost:8003/api/model-access-groups/create \\
  -d '{
    "group_name": "acme-custom",
    "description": "Custom models for ACME Corp",
    "model_aliases": [
      "gpt-4",
      "claude-3-opus",
      "gemini-1.5-pro"
    ]
  }'""")
    assert custom["model_aliases"] == ["gpt-4", "claude-3-opus", "gemini-1.5-pro"]
    team = curl("""curl -X PUT http://localhost:8003/api/teams/acme-prod \\
  -d '{
    "access_groups": ["acme-custom"]
  }'""")
    assert team["allowed_model_aliases"] == ["claude-3-opus", "gemini-1.5-pro", "gpt-4"]

    # Workflow 3: access for a time
    team = curl("""curl -X PUT http://localhost:8003/api/teams/acme-dev \\
  -d '{
    "access_groups": ["current-models", "experimental-models"]
  }'""")
    assert team["allowed_model_aliases"] == ["gpt-4", "gpt-4-vision"]
    team = curl("""curl -X PUT http://localhost:8003/api/teams/acme-dev \\
  -d '{
    "access_groups": ["current-models"]
  }'""")
    assert team["allowed_model_aliases"] == ["gpt-4"]


def troubleshooting(acme, curl):
    # no access to the model
    assert curl("curl http://localhost:8003/api/teams/acme-prod")["access_groups"] == [
        "acme-custom"
    ]
    curl("curl http://localhost:8003/api/model-access-groups/gpt-models")
    team = curl("""curl -X PUT http://localhost:8003/api/teams/acme-prod \\
     -d '{"access_groups": ["existing-groups", "gpt-models"]}'""")
    assert team["allowed_model_aliases"] == [
        "claude-3-haiku",
        "gpt-4",
        "gpt-4-turbo",
        "gpt-4-vision",
    ]

    # no such alias
    acme.delete("/api/model-aliases/gpt-4")
    aliases = curl("curl http://localhost:8003/api/model-aliases")["model_aliases"]
    assert [row["alias"] for row in aliases] == sorted(ALIASES.keys() - {"gpt-4"})
    alias = curl("""curl -X POST http://localhost:8003/api/model-aliases/create \\
     -d '{
       "alias": "gpt-4",
       "litellm_model": "openai/gpt-4",
       "description": "GPT-4"
     }'""")
    assert (
        alias.items()
        >= {"alias": "gpt-4", "litellm_model": "openai/gpt-4", "description": "GPT-4"}.items()
    )
    added = curl("""curl -X POST http://localhost:8003/api/model-access-groups/gpt-models/add-models \\
     -d '{"model_aliases": ["gpt-4"]}'""")
    assert added["model_aliases"] == ["gpt-4-turbo", "gpt-4-vision", "gpt-4"]

    # changes that do not take effect
    assert (
        "gpt-4" in curl("curl http://localhost:8003/api/teams/acme-prod")["allowed_model_aliases"]
    )
    detail = curl("curl http://localhost:8003/api/model-access-groups/gpt-models")
    assert detail["teams_with_access"] == ["acme-prod"]


def onboarding(curl):
    organization = curl("""curl -X POST http://localhost:8003/api/organizations/create \\
  -d '{
    "organization_id": "org_newclient",
    "name": "New Client Inc"
  }'""")
    assert organization["status"] == "active"
    curl("""curl -X POST http://localhost:8003/api/model-access-groups/create \\
  -d '{
    "group_name": "starter-models",
    "description": "Starter tier models",
    "model_aliases": ["gpt-3.5-turbo", "claude-3-haiku"]
  }'""")
    team = curl("""curl -X POST http://localhost:8003/api/teams/create \\
  -d '{
    "organization_id": "org_newclient",
    "team_id": "newclient-prod",
    "team_alias": "Production",
    "access_groups": ["starter-models"],
    "credits_allocated": 1000
  }'""")
    assert team["allowed_model_aliases"] == ["claude-3-haiku", "gpt-3.5-turbo"]
    key = team["virtual_key"]
    curl("""curl -X PUT http://localhost:8003/api/teams/newclient-prod \\
  -d '{
    "access_groups": ["starter-models", "pro-models"]
  }'""")
    added = curl("""curl -X POST http://localhost:8003/api/credits/add \\
  -d '{
    "team_id": "newclient-prod",
    "amount": 5000
  }'""")
    assert added["credits_remaining"] == 6000

    return key


def denied(acme, key):
    """In the page's words under the page's path; under OpenAI's path its shape holds the same words."""
    available = ["claude-3-haiku", "claude-3-sonnet", "gemini-pro", "gpt-3.5-turbo", "gpt-4-turbo"]
    under_the_page_s_path = acme.http.post(
        "/api/jobs/job_1/llm-call",
        json={"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert (under_the_page_s_path.status_code, under_the_page_s_path.json()) == (
        403,
        {
            "error": "Model access denied",
            "message": "Team does not have access to model 'gpt-4'",
            "available_models": available,
        },
    )
    answer = acme.call(key, "gpt-4")
    assert (answer.status_code, answer.json()) == (
        403,
        {
            "error": {
                "message": "Model access denied: Team does not have access to model 'gpt-4'",
                "type": "permission_error",
                "code": "model_access_denied",
                "param": "model",
            },
            "available_models": available,
        },
    )
