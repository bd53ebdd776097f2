"""From a pull request to its apply, and drift, on both services: plan, comment, label, merge, apply, issue.

What is GitLab's own is in few tests here, and in `test_approval` and `test_rest`; the rest runs there where it is slow.
"""

import json
import re

import pytest
from ci_world import LOSS, World, company, edited, nothing


def test_a_pull_request_from_its_plan_to_its_apply(both: World):
    both.applied("schedule")  # the embedded gateway gets its identity with the first apply
    number = both.proposed(company)
    done = both.planned(number)
    comment, plan = both.comment(number), json.loads(done.files["plan.json"])["plan"]
    assert plan["counts"]["create"] == 7
    assert "7 to create" in comment
    assert {"prod", "dev"} == {team["team"] for team in plan["impact"]["teams"]}
    assert done.files["comment.md"].decode() == comment
    assert "no findings" in done.out

    both.pushed(number, edited("Production", "Live"))
    both.planned(number)
    assert both.comment(number) != comment

    both.merged(number)
    done = both.applied()
    said = both.comment(number, "apply")
    assert "This was the plan as reviewed" in said
    assert "steps applied, 0 failed, 0 not sent" in said
    assert "the approved plan is found" in done.err
    assert "steps." in said.partition("</details>")[2], (
        "the outcome stands beside the plan, which may be cut"
    )
    assert both.sql("select team_alias from teams order by team_id") == [
        ("Development",),
        ("Live",),
    ]

    # Nothing is left to do, and the gateway is as declared.
    quiet = both.proposed(nothing)
    assert "No changes" in both.planned(quiet).out
    assert "no changes" in both.comment(quiet)


def test_the_step_has_outputs_and_the_run_a_page(on_github: World):
    number = on_github.proposed(company)
    done = on_github.planned(number, "--exit-code", code=2)
    assert done.outputs.pop("directory").endswith("/out")
    assert done.outputs == {
        "exit-code": "2",
        "pending": "true",
        "create": "7",
        "update": "0",
        "delete": "0",
        "adopt": "0",
    }
    assert on_github.comment(number) in done.summary
    on_github.merged(number)
    done = on_github.applied()
    assert (done.outputs["exit-code"], done.outputs["failed"]) == ("0", "0")
    assert int(done.outputs["applied"]) >= 7
    assert on_github.comment(number, "apply") in done.summary


def test_a_squash_is_a_merge_too(world: World):
    number = world.proposed(company)
    world.planned(number)
    world.merged(number, squash=True)
    world.applied()
    assert "This was the plan as reviewed" in world.comment(number, "apply")


def test_an_invalid_config_is_annotated_and_the_comment_says_so_until_it_is_mended(world: World):
    number = world.proposed(company)
    world.planned(number)
    world.pushed(number, edited("[basic, extra]", "[basics, extra]"))
    done = world.planned(number, code=1)
    assert "did you mean basic?" in done.text
    assert "The config is not valid" in world.comment(number)
    assert "config/company.yaml:9:" in world.comment(number)
    assert "to create" not in world.comment(number)
    world.pushed(number, edited("[basics, extra]", "[basic, extra]"))
    world.planned(number)
    assert "7 to create" in world.comment(number)


def test_findings_are_annotations_on_github_once_each(on_github: World):
    number = on_github.proposed(company)
    on_github.pushed(number, edited("[basic, extra]", "[basics, extra]"))
    for done in (on_github.planned(number, code=1), on_github.on_merge(number, "validate")):
        error = "::error file=config/company.yaml,line=9,col="
        assert done.out.count(error) == 1
        assert done.outputs["exit-code"] == "1"
        assert "The config is not valid" in done.summary


def test_a_plan_that_cannot_be_made_is_said_and_is_never_about_an_earlier_commit(world: World):
    number = world.proposed(company)
    world.planned(number)
    away = "default_gateway: local\ngateways: {local: {backend: embedded, url: 'http://127.0.0.1:1'}}\n"
    (world.config / "reconciler.yaml").write_text(away, encoding="utf-8")
    world._committed(nothing)
    done = world.planned(number, code=1)
    assert "no connection" in done.err
    assert "There is no plan that could be applied" in world.comment(number)
    assert "no connection" in world.comment(number)
    assert "to create" not in world.comment(number)


def test_a_plan_that_apply_would_refuse_fails_its_check_until_the_label_is_set(world: World):
    world.merged(world.proposed(company))
    world.applied()
    number = world.proposed(edited(*LOSS))
    others = ("none", "allow-loss", "reconciler:allow-updates", "reconciler:allow-$(id)")
    for labels in ((), (*others, "--allow-loss")):
        world.service.label(number, *labels)
        done = world.planned(number, code=1)
        assert "set on the pull request: reconciler:allow-loss" in done.err
        wanted = "This check fails until the pull request carries: `reconciler:allow-loss`"
        assert wanted in world.comment(number)
    # What is merged all the same is refused again, and no other label helps.
    world.merged(number)
    done = world.applied(code=1)
    assert "--allow-loss" in done.err
    assert "0 steps applied" in world.comment(number, "apply")
    world.service.label(number, "reconciler:allow-loss")
    world.planned(number)
    assert "Allowed by labels: `reconciler:allow-loss`" in world.comment(number)
    world.applied()
    assert "1 steps applied" in world.comment(number, "apply")


def test_a_label_that_goes_after_the_review_takes_its_allowance_along(world: World):
    """What was reviewed is refused for more than that it is old: it is not planned again."""
    world.merged(world.proposed(company))
    world.applied()
    number = world.proposed(edited(*LOSS))
    world.service.label(number, "reconciler:allow-loss")
    world.planned(number)
    world.service.label(number)
    world.merged(number)
    done = world.applied(code=1)
    assert "planning again" not in done.err
    assert "This was the plan as reviewed" in world.comment(number, "apply")
    assert "Not applied completely: exit code 1" in world.comment(number, "apply")


def test_a_label_counts_only_for_what_the_plan_was_refused_for(world: World):
    """What nobody uses is taken away; before the merge somebody gets it by hand. That loss was not reviewed."""
    spare = "access_groups:\n  spare: {description: Spare, model_aliases: [fast, large]}\n"
    world._committed(company)
    world._committed(edited("access_groups:\n", spare))
    world.applied()
    number = world.proposed(edited("[fast, large]", "[fast]"))
    world.service.label(number, "reconciler:allow-loss")
    world.planned(number)
    assert "Allowed by labels" not in world.comment(number)
    world.sql("insert into team_groups (team_id, group_name) values ('dev', 'spare')")
    world.merged(number)
    done = world.applied(code=1)
    assert "1 team would lose access to models: dev (large)" in done.err
    assert "This was the plan as reviewed" in world.comment(number, "apply")
    assert world.sql("select count(*) from group_aliases where group_name = 'spare'") == [(2,)]


def test_drift_has_one_issue_which_is_closed_when_it_is_gone(both: World):
    both.merged(both.proposed(company))
    both.applied()
    both.watched()
    assert both.service.drift_issues() == []
    both.sql("update teams set status = 'suspended' where team_id = 'prod'")
    both.watched("--exit-code", code=2)
    both.sql("update teams set status = 'suspended' where team_id = 'dev'")
    both.watched()
    [issue] = both.service.drift_issues()
    assert "team/prod" in issue
    assert "team/dev" in issue
    done = both.applied("schedule")
    assert "no approved plan: there is none for this run" in done.err
    assert both.sql("select distinct status from teams") == [("active",)]
    both.watched("--exit-code")
    assert both.service.drift_issues() == []


def test_a_schedule_applies_what_is_pending_and_no_label_counts(world: World):
    world.merged(world.proposed(company))
    world.applied("schedule")
    number = world.proposed(edited(*LOSS))
    world.service.label(number, "reconciler:allow-loss")
    world.planned(number)
    world.merged(number)
    done = world.applied("schedule", code=1)
    assert "--allow-loss" in done.err
    assert world.service.said(number) == [world.comment(number)]


def test_a_plan_from_before_another_merge_is_not_applied_blindly(world: World):
    world.merged(world.proposed(company))
    world.applied()
    first, second = (
        world.proposed(edited("Production", "P")),
        world.proposed(edited("{name: ACME}", "{name: Acme}")),
    )
    world.planned(first)
    world.planned(second)
    world.merged(first)
    world.applied()
    world.merged(second)
    done = world.applied()
    assert "was planned for another state of the config" in world.comment(second, "apply")
    assert "1 steps applied" in world.comment(second, "apply")
    assert "1 to update" in done.out


def test_a_plan_whose_objects_moved_is_refused_or_made_again(world: World):
    world.merged(world.proposed(company))
    world.applied()
    number = world.proposed(edited("Production", "Live"))
    world.planned(number)
    world.sql("update teams set team_alias = 'by hand' where team_id = 'prod'")
    world.merged(number)
    world.applied("push", "--on-stale", "fail", code=1)
    said = world.comment(number, "apply")
    assert "Not applied completely" in said
    assert "has changed on the gateway since the plan was made" in said
    assert world.sql("select team_alias from teams where team_id = 'prod'") == [("by hand",)]
    world.applied()
    assert "has changed on the gateway since the plan was made" in world.comment(number, "apply")
    assert world.sql("select team_alias from teams where team_id = 'prod'") == [("Live",)]


def test_without_an_approved_plan_nothing_is_applied_where_that_is_wanted(world: World):
    world.merged(world.proposed(company))
    done = world.applied("push", code=1, RECONCILER_ON_STALE="fail")
    assert "there is no approved plan" in done.err
    world.merged(world.proposed(nothing))
    assert "7 to create" in world.planned(world.proposed(nothing)).out


def test_each_gateway_has_a_comment_of_its_own(world: World):
    number = world.proposed(company)
    for _ in range(2):
        world.planned(number)
        world.planned(number, "--gateway", "other")
    starts = sorted(text.partition("\n")[0] for text in world.service.said(number))
    assert starts == [
        "<!-- reconciler:plan config default base -->",
        "<!-- reconciler:plan config other base -->",
    ]


def test_told_to_post_nothing_it_posts_nothing(world: World):
    number = world.proposed(company)
    done = world.planned(number, "--no-report")
    assert "nothing is reported: --no-report" in done.err
    assert world.service.said(number) == []
    assert b"7 to create" in done.files["comment.md"]


def test_without_a_token_nothing_is_posted_and_no_plan_is_looked_for(world: World):
    number = world.proposed(company)
    silent = {"GITHUB_TOKEN": "", "REPORT_TOKEN": ""}
    done = world.planned(number, **silent)
    assert "is not set" in done.err
    world.merged(number)
    done = world.applied(**silent)
    assert "so that it cannot be found" in done.err
    assert world.service.said(number) == []


VERBS = ("create", "update", "adopt", "delete")


def counts_in(comment: str) -> dict[str, int]:
    """The counts that a plan's comment names in its heading."""
    heading = next(line for line in comment.splitlines() if line.startswith("### "))
    counted = {verb: re.search(rf"([\d,]+) to {verb}", heading) for verb in VERBS}
    return {verb: int(match[1]) if match else 0 for verb, match in counted.items()}


def teams_in(comment: str) -> set[str]:
    """The teams in the table of impact."""
    rows = (line for line in comment.splitlines() if line.startswith("| `"))
    return {team for row in rows for team in re.findall(r"`([^`]+)`", row.split("|")[1])}


HISTORY = (
    (company, ()),
    (edited("Production", "Live"), ()),
    (edited("model_aliases: [large]", "model_aliases: [large, fast]"), ()),
    (edited("access_groups: [basic]", "access_groups: [basic, extra]"), ()),
    (edited("[basic, extra]}\n  dev", "[basic]}\n  dev"), ("reconciler:allow-loss",)),
    (edited("{name: ACME}", "{name: Acme}"), ()),
    (
        edited("teams:\n", "teams:\n  new: {organization_id: org_acme, access_groups: [basic]}\n"),
        (),
    ),
    (
        edited("  new: {organization_id: org_acme, access_groups: [basic]}\n", ""),
        ("reconciler:allow-loss", "reconciler:allow-cascade"),
    ),
    (nothing, ()),
)


@pytest.mark.slow
def test_a_history_as_pull_requests(both: World):
    """Plan, merge, apply and drift for each; every comment says what the plan says, and just that was then done."""
    both.applied("schedule")
    for place, (change, labels) in enumerate(HISTORY):
        number = both.proposed(change)
        both.service.label(number, *labels)
        plan = json.loads(both.planned(number).files["plan.json"])["plan"]
        comment = both.comment(number)
        assert counts_in(comment) == {verb: plan["counts"][verb] for verb in VERBS}
        assert teams_in(comment) == {team["team"] for team in plan["impact"]["teams"]}
        both.merged(number, squash=place % 2 == 0)
        done = both.applied("push", "--log-format", "json")
        assert "This was the plan as reviewed" in both.comment(number, "apply")
        events = [json.loads(line) for line in done.err.splitlines()]
        steps = {event["ref"] for event in events if event["event"] == "step"}
        assert steps == {row["ref"] for row in plan["changes"] if row["verb"] != "adopt"}
        both.watched()
        assert both.service.drift_issues() == []
    assert both.sql("select count(*) from teams") == [(2,)]
