"""A stand-in for the part of GitHub's REST API that the workflows use, over real HTTP, with permissions per token.

Sources: "REST API endpoints for issue comments / issues / commits / artifacts / workflow runs" in GitHub's
documentation. Lists come in pages; artifacts are fetched by a redirect to another host without the token.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "acme/gateway-config"
BOT = "github-actions[bot]"
LONGEST = 65_536


@dataclass
class GitHub:
    """What GitHub knows. `tokens`: token -> permissions as in a workflow, e.g. {"pull-requests": "write"}."""

    url: str = ""
    tokens: dict[str, Mapping[str, str]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    last: int = 100
    lock: Lock = field(default_factory=Lock)

    def number(self) -> int:
        self.last += 1
        return self.last

    def said(self, issue: int) -> list[str]:
        """The texts of an issue's comments, oldest first."""
        return [each["body"] for each in self.comments.values() if each["issue"] == issue]

    def open_issues(self) -> list[dict[str, Any]]:
        return [issue for issue in self.issues.values() if issue["state"] == "open"]


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def made(github: GitHub, issue: int, body: str, login: str = BOT) -> dict[str, Any]:
    """A new comment."""
    number = github.number()
    stamp = f"2026-01-01T00:00:{number % 60:02}Z"
    comment = {
        "id": number,
        "issue": issue,
        "body": body,
        "user": {"login": login},
        "created_at": stamp,
    }
    comment["html_url"] = (
        f"https://github.example/{REPOSITORY}/issues/{issue}#issuecomment-{number}"
    )
    github.comments[number] = comment
    return comment


def comments(github: GitHub, ask: "Asked", issue: str) -> Any:
    if ask.method == "GET":
        return paged(
            [each for each in github.comments.values() if each["issue"] == int(issue)], ask
        )
    ask.needs("pull-requests" if int(issue) in github.pulls else "issues")
    return 201, made(github, int(issue), ask.text("body"))


def one_comment(github: GitHub, ask: "Asked", number: str) -> Any:
    comment = github.comments.get(int(number))
    if comment is None:
        raise RefusedError(404, "Not Found")
    ask.needs("pull-requests" if comment["issue"] in github.pulls else "issues")
    if ask.method == "DELETE":
        del github.comments[int(number)]
        return 204, None
    comment["body"] = ask.text("body")
    return 200, comment


def issues(github: GitHub, ask: "Asked") -> Any:
    if ask.method == "GET":
        label, state = ask.query.get("labels"), ask.query.get("state", "open")
        found = [i for i in github.issues.values() if state in ("all", i["state"])]
        return paged(
            [i for i in found if label is None or label in [each["name"] for each in i["labels"]]],
            ask,
        )
    ask.needs("issues")
    number = github.number()
    names = [name for name in ask.body.get("labels", []) if name in github.labels]
    issue = {
        "number": number,
        "title": ask.text("title"),
        "body": ask.text("body"),
        "state": "open",
    }
    issue |= {"user": {"login": BOT}, "created_at": "2026-01-01T00:00:00Z", "id": number}
    issue |= {
        "labels": [{"name": name} for name in names],
        "html_url": f"https://github.example/issues/{number}",
    }
    github.issues[number] = issue
    return 201, issue


def one_issue(github: GitHub, ask: "Asked", number: str) -> Any:
    ask.needs("issues")
    issue = github.issues[int(number)]
    issue |= {
        name: value
        for name, value in ask.body.items()
        if name in ("body", "state", "state_reason", "title")
    }
    return 200, issue


def new_label(github: GitHub, ask: "Asked") -> Any:
    ask.needs("issues")
    if ask.body["name"] in github.labels:
        raise RefusedError(422, "Validation Failed: already_exists")
    github.labels.add(ask.body["name"])
    return 201, {"name": ask.body["name"]}


def pulls_of(github: GitHub, ask: "Asked", sha: str) -> Any:
    ask.needs("pull-requests", "read")
    return paged(
        [
            pull
            for pull in github.pulls.values()
            if sha in (pull["merge_commit_sha"], pull["head"]["sha"])
        ],
        ask,
    )


def artifacts(github: GitHub, ask: "Asked") -> Any:
    ask.needs("actions", "read")
    named = [
        {k: v for k, v in a.items() if k != "zip"}
        for a in github.artifacts.values()
        if a["name"] == ask.query["name"]
    ]
    return 200, {"total_count": len(named), "artifacts": named}


def archive(github: GitHub, ask: "Asked", number: str) -> Any:
    ask.needs("actions", "read")
    return 302, f"{github.url.replace('127.0.0.1', 'localhost')}/blobs/{number}"


def run(github: GitHub, ask: "Asked", number: str) -> Any:
    ask.needs("actions", "read")
    return 200, github.runs[int(number)]


ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
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


@dataclass
class Asked:
    """One request: what it asks, and with which permissions."""

    method: str
    query: Mapping[str, str]
    body: dict[str, Any]
    permissions: Mapping[str, str]

    def needs(self, what: str, level: str = "write") -> None:
        """As GitHub answers a token that lacks a permission."""
        if self.permissions.get(what) not in ("write", level):
            raise RefusedError(403, f"Resource not accessible by integration ({what}: {level})")

    def text(self, name: str) -> str:
        value = self.body[name]
        if not isinstance(value, str) or len(value) > LONGEST:
            raise RefusedError(422, f"Validation Failed: {name}")
        return value


def paged(found: list[Any], ask: Asked) -> tuple[int, list[Any]]:
    size, page = min(100, int(ask.query.get("per_page", 30))), int(ask.query.get("page", 1))
    return 200, found[size * (page - 1) : size * page]


class Handler(BaseHTTPRequestHandler):
    github: GitHub
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        with self.github.lock:
            status, answer = self._routed(
                parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}, sent
            )
        raw = (
            answer
            if isinstance(answer, bytes)
            else b""
            if answer is None
            else json.dumps(answer).encode()
        )
        self.send_response(status)
        if status == 302:
            self.send_header("Location", str(answer))
            raw = b""
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _routed(self, path: str, query: dict[str, str], sent: bytes) -> tuple[int, Any]:
        self.github.requests.append((self.command, path))
        if path.startswith("/blobs/"):
            # The storage behind refuses requests that carry GitHub's token.
            return (
                (400, None)
                if self.headers.get("Authorization")
                else (200, self.github.artifacts[int(path[7:])]["zip"])
            )
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in self.github.tokens:
            return 401, {"message": "Bad credentials"}
        ask = Asked(
            self.command, query, json.loads(sent) if sent else {}, self.github.tokens[token]
        )
        for methods, pattern, route in ROUTES:
            found = re.fullmatch(f"/repos/{REPOSITORY}/{pattern}", path)
            if found and self.command in methods.split("|"):
                try:
                    status, answer = route(self.github, ask, *found.groups())
                except RefusedError as refusal:
                    return refusal.status, {"message": refusal.message}
                return status, answer
        return 404, {"message": f"Not Found: {self.command} {path}"}

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  names of http.server

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving() -> Iterator[GitHub]:
    github = GitHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"github": github}))
    github.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
