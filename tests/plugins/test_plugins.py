"""What another package adds through entry points works, and nothing in the product has to know it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import toy_package
from toy_gateway import serving

# A kind is a class in KINDS; where the class stands is all that the product is told of this one.
RUN = """
import sys
from typing import Annotated
from reconciler.core.model import kinds
from reconciler.core.model.refs import To

if {kind!r}:
    class Badge(kinds.Resource):
        kind = "badge"
        section = "badges"
        colour: str | None = None
        \"\"\"Its colour.\"\"\"
        team: Annotated[str, To("team")]
        \"\"\"The team that wears it.\"\"\"

    kinds.KINDS["badge"] = kinds.SECTIONS["badges"] = Badge
import contextlib, io, json
from reconciler.cli import main

for line in sys.stdin:
    told, code = io.StringIO(), 0
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            main(json.loads(line))
        except SystemExit as left:
            code = left.code
    print(json.dumps([code, told.getvalue()]), flush=True)
"""


@dataclass
class Place:
    """A directory with a config, and one process in which commands run one after the other."""

    directory: Path
    packages: Path
    kind: bool = False
    child: subprocess.Popen[str] | None = None

    def run(self, *words: str, code: int = 0) -> str:
        if self.child is None:
            environ = {**os.environ, "PYTHONPATH": str(self.packages), "NO_COLOR": "1"}
            self.child = subprocess.Popen(
                [sys.executable, "-c", RUN.format(kind=self.kind)],
                cwd=self.directory,
                env={**environ, "COLUMNS": "100"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self.child.stdin.write(json.dumps(words) + "\n")
        self.child.stdin.flush()
        ended, text = json.loads(self.child.stdout.readline())
        assert ended == code, text
        assert "Traceback" not in text
        return text

    def close(self) -> None:
        if self.child is not None:
            self.child.stdin.close()
            self.child.stdout.close()
            self.child.wait(30)

    def write(self, file: str, text: str) -> None:
        path = self.directory / "config" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def placed(tmp_path):
    """Makes a place where the package is installed, as it is or with other contents."""
    places = []

    def make(**contents):
        places.append(Place(tmp_path, toy_package.install(tmp_path / "packages", **contents)))
        return places[-1]

    yield make
    for place in places:
        place.close()


@pytest.fixture
def place(placed):
    return placed()


MANIFEST = """\
model_aliases:
  m: {litellm_model: openai/gpt-4o, description: d}
access_groups:
  g: {model_aliases: [m], description: d}
teams:
  odd-team: {access_groups: [g]}
"""
# The embedded gateway wants an organization for every team.
OURS = MANIFEST.replace("teams:", "organizations: {o: {name: O}}\nteams:").replace(
    "{access_groups: [g]}", "{access_groups: [g], organization_id: o, credits_allocated: 9}"
)
BADGES = "badges:\n  best: {colour: gold, team: odd-team}\n"


def settings(url: str) -> str:
    return f"default_gateway: toy\ngateways: {{toy: {{backend: toy, url: '{url}'}}}}\n"


@pytest.mark.parametrize("kind", [False, True], ids=["backend", "backend and kind"])
def test_a_toy_lives_through_validate_plan_apply_and_drift(place, kind):
    place.kind = kind
    place.write("all.yaml", MANIFEST + (BADGES if kind else ""))
    with serving() as (url, stored):
        place.write("reconciler.yaml", settings(url))
        place.run("validate")
        assert f"{4 if kind else 3} to create" in place.run("plan", "--exit-code", code=2)
        place.run("apply", "--yes")
        assert stored["teams"]["odd-team"]["access_groups"] == ["g"]
        assert bool(stored["badges"]) is kind
        assert "No changes" in place.run("plan", "--exit-code")
        place.run("drift")
        if kind:
            assert "gold" in place.run("show", "badge", "best")
            assert "gold" in place.run("list", "badge")
            assert "badge" in place.run("list")
            place.run("import", "--out", "imported")
            written = place.directory / "imported" / "badges.yaml"
            assert "colour: gold" in written.read_text()
            assert stored["badges"]["best"] == {"id": "best", "colour": "gold", "team": "odd-team"}
            stored["badges"]["best"]["colour"] = "brass"
            assert "brass" in place.run("drift", code=2)
            place.write("all.yaml", MANIFEST + BADGES.replace("gold", "silver"))
            place.run("apply", "--yes")
            assert stored["badges"]["best"]["colour"] == "silver"
            place.write("all.yaml", MANIFEST + BADGES.replace("odd-team", "od-team"))
            assert "did you mean" in place.run("validate", code=1)
            place.write("all.yaml", MANIFEST)
            place.run("apply", "--yes", "--allow-deletes")
            assert not stored["badges"]


def test_a_format_a_rule_and_a_command_of_a_package(place):
    place.write("all.yaml", OURS)
    place.write("reconciler.yaml", "lint: {no-odd-teams: error}\n")
    assert place.run("plan", "--format", "count").startswith("4 changes")
    place.run("plan", "--report", "plan.count")
    assert (place.directory / "plan.count").read_text() == "4 changes"
    assert "odd-team is odd" in place.run("lint", code=1)
    assert "no-odd-teams" in place.run("lint", "--rules")
    assert "Odd teams are odd." in place.run("lint", "--explain", "no-odd-teams")
    assert place.run("toys") == "3 toys\n"
    assert "From reconciler-toy." in place.run("--help")
    assert "did you mean toys" in place.run("toyz", code=1)


def test_a_package_that_cannot_be_imported_takes_nothing_else_down(placed):
    place = placed(module="raise RuntimeError('broken')\n")
    place.write("all.yaml", OURS)
    place.run("--help")
    place.run("validate")
    place.run("plan")
    place.run("plan", "--report", "plan.html")
    place.run("validate", "--format", "sarif")
    place.run("plan", "--format", "sarif")
    for words in (["toys"], ["plan", "--format", "count"], ["lint"]):
        text = place.run(*words, code=1)
        assert "of the package reconciler-toy cannot be loaded: RuntimeError: broken" in text
    place.write("reconciler.yaml", settings("http://127.0.0.1:1"))
    assert "the backend toy of the package reconciler-toy" in place.run("plan", code=1)


def test_a_rule_that_fails_is_an_error_of_its_package(placed):
    failing = toy_package.MODULE.replace('yield Hit(f"{name} is odd"', "yield Hit(1 / 0")
    place = placed(module=failing)
    place.write("all.yaml", OURS)
    assert "no-odd-teams of the package reconciler-toy failed" in place.run("lint", code=1)


def test_a_format_and_a_command_that_fail_are_errors_of_their_package(placed):
    place = placed(
        module=toy_package.MODULE.replace(
            'f"{len(report.plan.changes)} changes"', "str(1 / 0)"
        ).replace('click.echo("3 toys")', "raise KeyError(3)")
    )
    place.write("all.yaml", OURS)
    for words in (["plan", "--format", "count"], ["toys"]):
        assert "of the package reconciler-toy failed" in place.run(*words, code=1)


def test_what_is_built_in_stays_what_it_is(placed):
    clashing = toy_package.ENTRY_POINTS.replace("toys =", "plan =").replace("count =", "json =")
    place = placed(entry_points=clashing)
    place.write("all.yaml", OURS)
    assert place.run("plan", "--format", "json").startswith("{")
    assert "4 to create" in place.run("plan")
    told = place.run("validate")
    assert "the format json of reconciler-toy has the name of the built-in one" in told
    assert "the command plan of reconciler-toy has the name of the built-in one" in told
