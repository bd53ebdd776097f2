"""Runs a workflow's job as GitHub Actions would: its expressions, its `run:` steps with bash, composite actions.

Actions of others (checkout, cache, artifacts) are played by what they do: a clone, a folder, a zip. What is not known
here is an error, so that a workflow cannot come to use something that this runner would silently skip.
"""

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

import yaml
from github_stand_in import REPOSITORY, GitHub

TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|!|\(|\)|[\w.-]+)")


def truth(value: Any) -> bool:
    return value not in (None, "", False, 0)


class Expression:
    """One `${{ }}`: or, and, comparison, not, brackets, strings, contexts and the status functions."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self.tokens, self.contexts = TOKEN.findall(text), contexts
        assert TOKEN.sub("", text).strip() == "", f"cannot read the expression {text!r}"

    def value(self) -> Any:
        found = self._or()
        assert not self.tokens, self.tokens
        return found

    def _next(self, *wanted: str) -> str | None:
        return (
            self.tokens.pop(0) if self.tokens and (not wanted or self.tokens[0] in wanted) else None
        )

    def _or(self) -> Any:
        left = self._and()
        while self._next("||"):
            right = self._and()
            left = left if truth(left) else right
        return left

    def _and(self) -> Any:
        left = self._compared()
        while self._next("&&"):
            right = self._compared()
            left = right if truth(left) else left
        return left

    def _compared(self) -> Any:
        left = self._not()
        sign = self._next("==", "!=")
        if not sign:
            return left
        right = self._not()
        same = (
            str("" if left is None else left).lower() == str("" if right is None else right).lower()
        )
        return same == (sign == "==")

    def _not(self) -> Any:
        if self._next("!"):
            return not truth(self._not())
        if self._next("("):
            inner = self._or()
            assert self._next(")")
            return inner
        return self._atom(self._next() or "")

    def _atom(self, token: str) -> Any:
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._next("("):
            assert self._next(")")
            return self.contexts["functions"][token]
        if token in ("true", "false"):
            return token == "true"
        context, *path = token.split(".")
        assert context in self.contexts, f"unknown context {context}"
        value = self.contexts[context]
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def filled(text: Any, contexts: Mapping[str, Any]) -> str:
    def put(found: re.Match[str]) -> str:
        value = Expression(found[1], contexts).value()
        return (
            "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        )

    return re.sub(r"\$\{\{(.*?)\}\}", put, str(text), flags=re.DOTALL)


@dataclass
class Machine:
    """A runner: where jobs run, what lives on between them, and GitHub. `path` holds the programs of the job."""

    directory: Path
    origin: Path
    github: GitHub
    path: str
    caches: dict[str, Path] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        return self.directory / "work" / "gateway-config"


@dataclass
class Job:
    """One run of one job. `result` is success, failure or skipped; `log` is all that its steps printed."""

    machine: Machine
    workflow: str
    event: str
    payload: dict[str, Any]
    sha: str
    ref: str
    failed: bool = False
    skipped: bool = False
    log: str = ""
    summary: str = ""
    ran: list[str] = field(default_factory=list)
    steps: dict[str, Any] = field(default_factory=dict)
    run_id: int = 0
    token: str = ""

    @property
    def result(self) -> str:
        return "skipped" if self.skipped else "failure" if self.failed else "success"

    def played(self, name: str) -> "Job":
        """Plays the job of that name."""
        workflow = yaml.safe_load((self.machine.origin / self.workflow).read_text(encoding="utf-8"))
        job = workflow["jobs"][name]
        self._begin(job.get("permissions", workflow["permissions"]))
        if not truth(Expression(_bare(job.get("if", "true")), self._contexts({}, {})).value()):
            self.skipped = True
            return self
        environ = {
            key: filled(value, self._contexts({}, {})) for key, value in job.get("env", {}).items()
        }
        filled(job.get("environment", ""), self._contexts({}, {}))
        for step in job["steps"]:
            self._step(step, {}, environ, self.steps, None)
        self.machine.github.runs[self.run_id]["conclusion"] = self.result
        return self

    def _begin(self, permissions: Mapping[str, str]) -> None:
        github = self.machine.github
        self.run_id = github.number()
        self.token = f"token-of-run-{self.run_id}"
        forked = (
            self.payload.get("pull_request", {})
            .get("head", {})
            .get("repo", {})
            .get("full_name", REPOSITORY)
        )
        own = forked == REPOSITORY
        github.tokens[self.token] = permissions if own else {name: "read" for name in permissions}
        github.runs[self.run_id] = {
            "id": self.run_id,
            "path": f"{self.workflow}@refs/heads/x",
            "event": self.event,
            "conclusion": None,
            "own": own,
        }
        shutil.rmtree(self._temp, ignore_errors=True)
        shutil.rmtree(self.machine.workspace, ignore_errors=True)
        self._temp.mkdir(parents=True)

    @property
    def _temp(self) -> Path:
        return self.machine.directory / "temp"

    def _contexts(self, inputs: Mapping[str, str], steps: Mapping[str, Any]) -> dict[str, Any]:
        forked = bool(self.run_id) and not self.machine.github.runs[self.run_id]["own"]
        github = {
            "token": self.token,
            "event_name": self.event,
            "event": self.payload,
            "repository": REPOSITORY,
            "ref_name": self.ref,
            "sha": self.sha,
            "run_id": self.run_id,
            "run_attempt": 1,
        }
        functions = {"always": True, "success": not self.failed, "failure": self.failed}
        secrets = {} if forked else self.machine.secrets
        contexts = {
            "github": github,
            "vars": self.machine.variables,
            "secrets": secrets,
            "steps": steps,
        }
        return {**contexts, "inputs": inputs, "functions": functions}

    def _step(
        self,
        step: Mapping[str, Any],
        inputs: Mapping[str, str],
        environ: Mapping[str, str],
        steps: dict[str, Any],
        action: Path | None,
    ) -> None:
        contexts = self._contexts(inputs, steps)
        condition = _bare(step.get("if", "success()"))
        if not re.search(r"\b(always|success|failure)\(\)", condition):
            condition = f"success() && ({condition})"
        if not truth(Expression(condition, contexts).value()):
            return
        env = {
            **environ,
            **{key: filled(value, contexts) for key, value in step.get("env", {}).items()},
        }
        self.ran.append(step.get("name") or step.get("uses") or step["run"].splitlines()[0])
        if "run" in step:
            steps[step.get("id", "")] = {
                "outputs": self._script(filled(step["run"], contexts), env, action)
            }
        else:
            given = {key: filled(value, contexts) for key, value in step.get("with", {}).items()}
            steps[step.get("id", "")] = {"outputs": self._action(step["uses"], given, env) or {}}

    def _script(self, script: str, env: Mapping[str, str], action: Path | None) -> dict[str, str]:
        files = {
            name: self._temp / name
            for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "script.sh")
        }
        for file in files.values():
            file.write_text("", encoding="utf-8")
        files["script.sh"].write_text(script, encoding="utf-8")
        event = self._temp / "event.json"
        event.write_text(json.dumps(self.payload), encoding="utf-8")
        given = {
            "PATH": self.machine.path,
            "HOME": str(self.machine.directory),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.machine.github.url,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": self.sha,
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_RUN_ID": str(self.run_id),
            "GITHUB_WORKSPACE": str(self.machine.workspace),
            "GITHUB_OUTPUT": str(files["GITHUB_OUTPUT"]),
            "GITHUB_STEP_SUMMARY": str(files["GITHUB_STEP_SUMMARY"]),
            "RUNNER_TEMP": str(self._temp),
            **({"GITHUB_ACTION_PATH": str(action)} if action else {}),
            **env,
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(files["script.sh"])],
            cwd=self.machine.workspace,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log += done.stdout
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        self.failed = self.failed or done.returncode != 0
        lines = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _action(
        self, uses: str, given: Mapping[str, str], env: Mapping[str, str]
    ) -> dict[str, str] | None:
        if uses.startswith("./"):
            return self._composite(self.machine.workspace / uses, given, env)
        name, _, version = uses.partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", version), f"{uses} is not pinned to a commit"
        played = {
            "actions/checkout": self._checkout,
            "actions/setup-python": lambda _given: None,
            "actions/cache/restore": self._restore,
            "actions/cache/save": self._save,
            "actions/upload-artifact": self._upload,
        }
        played[name](given)
        return None

    def _composite(
        self, path: Path, given: Mapping[str, str], env: Mapping[str, str]
    ) -> dict[str, str]:
        action = yaml.safe_load((path / "action.yml").read_text(encoding="utf-8"))
        assert given.keys() <= action["inputs"].keys(), (
            f"{given.keys() - action['inputs'].keys()} are no inputs"
        )
        defaults = {
            name: filled(each.get("default", ""), self._contexts({}, {}))
            for name, each in action["inputs"].items()
        }
        # GitHub takes an empty input for a given one only where it has no default of its own; here none differs.
        inputs, steps = {**defaults, **given}, {}
        for step in action["runs"]["steps"]:
            assert "run" not in step or step["shell"] == "bash"
            self._step(step, inputs, env, steps, path)
        contexts = self._contexts(inputs, steps)
        return {name: filled(each["value"], contexts) for name, each in action["outputs"].items()}

    def _checkout(self, given: Mapping[str, str]) -> None:
        """As shallow as it is on GitHub: what lies further back is not there."""
        assert given["persist-credentials"] == "False"
        assert given.keys() <= {"persist-credentials", "fetch-depth"}, given
        self.machine.workspace.mkdir(parents=True)
        git(self.machine.workspace, "init", "--quiet")
        serving = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"
        origin = self.machine.origin.as_uri()
        depth = given.get("fetch-depth", "1")
        git(
            self.machine.workspace,
            "fetch",
            "--quiet",
            "--upload-pack",
            serving,
            "--depth",
            depth,
            origin,
            self.sha,
        )
        git(self.machine.workspace, "checkout", "--quiet", "--detach", self.sha)

    def _restore(self, given: Mapping[str, str]) -> None:
        assert given["key"] not in self.machine.caches
        found = [key for key in self.machine.caches if key.startswith(given["restore-keys"])]
        if found:
            shutil.copytree(self.machine.caches[found[-1]], self.machine.workspace / given["path"])

    def _save(self, given: Mapping[str, str]) -> None:
        kept = self.machine.directory / "caches" / given["key"]
        shutil.copytree(self.machine.workspace / given["path"], kept)
        self.machine.caches[given["key"]] = kept

    def _upload(self, given: Mapping[str, str]) -> None:
        found = [Path(file) for pattern in given["path"].split() for file in sorted(glob(pattern))]  # noqa: PTH207  absolute ones
        assert found or given["if-no-files-found"] == "ignore"
        if not found:
            return
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w") as archive:
            for file in found:
                archive.write(file, file.name)
        github = self.machine.github
        number = github.number()
        head = self.payload.get("pull_request", {}).get("head", {}).get("sha", self.sha)
        run = {"id": self.run_id, "head_sha": head, "repository_id": 1}
        run["head_repository_id"] = 1 if github.runs[self.run_id]["own"] else 2
        github.artifacts[number] = {
            "id": number,
            "name": given["name"],
            "expired": False,
            "created_at": f"2026-01-01T00:00:00.{number:06}Z",
            "workflow_run": run,
            "zip": raw.getvalue(),
        }


def _bare(condition: Any) -> str:
    text = str(condition).strip()
    found = re.fullmatch(r"\$\{\{(.*)\}\}", text)
    return found[1] if found else text


def git(directory: Path, *arguments: str) -> str:
    """Git with a name and a day of its own, whatever the machine's settings say."""
    named = [
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "-c",
        "commit.gpgsign=false",
    ]
    done = subprocess.run(
        ["git", *named, *arguments], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
