"""The one place that runs git: on repositories that a stranger may have prepared, so that nothing in them is run.

Only commands that read objects are used. They look at no index and at no working tree, so that fsmonitor, filters and
most hooks have no occasion; the options below and an environment without GIT_* take the rest. Which files differ from
a commit is compared by ourselves (`files.revisions`): `git status` may run programs that the repository names.

Sources: git-config(1), "Environment Variables" in git(1), gitattributes(5), githooks(5).
"""

import os
import subprocess
from pathlib import Path
from typing import Literal

Reading = Literal["rev-parse", "ls-tree", "cat-file"]
Answer = subprocess.CompletedProcess[bytes]

OPTIONS = (
    "safe.bareRepository=explicit",  # a directory that merely looks like a repository is none (since git 2.38)
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "core.pager=cat",
    "core.sshCommand=false",
    "protocol.allow=never",
    "diff.external=",
    "credential.helper=",
)
ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # stronger than protocol.NAME.allow in the repository's config
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
SECONDS = 60.0
MISSING, TOO_LATE = 127, 124  # exit codes as a shell would give them


def git(directory: Path, command: Reading, *arguments: str, given: bytes = b"") -> Answer:
    """The command, run in the directory, with what it printed. Never raises; `given` is its standard input.

    The machine's own git config stays in force beneath ours: it names the directories that are safe (safe.directory).
    """
    options = [word for option in OPTIONS for word in ("-c", option)]
    words = ["git", "--no-pager", *options, "-C", str(directory), command, *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(  # noqa: S603  no shell, and the first word is ours
            words,
            input=given,
            env={**inherited, **ENVIRONMENT},
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        return Answer(words, MISSING, b"", b"git is not installed")
    except subprocess.TimeoutExpired:
        return Answer(words, TOO_LATE, b"", f"git took longer than {SECONDS:g} s".encode())


def hidden(directory: Path, git_directory: Path) -> bool:
    """Whether a repository was found where only a planted one can be: in the config, or around it without `.git`.

    A config that is the root of its repository has its git directory in `.git`, which no commit can hold.
    """
    config, found = directory.resolve(), git_directory.resolve()
    if found == config / ".git":
        return False
    return found.is_relative_to(config) or config.is_relative_to(found)
