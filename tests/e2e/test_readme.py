"""README.md is true: its commands run as printed in the directory that each block names, its files are valid."""

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import click
import pytest
from e2e_world import ROOT, Place, example, process

from reconciler.cli import group
from reconciler.files.settings import load_settings
from reconciler.pipeline import load

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
INSTALL = re.compile(r"python3 -m venv \.venv && \.venv/bin/pip install -q -e (\S+) && ")


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def commands(text: str) -> list[str]:
    """The commands of a block, without their comments."""
    lines = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line]


@contextmanager
def terminal(typed: str) -> Iterator[None]:
    """Standard input as a terminal on which somebody types."""
    ours, theirs = os.openpty()
    os.write(ours, typed.encode())
    before = sys.stdin
    try:
        with os.fdopen(theirs) as sys.stdin:
            yield
    finally:
        sys.stdin = before
        os.close(ours)


def test_the_commands_install_what_they_use():
    installed = [INSTALL.match(line)[1] for line in commands("".join(blocks("sh")[:2]))]
    assert installed == ["'.[all]'", "'.[test]'"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert {"all", "test"} <= set(extras)
    (named,) = re.findall(r"the rest are extras: (.*?)\.", README, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", named)) == set(extras) - {"all", "test"}


def run(place: Place, line: str) -> None:
    """A line of a block. What installs is not run, only looked at; what serves is asked once and stopped."""
    if line == ". .venv/bin/activate":
        return
    if line.endswith("pytest"):
        assert INSTALL.match(line)[1] == "'.[test]'"
        return
    for each in INSTALL.sub("", line).split(" && "):
        words = shlex.split(each.replace(".venv/bin/reconciler", "reconciler"))
        assert words[0] == "reconciler", line
        if words[1:3] == ["gateway", "serve"]:
            _served(place, words[1:])
        else:
            with terminal("y\n"):
                place.reconciler(*words[1:])


def _served(place: Place, words: list[str]) -> None:
    """On a free port: the usual one may be taken on the machine that tests."""
    server = process(*words, "--port", "0", cwd=place.directory)
    try:
        assert server.stderr is not None
        assert "Embedded gateway on http://127.0.0.1:" in server.stderr.readline()
    finally:
        server.terminate()
        server.communicate(timeout=20)


@pytest.fixture
def clone(tmp_path: Path) -> Place:
    place = example(tmp_path / "clone")
    cases = place.directory / "tests" / "policies"
    cases.mkdir(parents=True)
    for file in (ROOT / "tests" / "policies").glob("*.yaml"):
        (cases / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return place


@pytest.fixture
def empty(tmp_path: Path) -> Place:
    (tmp_path / "empty").mkdir()
    return Place(tmp_path / "empty")


@pytest.fixture
def started(empty: Place) -> Place:
    empty.reconciler("init")
    return empty


def test_the_plan_that_is_shown_is_the_one_that_is_printed(clone: Place):
    """`UPDATE_GOLDEN=1` writes it anew, as for the other texts that tests compare."""
    clone.applied()
    clone.edit(
        "customers/techco.yaml",
        "access_groups: [gpt-models, claude-models]",
        "access_groups: [gpt-models]",
    )
    printed = re.sub(r"\b[0-9a-f]{32}\b", "...", clone.reconciler("plan").out)
    if os.environ.get("UPDATE_GOLDEN"):
        told = re.sub(
            r"```text\n.*?^```$",
            lambda _: f"```text\n{printed}```",
            README,
            flags=re.MULTILINE | re.DOTALL,
        )
        (ROOT / "README.md").write_text(told, encoding="utf-8")
    else:
        assert blocks("text") == [printed]


def test_every_block_says_where_it_belongs():
    assert len(blocks("sh")) >= 4
    assert len(blocks("yaml")) >= 4
    for text in blocks("sh")[2:]:  # the first two are what makes a clone work
        assert text.splitlines()[0] in ("# in the clone", "# in an empty directory")
    for text in blocks("yaml"):
        assert re.fullmatch(r"# (config|tests/policies)/[a-z-]+\.yaml", text.splitlines()[0])
    for text in blocks("python"):
        assert text.startswith("# in the clone\n")


def test_the_commands_for_the_clone_run_in_order(clone: Place):
    for text in blocks("sh"):
        if text.startswith(("# in the clone", "python3 -m venv")):
            for line in commands(text):
                run(clone, line)


def test_the_commands_for_an_empty_directory_run_in_order(empty: Place):
    for text in blocks("sh"):
        if text.startswith("# in an empty directory"):
            for line in commands(text):
                run(empty, line)
    empty.settled()


def written(place: Place, text: str) -> Path:
    file = place.directory / text.splitlines()[0].removeprefix("# ")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def named(name: str) -> str:
    (found,) = (text for text in blocks("yaml") if text.startswith(f"# {name}\n"))
    return found


def test_the_manifest_is_a_whole_config(empty: Place):
    written(empty, named("config/company.yaml"))
    assert load(empty.config, variables={}).findings == ()
    empty.applied()
    empty.settled()


def test_the_settings_are_valid(empty: Place):
    written(empty, named("config/reconciler.yaml"))
    settings, findings = load_settings(empty.config)
    assert findings == ()
    assert set(settings.gateways) == {"staging", "proxy"}


@pytest.mark.parametrize("place", ["clone", "started"])
def test_the_policy_and_its_cases_hold_on_the_example_and_on_the_starter(place, request):
    place = request.getfixturevalue(place)
    for name in ("config/policies.yaml", "tests/policies/development.yaml"):
        written(place, named(name))
    assert place.reconciler("validate").out == "no findings\n"
    assert place.reconciler("policy", "test").out == "2 passed, 0 failed\n"


def test_the_policy_is_the_one_of_the_example_and_of_the_starter():
    text = named("config/policies.yaml").split("\n", 1)[1]
    for file in ("config/policies.yaml", "reconciler/cli/starter/policies.yaml"):
        assert (ROOT / file).read_text(encoding="utf-8").endswith(text)


def test_the_python_runs_in_the_clone(clone: Place, capsys):
    (text,) = blocks("python")
    with chdir(clone.directory):
        exec(compile(text, "README.md", "exec"), {})
    assert int(capsys.readouterr().out) == 44


def options(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def every(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from every(command.get_command(click.Context(command), name), (*words, name))


def test_what_stands_in_the_text_exists():
    """`plan --out plan.json`, `--only team/x`: commands and options that are mentioned."""
    known = dict(every(group))
    text = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    mentioned = [
        each.removeprefix("reconciler ").replace("\n", " ")
        for each in re.findall(r"`([^`]+)`", text)
    ]
    seen = 0
    for words in map(str.split, mentioned):
        flags = {word.split("=")[0] for word in words if word.startswith("--")}
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
        have = options(known[name]) if name else set().union(*map(options, known.values()))
        assert flags <= have | {"--help", "--version"}, words
        seen += bool(name or flags)
    assert seen > 20
