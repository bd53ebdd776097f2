"""Which config a command means, by the directory that it is run in."""

from dataclasses import replace
from pathlib import Path

import pytest
from e2e_world import Place, company

from reconciler.files.discovery import find_config

SETTINGS = "default_gateway: local\ngateways:\n  local: {backend: embedded}\n"


def inside(place: Place, directory: str) -> Place:
    (place.directory / directory).mkdir(parents=True, exist_ok=True)
    return replace(place, directory=place.directory / directory)


@pytest.mark.parametrize("directory", ["config", "config/customers", "src", "src/deep/er"])
def test_a_command_finds_the_config_of_its_project(place: Place, directory):
    place.applied()
    here = inside(place, directory)
    for words in (("plan",), ("drift",), ("lint",), ("explain", "acme-prod", "gpt-4")):
        assert here.reconciler(*words).code == 0
    assert "No changes" in here.reconciler("plan").out
    assert not list(here.directory.glob(".reconciler*"))[1:]


def test_places_are_said_as_seen_from_there(place: Place):
    place.write("customers/wrong.yaml", "teams:\n  x: {plan: nowhere}\n")
    for directory, named in (
        ("config", "customers/wrong.yaml"),
        ("src", "../config/customers/wrong.yaml"),
    ):
        assert f"{named}:2:13" in inside(place, directory).reconciler("validate", code=1).out


def test_a_config_here_is_nearer_than_one_above(place: Place):
    near = inside(place, "other")
    near.write("models.yaml", "model_aliases: {only-here: {litellm_model: openai/gpt-4o}}\n")
    assert "only-here" in near.reconciler("plan", "--full").out


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], "config"),
        (["config/teams.yaml"], "config"),  # without settings only from the directory beside it
        (["a/b/config/teams.yaml"], "config"),
        (["a/config/reconciler.yaml"], "../config"),
        (["a/reconciler.yaml"], ".."),
        (["reconciler.yaml", "a/b/reconciler.yaml"], "."),
        (["reconciler.yaml", "a/.git/HEAD"], "config"),  # of another project
        (["a/reconciler.yaml", "a/.git/HEAD"], ".."),
    ],
)
def test_how_far_upwards_is_looked(tmp_path: Path, files, found):
    start = tmp_path / "a" / "b"
    start.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(
            SETTINGS if "reconciler" in file else "teams: {}\n", encoding="utf-8"
        )
    assert find_config(start) == Path(found)


def test_init_makes_its_config_here(place: Place):
    here = inside(place, "new")
    here.reconciler("init")
    assert (here.config / "reconciler.yaml").is_file()


def test_without_a_command_there_is_help_and_no_error(tmp_path: Path):
    place = company(tmp_path)
    for words in ((), ("policy",), ("gateway",)):
        done = place.reconciler(*words)
        assert (done.out, done.err) == (place.reconciler(*words, "--help").out, "")


def test_the_version_has_a_short_name(tmp_path: Path):
    place = company(tmp_path)
    assert place.reconciler("-V").out == place.reconciler("--version").out != ""
