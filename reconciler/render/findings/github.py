"""Findings as GitHub workflow commands: annotations on the lines of a pull request.

Format and escapes: "Workflow commands for GitHub Actions" and the toolkit's `command.ts`: in a message `%`, CR and LF
are escaped, in a property also `:` and `,`. GitHub shows at most 10 errors and 10 warnings of a step at their lines;
the others stay in the log.
"""

from collections import Counter
from collections.abc import Iterable

from reconciler.core.model.findings import Finding, Level
from reconciler.core.model.printable import Printed, safe
from reconciler.render.findings.text import MOST, cut, in_order, rest, tally

COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}


def render_annotations(findings: Iterable[Finding]) -> Printed:
    """One `::error file=,line=,col=,title=::message` per finding, errors first (they must not be cut), then a count."""
    told = [finding for finding in in_order(findings) if finding.level in COMMANDS]
    ranked = sorted(told, key=lambda finding: list(COMMANDS).index(finding.level))
    lines = [_command(finding) for finding in ranked[:MOST]]
    lines += [rest(len(ranked))] if len(ranked) > MOST else []
    return Printed(
        "".join(f"{line}\n" for line in [*lines, tally(Counter(finding.level for finding in told))])
    )


def _command(finding: Finding) -> str:
    place = finding.origin
    where = [("file", place.file), ("line", place.line), ("col", place.column)] if place else []
    properties = ",".join(
        f"{name}={_property(str(value))}" for name, value in [*where, ("title", finding.code)]
    )
    return f"::{COMMANDS[finding.level]} {properties}::{_data(_message(finding))}"


def _message(finding: Finding) -> str:
    about = f"{finding.ref}: " if finding.ref and not finding.origin else ""
    return f"{safe(about)}{safe(cut(finding.message))}" + (
        f"\n{safe(finding.hint)}" if finding.hint else ""
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe(text)).replace(":", "%3A").replace(",", "%2C")
