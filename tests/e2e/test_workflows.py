"""The workflows, run step by step as GitHub would, against a stand-in for its API and the real embedded gateway."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from actions_runner import Expression, Job
from e2e_world import ROOT
from github_stand_in import BOT, REPOSITORY, GitHub, made, serving
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from preloaded import __file__ as preloaded
from preloaded import client
from workflow_world import Repository, company, counts_said, edited, repository, teams_said, written

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("reconciler-*.yml"))
SCRIPTS = ROOT / ".github" / "scripts"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PATH with `reconciler` on it, which starts at once."""
    folder = tmp_path_factory.mktemp("bin")
    address = folder / "door"
    client(folder, address)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, preloaded, "serve", str(address)], env=environ
    ) as server:
        while not address.exists():
            assert server.poll() is None
            time.sleep(0.05)
        yield f"{folder}:{os.environ['PATH']}"
        server.terminate()


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving() as found:
        yield found


@pytest.fixture
def repo(tmp_path: Path, github: GitHub, path: str) -> Repository:
    return repository(tmp_path, github, path)


def passed(job: Job) -> Job:
    assert job.result == "success", job.log
    return job


def test_a_pull_request_from_its_plan_to_its_apply(repo: Repository):
    passed(
        repo.applied(event="workflow_dispatch")
    )  # the embedded gateway gets its identity with the first apply
    number = repo.proposed(company)
    job = passed(repo.planned(number))
    comment, plan = repo.comment(number), repo.artifact(number)["plan.json"]["plan"]
    assert counts_said(comment) == {
        verb: plan["counts"][verb] for verb in ("create", "update", "adopt", "delete")
    }
    assert counts_said(comment)["create"] == 44
    assert teams_said(comment) == {team["team"] for team in plan["impact"]["teams"]}
    assert comment in job.summary
    assert "no findings" in job.log

    repo.pushed(
        number, edited("customers/acme.yaml", "credits_allocated: 6000", "credits_allocated: 6100")
    )
    passed(repo.planned(number))
    assert repo.comment(number) != comment
    assert "6,100 credits" in repo.comment(number)

    done = passed(repo.applied(repo.merged(number)))
    assert "This was the plan as reviewed" in repo.comment(number, "apply")
    assert "45 steps applied, 0 failed" in repo.comment(number, "apply")
    assert repo.comment(number, "apply") in done.summary
    assert "no approved plan" not in done.log

    # Nothing is left to do, and the gateway is as declared.
    quiet = repo.proposed(lambda _config: None)
    passed(repo.planned(quiet))
    assert "no changes" in repo.comment(quiet)
    assert repo.sql("select count(*) from teams") == [(12,)]


@pytest.mark.slow
def test_drift_has_one_issue_which_is_closed_when_it_is_gone(repo: Repository):
    passed(repo.applied(repo.merged(planned(repo, company), squash=True)))
    # The plan that is reviewed last has nothing to do with what drifts later.
    renamed = edited("customers/acme.yaml", "team_alias: Development", "team_alias: Dev")
    passed(repo.applied(repo.merged(planned(repo, renamed))))
    passed(repo.watched())
    assert repo.github.issues == {}

    repo.sql("update teams set status = 'suspended' where team_id = 'acme-prod'")
    passed(repo.watched())
    repo.sql("update teams set status = 'suspended' where team_id = 'shop-prod'")
    passed(repo.watched())
    [issue] = repo.github.open_issues()
    assert issue["labels"] == [{"name": "reconciler-drift"}]
    assert "team/acme-prod" in issue["body"]
    assert "team/shop-prod" in issue["body"]

    healed = passed(repo.applied(event="workflow_dispatch"))
    assert "2 steps applied" in healed.summary
    passed(repo.watched())
    assert repo.github.open_issues() == []
    assert repo.github.issues[issue["number"]]["state_reason"] == "completed"
    assert "No drift" in repo.github.issues[issue["number"]]["body"]


def planned(repo: Repository, *changes: object, **how: object) -> int:
    number = repo.proposed(changes[0], **how)  # type: ignore[arg-type]
    passed(repo.planned(number))
    return number


def test_an_invalid_config_is_annotated_and_the_comment_says_so_until_it_is_mended(
    repo: Repository,
):
    number = repo.proposed(company)
    passed(repo.planned(number))
    repo.pushed(number, edited("customers/acme.yaml", "plan: professional", "plan: profesional"))
    job = repo.planned(number)
    assert job.result == "failure"
    assert (
        "::error file=config/customers/acme.yaml,line=10,col=11,title=dangling-reference::"
        in job.log
    )
    assert "did you mean professional?" in job.log
    assert "The config is not valid" in repo.comment(number)
    assert "to create" not in repo.comment(number)
    assert "Plan" not in job.ran
    repo.pushed(number, edited("customers/acme.yaml", "plan: profesional", "plan: professional"))
    passed(repo.planned(number))
    assert counts_said(repo.comment(number))["create"] == 44


def test_a_fork_is_validated_and_nothing_else(repo: Repository):
    repo.machine.secrets["GATEWAY_ADMIN_KEY"] = "sk-never-for-forks"
    number = repo.proposed(company, fork=True)
    assert repo.planned(number).result == "skipped"
    job = passed(repo.planned(number, "validate"))
    assert "no findings" in job.log
    assert repo.github.said(number) == []
    assert {method for method, _ in repo.github.requests} <= {"GET"}
    own = repo.proposed(lambda _config: None)
    assert repo.planned(own, "validate").result == "skipped"


@pytest.mark.slow
def test_a_plan_from_before_another_merge_is_not_applied_blindly(repo: Repository):
    passed(repo.applied(repo.merged(planned(repo, company))))
    first = planned(
        repo, edited("customers/acme.yaml", "credits_allocated: 6000", "credits_allocated: 7000")
    )
    second = planned(
        repo, edited("customers/acme.yaml", "credits_allocated: 500", "credits_allocated: 700")
    )
    passed(repo.applied(repo.merged(first)))
    job = passed(repo.applied(repo.merged(second)))
    assert "was planned for another state of config" in repo.comment(second, "apply")
    assert "1 steps applied" in repo.comment(second, "apply")
    assert counts_said(job.summary)["update"] == 1


@pytest.mark.slow
def test_a_plan_whose_objects_moved_is_refused_and_made_again(repo: Repository):
    passed(repo.applied(repo.merged(planned(repo, company))))
    number = planned(
        repo, edited("customers/acme.yaml", "team_alias: Production", "team_alias: Live")
    )
    repo.sql("update teams set team_alias = 'by hand' where team_id = 'acme-prod'")
    sha = repo.merged(number)
    repo.machine.variables["RECONCILER_ON_STALE"] = "fail"
    assert repo.applied(sha).result == "failure"
    assert "Not applied completely" in repo.comment(number, "apply")
    assert repo.sql("select team_alias from teams where team_id = 'acme-prod'") == [("by hand",)]
    repo.machine.variables["RECONCILER_ON_STALE"] = ""
    passed(repo.applied(sha))
    assert "has changed on the gateway since the plan was made" in repo.comment(number, "apply")
    assert repo.sql("select team_alias from teams where team_id = 'acme-prod'") == [("Live",)]


@pytest.mark.slow
def test_a_plan_that_apply_would_refuse_fails_its_check_until_the_label_is_set(repo: Repository):
    passed(repo.applied(repo.merged(planned(repo, company))))
    number = repo.proposed(edited("customers/acme.yaml", "plan: professional", "plan: starter"))
    labels = repo.github.pulls[number]["labels"]
    for others in (
        [],
        [
            "none",
            "allow-loss",
            "reconciler:allow-updates",
            "reconciler:allow-$(id)",
            "--allow-loss",
        ],
    ):
        labels[:] = [{"name": name} for name in others]
        job = repo.planned(number)
        assert job.result == "failure"
        assert "::error title=Apply would refuse this plan::" in job.log
        assert (
            "This check fails until the pull request carries: `reconciler:allow-loss`"
            in repo.comment(number)
        )
        assert "--allow" not in repo.comment(number)
    # What is merged all the same is refused again, and no other label helps.
    sha = repo.merged(number)
    assert repo.applied(sha).result == "failure"
    assert "0 steps applied" in repo.comment(number, "apply")
    labels.append({"name": "reconciler:allow-loss"})
    passed(repo.planned(number))
    assert "Allowed by labels: `reconciler:allow-loss`" in repo.comment(number)
    passed(repo.applied(sha))
    assert "1 steps applied" in repo.comment(number, "apply")


@pytest.mark.slow
def test_a_plan_that_cannot_be_trusted_is_not_used(repo: Repository):
    number = planned(repo, company)
    sha = repo.merged(number)
    artifact = list(repo.github.artifacts.values())[-1]
    run = repo.github.runs[artifact["workflow_run"]["id"]]
    assert "holds for this commit" in looked_for(repo, sha)
    for part, name, value, why in (
        (artifact["workflow_run"], "head_repository_id", 2, "has no plan of"),
        (artifact, "expired", True, "has no plan of"),
        (run, "path", ".github/workflows/other.yml@x", "of another workflow"),
        (run, "conclusion", "failure", "of a run that failed"),
        (artifact, "zip", rezipped(artifact["zip"]), "was changed"),
        (repo.github.pulls[number], "merge_commit_sha", "0" * 40, "comes from no pull request"),
    ):
        before, part[name] = part[name], value
        said = looked_for(repo, sha)
        assert "no approved plan: " in said
        assert why in said
        part[name] = before
    elsewhere = looked_for(repo, sha, GATEWAY="production")
    assert "is for another config or gateway" in elsewhere
    assert "holds for this commit" in looked_for(repo, sha)


def looked_for(repo: Repository, sha: str, **environ: str) -> str:
    """What the search for the reviewed plan prints."""
    permissions = {"actions": "read", "pull-requests": "read"}
    place = {"OUT": str(repo.machine.directory / "out"), "GITHUB_SHA": sha, **environ}
    done = script(
        "approved-plan.sh", github=repo.github, permissions=permissions, cwd=repo.origin, **place
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rezipped(raw: bytes) -> bytes:
    """The same archive with another plan in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b"acme-dev", b"acme-DEV") if name == "plan.json" else content
            )
    return out.getvalue()


# ---- the scripts alone


WRITER = {"issues": "write", "pull-requests": "write"}


def script(
    name: str,
    *arguments: str,
    github: GitHub,
    permissions: Mapping[str, str] = WRITER,
    cwd: Path | None = None,
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    github.tokens["token"] = permissions
    given = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": "token"}
    command = [str(SCRIPTS / name), *arguments]
    return subprocess.run(
        command,
        env={**os.environ, **given, **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_comment_is_found_among_many_and_others_stay_as_they_are(
    github: GitHub, tmp_path: Path
):
    file = tmp_path / "comment.md"
    file.write_text("<!-- reconciler:plan x -->\nnew\n")
    for number in range(130):
        made(github, 7, f"talk {number}", "somebody")
    made(github, 7, "<!-- reconciler:plan x -->\nmade by a guest", "somebody")
    made(github, 7, "<!-- reconciler:plan y -->\nof another gateway", BOT)
    for text in ("first", "second"):
        made(github, 7, f"<!-- reconciler:plan x -->\n{text}", BOT)
    done = script("comment.sh", "7", str(file), github=github)
    assert done.returncode == 0, done.stderr
    ours = [each for each in github.said(7) if "plan x" in each]
    assert ours == [
        "<!-- reconciler:plan x -->\nmade by a guest",
        "<!-- reconciler:plan x -->\nnew\n",
    ]
    assert len(github.said(7)) == 133


def test_a_comment_that_is_too_long_is_cut_and_says_so(github: GitHub, tmp_path: Path):
    file = tmp_path / "comment.md"
    file.write_text("<!-- reconciler:plan x -->\n" + "ü" * 80_000)
    assert script("comment.sh", "7", str(file), github=github).returncode == 0
    [text] = github.said(7)
    assert len(text) < 65_536
    assert text.endswith("see the artifact._")


def test_a_refused_request_fails_the_step_and_shows_no_token(github: GitHub, tmp_path: Path):
    file = tmp_path / "comment.md"
    file.write_text("<!-- x -->\n")
    done = script("comment.sh", "7", str(file), github=github, GITHUB_TOKEN="wrong-token")
    assert done.returncode != 0
    assert "Bad credentials" in done.stdout + done.stderr
    assert "wrong-token" not in done.stdout + done.stderr


# ---- the files


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_workflow_is_careful(file: Path):
    text = file.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    assert "pull_request_target" not in text
    assert "secrets." not in json.dumps(workflow.get("env", {}))
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        assert "secrets." not in json.dumps(job.get("env", {})), (
            "a secret of a job is seen by all that it installs"
        )
        ran = [step.get("with", {}).get("command") for step in job["steps"]]
        for number, step in enumerate(job["steps"]):
            if "secrets." not in json.dumps(step):
                continue
            assert "install" in ran[:number], "what is installed must not see a secret"
            assert step["with"]["version"] == "installed"
            assert "RECONCILER_ALLOWED_HOSTS" in step["env"]
        writes = {name for name, level in job.get("permissions", {}).items() if level == "write"}
        assert writes <= {"pull-requests", "issues"}


def test_a_pull_request_is_planned_under_the_settings_of_its_base():
    workflow = yaml.safe_load(
        (ROOT / ".github/workflows/reconciler-plan.yml").read_text(encoding="utf-8")
    )
    steps = workflow["jobs"]["plan"]["steps"]
    [planning] = [step for step in steps if step.get("with", {}).get("command") == "plan"]
    [checkout] = [step for step in steps if step["uses"].startswith("actions/checkout@")]
    assert planning["env"]["RECONCILER_SETTINGS_REVISION"] == "HEAD^1"
    assert checkout["with"]["fetch-depth"] == 2
    assert set(workflow[True]["pull_request"]["types"]) >= {"synchronize", "labeled", "unlabeled"}


def test_a_pull_request_cannot_say_where_the_key_is_sent(repo: Repository):
    repo.machine.secrets["GATEWAY_ADMIN_KEY"] = "adm-hunter2"
    number = repo.proposed(company)
    elsewhere = "local: {backend: embedded, url: 'http://127.0.0.1:1', admin_key_env: GATEWAY_ADMIN_KEY}\n  own:\n"
    repo.pushed(number, edited("reconciler.yaml", "local:\n", elsewhere))
    job = passed(repo.planned(number))
    assert "gateways, ledger or variables differ from those of" in repo.comment(number)
    assert counts_said(repo.comment(number))["create"] == 44
    assert "hunter2" not in job.log


# ---- what is installed

LOCKED = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\\n(?P<rest>(?: .*\n)*)",
    re.MULTILINE,
)


def test_what_the_workflows_install_is_locked_and_in_step_with_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / ".github" / "requirements.txt").read_text(encoding="utf-8")
    locked = {found["name"]: found for found in LOCKED.finditer(text)}
    assert len(locked) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)), (
        "a line is not understood"
    )
    assert all("--hash=sha256:" in found["rest"] for found in locked.values())
    extras = project["project"]["optional-dependencies"]
    assert not {"litellm", "uvicorn"} & set(locked), "nothing that the job does not need"
    for each in map(
        Requirement, extras["gateway"][:1]
    ):  # in process; the build's comes the same way
        assert each.specifier.contains(locked[each.name]["version"]), "run .ci/lock"
    package = [*project["project"]["dependencies"], *extras["policies"], *extras["postgresql"]]
    wanted = {canonicalize_name(each.name): each.specifier for each in map(Requirement, package)}
    for each in map(Requirement, project["build-system"]["requires"]):
        assert each.specifier.contains(locked[each.name]["version"]), "run .ci/lock"
    for name, versions in wanted.items():
        assert name in locked, f"{name} is not locked: run .ci/lock"
        assert versions.contains(locked[name]["version"]), (
            f"{name} is locked in another version: run .ci/lock"
        )
    direct = {name for name, found in locked.items() if "llm-reconciler" in found["rest"]}
    assert direct == set(wanted), "more is locked than is needed: run .ci/lock"


def test_without_a_package_the_installation_says_what_to_set(tmp_path: Path):
    """As in a repository that copied .github and has nothing but a config."""
    scripts = tmp_path / ".github" / "scripts"
    shutil.copytree(SCRIPTS, scripts)
    environ = {**os.environ, "VERSION": ""}
    done = subprocess.run(
        [scripts / "install.sh"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "set the variable RECONCILER_VERSION" in done.stderr


def test_no_script_is_built_from_what_a_stranger_may_write():
    """Values reach scripts by the environment: an expression inside of `run:` could be a command."""
    action = yaml.safe_load(
        (ROOT / ".github/actions/reconciler/action.yml").read_text(encoding="utf-8")
    )
    steps = [
        step
        for file in WORKFLOWS
        for job in yaml.safe_load(file.read_text())["jobs"].values()
        for step in job["steps"]
    ]
    for step in [*steps, *action["runs"]["steps"]]:
        assert "${{" not in step.get("run", "")


def test_the_linter_for_workflows_agrees():
    if not shutil.which("actionlint"):
        pytest.skip(
            "there is no actionlint on the PATH (go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)"
        )
    done = subprocess.run(
        ["actionlint", *map(str, WORKFLOWS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b == 'X' && !(a.c == 'y')", True),
        ("a.c || 'fallback'", "fallback"),
        ("a.b-c", 5),
        ("always() && a.none == ''", True),
        ("'it''s'", "it's"),
    ],
)
def test_expressions_mean_what_they_mean_on_github(text: str, value: object):
    contexts = {"a": {"b": "x", "b-c": 5}, "functions": {"always": True}}
    assert Expression(text, contexts).value() == value


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_history_of_twelve_commits_as_pull_requests(repo: Repository):
    """Plan, merge, apply and drift for each; every comment says what the plan says, and what was then done."""
    gpt5 = "\n  gpt-5:\n    litellm_model: openai/gpt-5\n    description: Newest\n    litellm_params: {mock_response: Hi}\n"
    history = [
        (company, ()),
        (edited("customers/acme.yaml", "credits_allocated: 6000", "credits_allocated: 9000"), ()),
        (edited("models.yaml", "\n  # Anthropic", f"{gpt5}\n  # Anthropic"), ()),
        (edited("access-groups/custom.yaml", "model_aliases: [", "model_aliases: [gpt-5, "), ()),
        (edited("customers/bundles.yaml", "plan: starter", "plan: professional"), ()),
        (
            edited("customers/bundles.yaml", "plan: professional", "plan: starter"),
            ("reconciler:allow-loss",),
        ),
        (edited("customers/bundles.yaml", "{name: Corner Shop}", "{name: Corner Shop Ltd}"), ()),
        (
            written(
                "new.yaml",
                "teams:\n  newcomer-prod:\n    organization_id: org_shop\n    plan: enterprise\n",
            ),
            (),
        ),
        (edited("customers/bundles.yaml", "status: suspended", "status: active"), ()),
        (
            lambda config: (config / "new.yaml").unlink(),
            ("reconciler:allow-loss", "reconciler:allow-cascade"),
        ),
        (edited("customers/acme.yaml", "team_alias: Development", "team_alias: Dev"), ()),
        (lambda _config: None, ()),
    ]
    passed(
        repo.applied(event="workflow_dispatch")
    )  # the embedded gateway gets its identity with the first apply
    for place, (change, labels) in enumerate(history):
        number = planned(repo, change, labels=labels)
        comment, plan = repo.comment(number), repo.artifact(number)["plan.json"]["plan"]
        assert counts_said(comment) == {
            verb: plan["counts"][verb] for verb in ("create", "update", "adopt", "delete")
        }
        assert teams_said(comment) == {team["team"] for team in plan["impact"]["teams"]}
        assert len(comment) < 65_536
        job = passed(repo.applied(repo.merged(number, squash=place % 2 == 0)))
        assert "This was the plan as reviewed" in repo.comment(number, "apply")
        events = [json.loads(line) for line in job.log.splitlines() if line.startswith('{"time"')]
        told = next(event for event in events if event["event"] == "plan")
        assert told["counts"] == {verb: plan["counts"][verb] for verb in told["counts"]}
        refs = {event["ref"] for event in events if event["event"] == "step"}
        assert refs == {each["ref"] for each in plan["changes"] if each["verb"] != "adopt"}
        passed(repo.watched())
        assert repo.github.issues == {}
    assert repo.sql("select count(*) from teams") == [(12,)]
