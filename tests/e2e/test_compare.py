"""`compare` on the example company with two environments."""

import json

from e2e_world import Place

STAGING = """
model_aliases:
  gpt-4o: {litellm_model: openai/gpt-4o}
access_groups:
  current-models: {model_aliases: [gpt-3.5-turbo, claude-3-haiku, gpt-4o]}
"""
PROD = "teams:\n  acme-dev: {credits_allocated: 900}\n"


def environments(place: Place) -> None:
    place.write("environments/staging/models.yaml", STAGING)
    place.write("environments/prod/teams.yaml", PROD)


def test_what_prod_lacks_of_staging(place: Place):
    environments(place)
    said = place.reconciler("compare", "--from", "staging", "--to", "prod").out
    assert "+ gpt-4o" in said
    assert "prod lacks gpt-4o" in said
    assert "credits_allocated  900 -> 500" in said
    assert "acme-dev" in said


def test_the_base_is_an_environment_without_overlay(place: Place):
    environments(place)
    found = json.loads(
        place.reconciler("compare", "--from", "base", "--to", "prod", "--format", "json").out
    )
    assert found["objects"] == [
        {
            "ref": "team/acme-dev",
            "only": None,
            "fields": [{"name": "credits_allocated", "from": 500, "to": 900}],
        }
    ]
    assert found["teams"] == []
    assert found["same"] > 40


def test_the_exit_code_says_whether_they_differ(place: Place):
    environments(place)
    place.reconciler("compare", "--from", "staging", "--to", "prod", "--exit-code", code=2)
    place.reconciler("compare", "--from", "prod", "--to", "prod", "--exit-code")
    assert (
        "did you mean staging?"
        in place.reconciler("compare", "--from", "stagin", "--to", "prod", code=1).text
    )


def test_markdown_is_a_table_of_teams_and_folded_objects(place: Place):
    environments(place)
    said = place.reconciler(
        "compare", "--from", "staging", "--to", "prod", "--format", "markdown"
    ).out
    assert "| acme-dev | gpt-4o |  |" in said
    assert said.count("<details>") == said.count("</details>") > 0


def test_its_former_name_still_works_and_is_not_listed(place: Place):
    environments(place)
    options = ("--from", "staging", "--to", "prod")
    assert place.reconciler("promote", *options).out == place.reconciler("compare", *options).out
    assert place.reconciler("promote", *options, "--exit-code", code=2)
    assert place.reconciler("help", "promote").out.startswith("Usage: reconciler promote")
    assert "promote" not in place.reconciler("--help").out
