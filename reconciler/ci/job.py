"""The job of a pipeline, as its environment tells it: what it runs for, on which commit, for which pull request.

Sources: "Variables reference" (https://docs.github.com/en/actions/reference/workflows-and-actions/variables) and the
payload of `pull_request` (https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request);
"Predefined CI/CD variables" (https://docs.gitlab.com/ci/variables/predefined_variables/).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ValidationError

from reconciler.core.model.findings import ReconcilerError, error

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Service(StrEnum):
    """Who runs the pipeline."""

    GITHUB = "GitHub"
    GITLAB = "GitLab"


class Occasion(StrEnum):
    """What a job runs for."""

    PULL_REQUEST = "a pull request"
    PUSH = "a push"
    OTHER = "a schedule, or somebody's wish"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request, or a merge request of GitLab. `name` is how it is written: #5, !5.

    `head` is its last commit; with `fork` that comes from another repository.
    """

    number: int
    name: str
    head: str
    labels: frozenset[str]
    fork: bool


@dataclass(frozen=True, slots=True)
class Job:
    """`commit` is what is checked out, `url` the page of the run. Branches are empty where they are not told."""

    service: Service
    occasion: Occasion
    commit: str
    url: str
    pull_request: PullRequest | None = None
    branch: str = ""
    default_branch: str = ""

    @property
    def head(self) -> str:
        """The commit that people know: of a pull request its last one, not its merge into the base."""
        return self.pull_request.head if self.pull_request else self.commit


def service_of(environ: Mapping[str, str]) -> Service:
    """Raises ReconcilerError where the process runs in neither."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return Service.GITHUB
    if environ.get("GITLAB_CI") == "true":
        return Service.GITLAB
    hint = "elsewhere: reconciler plan, apply, drift and validate"
    says = "this is no job of GitHub Actions (GITHUB_ACTIONS=true) or GitLab CI (GITLAB_CI=true)"
    raise ReconcilerError(error("ci-job", says, hint=hint))


# ---- GitHub


class _Repository(BaseModel):
    full_name: str
    default_branch: str = ""


class _Head(BaseModel):
    sha: str
    repo: _Repository | None = None  # None: the fork is gone


class _Label(BaseModel):
    name: str


class _Pull(BaseModel):
    number: int
    head: _Head
    labels: tuple[_Label, ...] = ()


class _Event(BaseModel):
    pull_request: _Pull | None = None
    repository: _Repository | None = None


def github_job(environ: Mapping[str, str], event: bytes) -> Job:
    """The job of a workflow; `event` is the file that GITHUB_EVENT_PATH names.

    Raises ReconcilerError where a fact is missing, and for `pull_request_target`, which would give secrets to a fork.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    if name == "pull_request_target":
        hint = "run on pull_request: a fork is validated there, without secrets"
        says = "pull_request_target gives secrets to what a stranger wrote"
        raise ReconcilerError(error("ci-event", says, hint=hint))
    try:
        payload = _Event.model_validate_json(event)
    except ValidationError:
        raise ReconcilerError(
            error("ci-job", "the event of the workflow is not readable")
        ) from None
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    occasions = {"pull_request": Occasion.PULL_REQUEST, "push": Occasion.PUSH}
    occasion = occasions.get(name, Occasion.OTHER)
    pull = payload.pull_request if occasion is Occasion.PULL_REQUEST else None
    if occasion is Occasion.PULL_REQUEST and pull is None:
        raise ReconcilerError(error("ci-job", "the event of the workflow names no pull request"))
    return Job(
        Service.GITHUB,
        occasion,
        _commit(environ, "GITHUB_SHA"),
        f"{server}/{repository}/actions/runs/{run}",
        _github_pull(pull, repository) if pull else None,
        environ.get("GITHUB_REF_NAME", ""),
        payload.repository.default_branch if payload.repository else "",
    )


def _github_pull(pull: _Pull, repository: str) -> PullRequest:
    fork = pull.head.repo is None or pull.head.repo.full_name != repository
    labels = frozenset(label.name for label in pull.labels)
    return PullRequest(pull.number, f"#{pull.number}", pull.head.sha, labels, fork)


# ---- GitLab


def gitlab_job(environ: Mapping[str, str]) -> Job:
    """The job of a pipeline. Raises ReconcilerError where a fact is missing."""
    sources = {"merge_request_event": Occasion.PULL_REQUEST, "push": Occasion.PUSH}
    occasion = sources.get(environ.get("CI_PIPELINE_SOURCE", ""), Occasion.OTHER)
    commit = _commit(environ, "CI_COMMIT_SHA")
    return Job(
        Service.GITLAB,
        occasion,
        commit,
        environ.get("CI_JOB_URL", ""),
        _gitlab_pull(environ, commit) if occasion is Occasion.PULL_REQUEST else None,
        environ.get("CI_COMMIT_BRANCH", ""),
        environ.get("CI_DEFAULT_BRANCH", ""),
    )


def _gitlab_pull(environ: Mapping[str, str], commit: str) -> PullRequest:
    """In a pipeline of merged results CI_COMMIT_SHA is the merge, in any other the last commit of the branch."""
    number = environ.get("CI_MERGE_REQUEST_IID", "")
    if not number.isdecimal():
        raise ReconcilerError(error("ci-job", "CI_MERGE_REQUEST_IID is not set"))
    source = environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "")
    labels = environ.get("CI_MERGE_REQUEST_LABELS", "").split(",")
    return PullRequest(
        int(number),
        f"!{number}",
        environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or commit,
        frozenset(label.strip() for label in labels if label.strip()),
        fork=not source or source != environ.get("CI_MERGE_REQUEST_PROJECT_ID"),
    )


def _commit(environ: Mapping[str, str], name: str) -> str:
    commit = environ.get(name, "")
    if not _COMMIT.fullmatch(commit):
        raise ReconcilerError(error("ci-job", f"{name} holds no commit"))
    return commit


# ---- what a job may do


def require_own_branch(job: Job) -> None:
    """Raises ReconcilerError in a fork's pull request: its run has no secrets, and its token may not write."""
    if job.pull_request is not None and job.pull_request.fork:
        says = f"{job.pull_request.name} comes from a fork, and nothing is planned for one"
        raise ReconcilerError(error("ci-fork", says, hint="reconciler ci validate"))


def require_default_branch(job: Job) -> None:
    """Raises ReconcilerError where the job must not apply: in a pull request, and on any branch but the default one."""
    if job.occasion is Occasion.PULL_REQUEST:
        hint = "apply what is merged: on pushes to the default branch"
        raise ReconcilerError(error("ci-branch", "a pull request is not applied", hint=hint))
    if job.default_branch and job.branch != job.default_branch:
        says = f"only {job.default_branch} is applied, and this is {job.branch or 'no branch'}"
        raise ReconcilerError(error("ci-branch", says))
