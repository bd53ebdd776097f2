"""A stand-in for the part of GitLab's REST API that the reconciler uses.

Sources: "Notes", "Issues", "Commits", "Merge requests", "Pipelines", "Jobs", "Job artifacts" and "Users" API in GitLab's
documentation. Lists come in pages; artifacts may be fetched by a redirect to a storage.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from forge_server import Answer, Asked, RefusedError, Server, paged, serving

PROJECT, USER = 21, 7
TOKEN = "glpat-J8cM2uRzXkQ4vBnYwTsE"
LONGEST = 1_000_000


@dataclass
class GitLab:
    server: Server
    token: str = TOKEN
    requests: dict[int, dict[str, Any]] = field(default_factory=dict)
    notes: dict[int, dict[str, Any]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[int, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    last: int = 100

    @property
    def url(self) -> str:
        return self.server.url

    def number(self) -> int:
        self.last += 1
        return self.last

    def said(self, request: int) -> list[str]:
        return [each["body"] for each in self.notes.values() if each["request"] == request]

    def open_issues(self) -> list[dict[str, Any]]:
        return [issue for issue in self.issues.values() if issue["state"] == "opened"]

    def noted(self, request: int, body: str, author: int = USER) -> dict[str, Any]:
        number = self.number()
        self.notes[number] = {"id": number, "request": request, "body": body}
        self.notes[number] |= {"author": {"id": author}, "created_at": f"2026-01-01T00:{number}"}
        return self.notes[number]

    def ran(self, request: int, archive: bytes, status: str = "success") -> dict[str, Any]:
        """A pipeline of the merge request, with a job `plan` that left its artifacts."""
        pipeline, job = self.number(), self.number()
        self.pipelines[pipeline] = {
            "id": pipeline,
            "request": request,
            "project_id": PROJECT,
            "source": "merge_request_event",
            "status": status,
        }
        self.jobs[job] = {"id": job, "pipeline": pipeline, "name": "plan", "status": "success"}
        self.jobs[job] |= {"artifacts_file": {"filename": "artifacts.zip"}, "zip": archive}
        return self.pipelines[pipeline]

    def routed(self, asked: Asked) -> Answer:
        if asked.path.startswith("/blobs/"):
            refused = "private-token" in asked.headers
            return Answer(400) if refused else Answer(200, self.jobs[int(asked.path[7:])]["zip"])
        if asked.headers.get("private-token") != self.token:
            return Answer(
                401, {"message": f"401 Unauthorized {asked.headers.get('private-token')}"}
            )
        if asked.path == "/user":
            return Answer(200, {"id": USER, "username": "project_21_bot"})
        for methods, pattern, route in ROUTES:
            found = re.fullmatch(f"/projects/{PROJECT}/{pattern}", asked.path)
            if found and asked.method in methods.split("|"):
                return route(self, asked, *found.groups())
        return Answer(404, {"message": "404 Not Found"})


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("zip", "request", "pipeline")}


def notes(gitlab: GitLab, asked: Asked, request: str) -> Answer:
    if asked.method == "GET":
        found = [shown(n) for n in gitlab.notes.values() if n["request"] == int(request)]
        newest_first = asked.query.get("sort", "desc") == "desc"
        return paged(found[::-1] if newest_first else found, asked, gitlab.url)
    if len(asked.body["body"]) > LONGEST:
        raise RefusedError(400, "note is too long")
    return Answer(201, shown(gitlab.noted(int(request), asked.body["body"])))


def one_note(gitlab: GitLab, asked: Asked, _request: str, number: str) -> Answer:
    if int(number) not in gitlab.notes:
        raise RefusedError(404, "404 Note Not Found")
    if asked.method == "DELETE":
        del gitlab.notes[int(number)]
        return Answer(204)
    gitlab.notes[int(number)]["body"] = asked.body["body"]
    return Answer(200, shown(gitlab.notes[int(number)]))


def issues(gitlab: GitLab, asked: Asked) -> Answer:
    if asked.method == "GET":
        state, label = asked.query.get("state"), asked.query.get("labels")
        found = [
            issue
            for issue in gitlab.issues.values()
            if state in (None, issue["state"]) and label in (None, *issue["labels"])
        ]
        return paged(found, asked, gitlab.url)
    number = gitlab.number()
    gitlab.issues[number] = {
        "id": number * 1000,
        "iid": number,
        "title": asked.body["title"],
        "description": asked.body["description"],
        "labels": asked.body["labels"].split(","),
        "state": "opened",
        "author": {"id": USER},
        "created_at": f"2026-01-01T00:{number}",
    }
    return Answer(201, gitlab.issues[number])


def one_issue(gitlab: GitLab, asked: Asked, number: str) -> Answer:
    issue = gitlab.issues[int(number)]
    issue["description"] = asked.body["description"]
    if asked.body.get("state_event") == "close":
        issue["state"] = "closed"
    return Answer(200, issue)


def requests_of(gitlab: GitLab, asked: Asked, sha: str) -> Answer:
    found = [
        request
        for request in gitlab.requests.values()
        if sha in (request["sha"], request["merge_commit_sha"], request["squash_commit_sha"])
    ]
    return paged(found, asked, gitlab.url)


def pipelines_of(gitlab: GitLab, asked: Asked, request: str) -> Answer:
    found = [shown(p) for p in gitlab.pipelines.values() if p["request"] == int(request)]
    return paged(found[::-1], asked, gitlab.url)


def jobs_of(gitlab: GitLab, asked: Asked, pipeline: str) -> Answer:
    wanted = asked.query.get("scope[]")
    found = [
        shown(job)
        for job in gitlab.jobs.values()
        if job["pipeline"] == int(pipeline) and wanted in (None, job["status"])
    ]
    return paged(found, asked, gitlab.url)


def archive(gitlab: GitLab, _asked: Asked, number: str) -> Answer:
    if gitlab.jobs[int(number)]["artifacts_file"] is None:
        raise RefusedError(404, "404 Not Found")
    place = f"{gitlab.url.replace('127.0.0.1', 'localhost')}/blobs/{number}"
    return Answer(302, None, {"Location": place})


ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET|POST", r"merge_requests/(\d+)/notes", notes),
    ("PUT|DELETE", r"merge_requests/(\d+)/notes/(\d+)", one_note),
    ("GET|POST", "issues", issues),
    ("PUT", r"issues/(\d+)", one_issue),
    ("GET", r"repository/commits/([0-9a-f]{40})/merge_requests", requests_of),
    ("GET", r"merge_requests/(\d+)/pipelines", pipelines_of),
    ("GET", r"pipelines/(\d+)/jobs", jobs_of),
    ("GET", r"jobs/(\d+)/artifacts", archive),
)


@contextmanager
def gitlab_api() -> Iterator[GitLab]:
    server = Server(lambda _asked: Answer(404))
    gitlab = GitLab(server)
    server.routed = gitlab.routed
    with serving(server):
        yield gitlab
