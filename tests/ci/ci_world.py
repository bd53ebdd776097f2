"""A repository with pull requests on a stand-in for GitHub or GitLab; `reconciler ci` runs in its jobs' environments.

One work tree stands for the runner: a job checks its commit out and runs the commands, what the embedded gateway
remembers stays (as the workflows' cache keeps it), and what a plan leaves behind goes into an archive, as uploading does.
"""

import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import gitlab_api
from git_repository import git
from github_api import REPOSITORY, TOKEN, GitHub
from gitlab_api import GitLab

from reconciler.cli import main

MARKED = "<!-- reconciler:"
KEPT = ("plan.json", "plan.html", "plan.md", "binding.json", "comment.md")
SETTINGS = "default_gateway: local\ngateways: {local: {backend: embedded}, other: {backend: embedded, database: other.db}}\n"
COMPANY = """\
organizations: {org_acme: {name: ACME}}
model_aliases:
  fast: {litellm_model: openai/gpt-4o-mini, description: Fast}
  large: {litellm_model: openai/gpt-4o, description: Large}
access_groups:
  basic: {description: Fast, model_aliases: [fast]}
  extra: {description: Large, model_aliases: [large]}
teams:
  prod: {organization_id: org_acme, team_alias: Production, access_groups: [basic, extra]}
  dev: {organization_id: org_acme, team_alias: Development, access_groups: [basic]}
"""
LOSS = ("[basic, extra]", "[basic]")


@dataclass(frozen=True)
class Done:
    """How a command ended; `outputs` are those of its step, `files` what it wrote below --out."""

    code: int
    out: str
    err: str
    outputs: dict[str, str]
    summary: str
    files: dict[str, bytes]

    @property
    def text(self) -> str:
        return self.out + self.err


class Service(Protocol):
    """What differs between the services: a job's variables, and what is known of pull requests there."""

    directory: Path

    def new(self, head: str, *, fork: bool) -> int: ...
    def moved(self, number: int, head: str) -> None: ...
    def label(self, number: int, *labels: str) -> None: ...
    def merged(self, number: int, commit: str) -> None: ...
    def variables(self, occasion: str, commit: str, number: int | None) -> dict[str, str]: ...
    def ran(self, number: int, archive: bytes, *, success: bool) -> None: ...
    def said(self, number: int) -> list[str]: ...
    def drift_issues(self) -> list[str]: ...


@dataclass
class OnGitHub:
    api: GitHub
    directory: Path

    def new(self, head: str, *, fork: bool) -> int:
        number = self.api.number()
        repository = "somebody/gateway-config" if fork else REPOSITORY
        self.api.pulls[number] = {
            "number": number,
            "head": {"sha": head, "repo": {"full_name": repository}},
            "labels": [],
            "merged_at": None,
            "merge_commit_sha": None,
        }
        return number

    def moved(self, number: int, head: str) -> None:
        self.api.pulls[number]["head"]["sha"] = head

    def label(self, number: int, *labels: str) -> None:
        self.api.pulls[number]["labels"] = [{"name": name} for name in labels]

    def merged(self, number: int, commit: str) -> None:
        self.api.pulls[number] |= {"merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": commit}

    def variables(self, occasion: str, commit: str, number: int | None) -> dict[str, str]:
        event: dict[str, Any] = {"repository": {"full_name": REPOSITORY, "default_branch": "main"}}
        names = {"pull": "pull_request", "push": "push", "schedule": "schedule"}
        if number is not None:
            event["pull_request"] = self.api.pulls[number]
        file = self.directory / "event.json"
        file.write_text(json.dumps(event), encoding="utf-8")
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.api.url,
            "GITHUB_EVENT_NAME": names[occasion],
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_OUTPUT": str(self.directory / "output"),
            "GITHUB_REF_NAME": "main" if number is None else f"{number}/merge",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "77",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_SHA": commit,
            "GITHUB_STEP_SUMMARY": str(self.directory / "summary"),
            "GITHUB_TOKEN": TOKEN,
            "RUNNER_TEMP": str(self.directory / "temp"),
        }

    def ran(self, number: int, archive: bytes, *, success: bool) -> None:
        head = self.api.pulls[number]["head"]["sha"]
        self.api.ran(head, archive, "success" if success else "failure")

    def said(self, number: int) -> list[str]:
        return self.api.said(number)

    def drift_issues(self) -> list[str]:
        return [issue["body"] for issue in self.api.open_issues()]


@dataclass
class OnGitLab:
    api: GitLab
    directory: Path

    def new(self, head: str, *, fork: bool) -> int:
        number = self.api.number()
        self.api.requests[number] = {
            "iid": number,
            "state": "opened",
            "sha": head,
            "merge_commit_sha": None,
            "squash_commit_sha": None,
            "source_project_id": 99 if fork else gitlab_api.PROJECT,
            "target_project_id": gitlab_api.PROJECT,
            "target_branch": "main",
            "labels": [],
        }
        return number

    def moved(self, number: int, head: str) -> None:
        self.api.requests[number]["sha"] = head

    def label(self, number: int, *labels: str) -> None:
        self.api.requests[number]["labels"] = list(labels)

    def merged(self, number: int, commit: str) -> None:
        self.api.requests[number] |= {"state": "merged", "merge_commit_sha": commit}

    def variables(self, occasion: str, commit: str, number: int | None) -> dict[str, str]:
        sources = {"pull": "merge_request_event", "push": "push", "schedule": "schedule"}
        found = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.api.url,
            "CI_COMMIT_SHA": commit,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_URL": "https://gitlab.example/job/77",
            "CI_PIPELINE_SOURCE": sources[occasion],
            "CI_PROJECT_ID": str(gitlab_api.PROJECT),
            "REPORT_TOKEN": gitlab_api.TOKEN,
        }
        if number is None:
            return {**found, "CI_COMMIT_BRANCH": "main"}
        request = self.api.requests[number]
        return {
            **found,
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_LABELS": ",".join(request["labels"]),
            "CI_MERGE_REQUEST_PROJECT_ID": str(request["target_project_id"]),
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": request["sha"],
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": str(request["source_project_id"]),
        }

    def ran(self, number: int, archive: bytes, *, success: bool) -> None:
        self.api.ran(number, archive, "success" if success else "failed")

    def said(self, number: int) -> list[str]:
        return self.api.said(number)

    def drift_issues(self) -> list[str]:
        return [issue["description"] for issue in self.api.open_issues()]


@dataclass
class World:
    """`tree` is the runner's work tree; its main is that of the service."""

    service: Any
    tree: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.tree / "config"

    # ---- pull requests

    def proposed(self, change: Callable[[Path], None], *, fork: bool = False) -> int:
        """A pull request with the change as its commit; nothing has run yet."""
        git(self.tree, "checkout", "--quiet", "--detach", "main")
        number: int = self.service.new(self._committed(change), fork=fork)
        git(self.tree, "branch", "--quiet", f"pull-{number}")
        git(self.tree, "checkout", "--quiet", "main")
        return number

    def pushed(self, number: int, change: Callable[[Path], None]) -> None:
        """A further commit in the pull request."""
        git(self.tree, "checkout", "--quiet", f"pull-{number}")
        self.service.moved(number, self._committed(change))
        git(self.tree, "checkout", "--quiet", "main")

    def merged(self, number: int, *, squash: bool = False) -> str:
        """Merges the pull request; the new commit of main."""
        how = ("--squash",) if squash else ("--no-ff", "-m", f"Merge {number}")
        git(self.tree, "merge", "--quiet", *how, f"pull-{number}")
        if squash:
            git(self.tree, "commit", "--quiet", "--allow-empty", "-m", f"Squash {number}")
        commit = git(self.tree, "rev-parse", "HEAD")
        self.service.merged(number, commit)
        return commit

    def _committed(self, change: Callable[[Path], None]) -> str:
        change(self.config)
        git(self.tree, "add", "--all")
        git(self.tree, "commit", "--quiet", "--allow-empty", "-m", "Change")
        return git(self.tree, "rev-parse", "HEAD")

    # ---- jobs

    def planned(self, number: int, *args: str, code: int = 0, **environ: str) -> Done:
        """`ci plan` on the merge of the pull request into main as it is now; its files become the artifact."""
        done = self.on_merge(number, "plan", *args, **environ)
        assert done.code == code, done.text
        kept = {name: content for name, content in done.files.items() if name in KEPT}
        self.service.ran(number, zipped(kept), success=code == 0)
        return done

    def on_merge(self, number: int, command: str, *args: str, **environ: str) -> Done:
        git(self.tree, "checkout", "--quiet", "--detach", "main")
        git(self.tree, "merge", "--quiet", "--no-ff", "-m", "Merge", f"pull-{number}")
        try:
            return self.run("pull", command, *args, number=number, **environ)
        finally:
            git(self.tree, "checkout", "--quiet", "main")

    def applied(self, occasion: str = "push", *args: str, code: int = 0, **environ: str) -> Done:
        done = self.run(occasion, "apply", *args, **environ)
        assert done.code == code, done.text
        return done

    def watched(self, *args: str, code: int = 0) -> Done:
        done = self.run("schedule", "drift", *args)
        assert done.code == code, done.text
        return done

    def run(
        self,
        occasion: str,
        command: str,
        *args: str,
        number: int | None = None,
        **environ: str,
    ) -> Done:
        """`reconciler ci ...` in the environment of a job on the commit that is checked out."""
        commit = git(self.tree, "rev-parse", "HEAD")
        told = self.service.variables(occasion, commit, number)
        for name in ("output", "summary"):
            (self.service.directory / name).unlink(missing_ok=True)
        out = self.service.directory / "out"
        told |= {"PATH": os.environ["PATH"], "HOME": str(self.service.directory)}
        # An empty variable stands for one that is not there.
        given = {
            name: value for name, value in {**told, **self.environ, **environ}.items() if value
        }
        words = ["ci", command, *args, "--out", str(out)]
        code, said, told_ = in_process(words, self.tree, given)
        return Done(
            code,
            said,
            told_,
            self._outputs(),
            self._written("summary"),
            {file.name: file.read_bytes() for file in out.iterdir()} if out.is_dir() else {},
        )

    def _written(self, name: str) -> str:
        file = self.service.directory / name
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def _outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._written("output").splitlines())

    # ---- what there is to see

    def comment(self, number: int, about: str = "plan") -> str:
        """The one comment about that on the pull request."""
        said = [text for text in self.service.said(number) if text.startswith(f"{MARKED}{about} ")]
        assert len(said) == 1, f"{len(said)} comments about {about}"
        return said[0]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """By hand on the gateway, behind git's back."""
        with closing(sqlite3.connect(self.config / ".reconciler" / "gateway.db")) as db, db:
            return db.execute(statement).fetchall()


def in_process(words: list[str], directory: Path, environ: dict[str, str]) -> tuple[int, str, str]:
    """The command with just that environment: exit code, standard output and error."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        chdir(directory),
        patch.dict(os.environ, environ, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main(words)
        except SystemExit as left:
            code = int(left.code or 0)
    text = out.getvalue() + err.getvalue()
    assert "Traceback" not in text, text
    for token in (TOKEN, gitlab_api.TOKEN):
        assert token not in text, "a token is shown"
    return code, out.getvalue(), err.getvalue()


def world(directory: Path, service: Any) -> World:
    """Main holds settings and declares nothing; the company comes with the first pull request."""
    tree = directory / "tree"
    (tree / "config").mkdir(parents=True)
    (tree / "config" / "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    (tree / "config" / "company.yaml").write_text("model_aliases: {}\n", encoding="utf-8")
    (tree / ".gitignore").write_text(".reconciler/\n", encoding="utf-8")
    git(tree, "init", "--quiet", "--initial-branch", "main")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "-m", "Settings")
    return World(service, tree)


def zipped(files: dict[str, bytes], folder: str = "") -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{folder}{name}", content)
    return raw.getvalue()


def unzipped(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


# ---- changes


def company(config: Path) -> None:
    (config / "company.yaml").write_text(COMPANY, encoding="utf-8")


def nothing(_config: Path) -> None:
    return


def edited(old: str, new: str, file: str = "company.yaml") -> Callable[[Path], None]:
    def change(config: Path) -> None:
        text = (config / file).read_text(encoding="utf-8")
        assert old in text, f"{file} holds no {old!r}"
        (config / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change
