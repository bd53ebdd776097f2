"""What only some commands need is an extra: a command that lacks it says so in one line, all others do without it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_world import ROOT, Place, company
from packaging.requirements import Requirement
from saas_litellm import saas_double

from reconciler.cli import COMMANDS
from reconciler.system.extras import DISTRIBUTION, EXTRAS

BARE = Path(__file__).with_name("bare.py")
# The top-level modules of what the extras bring, with what those bring in turn.
MODULES = (
    "litellm,openai,tiktoken,fastapi,starlette,uvicorn,cel_expr_python,prometheus_client,psycopg"
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = PROJECT["optional-dependencies"]
LINES = {
    "gateway": "this needs the embedded gateway: pip install 'llm-reconciler[gateway]'",
    "policies": "this needs the language of policies: pip install 'llm-reconciler[policies]'",
    "watch": "this needs metrics for Prometheus: pip install 'llm-reconciler[watch]'",
    "postgresql": "this needs a driver for PostgreSQL: pip install 'llm-reconciler[postgresql]'",
}
SAAS = "gateways: {{g: {{backend: saas-litellm, url: '{url}', admin_key_env: KEY}}}}\n"
MANIFEST = """\
organizations: {org_a: {name: A}}
model_aliases: {gpt-4: {litellm_model: openai/gpt-4, description: Capable}}
access_groups: {all: {description: All, select: {max_price_output: 100}}}
teams: {t: {organization_id: org_a, access_groups: [all]}}
"""
POLICIES = "policies:\n  fine: {rule: 'team.id == \"t\"'}\n  other: {rule: 'team.id == \"t\"'}\n"


def bare(place: Place, *commands: str, lacking: str = MODULES) -> list[tuple[int, str, str]]:
    """How the commands end, one after the other, where no extra is installed."""
    done = subprocess.run(
        [sys.executable, str(BARE), lacking],
        input=json.dumps([command.split() for command in commands]),
        cwd=place.directory,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **place.environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ended = json.loads(done.stdout)
    assert not [text for _, *texts in ended for text in texts if "Traceback" in text]
    return [(code, out, err) for code, out, err in ended]


@pytest.fixture
def saas(tmp_path: Path) -> Iterator[Place]:
    with saas_double() as double:
        settings = "default_gateway: g\n" + SAAS.format(url=double.url)
        place = company(tmp_path, settings, all=MANIFEST)
        place.environ["KEY"] = double.admin_key
        # A job of GitLab CI, for `ci`.
        place.environ |= {"GITLAB_CI": "true", "CI_COMMIT_SHA": "0" * 40}
        yield place


# Every command without an extra, on a gateway that is reached over HTTP: (arguments, exit code).
WITHOUT = {
    "init": ("init --config elsewhere", 0),
    "validate": ("validate", 0),
    "plan": ("plan --out plan.json --report plan.html --exit-code", 2),
    "apply": ("apply plan.json --yes", 0),
    "drift": ("drift", 0),
    "list": ("list teams --live", 0),
    "show": ("show team t", 0),
    "explain": ("explain t gpt-4", 0),
    "compare": ("compare --from base --to base", 0),
    "access": ("access --live", 0),
    "lint": ("lint", 0),
    "policy": ("policy variables", 0),
    "prices": ("prices show", 0),
    "history": ("history", 0),
    "unlock": ("unlock --yes", 0),
    "import": ("import --out imported", 0),
    "schema": ("schema manifest", 0),
    "completion": ("completion bash", 0),
    "help": ("help plan", 0),
    "version": ("version", 0),
    "ci": ("ci plan", 0),
    "gateway": ("gateway serve --help", 0),
}


def test_every_command_works_without_what_it_does_not_need(saas: Place):
    assert set(WITHOUT) == set(COMMANDS), "a new command: say here how it runs without extras"
    ended = bare(saas, *(args for args, _ in WITHOUT.values()))
    assert {
        name: (code, out, err)
        for (name, (_, expected)), (code, out, err) in zip(WITHOUT.items(), ended, strict=True)
        if code != expected or "this needs" in out + err
    } == {}


def settings(**gateway: str) -> str:
    return (
        f"default_gateway: g\ngateways: {{g: {json.dumps({'backend': 'embedded', **gateway})}}}\n"
    )


LEDGER = "ledger: {url_env: RECONCILER_LEDGER_URL}\n"
LACKING = {
    "gateway": (
        settings(),
        MANIFEST,
        [
            "gateway serve",
            "plan",
            "apply --yes",
            "drift",
            "drift --watch 60",
            "show team t",
            "access --live",
            "import --out imported",
            "import --update",
        ],
        ["validate", "lint", "access", "explain t gpt-4 --offline", "history"],
    ),
    "policies": (
        None,
        MANIFEST + POLICIES,
        ["validate", "plan", "apply --yes", "policy test"],
        [
            "drift",
            "lint",
            "access",
            "access --live",
            "explain t gpt-4 --offline",
            "import --out i",
            "history",
        ],
    ),
    "watch": (None, MANIFEST, ["drift --watch 60 --metrics-port 9"], []),
    "postgresql": (
        LEDGER,
        MANIFEST,
        ["plan", "apply --yes", "history", "drift", "unlock --yes"],
        ["validate", "lint", "access"],
    ),
}


@pytest.mark.parametrize("extra", LACKING)
def test_a_command_that_lacks_an_extra_says_which_in_one_line(extra, saas: Place):
    written, manifest, lacking, working = LACKING[extra]
    own = (saas.config / "reconciler.yaml").read_text()
    saas.write("reconciler.yaml", own + written if written == LEDGER else written or own)
    saas.write("all.yaml", manifest)
    saas.environ["RECONCILER_LEDGER_URL"] = "postgresql://me:secret-word@127.0.0.1:1/ledger"
    ended = bare(saas, *lacking, *working)
    for command, (code, out, err) in zip([*lacking, *working], ended, strict=True):
        told = [line for line in (out + err).splitlines() if "this needs" in line]
        assert "secret-word" not in out + err
        if command in working:
            assert (code, told) == (0, []), (command, out, err)
        else:
            assert code == 1, (command, out, err)
            assert len(told) == 1, (command, out, err)
            assert told[0].endswith(f"error missing-extra: {LINES[extra]}"), (command, told)


def test_what_is_missing_is_a_finding_for_programs_too(saas: Place):
    saas.write("all.yaml", MANIFEST + POLICIES)
    ((_, out, _), (_, lines, _)) = bare(saas, "validate --format json", "validate --format github")
    (finding,) = json.loads(out)["findings"] if out.startswith("{") else json.loads(out)
    assert (finding["level"], finding["code"]) == ("error", "missing-extra")
    assert "all.yaml" in lines


def test_the_embedded_gateway_in_process_needs_fastapi_alone(tmp_path: Path):
    """As in a job of CI: what is installed beside an admin key holds neither LiteLLM nor a server."""
    place = company(tmp_path, all=MANIFEST)
    commands = ("apply --yes", "plan --exit-code", "drift", "show team t", "gateway serve")
    *ended, served = bare(place, *commands, lacking="litellm,openai,tiktoken,uvicorn")
    assert [code for code, _, _ in ended] == [0, 0, 0, 0], ended
    assert served[0] == 1
    assert LINES["gateway"] in served[2]


# ---- the package


def names(requirements: list[str]) -> set[str]:
    return {Requirement(each).name for each in requirements}


def test_the_extras_are_those_of_the_package():
    assert PROJECT["name"] == DISTRIBUTION
    assert set(DECLARED) == {*EXTRAS, "all", "test"}
    assert {extra: line for extra, line in LINES.items() if EXTRAS[extra] not in line} == {}
    (everything,) = map(Requirement, DECLARED["all"])
    assert (everything.name, everything.extras) == (DISTRIBUTION, set(EXTRAS))
    tested = [each for each in map(Requirement, DECLARED["test"]) if each.name == DISTRIBUTION]
    assert [each.extras for each in tested] == [{"all"}]


def test_the_core_needs_nothing_of_an_extra():
    optional = set().union(*(names(DECLARED[extra]) for extra in EXTRAS))
    assert {"litellm", "fastapi", "uvicorn", "cel-expr-python", "prometheus-client"} <= optional
    assert not optional & names(PROJECT["dependencies"])


def test_nobody_imports_an_extra_where_it_may_be_missing():
    """At the top of a module only in those that are loaded after `require`."""
    optional = {"litellm", "fastapi", "starlette", "uvicorn", "cel_expr_python"}
    optional |= {"prometheus_client", "psycopg"}
    pattern = re.compile(rf"^(?:import|from) ({'|'.join(sorted(optional))})\b", re.MULTILINE)
    found = {
        str(file.relative_to(ROOT / "reconciler").parts[0])
        for file in (ROOT / "reconciler").rglob("*.py")
        if pattern.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"embedded"}
