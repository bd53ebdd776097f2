"""Reports of a plan as files beside what is printed: `--report plan.html --report plan.sarif`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.formats import BUILT_IN, endings, format_of, format_of_file, listed
from reconciler.cli.output import color, sarif, width
from reconciler.core.model.printable import printable

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.core.model.findings import Finding
    from reconciler.core.model.state import State
    from reconciler.core.plan.plan import Plan
    from reconciler.core.plan.support import Support

F = TypeVar("F", bound=Callable[..., Any])
ENDINGS = tuple(ending for ending in BUILT_IN.values() if ending is not None)


class ReportFile(click.ParamType[Path]):
    """A file whose ending names its format."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        file = Path(value)
        if format_of_file(file.suffix) is None:
            self.fail(f"{value} should end with one of {', '.join(endings())}", param, ctx)
        return file


def report_option(command: F) -> F:
    return click.option(
        "--report",
        "reports",
        type=ReportFile(),
        multiple=True,
        metavar="FILE",
        help=f"Also write this file, in the format of its ending: {listed(ENDINGS)}. Repeatable.",
    )(command)


@dataclass(frozen=True)
class Made:
    """A plan, with the live state and the gateway's abilities that it was made from."""

    plan: "Plan"
    live: "State"
    support: "Support"
    when: "datetime | None" = None


def plan_as(form: str, made: Made, config: Path, *, full: bool = False) -> str:
    """The plan in a format, one of `formats.names`."""
    from reconciler.asking import usable_rules  # noqa: PLC0415  not needed for --help
    from reconciler.files.discovery import shown  # noqa: PLC0415  as above
    from reconciler.render import Report  # noqa: PLC0415  as above

    report = Report(
        made.plan,
        made.live,
        made.support,
        full=full,
        color=color(),
        width=width(),
        when=made.when,
        anchor=shown(config / "reconciler.yaml"),
        rules=usable_rules() if form == "sarif" else (),
    )
    return format_of(form).render(report)


def write_reports(reports: Iterable[Path], made: Made, config: Path, *, full: bool = False) -> None:
    """Every report file, whole or not at all. Raises ReconcilerError where one cannot be written."""
    for file in reports:
        _write(file, plan_as(str(format_of_file(file.suffix)), made, config, full=full))


def write_failure(reports: Iterable[Path], findings: "Iterable[Finding]", config: Path) -> None:
    """Where there is no plan, the findings that say why: as SARIF, the only format that is about findings alone."""
    for file in reports:
        if format_of_file(file.suffix) == "sarif":
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
