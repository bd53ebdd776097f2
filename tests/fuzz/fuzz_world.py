"""The law: for any bytes in files and answers, a command ends with 0, 1, 2 or 130, in bounded time, without a traceback."""

import io
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from reconciler.cli import main

ALLOWED = frozenset({0, 1, 2, 130})
CORPUS = Path(__file__).parent / "corpus"
LEAN = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(
    max_examples=int(os.environ.get("RECONCILER_TEST_FUZZ_EXAMPLES", "500")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

COMPANY = """\
organizations: {org_a: {name: A, metadata: {seen: 1}}}
model_aliases:
  gpt-4: {litellm_model: openai/gpt-4o, pricing_input: 2.5, description: good}
  claude: {litellm_model: anthropic/claude-3}
access_groups:
  pro-models: {model_aliases: [gpt-4, claude]}
  lite: {model_aliases: [claude]}
plans: {pro: {access_groups: [pro-models], credits_allocated: 100}}
teams:
  a-prod: {organization_id: org_a, plan: pro, top_ups: [{id: one, amount: 5}]}
  a-dev: {organization_id: org_a, access_groups: [lite], metadata: {x: [1, 2]}}
"""


def changed(serial: int) -> str:
    """The company with something to do of every kind of step; each number is another."""
    return (
        COMPANY.replace("description: good", f"description: better {serial}")
        .replace("[claude]}\nplans", "[claude, gpt-4]}\nplans")
        .replace("credits_allocated: 100", f"credits_allocated: {150 + serial}")
        .replace("amount: 5}", f"amount: 5}}, {{id: two-{serial}, amount: 6}}")
        .replace("  a-dev:", f"  a-{serial}: {{organization_id: org_a, plan: pro}}\n  a-dev:")
    )


def run(directory: Path, *args: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code and all that was said, of the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        chdir(directory),
        patch.dict(os.environ, environ or {}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main(list(args))
        except SystemExit as left:
            code = left.code
    return int(code or 0), out.getvalue() + err.getvalue()


def lawful(directory: Path, *args: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    """As `run`; fails where the law is broken, with the log of the bug."""
    code, said = run(directory, *args, environ=environ)
    if code not in ALLOWED or "Traceback" in said:
        logs = [Path(word) for word in said.split() if "reconciler-bug-" in word]
        traces = "".join(log.read_text(encoding="utf-8") for log in logs if log.is_file())
        pytest.fail(f"reconciler {' '.join(args)}: exit {code}\n{said[:3000]}\n{traces[-3000:]}")
    return code, said


def fresh(template: Path, directory: Path) -> Path:
    """A copy of a place, over whatever was there."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(template, directory)
    return directory


def corpus(name: str) -> Iterable[object]:
    """The parameters of one corpus folder: each past crash, and then some."""
    folder = CORPUS / name
    return (
        [pytest.param(file.read_bytes(), id=file.name) for file in sorted(folder.iterdir())]
        if folder.is_dir()
        else []
    )


def plans(name: str) -> Iterable[object]:
    """As `corpus`, of files that hold JSON."""
    return [pytest.param(json.loads(param.values[0]), id=param.id) for param in corpus(name)]
