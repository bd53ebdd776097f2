"""Reports of a plan as files beside what is printed: `--report plan.html --report plan.sarif`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.output import color, sarif, width
from reconciler.core.model.printable import printable

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.core.model.findings import Finding
    from reconciler.core.model.state import State
    from reconciler.core.plan.plan import Plan
    from reconciler.core.plan.support import Support

F = TypeVar("F", bound=Callable[..., Any])

ENDINGS: Mapping[str, str] = {
    ".html": "html",
    ".md": "markdown",
    ".json": "json",
    ".sarif": "sarif",
}


class ReportFile(click.ParamType[Path]):
    """A file whose ending names its format."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        file = Path(value)
        if file.suffix not in ENDINGS:
            self.fail(f"{value} should end with one of {', '.join(ENDINGS)}", param, ctx)
        return file


def report_option(command: F) -> F:
    return click.option(
        "--report",
        "reports",
        type=ReportFile(),
        multiple=True,
        metavar="FILE",
        help="Also write this file, in the format of its ending: .html, .md, .json or .sarif. Repeatable.",
    )(command)


@dataclass(frozen=True)
class Made:
    """A plan, with the live state and the gateway's abilities that it was made from."""

    plan: "Plan"
    live: "State"
    support: "Support"
    when: "datetime | None" = None


def plan_as(form: str, made: Made, config: Path, *, full: bool = False) -> str:
    """The plan in a format; html also tells who has access to what, sarif only the findings and refusals."""
    from reconciler.core.plan.order.schedule import transition_of  # noqa: PLC0415  not needed for --help
    from reconciler.core.plan.safety import at_their_lines  # noqa: PLC0415  not needed for --help
    from reconciler.render import FORMATS, plan_view  # noqa: PLC0415  as above

    if form == "sarif":
        return sarif(
            (*made.plan.findings, *at_their_lines(made.plan.refusals, made.plan.impact)), config
        )
    view = plan_view(made.plan, full=full)
    if form == "html":
        from reconciler.render.plan.html import render  # noqa: PLC0415  a format is loaded when it is asked for

        transition = transition_of(made.plan.changes, made.live, made.support)
        return render(view, (transition.before, transition.after), made=made.when)
    return FORMATS[form](view, color=color(), width=width())


def write_reports(reports: Iterable[Path], made: Made, config: Path, *, full: bool = False) -> None:
    """Every report file, whole or not at all. Raises ReconcilerError where one cannot be written."""
    for file in reports:
        _write(file, plan_as(ENDINGS[file.suffix], made, config, full=full))


def write_failure(reports: Iterable[Path], findings: "Iterable[Finding]", config: Path) -> None:
    """Where there is no plan, the findings that say why: as SARIF, the only format that is about findings alone."""
    for file in reports:
        if ENDINGS[file.suffix] == "sarif":
            _write(file, sarif(findings, config))


def _write(file: Path, text: str) -> None:
    from reconciler.core.model.findings import ReconcilerError, error  # noqa: PLC0415  not needed for --help
    from reconciler.system.disk import atomic_write  # noqa: PLC0415  as above

    try:
        atomic_write(file, printable(text), private=True)
    except OSError as problem:
        raise ReconcilerError(
            error("report-file", f"cannot write {file}: {problem.strerror}")
        ) from None
