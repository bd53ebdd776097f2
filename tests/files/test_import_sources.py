"""A LiteLLM config.yaml and a Terraform state as manifests: what they say, nothing secret, and what is left out."""

import json

import pytest

from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.kinds import AccessGroup, Key, ModelAlias, Organization, Status, Team
from reconciler.files.imports.litellm_config import from_config_yaml
from reconciler.files.imports.terraform import from_terraform
from reconciler.files.imports.write import Origins, manifests

SECRET = "sk-live-1234567890abcdefgh"
CONFIG = f"""
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o
      api_base: https://x.openai.azure.com
      api_key: {SECRET}
      rpm: 6
      timeout: 30
      input_cost_per_token: 0.0000025
    model_info: {{access_groups: [pro, all], base_model: azure/gpt-4o}}
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, input_cost_per_token: 2.5e-6}}
  - model_name: mini
    litellm_params: {{model: openai/gpt-4o-mini}}
    model_info: {{access_groups: [all]}}
  - {{model_name: broken}}
general_settings: {{master_key: {SECRET}}}
router_settings: {{num_retries: 2}}
"""


def test_a_config_yaml(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    found = from_config_yaml(file)
    aliases = found.state.of(ModelAlias)
    assert (aliases["mini"].litellm_model, aliases["mini"].deployments) == (
        "openai/gpt-4o-mini",
        (),
    )
    azure, openai = aliases["gpt-4o"].deployments
    assert (azure.litellm_model, azure.rpm, azure.base_model) == ("azure/gpt-4o", 6, "azure/gpt-4o")
    assert (azure.api_key, openai.api_key) == (
        "os.environ/GPT_4O_API_KEY",
        "os.environ/OPENAI_API_KEY",
    )
    assert azure.litellm_params == {"timeout": 30}
    assert aliases["gpt-4o"].pricing_input == 2.5
    groups = {name: set(group.model_aliases) for name, group in found.state.of(AccessGroup).items()}
    assert groups == {"pro": {"gpt-4o"}, "all": {"gpt-4o", "mini"}}
    assert SECRET not in "".join(manifests(found, Origins("a test")).values())
    said = "\n".join(finding.message for finding in found.findings)
    assert "not taken over: general_settings, router_settings" in said
    assert "1 entries have no model_name or no litellm_params" in said
    assert "A secret stood there in clear; set the variable of os.environ/GPT_4O_API_KEY" in said
    assert SECRET not in said


@pytest.mark.parametrize("text", ["", "a: [", "model_list: 5", "[]", "\x00"])
def test_what_is_no_config_yaml_is_said(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ReconcilerError):
        from_config_yaml(file)


def resource(kind: str, *attributes: dict) -> dict:
    return {
        "mode": "managed",
        "type": kind,
        "name": "x",
        "instances": [{"attributes": each} for each in attributes],
    }


STATE = {
    "version": 4,
    "resources": [
        resource(
            "litellm_model",
            {
                "id": "m-1",
                "model_name": "gpt-4o",
                "custom_llm_provider": "openai",
                "base_model": "gpt-4o",
                "model_api_key": SECRET,
                "rpm": 60,
                "input_cost_per_million_tokens": 2.5,
                "additional_litellm_params": {"use": "true", "max": "5", "note": "hi", "additional_drop_params": "[]"},
            },
            {"id": "m-2", "model_name": "mini", "custom_llm_provider": "openai", "base_model": "gpt-4o-mini"},
            {"id": "m-3", "model_name": "theirs", "base_model": "x", "team_id": "t"},
        ),
        resource("litellm_access_group", {"id": "prod", "access_group": "prod", "model_names": ["mini"], "model_ids": ["m-1"]}),
        resource(
            "litellm_unified_access_group",
            {
                "id": "uuid-1",
                "access_group_name": "lab",
                "description": "The lab",
                "access_model_names": ["mini"],
                "assigned_team_ids": ["t2"],
            },
        ),
        resource("litellm_organization", {"id": "o1", "organization_alias": "ACME", "max_budget": 5}),
        resource(
            "litellm_team",
            {
                "id": "t1",
                "team_alias": "One",
                "organization_id": "o1",
                "models": ["prod", "claude"],
                "access_group_ids": ["uuid-1"],
                "max_budget": 100.0,
                "budget_duration": "monthly",
                "blocked": True,
                "metadata": {"a": "b"},
            },
            {"id": "t2", "team_alias": "Two", "models": ["no-default-models"]},
            {"id": "t3", "team_alias": "Three", "models": []},
        ),
        resource("litellm_key", {"key": SECRET, "key_alias": "ci", "team_id": "t1", "models": ["all-team-models"]}, {"key": SECRET}),
        resource("litellm_budget", {"id": "b"}, {"id": "c"}),
        {"mode": "data", "type": "litellm_team", "instances": [{"attributes": {"id": "elsewhere"}}]},
        resource("aws_instance", {"id": "i"}),
    ],
}  # fmt: skip


def test_a_terraform_state(tmp_path):
    file = tmp_path / "state.json"
    file.write_text(json.dumps(STATE))
    found = from_terraform(file)
    state = found.state
    deployment = state.of(ModelAlias)["gpt-4o"].deployments[0]
    assert (deployment.litellm_model, deployment.api_key) == (
        "openai/gpt-4o",
        "os.environ/GPT_4O_API_KEY",
    )
    assert (deployment.rpm, deployment.litellm_params) == (
        60,
        {"use": True, "max": 5, "note": "hi"},
    )
    assert state.of(ModelAlias)["gpt-4o"].pricing_input == 2.5
    assert state.of(ModelAlias)["mini"].litellm_model == "openai/gpt-4o-mini"
    groups = {name: set(group.model_aliases) for name, group in state.of(AccessGroup).items()}
    assert groups == {"prod": {"gpt-4o", "mini"}, "lab": {"mini"}}
    assert state.of(Organization)["o1"].name == "ACME"
    one, two = state.of(Team)["t1"], state.of(Team)["t2"]
    assert (one.access_groups, one.models) == ({"prod", "lab"}, {"claude"})
    assert (one.status, one.max_budget_usd, one.budget_duration) == (Status.SUSPENDED, 100, "1mo")
    assert (two.access_groups, two.models) == ({"lab"}, frozenset())
    assert state.of(Key)["ci"].team_id == "t1"
    assert "elsewhere" not in state.of(Team)
    said = "\n".join(finding.message for finding in found.findings)
    assert SECRET not in said + "".join(manifests(found, Origins("a test")).values())
    assert "2 of litellm_budget are not taken over" in said
    assert "model theirs belongs to a team" in said
    assert "team/t3 has an empty list of models, which LiteLLM reads as every model" in said
    assert "max_budget of organization o1 cannot be declared" in said
    assert "a key without a key_alias" in said


@pytest.mark.parametrize("text", ["", "{}", '{"version": 3, "resources": []}', "[1]"])
def test_what_is_no_state_is_said(tmp_path, text):
    file = tmp_path / "state.json"
    file.write_text(text)
    with pytest.raises(ReconcilerError):
        from_terraform(file)
