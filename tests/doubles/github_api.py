"""A stand-in for the part of GitHub's REST API that the reconciler uses, with permissions per token.

Sources: "REST API endpoints for issue comments / issues / labels / commits / artifacts / workflow runs" in GitHub's
documentation. Lists come in pages; artifacts are fetched by a redirect to another host without the token.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from forge_server import Answer, Asked, RefusedError, Server, paged, serving

REPOSITORY = "acme/gateway-config"
BOT = "github-actions[bot]"
WORKFLOW = ".github/workflows/reconciler-plan.yml"
LONGEST = 65_536
TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
WRITER = {"issues": "write", "pull-requests": "write", "actions": "read"}


@dataclass
class GitHub:
    """What GitHub knows. `tokens`: token -> permissions as in a workflow, e.g. {"pull-requests": "write"}."""

    server: Server
    tokens: dict[str, Mapping[str, str]] = field(default_factory=lambda: {TOKEN: WRITER})
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    last: int = 100

    @property
    def url(self) -> str:
        return self.server.url

    def number(self) -> int:
        self.last += 1
        return self.last

    def said(self, issue: int) -> list[str]:
        """The texts of an issue's comments, oldest first."""
        return [each["body"] for each in self.comments.values() if each["issue"] == issue]

    def open_issues(self) -> list[dict[str, Any]]:
        return [issue for issue in self.issues.values() if issue["state"] == "open"]

    def commented(self, issue: int, body: str, login: str = BOT) -> dict[str, Any]:
        number = self.number()
        comment = {"id": number, "issue": issue, "body": body, "user": {"login": login}}
        comment["created_at"] = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        self.comments[number] = comment
        return comment

    def ran(self, head: str, archive: bytes, conclusion: str = "success") -> dict[str, Any]:
        """A run of the workflow that plans, with its artifact."""
        run, number = self.number(), self.number()
        self.runs[run] = {"path": WORKFLOW, "event": "pull_request", "conclusion": conclusion}
        about = {"id": run, "head_sha": head, "repository_id": 1, "head_repository_id": 1}
        self.artifacts[number] = {
            "id": number,
            "name": f"reconciler-plan-{head}",
            "expired": False,
            "created_at": f"2026-01-01T00:00:00Z#{number}",
            "digest": f"sha256:{hashlib.sha256(archive).hexdigest()}",
            "workflow_run": about,
            "zip": archive,
        }
        return self.artifacts[number]

    # ---- the API

    def routed(self, asked: Asked) -> Answer:
        if asked.path.startswith("/blobs/"):
            # The storage behind refuses requests that carry GitHub's token.
            refused = "authorization" in asked.headers
            content = self.artifacts[int(asked.path[7:])]["zip"]
            return Answer(400) if refused else Answer(200, content)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return Answer(401, {"message": f"Bad credentials: {token}"})
        for methods, pattern, route in ROUTES:
            found = re.fullmatch(f"/repos/{REPOSITORY}/{pattern}", asked.path)
            if found and asked.method in methods.split("|"):
                return route(self, asked, *found.groups())
        return Answer(404, {"message": f"Not Found: {asked.method} {asked.path}"})

    def needs(self, asked: Asked, what: str, level: str = "write") -> None:
        """As GitHub answers a token that lacks a permission."""
        granted = self.tokens[asked.headers["authorization"].removeprefix("Bearer ")]
        if granted.get(what) not in ("write", level):
            raise RefusedError(403, f"Resource not accessible by integration ({what}: {level})")


def text(asked: Asked, name: str) -> str:
    value = asked.body[name]
    if not isinstance(value, str) or len(value.encode("utf-16-le")) // 2 > LONGEST:
        raise RefusedError(422, f"Validation Failed: {name} is too long")
    return value


def comments(github: GitHub, asked: Asked, issue: str) -> Answer:
    if asked.method == "GET":
        found = [each for each in github.comments.values() if each["issue"] == int(issue)]
        return paged(found, asked, github.url)
    github.needs(asked, "pull-requests" if int(issue) in github.pulls else "issues")
    return Answer(201, github.commented(int(issue), text(asked, "body")))


def one_comment(github: GitHub, asked: Asked, number: str) -> Answer:
    comment = github.comments.get(int(number))
    if comment is None:
        raise RefusedError(404, "Not Found")
    github.needs(asked, "pull-requests" if comment["issue"] in github.pulls else "issues")
    if asked.method == "DELETE":
        del github.comments[int(number)]
        return Answer(204)
    comment["body"] = text(asked, "body")
    return Answer(200, comment)


def issues(github: GitHub, asked: Asked) -> Answer:
    if asked.method == "GET":
        label, state = asked.query.get("labels"), asked.query.get("state", "open")
        found = [each for each in github.issues.values() if state in ("all", each["state"])]
        labelled = [i for i in found if label in (None, *(each["name"] for each in i["labels"]))]
        return paged(labelled, asked, github.url)
    github.needs(asked, "issues")
    number = github.number()
    names = [name for name in asked.body.get("labels", []) if name in github.labels]
    github.issues[number] = {
        "id": number * 1000,
        "number": number,
        "title": text(asked, "title"),
        "body": text(asked, "body"),
        "state": "open",
        "user": {"login": BOT},
        "created_at": f"2026-01-01T00:00:{number % 60:02}Z",
        "labels": [{"name": name} for name in names],
    }
    return Answer(201, github.issues[number])


def one_issue(github: GitHub, asked: Asked, number: str) -> Answer:
    github.needs(asked, "issues")
    known = ("body", "state", "state_reason", "title")
    github.issues[int(number)] |= {key: asked.body[key] for key in known if key in asked.body}
    return Answer(200, github.issues[int(number)])


def new_label(github: GitHub, asked: Asked) -> Answer:
    github.needs(asked, "issues")
    if asked.body["name"] in github.labels:
        raise RefusedError(422, "Validation Failed: already_exists")
    github.labels.add(asked.body["name"])
    return Answer(201, {"name": asked.body["name"]})


def pulls_of(github: GitHub, asked: Asked, sha: str) -> Answer:
    github.needs(asked, "pull-requests", "read")
    pulls = github.pulls.values()
    found = [p for p in pulls if sha in (p["merge_commit_sha"], p["head"]["sha"])]
    return paged(found, asked, github.url)


def artifacts(github: GitHub, asked: Asked) -> Answer:
    github.needs(asked, "actions", "read")
    named = [
        {key: value for key, value in each.items() if key != "zip"}
        for each in github.artifacts.values()
        if each["name"] == asked.query["name"]
    ]
    return paged(named, asked, github.url, wrap="artifacts")


def archive(github: GitHub, asked: Asked, number: str) -> Answer:
    github.needs(asked, "actions", "read")
    if github.artifacts[int(number)]["expired"]:
        raise RefusedError(410, "Artifact has expired")
    place = f"{github.url.replace('127.0.0.1', 'localhost')}/blobs/{number}"
    return Answer(302, None, {"Location": place})


def run(github: GitHub, asked: Asked, number: str) -> Answer:
    github.needs(asked, "actions", "read")
    return Answer(200, github.runs[int(number)])


ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET|POST", r"issues/(\d+)/comments", comments),
    ("PATCH|DELETE", r"issues/comments/(\d+)", one_comment),
    ("GET|POST", "issues", issues),
    ("PATCH", r"issues/(\d+)", one_issue),
    ("POST", "labels", new_label),
    ("GET", r"commits/([0-9a-f]{40})/pulls", pulls_of),
    ("GET", "actions/artifacts", artifacts),
    ("GET", r"actions/artifacts/(\d+)/zip", archive),
    ("GET", r"actions/runs/(\d+)", run),
)


@contextmanager
def github_api() -> Iterator[GitHub]:
    server = Server(lambda _asked: Answer(404))
    github = GitHub(server)
    server.routed = github.routed
    with serving(server):
        yield github
