"""What goes to the terminal: colour where one is, plain text where none is."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from reconciler.cli.events import acting, answered, as_json, emit, finding_facts
from reconciler.cli.streams import lost
from reconciler.core.model.printable import json_text, printable

if TYPE_CHECKING:
    from reconciler.core.model.findings import Finding


def color(stream: TextIO | None = None) -> bool:
    """Whether to colour: a terminal, unless NO_COLOR is set; FORCE_COLOR insists (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream or sys.stdout).isatty()


def width() -> int | None:
    """The terminal's width, or None where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: str) -> None:
    """To standard output: what was asked for. Raises OutputLostError where nobody can read it, unless `acting`."""
    answered(now=True)
    click.echo(_shown(text), file=sys.stdout, color=color())
    gone = lost()
    if gone is not None and not acting():
        raise gone


def note(text: str) -> None:
    """To standard error: what goes on meanwhile."""
    if as_json():
        emit("note", message=text.rstrip("\n"))
        return
    click.echo(_shown(text), file=sys.stderr, color=color(sys.stderr))


def _shown(text: str) -> str:
    """The one place where text becomes characters of a terminal or a log: all but `Printed` is escaped."""
    return str(printable(text)).rstrip("\n")


FINDINGS = ("text", "json", "sarif", "github")


def findings_as(form: str, findings: "Iterable[Finding]", config: Path) -> str:
    """Findings in a format of FINDINGS; `config` is the directory that those without a place are about."""
    from reconciler.render.findings.github import render_annotations  # noqa: PLC0415  as above
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  a format is loaded when it is asked for

    if form == "json":
        return json_text([finding_facts(finding) for finding in findings])
    if form == "sarif":
        return sarif(findings, config)
    return (
        render_annotations(findings)
        if form == "github"
        else render_findings(findings, color=color())
    )


def sarif(findings: "Iterable[Finding]", config: Path) -> str:
    """As SARIF, with the reasons and hints of the lint rules among them."""
    from reconciler import __version__  # noqa: PLC0415  a format is loaded when it is asked for
    from reconciler.asking import usable_rules  # noqa: PLC0415  as above
    from reconciler.files.discovery import shown  # noqa: PLC0415  as above
    from reconciler.render.findings.sarif import render_sarif  # noqa: PLC0415  as above

    anchor = shown(config / "reconciler.yaml")
    return render_sarif(findings, tool_version=__version__, rules=usable_rules(), anchor=anchor)
