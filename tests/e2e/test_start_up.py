"""What the command line imports, and when: help is quick, and litellm is never imported to plan or apply."""

import subprocess
import sys
from pathlib import Path

import pytest
from e2e_world import ROOT, company

HEAVY = (
    "litellm",
    "fastapi",
    "httpx",
    "sqlalchemy",
    "pydantic",
    "aiohttp",
    "rich",
    "yaml",
    "jsonschema",
    "deepdiff",
)
WATCH = """
import sys
from reconciler.cli import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    assert not left.code, left.code
finally:
    print("\\nMODULES", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def imported(*args: str, cwd: Path) -> set[str]:
    """The top-level modules that a command had imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *args],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize(
    "args", [("--help",), ("--version",), ("apply", "--help"), ("gateway", "serve", "--help")]
)
def test_help_imports_nothing_heavy(args, tmp_path):
    assert imported(*args, cwd=tmp_path).isdisjoint(HEAVY)


def test_neither_validate_nor_apply_imports_litellm(tmp_path):
    company(tmp_path, all="organizations: {org_a: {name: A}}\n")
    assert imported("validate", cwd=tmp_path).isdisjoint({"litellm", "fastapi", "celpy"})
    assert "litellm" not in imported(
        "apply", "--yes", cwd=tmp_path
    )  # apply plans, reads, writes and verifies
