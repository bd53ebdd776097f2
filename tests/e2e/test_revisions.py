"""What is read from git: the commit that a config stands at, whether it differs, and its files as of a revision."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from git_repository import git

from reconciler.core.model.findings import ReconcilerError
from reconciler.files.revisions import as_of, current_commit

FILES = {
    "reconciler.yaml": "prune: owned\n",
    "teams.yaml": "teams: {}\n",
    "deep/models.yaml": "model_aliases: {}\n",
    "environments/prod/teams.yaml": "teams: {}\n",
    "notes.txt": "notes\n",
}


@pytest.fixture(params=["sha1", "sha256"])
def config(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A config in a repository of that hash, committed."""
    made = tmp_path / "repo" / "config"
    for name, text in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text, encoding="utf-8")
    (made / "linked.yaml").symlink_to("teams.yaml")
    (made / "linked").symlink_to("deep")
    git(tmp_path, "init", "--quiet", "--object-format", request.param, str(tmp_path / "repo"))
    return committed(made)


def committed(config: Path) -> Path:
    git(config, "add", "--all")
    git(config, "commit", "--quiet", "--allow-empty", "-m", "Config")
    return config


def relink(config: Path) -> None:
    (config / "linked.yaml").unlink()
    (config / "linked.yaml").symlink_to("deep/models.yaml")


@pytest.mark.parametrize(
    ("change", "dirty"),
    [
        (lambda _: None, False),
        (lambda config: (config / "notes.txt").write_text("others"), False),
        (
            lambda config: (
                (config / ".reconciler").mkdir()
                or (config / ".reconciler" / "a.yaml").write_text("x")
            ),
            False,
        ),
        (lambda config: (config / "teams.yaml").write_bytes(b"teams: {}\r\n"), False),
        (lambda config: (config / "teams.yaml").write_text("teams: {} "), True),
        (lambda config: (config / "deep" / "models.yaml").unlink(), True),
        (lambda config: (config / "deep" / "new.yaml").write_text("{}"), True),
        (lambda config: (config / "reconciler.yaml").write_text("prune: never\n"), True),
        (lambda config: (config / "reconciler.yaml").unlink(), True),
        (lambda config: (config / "environments" / "prod" / "teams.yaml").write_text("{}"), True),
        (relink, True),
        (lambda config: (config / "new.yaml").symlink_to("/etc/hostname"), True),
    ],
)
def test_a_commit_is_dirty_where_what_is_read_differs_from_it(
    config: Path, change: Callable[[Path], object], dirty: bool
):
    change(config)
    head = git(config, "rev-parse", "HEAD")
    assert current_commit(config) == (f"{head}-dirty" if dirty else head)


def test_a_revision_is_read_byte_for_byte_whatever_attributes_say(config: Path):
    """`export-ignore` would leave files out of an archive, and a missing manifest is a deletion."""
    (config / ".gitattributes").write_text(
        "teams.yaml export-ignore\n*.yaml eol=crlf export-subst\n"
    )
    head = git(committed(config), "rev-parse", "HEAD")
    for name in FILES:
        (config / name).unlink()
    place, commit = as_of(config, "HEAD")
    assert commit == head
    assert {name: (place / name).read_text() for name in FILES} == FILES
    assert (place / "linked.yaml").read_text() == "teams: {}\n"
    assert (place / "linked" / "models.yaml").read_text() == "model_aliases: {}\n"


def test_a_config_that_is_the_root_of_its_repository_has_a_commit_too(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "teams.yaml").write_text("teams: {}\n")
    committed(tmp_path)
    assert current_commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
    assert (as_of(tmp_path, "HEAD")[0] / "teams.yaml").exists()


def absolute(config: Path) -> None:
    (config / "out.yaml").symlink_to("/etc/hostname")


def relative(config: Path) -> None:
    (config / "out").symlink_to("../..")


def behind_another(config: Path) -> None:
    """By its text alone this one stays inside."""
    (config / "deep" / "up").symlink_to("..")
    (config / "out.yaml").symlink_to("deep/up/../out.yaml")


@pytest.mark.parametrize("link", [absolute, relative, behind_another])
def test_a_revision_with_a_link_out_of_the_config_is_refused(
    config: Path, link: Callable[[Path], None]
):
    link(config)
    committed(config)
    with pytest.raises(ReconcilerError, match="leads out of the config"):
        as_of(config, "HEAD")


def test_a_submodule_in_a_revision_is_refused(config: Path):
    head = git(config, "rev-parse", "HEAD")
    git(config, "update-index", "--add", "--cacheinfo", f"160000,{head},config/inner")
    git(config, "commit", "--quiet", "-m", "Submodule")
    with pytest.raises(ReconcilerError, match="is a submodule"):
        as_of(config, "HEAD")


@pytest.mark.parametrize("name", [b"..", b"../../out.yaml", b"a\\..\\..\\out.yaml"])
def test_a_name_that_leads_out_is_refused(config: Path, tmp_path: Path, name: bytes):
    """git itself makes no such trees; what was fetched may be made by hand."""
    blob = git(config, "rev-parse", "HEAD:config/teams.yaml")
    made = forged(config, "tree", b"100644 %b\0%b" % (name, bytes.fromhex(blob)))
    root = forged(config, "tree", b"40000 config\0" + bytes.fromhex(made))
    git(config, "update-ref", "HEAD", git(config, "commit-tree", "-m", "Forged", root))
    with pytest.raises(ReconcilerError, match=r"is no name of a file"):
        as_of(config, "HEAD")
    assert not (tmp_path / "out.yaml").exists()


def forged(config: Path, kind: str, content: bytes) -> str:
    command = ["git", "hash-object", "--literally", "-w", "-t", kind, "--stdin"]
    return (
        subprocess.run(command, cwd=config, input=content, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


@pytest.mark.parametrize(
    "revision", ["nowhere", "--help", "-h", "", "HEAD:config", ":0:config/teams.yaml", "HEAD\n"]
)
def test_what_is_no_revision_is_said(config: Path, revision: str):
    with pytest.raises(ReconcilerError, match="git knows no revision"):
        as_of(config, revision)
