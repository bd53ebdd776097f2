"""Files that are no regular files of the repository: findings, at once, whatever lies behind them."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.settings import Settings
from reconciler.files.discovery import discover
from reconciler.files.manifests import load_manifests
from reconciler.files.plan_file import read_plan_file
from reconciler.files.policy_cases import load_cases
from reconciler.files.settings import load_settings
from reconciler.system.disk import read_regular

SECRET = "outside-of-the-repository"
OUTSIDE = f"teams:\n  {SECRET}: {{nonsense: {SECRET}}}\n"


def to(target: str) -> Callable[[Path], None]:
    return lambda place: place.symlink_to(target)


def outside(place: Path) -> Path:
    directory = place.parents[1] / "elsewhere"
    directory.mkdir(exist_ok=True)
    (directory / "outside.yaml").write_text(OUTSIDE)
    return directory


def listening(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(place.parent)
        server.bind(place.name)  # a socket's path must be short
        os.chdir(before)


def sparse(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(1 << 40)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": listening,
    "link to a pipe": lambda place: (
        os.mkfifo(place.with_name(".pipe")),
        place.symlink_to(".pipe"),
    ),
    "link out": lambda place: place.symlink_to(outside(place) / "outside.yaml"),
    "relative link out": lambda place: (
        outside(place),
        place.symlink_to("../elsewhere/outside.yaml"),
    ),
    "link to a link out": lambda place: (
        place.with_name(".second").symlink_to(outside(place) / "outside.yaml"),
        place.symlink_to(".second"),
    ),
    "endless device": to("/dev/zero"),
    "terminal": to("/dev/stdin"),
    "system file": to("/etc/passwd"),
    "own memory": to("/proc/self/mem"),
    "dangling": to("nothing"),
    "loop": lambda place: place.symlink_to(place.name),
    "a name too long for a link": to("x" * 255 + "/" + "y" * 255),
    "terabyte": sparse,
    "folder": Path.mkdir,
}


@pytest.fixture(params=[True, False], ids=["repository", "no repository"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    directory = tmp_path / "config"
    directory.mkdir()
    if request.param:
        (directory / ".git").mkdir()
    return directory


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "folder"])
@pytest.mark.parametrize("below", ["", "teams", "environments/prod"])
def test_as_a_manifest(config, kind, below):
    place = config / below / "x.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    if below:
        place.symlink_to(config / "y.data")  # links inside of the repository are read
        ODD[kind](config / "y.data")
    else:
        ODD[kind](place)
    found = load_manifests(config, environment="prod" if "prod" in below else None, variables={})
    codes = [finding.code for finding in found.findings]
    assert "unreadable-file" in codes
    assert not found.complete
    assert SECRET not in str(found.findings)


@pytest.mark.parametrize("kind", ODD)
def test_as_settings(config, kind):
    ODD[kind](config / "reconciler.yaml")
    settings, findings = load_settings(config)
    assert settings == Settings()
    assert [finding.code for finding in findings] == ["unreadable-file"]
    assert SECRET not in str(findings)


@pytest.mark.parametrize("kind", ODD)
def test_as_cases_of_policies(config, kind):
    ODD[kind](config / "cases.yaml")
    cases, findings = load_cases(config)
    assert (cases, [finding.code for finding in findings]) == ((), ["unreadable-file"])
    assert SECRET not in str(findings)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in ODD if "out" not in kind and kind not in ("system file", "own memory")],
)
def test_as_a_plan_file(config, kind):
    ODD[kind](config / "plan.json")
    with pytest.raises(ReconcilerError, match=r"cannot read|no JSON|no plan file"):
        read_plan_file(config / "plan.json")


def test_folders_that_lead_out_are_not_walked_and_not_forgotten(config):
    (outside(config / "x") / "deep").mkdir()
    (config / "linked").symlink_to("../elsewhere")
    (config / "everything").symlink_to("/")
    (config / "environments").mkdir()
    (config / "environments" / "prod").symlink_to("../../elsewhere")
    found = load_manifests(config, environment="prod", variables={})
    told = [finding.origin.file for finding in found.findings if finding.code == "unreadable-file"]
    assert sorted(Path(file).name for file in told) == ["everything", "linked", "prod"]
    assert not found.complete
    assert not found.state.resources
    assert discover(config).base == ()


def test_a_repository_above_counts_whole(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "org.yaml").write_text("organizations:\n  o: {name: O}\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "linked").symlink_to("../shared")
    (tmp_path / "config" / "again.yaml").symlink_to("linked/org.yaml")
    found = load_manifests(tmp_path / "config", variables={})
    assert {finding.code for finding in found.findings} == {"duplicate-id"}
    assert len(found.state) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(config):
    (config / "teams").mkdir(mode=0)
    found = load_manifests(config, variables={})
    assert "unreadable-file" in {finding.code for finding in found.findings}
    assert not found.complete


def test_a_file_of_just_the_size_is_read(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 10)
    assert read_regular(tmp_path / "x", 10) == b"x" * 10
    with pytest.raises(OSError, match="larger"):
        read_regular(tmp_path / "x", 9)
