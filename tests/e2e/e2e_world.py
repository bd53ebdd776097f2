"""A place to work in: a copy of the example company, and the command line on it.

Commands run in this process through the same entry point as the `reconciler` script (a start costs a second of
imports); `process` runs one as a process of its own where that is the point.
"""

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from reconciler.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config"
ADMIN_KEY = "admin-key-of-the-served-gateway"


@dataclass(frozen=True)
class Done:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass
class Place:
    """A directory with a config below it; `environ` is all that commands see besides PATH and HOME."""

    directory: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.directory / "config"

    @property
    def database(self) -> Path:
        return self.config / ".reconciler" / "gateway.db"

    def reconciler(self, *args: str, code: int | None = 0) -> Done:
        """Run a command; the exit code must be `code` (None: any expected one), and no traceback may show."""
        done = self._run(args)
        assert done.code in ((0, 1, 2) if code is None else (code,)), (
            f"reconciler {' '.join(args)}: exit {done.code}\n{done.text}"
        )
        assert "Traceback" not in done.text
        return done

    def _run(self, args: tuple[str, ...]) -> Done:
        out, err = io.StringIO(), io.StringIO()
        ended = 0
        with (
            chdir(self.directory),
            patch.dict(os.environ, self.environ),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main(list(args))
            except SystemExit as left:
                ended = int(left.code or 0)
        return Done(ended, out.getvalue(), err.getvalue())

    def applied(self, *args: str) -> Done:
        return self.reconciler("apply", "--yes", *args)

    def pending(self, *args: str) -> str:
        """The plan's text; something must be pending."""
        return self.reconciler("plan", "--exit-code", *args, code=2).out

    def settled(self, *args: str) -> None:
        """A plan with nothing in it."""
        assert "No changes" in self.reconciler("plan", "--exit-code", *args).out

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.config / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} holds no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        path = self.config / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def declare_nothing(self) -> None:
        """Keeps the settings and what is remembered; every manifest goes."""
        for path in self.config.rglob("*.yaml"):
            if path.name != "reconciler.yaml":
                path.unlink()


def example(directory: Path, **environ: str) -> Place:
    """A fresh copy of the example company."""
    shutil.copytree(EXAMPLE, directory / "config", ignore=shutil.ignore_patterns(".reconciler"))
    return Place(directory, environ)


def company(directory: Path, settings: str = "", **manifests: str) -> Place:
    """A config of one's own: `teams="..."` becomes teams.yaml."""
    place = Place(directory)
    place.config.mkdir(parents=True)
    if settings:
        place.write("reconciler.yaml", settings)
    for name, text in manifests.items():
        place.write(f"{name}.yaml", text)
    return place


def process(*args: str, cwd: Path, environ: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """`python -m reconciler ...` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(command: subprocess.Popen[str], seconds: float = 60) -> Done:
    out, err = command.communicate(timeout=seconds)
    return Done(command.returncode, out, err)


def content(database: Path) -> str:
    """All that a SQLite file holds: equal texts mean that nothing was written."""
    with closing(sqlite3.connect(database)) as db:
        return "\n".join(db.iterdump())


@contextmanager
def serving(place: Path, *args: str, environ: dict[str, str] | None = None) -> Iterator[str]:
    """`reconciler gateway serve` on a free port, as its users run it; the base URL."""
    server = process("gateway", "serve", "--port", "0", *args, cwd=place, environ=environ)
    try:
        assert server.stderr is not None
        announced = server.stderr.readline()
        assert "Embedded gateway on http://" in announced, announced + server.stderr.read()
        yield announced.split()[3]
    finally:
        server.terminate()
        server.communicate(timeout=20)
