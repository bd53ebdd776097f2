"""What the shell offers while one types, and the scripts that make it ask."""

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from e2e_world import ROOT, Place, company

from reconciler.cli import group

SHELLS = ("bash", "zsh", "fish")


def offered(place: Place, line: str) -> list[str]:
    """What is offered for the last word of the line."""
    _, *words, typed = line.split(" ")
    asked = ShellComplete(group, {}, "reconciler", "_RECONCILER_COMPLETE")
    with chdir(place.directory):
        return [found.value for found in asked.get_completions(words, typed)]


@pytest.fixture
def place(place: Place) -> Place:
    place.write("environments/prod/teams.yaml", "teams:\n  acme-new:\n    plan: starter\n")
    return place


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("reconciler pl", ["plan"]),
        ("reconciler plan --gateway ", ["local", "local-http"]),
        ("reconciler plan -e ", ["prod", "staging"]),
        ("reconciler plan --or", ["--order"]),
        ("reconciler plan --order rev", ["revoke-first"]),
        ("reconciler plan --only te", ["team"]),
        ("reconciler plan --only team/acme-", ["team/acme-dev", "team/acme-new", "team/acme-prod"]),
        ("reconciler plan --only nothing/", []),
        ("reconciler show pl", ["plan"]),
        ("reconciler show plan prof", ["professional"]),
        ("reconciler show access-group ent", ["enterprise-models"]),
        ("reconciler show nothing x", []),
        ("reconciler explain shop-", ["shop-prod", "shop-trial"]),
        ("reconciler explain shop-prod gpt-4-", ["gpt-4-turbo", "gpt-4-vision"]),
        ("reconciler compare --from ", ["base", "prod", "staging"]),
        ("reconciler lint --explain unused-g", ["unused-group"]),
        ("reconciler history ", ["show", "decide", "prune"]),
    ],
)
def test_names_of_the_config_are_offered(place: Place, line: str, words: list[str]):
    assert sorted(offered(place, line)) == sorted(words)


def test_a_broken_or_missing_config_offers_nothing_and_never_fails(place: Place, tmp_path: Path):
    place.write("broken.yaml", "teams:\n  half-written:\n  : {[\n\x00")
    (place.config / "latin.yaml").write_bytes(b"teams:\n  caf\xe9:\n")
    assert offered(place, "reconciler explain half") == ["half-written"]
    assert offered(place, f"reconciler explain --config {tmp_path / 'nowhere'} a") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_can_read(tmp_path: Path, shell: str):
    script = company(tmp_path).reconciler("completion", shell).out
    assert f"_RECONCILER_COMPLETE={shell}_complete" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here to read its script")
    done = subprocess.run(
        [program, "-n"], input=script, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_real_bash_completes_a_gateway(place: Place):
    """The script, sourced, asks the program that it completes."""
    program = place.directory / "reconciler"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconciler "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = place.reconciler("completion", "bash").out
    (place.directory / "completion.bash").write_text(script, encoding="utf-8")
    asking = "source ./completion.bash; COMP_WORDS=(reconciler plan -g loc); COMP_CWORD=3; _reconciler_completion reconciler; echo ${COMPREPLY[*]}"
    environ = {
        **os.environ,
        "PATH": f"{place.directory}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-c", asking],
        cwd=place.directory,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["local", "local-http"], done.stderr
