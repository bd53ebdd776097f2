"""Git repositories that a stranger prepared: whatever they hold, reading a config runs none of it.

Each layout plants a program that leaves a canary, and is checked to be alive first: ordinary git runs it. Sources:
"safe.bareRepository" and "core.fsmonitor" in git-config(1), gitattributes(5), githooks(5), "Environment" in git(1).
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from e2e_world import Place
from git_repository import git

from reconciler.core.model.findings import ReconcilerError
from reconciler.files import git as hardened
from reconciler.files.revisions import as_of, current_commit

SETTINGS = "default_gateway: local\ngateways: {local: {backend: embedded}}\n"
COMPANY = (
    "model_aliases: {a: {litellm_model: openai/gpt-4o}}\naccess_groups: {g: {model_aliases: [a]}}\n"
    "organizations: {o: {name: O}}\nteams: {t: {organization_id: o, access_groups: [g]}}\n"
)
COMMANDS = (
    "validate",
    "plan",
    "plan --revision HEAD~1",
    "apply --yes",
    "apply --yes --revision HEAD~1",
    "lint",
    "explain t a",
    "access",
    "drift",
    "history",
    "show team t",
    "compare --from base --to base",
    "unlock",
)


@dataclass
class Planted:
    """A repository with a config. `alive` is what ordinary git does that runs the planted program."""

    directory: Path
    program: str
    canary: Path
    config: Path
    environ: dict[str, str] = field(default_factory=dict)
    alive: tuple[str, ...] = ("status",)
    terminal: bool = False

    @property
    def git_dir(self) -> Path:
        return self.directory / ".git"

    def configured(self, text: str, git_dir: Path | None = None) -> None:
        with (git_dir or self.git_dir).joinpath("config").open("a", encoding="utf-8") as file:
            file.write(text)

    def committed(self) -> None:
        git(self.directory, "add", "--all")
        git(self.directory, "commit", "--quiet", "--allow-empty", "-m", "More")

    def hidden(self, place: Path) -> Path:
        """A whole git directory at the place, of a kind that runs the program when its status is asked for."""
        shutil.copytree(self.git_dir, place, dirs_exist_ok=True)
        self.configured(f'[core]\n bare = false\n fsmonitor = "{self.program}"\n', place)
        return place


def planted(directory: Path) -> Planted:
    canary, program = directory / "canary", directory / "program"
    program.write_text(f"#!/bin/sh\necho ran >>'{canary}'\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    repo = directory / "repo"
    config = repo / "config"
    config.mkdir(parents=True)
    (config / "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    (config / "company.yaml").write_text(COMPANY, encoding="utf-8")
    (repo / ".gitignore").write_text(".reconciler/\n", encoding="utf-8")
    git(directory, "init", "--quiet", str(repo))
    made = Planted(repo, str(program), canary, config)
    made.committed()
    made.committed()
    return made


# ---- layouts


def bare_repository_as_config(at: Planted) -> None:
    shutil.copytree(
        at.git_dir, at.config, dirs_exist_ok=True, ignore=shutil.ignore_patterns("hooks", "index")
    )
    at.configured(f'[core]\n bare = false\n worktree = .\n fsmonitor = "{at.program}"\n', at.config)
    at.committed()


def bare_repository_around_the_config(at: Planted) -> None:
    around = at.directory / "infra"
    at.config = at.config.rename((around / "gateway").parent.mkdir() or around / "gateway")
    shutil.copytree(
        at.git_dir, around, dirs_exist_ok=True, ignore=shutil.ignore_patterns("hooks", "index")
    )
    at.configured(f'[core]\n bare = false\n worktree = .\n fsmonitor = "{at.program}"\n', around)
    at.committed()


def git_file_that_points_inside(at: Planted) -> None:
    at.hidden(at.config / "hidden")
    (at.config / ".git").write_text("gitdir: hidden\n", encoding="utf-8")


def git_file_that_points_beside(at: Planted) -> None:
    at.hidden(at.directory / "hidden")
    (at.config / ".git").write_text("gitdir: ../hidden\n", encoding="utf-8")


def git_link_that_points_inside(at: Planted) -> None:
    at.hidden(at.config / "hidden")
    (at.config / ".git").symlink_to("hidden")


def repository_in_the_config(at: Planted) -> None:
    at.hidden(at.config / ".git")


def fsmonitor(at: Planted) -> None:
    at.configured(f'[core]\n fsmonitor = "{at.program}"\n')


def included_config(at: Planted) -> None:
    (at.config / "more.inc").write_text(f'[core]\n fsmonitor = "{at.program}"\n', encoding="utf-8")
    at.configured(f'[includeIf "gitdir:**"]\n path = "{at.config / "more.inc"}"\n')


def config_of_the_worktree(at: Planted) -> None:
    at.configured("[core]\n repositoryformatversion = 1\n[extensions]\n worktreeConfig = true\n")
    (at.git_dir / "config.worktree").write_text(
        f'[core]\n fsmonitor = "{at.program}"\n', encoding="utf-8"
    )


def hooks(at: Planted) -> None:
    folder = at.config / "hooks"
    folder.mkdir()
    for name in (
        "post-index-change",
        "reference-transaction",
        "post-checkout",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ):
        shutil.copy(at.program, folder / name)
    at.configured(f'[core]\n hooksPath = "{folder}"\n')
    os.utime(at.config / "company.yaml", (1, 1))


def clean_filter(at: Planted) -> None:
    (at.config / ".gitattributes").write_text("*.yaml filter=planted\n", encoding="utf-8")
    at.configured(f'[filter "planted"]\n clean = "{at.program}"\n')
    os.utime(at.config / "company.yaml", (1, 1))


def smudge_filter(at: Planted) -> None:
    (at.config / ".gitattributes").write_text("*.yaml filter=planted\n", encoding="utf-8")
    at.committed()
    at.committed()
    at.configured(f'[filter "planted"]\n smudge = "{at.program}"\n')
    at.alive = ("archive", "HEAD")


def filter_process(at: Planted) -> None:
    (at.config / ".gitattributes").write_text("*.yaml filter=planted\n", encoding="utf-8")
    at.committed()
    at.committed()
    at.configured(f'[filter "planted"]\n process = "{at.program}"\n')
    at.alive = ("archive", "HEAD")


def archiver(at: Planted) -> None:
    at.configured(
        f'[tar "planted"]\n command = "{at.program}"\n[tar "tar"]\n command = "{at.program}"\n'
    )
    at.alive = ("archive", "--format=planted", "HEAD")


def textconv(at: Planted) -> None:
    (at.config / ".gitattributes").write_text("*.yaml diff=planted\n", encoding="utf-8")
    (at.config / "company.yaml").write_text(f"{COMPANY}#\n", encoding="utf-8")
    at.configured(f'[diff "planted"]\n textconv = "{at.program}"\n')
    at.alive = ("diff",)


def external_diff(at: Planted) -> None:
    (at.config / "company.yaml").write_text(f"{COMPANY}#\n", encoding="utf-8")
    at.configured(f'[diff]\n external = "{at.program}"\n')
    at.alive = ("diff",)


def pager(at: Planted) -> None:
    at.configured(f'[core]\n pager = "{at.program}"\n')
    at.alive, at.terminal = ("--paginate", "log"), True


def alias(at: Planted) -> None:
    names = ("status", "rev-parse", "ls-tree", "cat-file", "archive", "planted")
    at.configured("[alias]\n" + "".join(f' {name} = "!{at.program}"\n' for name in names))
    at.alive = ("planted",)


def signature(at: Planted) -> None:
    text = git(at.directory, "cat-file", "-p", "HEAD")
    head, _, body = text.partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n\n{body}\n"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=at.directory, input=signed, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    git(at.directory, "update-ref", "HEAD", made)
    at.configured(f'[gpg]\n program = "{at.program}"\n[log]\n showSignature = true\n')
    at.alive = ("log",)


def missing_objects(at: Planted) -> None:
    """A partial clone asks its remote for what it lacks, through the ssh command that its config names."""
    blob = git(at.directory, "rev-parse", "HEAD:config/company.yaml")
    (at.git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    at.configured(
        "[core]\n repositoryformatversion = 1\n"
        f' sshCommand = "{at.program}"\n[extensions]\n partialClone = origin\n'
        '[remote "origin"]\n url = ssh://nowhere.invalid/x\n promisor = true\n[protocol "ssh"]\n allow = always\n'
    )
    at.alive = ("cat-file", "-p", blob)


def missing_objects_by_a_helper(at: Planted) -> None:
    missing_objects(at)
    at.configured(
        f'[remote "origin"]\n url = "ext::{at.program}"\n[url "ext::{at.program} "]\n insteadOf = ssh://\n'
        '[protocol "ext"]\n allow = always\n'
    )


def submodule(at: Planted) -> None:
    inner = at.config / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    git(inner, "commit", "--quiet", "--allow-empty", "-m", "Inner")
    (inner / "file").write_text("x", encoding="utf-8")
    git(at.directory, "-c", "advice.addEmbeddedRepo=false", "add", "--all")
    (at.directory / ".gitmodules").write_text(
        '[submodule "inner"]\n path = config/inner\n url = ./inner\n', encoding="utf-8"
    )
    at.committed()
    at.configured(f'[core]\n fsmonitor = "{at.program}"\n', inner / ".git")


def config_by_the_environment(at: Planted) -> None:
    at.environ = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": at.program,
    }


def parameters_by_the_environment(at: Planted) -> None:
    at.environ = {"GIT_CONFIG_PARAMETERS": f"'core.fsmonitor'='{at.program}'"}


def global_config_by_the_environment(at: Planted) -> None:
    file = at.directory / "global"
    file.write_text(f'[core]\n fsmonitor = "{at.program}"\n', encoding="utf-8")
    at.environ = {"GIT_CONFIG_GLOBAL": str(file)}


def git_directory_by_the_environment(at: Planted) -> None:
    at.hidden(at.config / "hidden")
    at.environ = {"GIT_DIR": str(at.config / "hidden"), "GIT_WORK_TREE": str(at.directory)}


def programs_by_the_environment(at: Planted) -> None:
    programs = at.directory / "programs"
    programs.mkdir()
    for name in ("git-planted", "git-remote-ext", "git-fsmonitor--daemon"):
        shutil.copy(at.program, programs / name)
    at.environ = {
        "GIT_EXEC_PATH": str(programs),
        "GIT_PAGER": at.program,
        "GIT_EXTERNAL_DIFF": at.program,
    }
    at.environ |= {
        "GIT_SSH_COMMAND": at.program,
        "GIT_ASKPASS": at.program,
        "GIT_EDITOR": at.program,
    }
    at.alive = ("planted",)


LAYOUTS: tuple[Callable[[Planted], None], ...] = (
    bare_repository_as_config,
    bare_repository_around_the_config,
    git_file_that_points_inside,
    git_file_that_points_beside,
    git_link_that_points_inside,
    repository_in_the_config,
    fsmonitor,
    included_config,
    config_of_the_worktree,
    hooks,
    clean_filter,
    smudge_filter,
    filter_process,
    archiver,
    textconv,
    external_diff,
    pager,
    alias,
    signature,
    missing_objects,
    missing_objects_by_a_helper,
    submodule,
    config_by_the_environment,
    parameters_by_the_environment,
    global_config_by_the_environment,
    git_directory_by_the_environment,
    programs_by_the_environment,
)


@pytest.fixture
def at(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Planted]:
    made = planted(tmp_path)
    request.param(made)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    ordinary_git(made)
    assert made.canary.exists(), (
        "ordinary git does not run what was planted: the layout shows nothing"
    )
    made.canary.unlink()
    if request.param in (hooks, clean_filter):
        os.utime(made.config / "company.yaml", (2, 2))
    yield made


def ordinary_git(at: Planted) -> None:
    terminal, inside = os.openpty()
    out = inside if at.terminal else subprocess.DEVNULL
    command = ["git", *at.alive]
    subprocess.run(
        command,
        cwd=at.config,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        check=False,
        timeout=20,
    )
    os.close(terminal)
    os.close(inside)


def run(at: Planted, command: str) -> None:
    """The command to its end, however it ends but for a bug."""
    name, *more = command.split()
    done = Place(at.directory)._run((name, "--config", str(at.config), *more))
    assert done.code in (0, 1, 2), done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("at", LAYOUTS, ids=lambda layout: layout.__name__, indirect=True)
def test_nothing_that_was_planted_in_a_repository_runs(at: Planted):
    for command in ("validate", "plan --revision HEAD~1", "plan --revision :0:config/company.yaml"):
        run(at, command)
        assert not at.canary.exists(), f"{command} ran the planted program"


@pytest.mark.parametrize("at", [bare_repository_as_config, clean_filter], indirect=True)
def test_no_command_runs_it(at: Planted):
    for command in COMMANDS:
        run(at, command)
        assert not at.canary.exists(), f"{command} ran the planted program"


@pytest.mark.parametrize(
    "at",
    [
        bare_repository_as_config,
        bare_repository_around_the_config,
        git_file_that_points_inside,
        git_link_that_points_inside,
    ],
    indirect=True,
)
def test_a_hidden_repository_is_refused_by_a_git_that_is_too_old_to_do_so_too(
    at: Planted, monkeypatch: pytest.MonkeyPatch
):
    """Before 2.38 git takes any directory that looks like a bare repository for one."""
    older = tuple(option for option in hardened.OPTIONS if "bareRepository" not in option)
    for options in (hardened.OPTIONS, older):
        monkeypatch.setattr(hardened, "OPTIONS", options)
        assert current_commit(at.config) is None
        with pytest.raises(ReconcilerError, match=r"hidden|git knows no revision"):
            as_of(at.config, "HEAD")
    assert not at.canary.exists()
