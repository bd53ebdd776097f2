"""Which plan is the approved one: everything that could make it another's is tried, on both services."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from ci_world import unzipped, zipped
from forge_server import Answer, Fault
from github_api import REPOSITORY, GitHub
from github_api import TOKEN as GITHUB_TOKEN
from gitlab_api import PROJECT, GitLab
from gitlab_api import TOKEN as GITLAB_TOKEN
from pydantic import SecretStr

from reconciler.ci.approval import Binding, refused_flags, sha256
from reconciler.ci.github import github as open_github
from reconciler.ci.gitlab import gitlab as open_gitlab
from reconciler.ci.job import Job, Occasion, Service
from reconciler.ci.outputs import outputs
from reconciler.ci.rest import ForgeError, Patience
from reconciler.ci.surroundings import Reviewed, Surroundings, reviewed

COMMIT, HEAD, OTHER = "c" * 40, "a" * 40, "b" * 40
PLACE, TREE = "config default base", "d" * 40
PLAN = json.dumps({"plan": {"refusals": [{"flag": "--allow-loss"}, {"flag": None}]}}).encode()
BINDING = Binding(config_tree=TREE, head=HEAD, commit=COMMIT, plan_sha256=sha256(PLAN), place=PLACE)
QUICK = Patience(attempts=2, first_seconds=0, sleep=lambda _seconds: None)


def archive(plan: bytes = PLAN, folder: str = "", **changed: str) -> bytes:
    binding = BINDING.model_copy(update=changed).model_dump_json().encode()
    return zipped({"plan.json": plan, "binding.json": binding, "plan.md": b"#"}, folder)


class AtGitHub:
    """A merged pull request #5 whose plan is fine."""

    def __init__(self, api: GitHub) -> None:
        self.api = api
        self.pull: dict[str, Any] = {
            "number": 5,
            "head": {"sha": HEAD, "repo": {"full_name": REPOSITORY}},
            "labels": [{"name": "reconciler:allow-loss"}],
            "merged_at": "2026-01-01T00:00:00Z",
            "merge_commit_sha": COMMIT,
        }
        api.pulls[5] = self.pull
        self.artifact = api.ran(HEAD, archive())

    @property
    def run(self) -> dict[str, Any]:
        return self.api.runs[self.artifact["workflow_run"]["id"]]

    def left(self, content: bytes) -> None:
        self.artifact |= {"zip": content, "digest": f"sha256:{sha256(content)}"}

    def looked(self, tree: str | None = TREE, occasion: Occasion = Occasion.PUSH) -> Reviewed:
        environ = {"GITHUB_API_URL": self.api.url, "GITHUB_REPOSITORY": REPOSITORY}
        forge = open_github(environ, SecretStr(GITHUB_TOKEN), patience=QUICK)
        with forge.rest.client:
            job = Job(Service.GITHUB, occasion, COMMIT, "")
            return reviewed(Surroundings(job, PLACE, outputs({}, None), forge), tree)


class AtGitLab:
    """A merged merge request !5 whose plan is fine."""

    def __init__(self, api: GitLab) -> None:
        self.api = api
        self.request: dict[str, Any] = {
            "iid": 5,
            "state": "merged",
            "sha": HEAD,
            "merge_commit_sha": COMMIT,
            "squash_commit_sha": None,
            "source_project_id": PROJECT,
            "target_project_id": PROJECT,
            "target_branch": "main",
            "labels": ["reconciler:allow-loss"],
        }
        api.requests[5] = self.request
        self.pipeline = api.ran(5, archive(folder="reconciler-report/"))

    @property
    def job(self) -> dict[str, Any]:
        return next(j for j in self.api.jobs.values() if j["pipeline"] == self.pipeline["id"])

    def left(self, content: bytes) -> None:
        self.job["zip"] = content

    def looked(self, tree: str | None = TREE, occasion: Occasion = Occasion.PUSH) -> Reviewed:
        environ = {
            "CI_API_V4_URL": self.api.url,
            "CI_PROJECT_ID": str(PROJECT),
            "CI_DEFAULT_BRANCH": "main",
        }
        forge = open_gitlab(environ, SecretStr(GITLAB_TOKEN), patience=QUICK)
        job = Job(Service.GITLAB, occasion, COMMIT, "")
        found = reviewed(Surroundings(job, PLACE, outputs({}, None), forge), tree)
        forge.rest.client.close()
        return found


At = AtGitHub | AtGitLab


@pytest.fixture(params=[AtGitHub, AtGitLab])
def at(request: pytest.FixtureRequest) -> At:
    name = "github" if request.param is AtGitHub else "gitlab"
    found: At = request.param(request.getfixturevalue(name))
    return found


def test_the_plan_of_the_merged_pull_request_is_found_byte_for_byte(at: At):
    found = at.looked()
    assert found.approved is not None, found.reason
    assert found.approved.plan == PLAN
    assert found.approved.flags == ("--allow-loss", None)
    assert found.labels == {"reconciler:allow-loss"}
    assert found.pull_request is not None
    assert found.pull_request.number == 5


def without(*names: str) -> Callable[[bytes], bytes]:
    return lambda raw: zipped({k: v for k, v in unzipped(raw).items() if k not in names})


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "another plan under the same binding": (
        zipped({"plan.json": PLAN + b" ", "binding.json": BINDING.model_dump_json().encode()}),
        "was changed",
    ),
    "a plan for another gateway": (
        archive(place="config prod base"),
        "is for another config or gateway",
    ),
    "a plan for another environment": (
        archive(place="config default prod"),
        "is for another config",
    ),
    "a plan of another state of the config": (
        archive(config_tree=OTHER),
        "for another state of the config",
    ),
    "a plan that names no state": (archive(config_tree=""), "for another state of the config"),
    "a plan of another commit": (archive(head=OTHER), "is of another commit than its last one"),
    "no binding": (zipped({"plan.json": PLAN}), "holds no plan"),
    "no plan": (zipped({"binding.json": b"{}"}), "holds no plan"),
    "a binding that is none": (
        zipped({"plan.json": PLAN, "binding.json": b"[1]"}),
        "holds no plan",
    ),
    "a binding of a later version": (
        zipped({"plan.json": PLAN, "binding.json": b'{"version": 2}'}),
        "holds no plan",
    ),
    "two plans": (
        zipped(
            {
                "plan.json": PLAN,
                "x/plan.json": PLAN,
                "binding.json": BINDING.model_dump_json().encode(),
            }
        ),
        "holds no plan",
    ),
    "no archive": (b"PK\x03\x04 nothing", "is no readable archive"),
    "nothing at all": (b"", "is no readable archive"),
    "a broken archive": (archive()[:-40] + b"\0" * 40, "is no readable archive"),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_that_does_not_hold_is_not_used(at: At, what: str):
    content, reason = ARCHIVES[what]
    at.left(content)
    found = at.looked()
    assert found.approved is None
    assert reason in found.reason
    assert found.labels == {"reconciler:allow-loss"}


def test_a_commit_without_a_config_has_no_plan(at: At):
    assert "this commit has no config" in at.looked(tree=None).reason


@pytest.mark.parametrize("occasion", [Occasion.OTHER, Occasion.PULL_REQUEST])
def test_only_a_push_has_a_reviewed_plan_and_labels(at: At, occasion: Occasion):
    found = at.looked(occasion=occasion)
    assert (found.approved, found.pull_request, found.labels) == (None, None, frozenset())
    assert at.api.server.asked == [] or isinstance(at, AtGitLab)


# ---- GitHub


def tampered(at: AtGitHub) -> None:
    at.artifact["zip"] = archive(plan=PLAN.replace(b"null", b"1234"))


FOREIGN: dict[str, tuple[Callable[[AtGitHub], Any], str]] = {
    "of a fork's run": (
        lambda at: at.artifact["workflow_run"].update(head_repository_id=2),
        "has no plan of",
    ),
    "of a run on another commit": (
        lambda at: at.artifact["workflow_run"].update(head_sha=OTHER),
        "has no plan of",
    ),
    "of another workflow": (
        lambda at: at.run.update(path=".github/workflows/other.yml@refs/heads/x"),
        "is of another workflow",
    ),
    "of a workflow with a longer name": (
        lambda at: at.run.update(path=".github/workflows/reconciler-plan.yml.yml"),
        "is of another workflow",
    ),
    "of a push": (lambda at: at.run.update(event="push"), "is of another workflow"),
    "of pull_request_target": (
        lambda at: at.run.update(event="pull_request_target"),
        "is of another workflow",
    ),
    "of a run that failed": (
        lambda at: at.run.update(conclusion="failure"),
        "of a run that failed",
    ),
    "of a run that was cancelled": (
        lambda at: at.run.update(conclusion="cancelled"),
        "of a run that failed",
    ),
    "of a run that goes on": (lambda at: at.run.update(conclusion=None), "of a run that failed"),
    "expired": (lambda at: at.artifact.update(expired=True), "has expired"),
    "changed in the storage": (tampered, "was changed"),
    "swapped in the storage for another whole one": (
        lambda at: at.artifact.update(
            zip=archive(plan=b'{"plan": 1}', plan_sha256=sha256(b'{"plan": 1}'))
        ),
        "was changed",
    ),
    "of a pull request that has the commit and was merged as another": (
        lambda at: at.pull.update(
            merge_commit_sha=OTHER,
            head={"sha": COMMIT, "repo": {"full_name": REPOSITORY}},
        ),
        "comes from no pull request",
    ),
    "of nobody": (lambda at: at.artifact.update(workflow_run=None), "has no plan of"),
    "gone": (lambda at: at.api.artifacts.clear(), "has no plan of"),
    "of a pull request that was not merged": (
        lambda at: at.pull.update(merged_at=None),
        "comes from no pull request",
    ),
    "of a pull request merged as another commit": (
        lambda at: at.pull.update(merge_commit_sha=OTHER),
        "comes from no pull request",
    ),
    "of a fork's pull request": (
        lambda at: at.pull["head"].update(repo={"full_name": "x/y"}),
        "comes from a fork",
    ),
    "of a fork that is gone": (lambda at: at.pull["head"].update(repo=None), "comes from a fork"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_an_artifact_that_is_not_ours_is_not_used(github: GitHub, what: str):
    at = AtGitHub(github)
    change, reason = FOREIGN[what]
    change(at)
    found = at.looked()
    assert found.approved is None
    assert reason in found.reason


def test_another_workflows_artifact_of_the_same_name_hides_nothing(github: GitHub):
    at = AtGitHub(github)
    foreign = github.ran(HEAD, archive(plan=b"evil"))
    github.runs[foreign["workflow_run"]["id"]]["path"] = ".github/workflows/evil.yml"
    found = at.looked()
    assert found.approved is not None
    assert found.approved.plan == PLAN


def test_a_later_run_that_failed_withdraws_the_plan_of_an_earlier_one(github: GitHub):
    at = AtGitHub(github)
    github.ran(HEAD, archive(), "failure")
    assert "of a run that failed" in at.looked().reason


def test_a_plan_behind_a_hundred_others_of_its_name_is_found(github: GitHub):
    at = AtGitHub(github)
    for _ in range(130):
        github.ran(OTHER, b"")["name"] = at.artifact["name"]
    assert at.looked().approved is not None


def test_an_artifact_that_has_expired_is_not_even_asked_for(github: GitHub):
    at = AtGitHub(github)
    at.artifact["expired"] = True
    at.looked()
    assert not [path for path in github.server.paths("GET") if path.endswith("/zip")]


def test_an_artifact_that_expires_meanwhile_is_no_error(github: GitHub):
    at = AtGitHub(github)
    github.server.faults.append(Fault("GET", "/zip$", Answer(410, {"message": "Gone"}), times=9))
    assert "has expired" in at.looked().reason


def test_the_token_does_not_go_to_the_storage(at: At):
    """The stand-in's storage refuses a request that carries it."""
    assert at.looked().approved is not None
    blobs = [each for each in at.api.server.asked if each.path.startswith("/blobs/")]
    assert len(blobs) == 1
    assert "authorization" not in blobs[0].headers
    assert "private-token" not in blobs[0].headers


def test_an_archive_that_comes_without_a_redirect_is_the_same(at: At):
    at.api.server.faults.append(Fault("GET", r"/zip$|jobs/\d+/artifacts$", Answer(200, archive())))
    if isinstance(at, AtGitHub):
        at.artifact["digest"] = None  # as on servers that know of none
    assert at.looked().approved is not None
    assert not [path for path in at.api.server.paths("GET") if "/blobs/" in path]


def test_a_service_that_does_not_answer_is_an_error_and_no_missing_plan(at: At):
    at.api.server.faults.append(Fault("GET", "commits/", Answer(500), times=99))
    with pytest.raises(ForgeError, match="was refused: 500"):
        at.looked()


# ---- GitLab

ELSEWHERE: dict[str, tuple[Callable[[AtGitLab], Any], str]] = {
    "of a fork's pipeline": (lambda at: at.pipeline.update(project_id=99), "has no plan of"),
    "of a push": (lambda at: at.pipeline.update(source="push"), "has no plan of"),
    "of a pipeline that failed": (
        lambda at: at.pipeline.update(status="failed"),
        "of a pipeline that failed",
    ),
    "of a pipeline that goes on": (
        lambda at: at.pipeline.update(status="running"),
        "of a pipeline that failed",
    ),
    "of another job": (lambda at: at.job.update(name="plan-evil"), "has no plan of"),
    "of a job that failed": (lambda at: at.job.update(status="failed"), "has no plan of"),
    "expired": (lambda at: at.job.update(artifacts_file=None), "or it has expired"),
    "gone": (lambda at: at.api.pipelines.clear(), "has no plan of"),
    "of a request that was not merged": (
        lambda at: at.request.update(state="opened"),
        "comes from no pull request",
    ),
    "of a request into another branch": (
        lambda at: at.request.update(target_branch="release"),
        "comes from no pull request",
    ),
    "of a fork's request": (lambda at: at.request.update(source_project_id=99), "from a fork"),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_job_that_is_not_ours_is_not_used(gitlab: GitLab, what: str):
    at = AtGitLab(gitlab)
    change, reason = ELSEWHERE[what]
    change(at)
    found = at.looked()
    assert found.approved is None
    assert reason in found.reason


@pytest.mark.parametrize("name", ["merge_commit_sha", "squash_commit_sha", "sha"])
def test_every_kind_of_merge_is_known(gitlab: GitLab, name: str):
    at = AtGitLab(gitlab)
    at.request |= {"merge_commit_sha": None, name: COMMIT}
    if name == "sha":
        at.left(archive(head=COMMIT))
    assert at.looked().approved is not None


def test_a_later_pipeline_withdraws_the_plan_of_an_earlier_one(gitlab: GitLab):
    at = AtGitLab(gitlab)
    gitlab.ran(5, archive(), "failed")
    assert "of a pipeline that failed" in at.looked().reason


# ---- what a plan file says


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"plan": []}', b'{"plan": {"refusals": [1]}}', b"[" * 99_999]
)
def test_a_file_that_is_no_plan_has_no_flags(content: bytes):
    assert refused_flags(content) == ()
