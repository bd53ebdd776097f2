"""The example for GitLab CI: its jobs' scripts, run by bash with a stand-in for the part of GitLab's API they use.

Sources: "Notes API", "Issues API" and "Users API" in GitLab's documentation.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from actions_runner import git
from e2e_world import ROOT, Place, example

EXAMPLE = ROOT / ".github" / "examples" / "gitlab"
TOKEN = "glpat-of-the-test"


@dataclass
class GitLab:
    url: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    gitlab: GitLab

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        allowed = self.headers.get("PRIVATE-TOKEN") == TOKEN
        status, answer = (
            self._routed(parts.path, query, sent)
            if allowed
            else (401, {"message": "401 Unauthorized"})
        )
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _routed(self, path: str, query: dict[str, str], sent: dict[str, Any]) -> tuple[int, Any]:
        if path == "/projects/1/repository/commits/c0ffee/merge_requests":
            return 200, [{"state": "merged", "labels": self.gitlab.labels}]
        if path == "/user":
            return 200, {"id": 7}
        notes = path.startswith("/projects/1/merge_requests/5/notes")
        assert notes or path.startswith("/projects/1/issues"), path
        kept, key = (self.gitlab.notes, "id") if notes else (self.gitlab.issues, "iid")
        if self.command == "GET":
            found = [each for each in kept if query.get("state") in (None, each.get("state"))]
            size, page = int(query["per_page"]), int(query["page"])
            return 200, found[size * (page - 1) : size * page]
        if self.command == "POST":
            kept.append(
                {
                    key: len(kept) + 1,
                    "author": {"id": 7},
                    "created_at": "2026",
                    "state": "opened",
                    **sent,
                }
            )
            return 201, kept[-1]
        one = next(each for each in kept if each[key] == int(path.rpartition("/")[2]))
        one |= sent
        one["state"] = "closed" if sent.get("state_event") == "close" else one["state"]
        return 200, one

    do_GET = do_POST = do_PUT = _answer  # noqa: N815  names of http.server

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    found = GitLab()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"gitlab": found}))
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Place:
    place = example(tmp_path)
    (tmp_path / "ci").mkdir()
    shutil.copy(EXAMPLE / "report.sh", tmp_path / "ci" / "report.sh")
    program = tmp_path / "bin" / "reconciler"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconciler "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "add", "config")
    git(tmp_path, "commit", "--quiet", "-m", "Config")
    git(tmp_path, "clone", "--quiet", "--bare", ".", "origin.git")
    git(tmp_path, "remote", "add", "origin", (tmp_path / "origin.git").as_uri())
    return place


def job(
    name: str, place: Place, gitlab: GitLab, **environ: str
) -> subprocess.CompletedProcess[str]:
    """The job as GitLab's runner does it: every line of its script in one bash, ended by the first that fails."""
    pipeline = yaml.safe_load((EXAMPLE / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    installs = ("apt-get ", "pip install ")
    before = [line for line in pipeline["before_script"] if not line.startswith(installs)]
    assert len(before) == len(pipeline["before_script"]) - len(installs)
    given = {
        **pipeline["variables"],
        "CI_API_V4_URL": gitlab.url,
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": "5",
    }
    given |= {
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_LABELS": ",".join(gitlab.labels),
    }
    if name == "apply":
        given = {
            key: value for key, value in given.items() if not key.startswith("CI_MERGE_REQUEST_")
        }
    given |= {
        "CI_COMMIT_SHA": "c0ffee",
        "CI_JOB_URL": "https://gitlab.example/job/1",
        "REPORT_TOKEN": TOKEN,
    }
    path = f"{place.directory / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join([*before, *pipeline[name]["script"]])],
        cwd=place.directory,
        env={**os.environ, **given, "PATH": path, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_merge_request_its_apply_and_drift(project: Place, gitlab: GitLab):
    gitlab.notes += [
        {"id": n, "author": {"id": 9}, "created_at": "2025", "body": "talk"} for n in range(1, 131)
    ]
    assert job("validate", project, gitlab).returncode == 0
    for _ in range(2):
        done = job("plan", project, gitlab)
        assert done.returncode == 0, done.stderr
    [note] = [each["body"] for each in gitlab.notes if each["author"]["id"] == 7]
    plan = json.loads((project.directory / "plan.json").read_text())["plan"]
    assert f"{plan['counts']['create']} to create" in note
    assert (project.directory / "plan.html").exists()

    done = job("apply", project, gitlab)
    assert done.returncode == 0, done.stderr
    assert '"complete": true' in done.stderr
    assert job("drift", project, gitlab).returncode == 0
    assert gitlab.issues == []
    for status in ("suspended", "suspended", "active"):
        with closing(sqlite3.connect(project.database)) as db, db:
            db.execute("update teams set status = ? where team_id = 'acme-prod'", [status])
        assert job("drift", project, gitlab).returncode == 0
    [issue] = gitlab.issues
    assert issue["state"] == "closed"
    assert issue["labels"] == "reconciler-drift"


def test_a_plan_that_fails_is_said_and_fails_the_job(project: Place, gitlab: GitLab):
    project.write("wrong.yaml", "teams: {x: {plan: nowhere}}\n")
    assert job("plan", project, gitlab).returncode == 1
    [note] = gitlab.notes
    assert "There is no plan that could be applied" in note["body"]
    assert "config/wrong.yaml:1:19" in note["body"]


def test_without_a_token_nothing_is_reported(project: Place, gitlab: GitLab):
    done = job("plan", project, gitlab, REPORT_TOKEN="")
    assert done.returncode == 0, done.stderr
    assert "nothing is reported" in done.stdout
    assert gitlab.notes == []


def test_a_merge_request_cannot_say_where_the_key_is_sent(project: Place, gitlab: GitLab):
    elsewhere = "local: {backend: embedded, url: 'http://127.0.0.1:1', admin_key_env: GATEWAY_ADMIN_KEY}\n  own:\n"
    project.edit("reconciler.yaml", "local:\n", elsewhere)
    done = job("plan", project, gitlab, GATEWAY_ADMIN_KEY="adm-hunter2")
    assert done.returncode == 0, done.stderr
    assert "gateways, ledger or variables differ from those of" in done.stdout


@pytest.mark.slow
def test_a_plan_that_apply_would_refuse_fails_its_job_until_the_label_is_set(
    project: Place, gitlab: GitLab
):
    project.applied()
    project.edit("customers/acme.yaml", "plan: professional", "plan: starter")
    for labels in ([], ["allow-loss", "none", "reconciler:allow-$(id)"]):
        gitlab.labels[:] = labels
        done = job("plan", project, gitlab)
        assert done.returncode == 1
        assert (
            "set on the merge request, if all of it is meant: reconciler:allow-loss" in done.stdout
        )
        assert job("apply", project, gitlab).returncode == 1
    gitlab.labels.append("reconciler:allow-loss")
    assert job("plan", project, gitlab).returncode == 0
    done = job("apply", project, gitlab)
    assert done.returncode == 0, done.stderr
