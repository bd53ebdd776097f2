"""GitLab, by its REST API in the version 4 (https://docs.gitlab.com/api/rest/).

| endpoint below /projects/ID | for | documentation |
|---|---|---|
| GET, POST /merge_requests/IID/notes; PUT, DELETE /merge_requests/IID/notes/ID | notes | api/notes |
| GET, POST /issues; PUT /issues/IID, with state_event: close | the issue about drift | api/issues |
| GET /repository/commits/SHA/merge_requests | where a commit comes from | api/commits |
| GET /merge_requests/IID/pipelines | what ran for it | api/merge_requests |
| GET /pipelines/ID/jobs?scope[]=success | what planned | api/jobs |
| GET /jobs/ID/artifacts | the plan; may be a redirect to a storage | api/job_artifacts |
| GET /user (not below the project) | who the token is | api/users |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import httpx
from pydantic import BaseModel, SecretStr

from reconciler.ci.approval import UntrustedError
from reconciler.ci.forge import Post
from reconciler.ci.job import PullRequest
from reconciler.ci.rest import SECONDS, ForgeError, Patience, Rest

# "The content of a note. Limited to 1,000,000 characters" (api/notes).
LONGEST = 1_000_000
PLAN_JOB = "plan"
GONE = (404, 410)
HINTS = {
    401: "is REPORT_TOKEN right, and still valid?",
    403: "REPORT_TOKEN has to be a project access token with the scope api",
    404: "does REPORT_TOKEN see this project?",
}


class _User(BaseModel):
    id: int


class _Note(BaseModel):
    id: int
    body: str | None = None
    created_at: str
    author: _User | None = None


class _Issue(BaseModel):
    iid: int
    description: str | None = None
    created_at: str
    author: _User | None = None


class _MergeRequest(BaseModel):
    iid: int
    state: str
    sha: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    source_project_id: int | None = None
    target_project_id: int
    target_branch: str
    labels: tuple[str, ...] = ()

    def made(self, commit: str) -> bool:
        """Whether its merge made the commit: as merge, as squash, or (fast-forward) as its own last one."""
        own = (self.merge_commit_sha, self.squash_commit_sha, self.sha)
        return self.state == "merged" and commit in own


class _Pipeline(BaseModel):
    id: int
    project_id: int
    source: str
    status: str


class _Artifacts(BaseModel):
    filename: str | None = None


class _Job(BaseModel):
    id: int
    name: str
    artifacts_file: _Artifacts | None = None


@dataclass(frozen=True, slots=True)
class GitLab:
    """A `forge.Forge`. `branch` is the default one, `user` whose token it is.

    `job` is the only one whose plans count.
    """

    rest: Rest
    project: int
    branch: str
    user: int
    job: str = PLAN_JOB
    longest: ClassVar[int] = LONGEST

    # ---- posts

    def comments(self, pull: int) -> list[Post]:
        rows = self.rest.rows(self._path(f"merge_requests/{pull}/notes"), _Note, {"sort": "asc"})
        return [self._post(row.id, row.body, row.created_at, row.author) for row in rows]

    def add_comment(self, pull: int, text: str) -> None:
        self.rest.send("POST", self._path(f"merge_requests/{pull}/notes"), {"body": text})

    def edit_comment(self, pull: int, comment: int, text: str) -> None:
        path = self._path(f"merge_requests/{pull}/notes/{comment}")
        self.rest.send("PUT", path, {"body": text})

    def delete_comment(self, pull: int, comment: int) -> None:
        self.rest.send("DELETE", self._path(f"merge_requests/{pull}/notes/{comment}"))

    def issues(self, label: str) -> list[Post]:
        rows = self.rest.rows(self._path("issues"), _Issue, {"state": "opened", "labels": label})
        return [self._post(row.iid, row.description, row.created_at, row.author) for row in rows]

    def open_issue(self, title: str, text: str, label: str) -> None:
        issue = {"title": title, "description": text, "labels": label}
        self.rest.send("POST", self._path("issues"), issue)

    def edit_issue(self, issue: int, text: str, *, close: bool = False) -> None:
        closed = {"state_event": "close"} if close else {}
        self.rest.send("PUT", self._path(f"issues/{issue}"), {"description": text, **closed})

    def _post(self, number: int, text: str | None, created: str, author: _User | None) -> Post:
        ours = author is not None and author.id == self.user
        return Post(number, text or "", created, ours)

    def _path(self, rest: str) -> str:
        return f"projects/{self.project}/{rest}"

    # ---- the approved plan

    def merged(self, commit: str) -> PullRequest | None:
        path = self._path(f"repository/commits/{commit}/merge_requests")
        for request in self.rest.rows(path, _MergeRequest):
            if request.made(commit) and request.sha and request.target_branch == self.branch:
                fork = request.source_project_id != request.target_project_id
                return PullRequest(
                    request.iid, f"!{request.iid}", request.sha, frozenset(request.labels), fork
                )
        return None

    def plan_archive(self, pull: PullRequest) -> bytes:
        """Of the newest pipeline for the merge request in this project: an older plan was withdrawn by it."""
        rows = self.rest.rows(self._path(f"merge_requests/{pull.number}/pipelines"), _Pipeline)
        own = [
            row
            for row in rows
            if row.project_id == self.project and row.source == "merge_request_event"
        ]
        if not own:
            raise UntrustedError(f"{pull.name} has no plan of {pull.head}")
        newest = max(own, key=lambda row: row.id)
        if newest.status != "success":
            raise UntrustedError(f"the plan of {pull.name} is of a pipeline that failed")
        return self._archive(newest.id, pull)

    def _archive(self, pipeline: int, pull: PullRequest) -> bytes:
        rows = self.rest.rows(
            self._path(f"pipelines/{pipeline}/jobs"), _Job, {"scope[]": "success"}
        )
        jobs = [row for row in rows if row.name == self.job and row.artifacts_file is not None]
        if not jobs:
            raise UntrustedError(f"{pull.name} has no plan of {pull.head}, or it has expired")
        newest = max(jobs, key=lambda row: row.id)
        try:
            return self.rest.archive(self._path(f"jobs/{newest.id}/artifacts"))
        except ForgeError as problem:
            if problem.status in GONE:
                raise UntrustedError(f"the plan of {pull.name} has expired") from None
            raise


def gitlab(
    environ: Mapping[str, str],
    token: SecretStr,
    *,
    job: str = PLAN_JOB,
    patience: Patience | None = None,
) -> GitLab:
    """The forge of a job. The token is sent to CI_API_V4_URL alone. Raises ForgeError where it is nobody's."""
    url = environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4"
    headers = {"PRIVATE-TOKEN": token.get_secret_value()}
    client = httpx.Client(base_url=url, headers=headers, timeout=SECONDS)
    rest = Rest("GitLab", client, token, HINTS, patience or Patience())
    project, branch = environ.get("CI_PROJECT_ID", ""), environ.get("CI_DEFAULT_BRANCH", "")
    if not project.isdecimal():
        raise ForgeError("CI_PROJECT_ID is not set")
    return GitLab(rest, int(project), branch, rest.one("user", _User).id, job)
