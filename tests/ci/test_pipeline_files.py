"""The files of the pipelines: what their YAML promises, and that their shell lines run."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ci_world import COMPANY, World, company
from git_repository import git
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("reconciler-*.yml"))
ACTION = GITHUB / "actions" / "reconciler" / "action.yml"
GITLAB = GITHUB / "examples" / "gitlab" / ".gitlab-ci.yml"
LONGEST_RUN = 4
PINNED = re.compile(r"^(?:\./\.github/actions/reconciler|[\w-]+/[\w/-]+@[0-9a-f]{40})$")


def read(file: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def jobs() -> Iterator[dict[str, Any]]:
    for file in WORKFLOWS:
        yield from read(file)["jobs"].values()


def steps() -> list[dict[str, Any]]:
    """Every step of the workflows and of the action."""
    return [*(step for job in jobs() for step in job["steps"]), *read(ACTION)["runs"]["steps"]]


def step_of(name: str) -> dict[str, Any]:
    [found] = [step for step in read(ACTION)["runs"]["steps"] if step.get("name") == name]
    return found


# ---- what the workflows promise


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_workflow_is_careful(file: Path):
    text, workflow = file.read_text(encoding="utf-8"), read(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    assert "pull_request_target" not in text
    assert "secrets." not in json.dumps(workflow.get("env", {}))
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        writes = {name for name, level in job.get("permissions", {}).items() if level == "write"}
        assert writes <= {"pull-requests", "issues"}
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_secret_is_given_to_a_step_after_everything_is_installed(file: Path):
    for job in read(file)["jobs"].values():
        around = {name: value for name, value in job.items() if name != "steps"}
        assert "secrets." not in json.dumps(around), "a secret of a job is seen by all it installs"
        ran = [step.get("with", {}).get("command") for step in job["steps"]]
        for number, step in enumerate(job["steps"]):
            if "secrets." not in json.dumps(step):
                continue
            assert "secrets." not in json.dumps(step["with"]), "an input is seen by every step"
            assert "install" in ran[:number], "what is installed must not see a secret"
            assert step["with"]["version"] == "installed"
            assert step["uses"] == "./.github/actions/reconciler"
            assert "RECONCILER_ALLOWED_HOSTS" in step["env"]


def test_a_fork_has_a_job_of_its_own_without_secrets_and_no_other():
    jobs_of_plan = read(GITHUB / "workflows" / "reconciler-plan.yml")["jobs"]
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert jobs_of_plan["plan"]["if"] == own
    assert jobs_of_plan["validate"]["if"] == own.replace("==", "!=")
    assert "secrets." not in json.dumps(jobs_of_plan["validate"])
    assert "permissions" not in jobs_of_plan["validate"]


def test_a_pull_request_is_planned_under_the_settings_of_its_base():
    workflow = read(GITHUB / "workflows" / "reconciler-plan.yml")
    of_plan = workflow["jobs"]["plan"]["steps"]
    [planning] = [step for step in of_plan if step.get("with", {}).get("command") == "plan"]
    [checkout] = [step for step in of_plan if step["uses"].startswith("actions/checkout@")]
    assert planning["env"]["RECONCILER_SETTINGS_REVISION"] == "HEAD^1"
    assert checkout["with"]["fetch-depth"] == 2
    assert set(workflow[True]["pull_request"]["types"]) >= {"synchronize", "labeled", "unlabeled"}


@pytest.mark.parametrize("other", ["reconciler-apply", "reconciler-drift"])
def test_the_schedule_and_the_merge_never_run_at_once(other: str):
    files = [GITHUB / "workflows" / f"{name}.yml" for name in ("reconciler-schedule", other)]
    groups = {read(file)["concurrency"]["group"] for file in files}
    assert (len(groups) == 1) == (other == "reconciler-apply")


@pytest.mark.parametrize("name", ["reconciler-apply", "reconciler-schedule"])
def test_only_the_default_branch_is_applied_in_an_environment(name: str):
    job = read(GITHUB / "workflows" / f"{name}.yml")["jobs"]["apply"]
    assert job["if"] == "github.ref_name == github.event.repository.default_branch"
    assert "production" in job["environment"]


def test_actions_of_others_are_pinned_to_a_commit_and_say_which_version():
    for step in steps():
        if "uses" in step:
            assert PINNED.match(step["uses"]), step["uses"]
    for file in (*WORKFLOWS, ACTION):
        for line in file.read_text(encoding="utf-8").splitlines():
            assert "@" not in line or "uses:" not in line or re.search(r"# v\d", line), line


def test_no_script_is_long_or_built_from_what_a_stranger_may_write():
    """Values reach scripts by the environment: an expression inside of `run:` could be a command."""
    for step in steps():
        script = step.get("run", "")
        assert "${{" not in script
        assert len(script.strip().splitlines()) <= LONGEST_RUN


def test_the_linter_for_workflows_agrees():
    if not shutil.which("actionlint"):
        pytest.skip(
            "there is no actionlint on the PATH (go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)"
        )
    done = subprocess.run(
        ["actionlint", *map(str, WORKFLOWS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


# ---- the action


def test_the_token_is_for_the_command_alone():
    """Neither what is installed nor another action of the composite one gets it."""
    given = [
        step["name"] for step in read(ACTION)["runs"]["steps"] if "inputs.token" in json.dumps(step)
    ]
    assert given == ["Run it"]


def test_what_is_kept_of_a_plan_is_what_apply_asks_for():
    kept = step_of("Keep the plan")["with"]
    assert kept["name"] == "reconciler-plan-${{ github.event.pull_request.head.sha }}"
    wanted = {"plan.*", "binding.json", "comment.md"}
    assert {line.rpartition("/")[2] for line in kept["path"].splitlines()} == wanted


@pytest.mark.parametrize("file", [ACTION, GITLAB], ids=["github", "gitlab"])
def test_whatever_is_installed_comes_by_its_hash_and_runs_nothing_of_the_repository(file: Path):
    before, *installing = re.sub(r"\s+", " ", file.read_text(encoding="utf-8")).split(
        "pip install "
    )
    assert len(installing) >= 2
    for options in installing:
        assert before.endswith("python -I -m ")
        hashed = options.startswith("--quiet --require-hashes --only-binary :all: ")
        assert hashed or options.startswith("--quiet --no-deps ")
        before = options


def test_pip_of_the_repository_is_not_taken_for_pip(tmp_path: Path):
    """What a pull request could put beside its config: with -I it is not seen, without it is."""
    (tmp_path / "pip.py").write_text("print('of the repository')", encoding="utf-8")
    for options, seen in (((), True), (("-I",), False)):
        done = subprocess.run(
            [sys.executable, *options, "-m", "pip", "--version"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ("of the repository" in done.stdout) == seen


def test_without_a_source_the_installation_says_what_to_set(tmp_path: Path):
    """As in a repository that copied the action and nothing else."""
    environ = {**os.environ, "GITHUB_ACTION_PATH": str(tmp_path / "a" / "b" / "c")}
    script = step_of("Install the source of this action")["run"]
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "::error title=There is no reconciler to install::" in done.stdout


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A PATH with `reconciler` on it."""
    file = tmp_path / "bin" / "reconciler"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconciler "$@"\n', encoding="utf-8")
    file.chmod(0o755)
    return f"{file.parent}:{os.environ['PATH']}"


def bash(script: str, directory: Path, environ: dict[str, str], path: str) -> Any:
    """A script as both runners start it."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env={**environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_action_runs_the_command_with_its_inputs(on_github: World, program: str):
    """In a repository that holds a config and nothing else."""
    number = on_github.proposed(company)
    told = on_github.service.variables("pull", git(on_github.tree, "rev-parse", "HEAD"), number)
    inputs = {
        "ARGS": "--only team/* --only kind",
        "COMMAND": "plan",
        "ENVIRONMENT": "",
        "GATEWAY": "other",
        "RECONCILER_BOT": "github-actions[bot]",
        "RECONCILER_CONFIG": "config",
        "RECONCILER_NO_REPORT": "true",
        "RECONCILER_ON_STALE": "replan",
        "RECONCILER_PLAN_WORKFLOW": "x.yml",
    }
    step = step_of("Run it")
    assert set(inputs) | {"GITHUB_TOKEN"} == set(step["env"])
    for name in ("team", "teams.yml"):  # nothing that a pattern could match
        (on_github.tree / name).mkdir()
    environ = {**told, **inputs, "RECONCILER_SETTINGS_REVISION": "main"}
    done = bash(step["run"], on_github.tree, environ, program)
    assert "pattern" in done.stderr or "scope" in done.stderr, done.stderr
    environ["ARGS"] = ""
    done = bash(step["run"], on_github.tree, environ, program)
    assert done.returncode == 0, done.stderr
    assert "nothing is reported: --no-report" in done.stderr
    assert (on_github.service.directory / "temp" / "reconciler" / "binding.json").exists()


# ---- GitLab


def script_of(job: str) -> str:
    """A job's lines, without those that install."""
    pipeline = read(GITLAB)
    before = pipeline["before_script"]
    assert before[-1] == 'cd "$CI_PROJECT_DIR"'
    return "\n".join([before[-1], *pipeline[job]["script"]])


def test_what_gitlab_installs_is_a_commit():
    fetch = read(GITLAB)["before_script"][1]
    assert fetch.startswith('git fetch --quiet --depth 1 "$RECONCILER_SOURCE" "$RECONCILER_COMMIT"')
    assert fetch.endswith('git checkout --quiet "$RECONCILER_COMMIT"')


def test_on_gitlab_forks_are_not_planned_and_two_never_apply_at_once():
    pipeline = read(GITLAB)
    [rule] = pipeline["plan"]["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in rule["if"]
    assert pipeline["apply"]["resource_group"] == "reconciler"
    assert all(
        "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in r["if"] for r in pipeline["apply"]["rules"]
    )
    assert pipeline["plan"]["artifacts"]["paths"] == ["reconciler-report"]


@pytest.mark.slow
def test_the_jobs_of_gitlab_run_in_a_repository_with_a_config_alone(
    on_gitlab: World, program: str, tmp_path: Path
):
    tree, service = on_gitlab.tree, on_gitlab.service
    git(tmp_path, "clone", "--quiet", "--bare", str(tree), "origin.git")
    git(tree, "remote", "add", "origin", (tmp_path / "origin.git").as_uri())
    number = on_gitlab.proposed(company)
    git(tree, "checkout", "--quiet", f"pull-{number}")
    project = {
        "CI_PROJECT_DIR": str(tree),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "GATEWAY": "",
        "HOME": str(tmp_path),
        "RECONCILER_CONFIG": "config",
    }

    def ran(job: str, occasion: str, request: int | None) -> Any:
        head = git(tree, "rev-parse", "HEAD")
        environ = {**service.variables(occasion, head, request), **project}
        done = bash(script_of(job), tree, environ, program)
        assert done.returncode == 0, done.stderr
        return done

    ran("validate", "pull", number)
    ran("plan", "pull", number)
    assert "7 to create" in on_gitlab.comment(number)
    assert (tree / "reconciler-report" / "plan.html").exists()
    git(tree, "checkout", "--quiet", "main")
    on_gitlab.merged(number)
    assert (tree / "config" / "company.yaml").read_text(encoding="utf-8") == COMPANY
    ran("apply", "push", None)
    assert "steps applied, 0 failed" in on_gitlab.comment(number, "apply")
    ran("drift", "schedule", None)


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
