"""What a reviewer reads beside a loss: by which edit, on which line; and a part of the plan that nothing is."""

import json

import pytest
from e2e_world import company, example

SMALL = """
model_aliases: {gpt-4o: {litellm_model: openai/gpt-4o}, gpt-5: {litellm_model: openai/gpt-5}}
access_groups:
  base: {model_aliases: [gpt-4o]}
  more: {model_aliases: [gpt-5]}
organizations: {o: {name: O}}
plans:
  starter: {price_usd_per_month: 99, access_groups: [base], credits_allocated: 1000}
teams:
  shop-prod: {organization_id: o, plan: starter, labels: {env: prod}}
"""


def test_a_loss_stands_on_the_line_that_causes_it(tmp_path):
    place = example(tmp_path)
    place.applied()
    place.edit("access-groups/by-tier.yaml", "[gpt-4-turbo, claude-3-sonnet", "[claude-3-sonnet")
    lines = (place.config / "access-groups/by-tier.yaml").read_text().splitlines()
    line = next(
        number
        for number, text in enumerate(lines, 1)
        if text.startswith("    model_aliases: [claude-3-sonnet")
    )
    out = place.reconciler("plan", "--report", "plan.sarif").out
    assert (
        f"pro-models no longer has gpt-4-turbo (config/access-groups/by-tier.yaml:{line})"
        in " ".join(out.split())
    )
    [result] = [
        each
        for each in json.loads((place.directory / "plan.sarif").read_text())["runs"][0]["results"]
        if each["ruleId"] == "loss"
    ]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == line
    assert "acme-prod, techco-prod would lose gpt-4-turbo" in result["message"]["text"]


def test_a_refusal_says_how_many_it_leaves_out_and_full_names_all(tmp_path):
    models = "".join(f"  m{n}: {{litellm_model: openai/m{n}}}\n" for n in range(8))
    text = f"model_aliases:\n{models}access_groups: {{g: {{model_aliases: [{', '.join(f'm{n}' for n in range(8))}]}}}}\n"
    teams = "organizations: {o: {name: O}}\nteams:\n  t: {organization_id: o, access_groups: [g]}\n"
    place = company(tmp_path, models=text, teams=teams)
    place.applied()
    place.write("teams.yaml", teams.replace("[g]", "[]"))
    assert "t (m0, m1, m2 and 5 more)" in place.reconciler("plan").out
    assert "t (m0, m1, m2, m3, m4, m5, m6, m7)" in " ".join(
        place.reconciler("plan", "--full").out.split()
    )


@pytest.mark.parametrize(
    ("only", "meant"),
    [
        ("team/shop-prodd", "team/shop-prod"),
        ("plans/stater", "plans/starter"),
        ("organization=oo", "organization=o"),
        ("label:env=prd", "label:env=prod"),
    ],
)
def test_a_part_that_matches_nothing_is_an_error_with_a_hint(tmp_path, only, meant):
    place = company(tmp_path, all=SMALL)
    place.applied()
    said = place.reconciler("plan", "--only", only, code=1).out
    assert f"nothing matches --only {only}" in said
    assert f"did you mean {meant}?" in said
    assert f"only {meant}" in place.reconciler("plan", "--only", meant).out


def test_a_tier_stands_in_the_plan_with_its_teams_and_a_hand_on_the_gateway_is_named(tmp_path):
    place = company(tmp_path, all=SMALL)
    place.applied()
    place.write("all.yaml", SMALL.replace("price_usd_per_month: 99", "price_usd_per_month: 89"))
    plan = " ".join(place.pending().split())
    assert "~ starter price_usd_per_month $99 -> $89 1 team: shop-prod" in plan
    assert "price of pricing plan starter (config/all.yaml:8)" in plan
    place.applied()
    place.settled()
