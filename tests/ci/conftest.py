from collections.abc import Iterator
from pathlib import Path

import pytest
from ci_world import OnGitHub, OnGitLab, World
from ci_world import world as new_world
from github_api import GitHub, github_api
from gitlab_api import GitLab, gitlab_api


@pytest.fixture
def github() -> Iterator[GitHub]:
    with github_api() as api:
        yield api


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    with gitlab_api() as api:
        yield api


@pytest.fixture
def on_github(tmp_path: Path, github: GitHub) -> World:
    return new_world(tmp_path, OnGitHub(github, tmp_path))


@pytest.fixture
def on_gitlab(tmp_path: Path, gitlab: GitLab) -> World:
    made = new_world(tmp_path, OnGitLab(gitlab, tmp_path))
    # The example fetches the target branch for it.
    made.environ["RECONCILER_SETTINGS_REVISION"] = "main"
    return made


@pytest.fixture(params=["on_github", "on_gitlab"])
def both(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["on_github", pytest.param("on_gitlab", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found
