"""What a pull request, a fork or a file can get hold of in a pipeline: no token, no key, and no apply."""

import json
from pathlib import Path

import pytest
from ci_world import TOKEN, Done, World, company, edited, nothing
from forge_server import Answer, Fault
from git_repository import git

KEY = "adm-hunter2-of-the-gateway"
ELSEWHERE = """\
default_gateway: local
gateways: {local: {backend: saas-litellm, url: 'http://127.0.0.1:1', admin_key_env: GATEWAY_ADMIN_KEY}}
variables: [GITHUB_TOKEN, REPORT_TOKEN]
"""


def settings(text: str):
    def change(config: Path) -> None:
        company(config)
        (config / "reconciler.yaml").write_text(text, encoding="utf-8")

    return change


def test_a_pull_request_cannot_say_where_the_key_is_sent(world: World):
    world.environ["GATEWAY_ADMIN_KEY"] = KEY
    number = world.proposed(settings(ELSEWHERE))
    done = world.planned(number)
    assert "7 to create" in world.comment(number)
    assert "gateways, ledger or variables differ from those of" in done.text
    assert KEY not in done.text


def test_the_settings_of_the_base_are_in_force_without_any_variable_on_github(on_github: World):
    assert "RECONCILER_SETTINGS_REVISION" not in on_github.environ
    number = on_github.proposed(settings(ELSEWHERE))
    assert "which are in force here" in on_github.planned(number).text


def test_what_is_no_merge_into_the_base_is_not_planned(on_github: World):
    """A checkout of the pull request's own commit, whose parent is the pull request's, too."""
    number = on_github.proposed(settings(ELSEWHERE))
    on_github.pushed(number, edited("Production", "P"))
    git(on_github.tree, "checkout", "--quiet", f"pull-{number}")
    done = on_github.run("pull", "plan", number=number)
    assert done.code == 1
    assert "in a pull request the settings are those of its base" in done.err


def test_a_merge_that_somebody_else_made_is_not_taken_for_githubs(on_github: World):
    """The pull request itself ends with a merge, whose first parent is a commit of its own."""
    number = on_github.proposed(settings(ELSEWHERE))
    git(on_github.tree, "checkout", "--quiet", f"pull-{number}")
    git(on_github.tree, "checkout", "--quiet", "-b", "side", "main")
    git(on_github.tree, "commit", "--quiet", "--allow-empty", "-m", "Side")
    git(on_github.tree, "checkout", "--quiet", f"pull-{number}")
    git(on_github.tree, "merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    on_github.service.moved(number, git(on_github.tree, "rev-parse", "HEAD"))
    done = on_github.run("pull", "plan", number=number)
    assert done.code == 1
    assert "settings-revision" in done.err


def test_on_gitlab_the_base_has_to_be_named(on_gitlab: World):
    """But for a pipeline of merged results, which checks out the merge."""
    del on_gitlab.environ["RECONCILER_SETTINGS_REVISION"]
    number = on_gitlab.proposed(settings(ELSEWHERE))
    assert "which are in force here" in on_gitlab.planned(number).text
    git(on_gitlab.tree, "checkout", "--quiet", f"pull-{number}")
    done = on_gitlab.run("pull", "plan", number=number)
    assert done.code == 1
    assert "RECONCILER_SETTINGS_REVISION is not set" in done.err


def variable(world: World, *names: str) -> str:
    """The one of the variables that the service's jobs have."""
    [found] = set(names) & set(world.service.variables("push", "0" * 40, None))
    return found


def test_merged_settings_cannot_read_the_token_either(both: World):
    """It is not in the environment any more when the files are read."""
    name = variable(both, "GITHUB_TOKEN", "REPORT_TOKEN")
    listed = "variables: [GITHUB_TOKEN, REPORT_TOKEN]\n"
    both.proposed(nothing)
    both._committed(edited("{}", f"{{a: {{litellm_model: openai/x, description: '${{{name}}}'}}}}"))
    both._committed(edited("default_gateway", f"{listed}default_gateway", "reconciler.yaml"))
    for command in ("plan", "apply", "drift", "validate"):
        done = both.run("push", command)
        assert done.code == 1
        assert f"{name} is not set" in done.text


def test_a_program_that_apply_starts_does_not_see_the_token(world: World):
    """The command of the settings that gets new virtual keys."""
    heard = world.tree.parent / "heard"
    command = f"sh -c 'env >{heard}; cat >/dev/null'"
    keys = f'local: {{backend: embedded, keys_command: "{command}"}}'
    world._committed(edited("local: {backend: embedded}", keys, "reconciler.yaml"))
    world._committed(company)
    world.applied()
    names = {line.partition("=")[0] for line in heard.read_text(encoding="utf-8").splitlines()}
    assert "PATH" in names
    assert not {"GITHUB_TOKEN", "REPORT_TOKEN"} & names


def test_a_fork_is_validated_and_nothing_else(both: World):
    number = both.proposed(company, fork=True)
    done = both.on_merge(number, "plan")
    assert done.code == 1
    assert "comes from a fork" in done.err
    assert set(done.files) == set()
    done = both.on_merge(number, "validate")
    assert done.code == 0
    assert "no findings" in done.out
    assert both.service.api.server.asked == []


def test_a_pull_request_is_not_applied(both: World):
    done = both.on_merge(both.proposed(company), "apply")
    assert done.code == 1
    assert "a pull request is not applied" in done.err
    assert both.service.api.server.asked == []


def test_another_branch_is_not_applied(both: World):
    name = variable(both, "GITHUB_REF_NAME", "CI_COMMIT_BRANCH")
    done = both.applied("push", code=1, **{name: "feature"})
    assert "only main is applied, and this is feature" in done.err


def test_pull_request_target_is_refused(on_github: World):
    number = on_github.proposed(company)
    event = {"GITHUB_EVENT_NAME": "pull_request_target"}
    for command in ("plan", "apply", "drift", "validate"):
        done = on_github.on_merge(number, command, **event)
        assert done.code == 1
        assert "pull_request_target gives secrets to what a stranger wrote" in done.err
    assert on_github.service.api.server.asked == []


def test_elsewhere_the_commands_say_where_they_belong(on_github: World):
    nowhere = {"GITHUB_ACTIONS": ""}
    for command in ("plan", "apply", "drift", "validate"):
        done = on_github.run("push", command, **nowhere)
        assert done.code == 1
        assert "this is no job of GitHub Actions" in done.err


@pytest.mark.parametrize("event", ["", "[", "[]", '{"pull_request": {"number": "x"}}', "{}"])
def test_an_event_that_is_none_is_an_error(on_github: World, event: str):
    number = on_github.proposed(company)
    file = on_github.tree.parent / "odd.json"
    file.write_text(event, encoding="utf-8")
    done = on_github.on_merge(number, "plan", GITHUB_EVENT_PATH=str(file))
    assert done.code == 1
    assert "the event of the workflow" in done.err


def test_a_gateway_that_the_settings_do_not_have_is_found_by_validate(world: World):
    done = world.run("push", "validate", "--gateway", "lokal")
    assert done.code == 1
    assert "did you mean local?" in done.out
    assert done.outputs.get("exit-code", "1") == "1"


# ---- what cannot be said


def failing(world: World, method: str, status: int) -> None:
    answer = Answer(status, {"message": "Resource not accessible by integration"})
    world.service.api.server.faults.append(Fault(method, "comments|notes|issues", answer, times=99))


def test_a_plan_that_cannot_be_told_fails_and_is_kept(world: World):
    failing(world, "POST", 403)
    done = world.planned(world.proposed(company), code=1)
    assert "was refused: 403 Resource not accessible" in done.err
    assert done.err.count("403") == 1
    assert "binding.json" in done.files


def test_an_apply_that_cannot_be_told_says_what_it_did_all_the_same(world: World):
    number = world.proposed(company)
    world.planned(number)
    world.merged(number)
    failing(world, "POST", 403)
    done = world.applied(code=1)
    assert "was refused: 403" in done.err
    assert b"### Applied: " in done.files["apply.md"]
    assert world.sql("select count(*) from teams") == [(2,)]


def test_an_error_and_that_it_cannot_be_told_are_both_said(world: World):
    failing(world, "POST", 403)
    number = world.proposed(company)
    world.environ["RECONCILER_SETTINGS_REVISION"] = "nowhere"
    done = world.planned(number, code=1)
    assert "git knows no revision 'nowhere'" in done.err
    assert "was refused: 403" in done.err


def test_an_apply_that_ends_with_an_error_of_the_machine_says_so_too(world: World):
    number = world.proposed(company)
    world.planned(number)
    world.merged(number)
    world.service.label(number)
    (world.config / ".reconciler" / "ledger.db").write_bytes(b"no database" * 100)
    done = world.applied(code=1)
    assert "error ledger: " in done.err
    said = world.comment(number, "apply")
    assert "Not applied completely: exit code 1" in said
    assert "error ledger: " in said


def test_drift_that_cannot_be_told_is_an_error(world: World):
    world._committed(company)
    world.applied()
    world.sql("update teams set status = 'suspended' where team_id = 'prod'")
    failing(world, "POST", 403)
    assert "was refused: 403" in world.watched(code=1).err


def test_what_an_earlier_command_left_is_not_taken_for_this_ones(on_github: World):
    """A plan that failed must not leave the binding of the one before."""
    number = on_github.proposed(company)
    assert "binding.json" in on_github.planned(number).files
    on_github.pushed(number, edited("[basic, extra]", "[basics, extra]"))
    left: Done = on_github.planned(number, code=1)
    assert {"binding.json", "plan.json", "plan.html"}.isdisjoint(left.files)


def test_outputs_are_lines_of_their_own(on_github: World):
    done = on_github.planned(on_github.proposed(company))
    assert json.loads(done.outputs["pending"])
    assert done.outputs["directory"].endswith("out")
    assert TOKEN not in done.summary


@pytest.mark.parametrize(("value", "posted"), [("false", True), ("true", False), ("", True)])
def test_the_variable_of_the_action_says_whether_to_post(
    on_github: World, value: str, posted: bool
):
    number = on_github.proposed(company)
    on_github.planned(number, RECONCILER_NO_REPORT=value)
    assert bool(on_github.service.said(number)) == posted
