"""Every benchmark still runs: small, without the peers that come from package registries."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_case_runs_small(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--no-peers", "--out", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    facts = json.loads((tmp_path / "results.json").read_text())
    names = {row["name"] for row in facts["rows"]}
    assert {"--help", "validate", "first plan", "plan, nothing to do", "apply over HTTP"} <= names
    assert all(sample["wall"] > 0 for row in facts["rows"] for sample in row["ours"])
    assert (tmp_path / "time.svg").read_text().startswith("<svg")


@pytest.mark.slow
@pytest.mark.parametrize("script", ["phases", "access"])
def test_what_looks_inside_runs_small(script):
    size = ["--teams", "300"] if script == "phases" else ["300"]
    command = [sys.executable, "-m", f"benchmarks.{script}", *size]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
