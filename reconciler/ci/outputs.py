"""What a job leaves behind: files for the artifact, outputs of the step, and the page of the run.

Sources: "Workflow commands" (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands):
lines of NAME=VALUE in the file GITHUB_OUTPUT; Markdown in the file GITHUB_STEP_SUMMARY, at most a megabyte a step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.model.printable import safe
from reconciler.system.disk import add_text, atomic_write, private_directory, remove

MOST_SUMMARY = 1_000_000
FILES = (
    "plan.json",
    "plan.md",
    "plan.html",
    "binding.json",
    "comment.md",
    "apply.md",
    "apply.txt",
    "drift.md",
)


@dataclass(frozen=True, slots=True)
class Outputs:
    """`values` and `summary` are the files of GitHub; None elsewhere. Every method raises ReconcilerError."""

    directory: Path
    values: Path | None = None
    summary: Path | None = None

    def begin(self) -> None:
        """The directory is there, without what an earlier command left: nothing of it may be taken for ours."""
        _try(self.directory, private_directory)
        for name in FILES:
            _try(self.directory / name, remove)
        self.tell(directory=self.directory)

    def write(self, name: str, text: str) -> Path:
        file = self.directory / name
        _try(file, lambda place: atomic_write(place, text, private=True))
        return file

    def tell(self, **values: object) -> None:
        """Outputs of the step, with dashes for underscores."""
        if self.values is not None:
            lines = (f"{name.replace('_', '-')}={safe(_plain(v))}\n" for name, v in values.items())
            text = "".join(lines)
            _try(self.values, lambda place: add_text(place, text))

    def show(self, markdown: str) -> None:
        """On the page of the run."""
        if self.summary is not None:
            text = markdown.encode()[:MOST_SUMMARY].decode(errors="ignore")
            _try(self.summary, lambda place: add_text(place, text))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _try(file: Path, write: Callable[[Path], None]) -> None:
    try:
        write(file)
    except OSError as problem:
        says = f"cannot write {file}: {problem.strerror}"
        raise ReconcilerError(error("ci-output", says)) from None


def outputs(environ: Mapping[str, str], directory: Path | None) -> Outputs:
    """By default a directory that is gone with the job: RUNNER_TEMP; on GitLab one that an artifact may hold."""
    temporary = environ.get("RUNNER_TEMP")
    usual = Path(temporary) / "reconciler" if temporary else Path("reconciler-report")
    return Outputs(
        directory or usual,
        _file(environ.get("GITHUB_OUTPUT")),
        _file(environ.get("GITHUB_STEP_SUMMARY")),
    )


def _file(name: str | None) -> Path | None:
    return Path(name) if name else None
