"""GitHub, by its REST API in the version 2022-11-28 (https://docs.github.com/en/rest).

| endpoint below /repos/OWNER/NAME | for | documentation |
|---|---|---|
| GET, POST /issues/N/comments; PATCH, DELETE /issues/comments/ID | comments | rest/issues/comments |
| GET, POST /issues; PATCH /issues/N | the issue about drift; lists have pull requests, too | rest/issues/issues |
| POST /labels | its label; 422 where there is one | rest/issues/labels |
| GET /commits/SHA/pulls | where a commit comes from | rest/commits/commits |
| GET /actions/artifacts?name=N | plans by their name, which any run may choose | rest/actions/artifacts |
| GET /actions/artifacts/ID/zip | 302 to a storage, 410 once it has expired | rest/actions/artifacts |
| GET /actions/runs/ID | what made the plan | rest/actions/workflow-runs |
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import httpx
from pydantic import BaseModel, SecretStr

from reconciler.ci.approval import UntrustedError, sha256
from reconciler.ci.forge import Post
from reconciler.ci.job import PullRequest
from reconciler.ci.rest import SECONDS, ForgeError, Patience, Rest

BOT = "github-actions[bot]"
PLAN_WORKFLOW = ".github/workflows/reconciler-plan.yml"
# "Body is too long (maximum is 65536 characters)", as the API says where it is.
LONGEST = 65_536
MOST_CANDIDATES = 20
GONE = (404, 410)
HINTS = {
    401: "is the token right, and still valid?",
    403: "which permissions does the job give its token? (permissions: in the workflow)",
    404: "does the token see this repository?",
}


class _User(BaseModel):
    login: str


class _Post(BaseModel):
    id: int
    number: int = 0
    body: str | None = None
    created_at: str
    user: _User | None = None
    pull_request: Mapping[str, object] | None = None


class _Repository(BaseModel):
    full_name: str


class _Head(BaseModel):
    sha: str
    repo: _Repository | None = None  # None: the fork is gone


class _Label(BaseModel):
    name: str


class _Pull(BaseModel):
    number: int
    merged_at: str | None = None
    merge_commit_sha: str | None = None
    head: _Head
    labels: tuple[_Label, ...] = ()


class _ArtifactRun(BaseModel):
    id: int
    head_sha: str
    repository_id: int
    head_repository_id: int


class _Artifact(BaseModel):
    id: int
    expired: bool
    created_at: str | None = None
    digest: str | None = None
    workflow_run: _ArtifactRun | None = None

    def of(self, head: str) -> bool:
        """Whether a run on that commit of this repository's own branch left it. Anybody's run may choose its name."""
        run = self.workflow_run
        if run is None:
            return False
        return run.head_sha == head and run.repository_id == run.head_repository_id


class _Artifacts(BaseModel):
    artifacts: tuple[_Artifact, ...]


class _Run(BaseModel):
    path: str
    event: str
    conclusion: str | None = None


@dataclass(frozen=True, slots=True)
class GitHub:
    """A `forge.Forge`. `bot` is the login that the token writes as; `workflow` is the only one whose plans count."""

    rest: Rest
    repository: str
    bot: str = BOT
    workflow: str = PLAN_WORKFLOW
    longest: ClassVar[int] = LONGEST

    # ---- posts

    def comments(self, pull: int) -> list[Post]:
        rows = self.rest.rows(self._path(f"issues/{pull}/comments"), _Post)
        return [self._post(row, row.id) for row in rows]

    def add_comment(self, pull: int, text: str) -> None:
        self.rest.send("POST", self._path(f"issues/{pull}/comments"), {"body": text})

    def edit_comment(self, pull: int, comment: int, text: str) -> None:  # noqa: ARG002  GitLab needs the pull request
        self.rest.send("PATCH", self._path(f"issues/comments/{comment}"), {"body": text})

    def delete_comment(self, pull: int, comment: int) -> None:  # noqa: ARG002  as above
        self.rest.send("DELETE", self._path(f"issues/comments/{comment}"))

    def issues(self, label: str) -> list[Post]:
        rows = self.rest.rows(self._path("issues"), _Post, {"state": "open", "labels": label})
        return [self._post(row, row.number) for row in rows if row.pull_request is None]

    def open_issue(self, title: str, text: str, label: str) -> None:
        about = {"name": label, "color": "d93f0b", "description": title}
        with suppress(ForgeError):  # 422: there is one; whatever else, the issue itself will tell
            self.rest.send("POST", self._path("labels"), about)
        issue = {"title": title, "body": text, "labels": [label]}
        self.rest.send("POST", self._path("issues"), issue)

    def edit_issue(self, issue: int, text: str, *, close: bool = False) -> None:
        closed = {"state": "closed", "state_reason": "completed"} if close else {}
        self.rest.send("PATCH", self._path(f"issues/{issue}"), {"body": text, **closed})

    def _post(self, row: _Post, number: int) -> Post:
        ours = row.user is not None and row.user.login == self.bot
        return Post(number, row.body or "", row.created_at, ours)

    def _path(self, rest: str) -> str:
        return f"repos/{self.repository}/{rest}"

    # ---- the approved plan

    def merged(self, commit: str) -> PullRequest | None:
        for pull in self.rest.rows(self._path(f"commits/{commit}/pulls"), _Pull):
            if pull.merged_at is not None and pull.merge_commit_sha == commit:
                fork = pull.head.repo is None or pull.head.repo.full_name != self.repository
                labels = frozenset(label.name for label in pull.labels)
                return PullRequest(pull.number, f"#{pull.number}", pull.head.sha, labels, fork)
        return None

    def plan_archive(self, pull: PullRequest) -> bytes:
        """The newest of our workflow's artifacts alone counts: an older plan was withdrawn by it."""
        reason = f"{pull.name} has no plan of {pull.head}"
        for artifact in self._artifacts(pull.head)[:MOST_CANDIDATES]:
            run = self._run(artifact)
            if run.path.partition("@")[0] != self.workflow or run.event != "pull_request":
                reason = f"the plan of {pull.name} is of another workflow"
                continue
            if run.conclusion != "success":
                raise UntrustedError(f"the plan of {pull.name} is of a run that failed")
            return self._archive(artifact, pull)
        raise UntrustedError(reason)

    def _artifacts(self, head: str) -> list[_Artifact]:
        """Those with the name of a commit's plan that may be one, newest first."""
        path, name = self._path("actions/artifacts"), {"name": f"reconciler-plan-{head}"}
        pages = [self.rest.read(path, _Artifacts, body) for body in self.rest.pages(path, name)]
        own = [artifact for page in pages for artifact in page.artifacts if artifact.of(head)]
        return sorted(
            own, key=lambda artifact: (artifact.created_at or "", artifact.id), reverse=True
        )

    def _run(self, artifact: _Artifact) -> _Run:
        run = artifact.workflow_run.id if artifact.workflow_run else 0
        return self.rest.one(self._path(f"actions/runs/{run}"), _Run)

    def _archive(self, artifact: _Artifact, pull: PullRequest) -> bytes:
        expired = f"the plan of {pull.name} has expired"
        if artifact.expired:
            raise UntrustedError(expired)
        try:
            content = self.rest.archive(self._path(f"actions/artifacts/{artifact.id}/zip"))
        except ForgeError as problem:
            if problem.status in GONE:
                raise UntrustedError(expired) from None
            raise
        if artifact.digest and artifact.digest != f"sha256:{sha256(content)}":
            raise UntrustedError(f"the plan of {pull.name} was changed")
        return content


def github(
    environ: Mapping[str, str],
    token: SecretStr,
    *,
    bot: str = BOT,
    workflow: str = PLAN_WORKFLOW,
    patience: Patience | None = None,
) -> GitHub:
    """The forge of a job. The token is sent to GITHUB_API_URL alone."""
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token.get_secret_value()}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    client = httpx.Client(base_url=url, headers=headers, timeout=SECONDS)
    rest = Rest("GitHub", client, token, HINTS, patience or Patience())
    return GitHub(rest, environ.get("GITHUB_REPOSITORY", ""), bot, workflow)
