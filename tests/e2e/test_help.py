"""Every help text, compared with committed files: `UPDATE_GOLDEN=1 pytest tests/e2e/test_help.py` writes them anew."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from e2e_world import ROOT, company

from reconciler.cli import COMMANDS, group

GOLDEN = ROOT / "tests" / "golden" / "help"
WIDTH = 100


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, *path, name)


EVERY = list(commands(group))


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH + 20))


@pytest.mark.parametrize("path", EVERY, ids=lambda path: "-".join(path) or "reconciler")
def test_help_reads_as_committed(wide, tmp_path: Path, path: tuple[str, ...]):
    told = company(tmp_path).reconciler(*path, "--help").out
    file = GOLDEN / f"{'-'.join(path) or 'reconciler'}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(told, encoding="utf-8")
    assert told == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EVERY, ids=lambda path: "-".join(path) or "reconciler")
def test_help_fits_its_width_and_has_examples(wide, tmp_path: Path, path: tuple[str, ...]):
    told = company(tmp_path).reconciler(*path, "--help").out
    assert [line for line in told.splitlines() if len(line) > WIDTH] == []
    if len(path) == 1 and path[0] in COMMANDS:
        inner = [name for name in EVERY if name[:1] == path and len(name) > 1]
        texts = [
            company(tmp_path / str(place)).reconciler(*name, "--help").out
            for place, name in enumerate(inner)
        ]
        assert any("Examples:" in text or "A file of cases:" in text for text in [told, *texts])


def test_no_committed_help_is_of_a_command_that_is_gone():
    assert {file.stem for file in GOLDEN.glob("*.txt")} == {
        "-".join(path) or "reconciler" for path in EVERY
    }


def test_help_is_a_command_too(wide, tmp_path: Path):
    place = company(tmp_path)
    assert (
        place.reconciler("help", "history", "decide").out
        == place.reconciler("history", "decide", "--help").out
    )
    assert place.reconciler("help").out == place.reconciler("--help").out
    assert "did you mean plan?" in place.reconciler("help", "plann", code=1).err
    assert "has no commands of its own" in place.reconciler("help", "plan", "x", code=1).err
