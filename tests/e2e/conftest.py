from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_world import ADMIN_KEY, Place, example, serving
from hurry import hurried


@pytest.fixture(scope="module", autouse=True)
def _no_long_pauses() -> Iterator[None]:
    """Commands in this process try again as often as ever, and wait less in between."""
    with hurried():
        yield


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The example company, not applied yet."""
    return example(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A gateway over real HTTP that asks for an admin key: its URL and its database."""
    directory = tmp_path_factory.mktemp("served")
    database = directory / "gateway.db"
    key = {"LOCAL_ADMIN_KEY": ADMIN_KEY}
    with serving(
        directory, "--database", str(database), "--admin-key-env", "LOCAL_ADMIN_KEY", environ=key
    ) as url:
        yield url, database
