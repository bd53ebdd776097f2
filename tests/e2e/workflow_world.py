"""A repository on the stand-in for GitHub: pull requests are planned, merged and applied by the real workflows."""

import io
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions_runner import Job, Machine, git
from e2e_world import EXAMPLE, ROOT
from github_stand_in import REPOSITORY, GitHub

FORK = "somebody/gateway-config"
VERBS = ("create", "update", "adopt", "delete")
MARKED = "<!-- reconciler:"


@dataclass
class Repository:
    """`origin` is the repository on GitHub; its working tree stands on main between the calls."""

    machine: Machine
    default: str = "main"

    @property
    def origin(self) -> Path:
        return self.machine.origin

    @property
    def github(self) -> GitHub:
        return self.machine.github

    @property
    def config(self) -> Path:
        return self.origin / "config"

    # ---- pull requests

    def proposed(
        self, change: Callable[[Path], None], *, fork: bool = False, labels: tuple[str, ...] = ()
    ) -> int:
        """A pull request with the change as its commit; nothing has run yet."""
        number = self.github.number()
        git(self.origin, "checkout", "--quiet", "-b", f"pull-{number}", self.default)
        self.github.pulls[number] = {
            "number": number,
            "head": {"sha": "", "repo": {"full_name": FORK if fork else REPOSITORY}},
            "labels": [{"name": name} for name in labels],
            "merged_at": None,
            "merge_commit_sha": None,
        }
        self._commit(number, change)
        return number

    def pushed(self, number: int, change: Callable[[Path], None]) -> None:
        """A further commit in the pull request."""
        git(self.origin, "checkout", "--quiet", f"pull-{number}")
        self._commit(number, change)

    def _commit(self, number: int, change: Callable[[Path], None]) -> None:
        change(self.config)
        git(self.origin, "add", "--all")
        git(self.origin, "commit", "--quiet", "--allow-empty", "-m", f"Change {number}")
        self.github.pulls[number]["head"]["sha"] = git(self.origin, "rev-parse", "HEAD")
        git(self.origin, "checkout", "--quiet", self.default)

    def planned(self, number: int, job: str = "plan") -> Job:
        """The workflow of the pull request, on the merge of its head into main as it is now."""
        pull = self.github.pulls[number]
        git(self.origin, "checkout", "--quiet", "--detach", self.default)
        git(self.origin, "merge", "--quiet", "--no-ff", "-m", "Merge", pull["head"]["sha"])
        sha = git(self.origin, "rev-parse", "HEAD")
        git(self.origin, "checkout", "--quiet", self.default)
        payload = {"pull_request": pull, "number": number}
        workflow = ".github/workflows/reconciler-plan.yml"
        return Job(self.machine, workflow, "pull_request", payload, sha, f"{number}/merge").played(
            job
        )

    def merged(self, number: int, *, squash: bool = False) -> str:
        """Merges the pull request; the new commit of main."""
        pull = self.github.pulls[number]
        how = (
            ("merge", "--quiet", "--squash")
            if squash
            else ("merge", "--quiet", "--no-ff", "-m", f"Merge #{number}")
        )
        git(self.origin, *how, pull["head"]["sha"])
        if squash:
            git(self.origin, "commit", "--quiet", "--allow-empty", "-m", f"Squash #{number}")
        sha = git(self.origin, "rev-parse", "HEAD")
        self.github.pulls[number] |= {"merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": sha}
        return sha

    def applied(self, sha: str | None = None, event: str = "push") -> Job:
        """The workflow of a push to main, or (`workflow_dispatch`) started by hand."""
        payload = {"repository": {"default_branch": self.default}}
        commit = sha or git(self.origin, "rev-parse", "HEAD")
        workflow = ".github/workflows/reconciler-apply.yml"
        return Job(self.machine, workflow, event, payload, commit, self.default).played("apply")

    def watched(self) -> Job:
        """The scheduled workflow that looks for drift."""
        commit = git(self.origin, "rev-parse", "HEAD")
        workflow = ".github/workflows/reconciler-drift.yml"
        return Job(self.machine, workflow, "schedule", {}, commit, self.default).played("drift")

    # ---- what there is to see

    def comment(self, number: int, about: str = "plan") -> str:
        """The one comment about that on the pull request."""
        found = [text for text in self.github.said(number) if text.startswith(f"{MARKED}{about} ")]
        assert len(found) == 1, f"{len(found)} comments about {about}"
        return found[0]

    def artifact(self, number: int) -> dict[str, Any]:
        """File -> JSON of the newest plan of the pull request."""
        name = f"reconciler-plan-{self.github.pulls[number]['head']['sha']}"
        newest = [each for each in self.github.artifacts.values() if each["name"] == name][-1]
        with zipfile.ZipFile(io.BytesIO(newest["zip"])) as archive:
            return {
                file: json.loads(archive.read(file))
                for file in archive.namelist()
                if file.endswith(".json")
            }

    @property
    def live(self) -> Path:
        """The embedded gateway's database, as it lives on between runs."""
        return self.machine.caches[list(self.machine.caches)[-1]] / "gateway.db"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """By hand on the gateway, behind git's back."""
        with closing(sqlite3.connect(self.live)) as db:
            found = db.execute(statement).fetchall()
            db.commit()
            return found


def counts_said(comment: str) -> dict[str, int]:
    """The counts that a plan's comment names in its heading."""
    heading = next(line for line in comment.splitlines() if line.startswith("### "))
    return {
        verb: int(found[1].replace(",", ""))
        if (found := re.search(rf"([\d,]+) to {verb}", heading))
        else 0
        for verb in VERBS
    }


def teams_said(comment: str) -> set[str]:
    """The teams in the table of impact."""
    rows = (line for line in comment.splitlines() if line.startswith("| `"))
    return {re.findall(r"`([^`]+)`", row.split("|")[1])[0] for row in rows}


def repository(directory: Path, github: GitHub, path: str) -> Repository:
    """Main holds the workflows and the settings; the company comes with the first pull request."""
    origin = directory / "origin"
    (origin / "config").mkdir(parents=True)
    for name in ("workflows", "actions", "scripts"):
        shutil.copytree(ROOT / ".github" / name, origin / ".github" / name)
    shutil.copy(EXAMPLE / "reconciler.yaml", origin / "config" / "reconciler.yaml")
    (origin / "config" / "models.yaml").write_text("model_aliases: {}\n", encoding="utf-8")
    (origin / ".gitignore").write_text(".reconciler/\n", encoding="utf-8")
    git(origin, "init", "--quiet", "--initial-branch", "main")
    git(origin, "add", "--all")
    git(origin, "commit", "--quiet", "-m", "Settings and workflows")
    machine = Machine(
        directory / "runner", origin, github, path, variables={"RECONCILER_VERSION": "installed"}
    )
    machine.directory.mkdir()
    return Repository(machine)


# ---- changes


def company(config: Path) -> None:
    """The example company."""
    shutil.copytree(
        EXAMPLE, config, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".reconciler")
    )


def edited(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(config: Path) -> None:
        text = (config / file).read_text(encoding="utf-8")
        assert old in text, f"{file} holds no {old!r}"
        (config / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def written(file: str, text: str) -> Callable[[Path], None]:
    def change(config: Path) -> None:
        (config / file).write_text(text, encoding="utf-8")

    return change
