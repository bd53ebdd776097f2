"""Everything people (and their tools) read: one `Report`, many formats (`FORMATS`, a row each).

To add a format: a module with a function from a `Report` to its text and a row here, or in a package of your own a
`Format` value that an entry point names:

    [project.entry-points."reconciler.formats"]
    csv = "reconciler_csv:FORMAT"
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from reconciler.core.model.state import State
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.support import Support
from reconciler.core.rules.lint.rule import Rule
from reconciler.render.plan.view import PlanView, plan_view

__all__ = ["FORMATS", "Format", "PlanView", "Report", "plan_view"]


@dataclass(frozen=True)
class Report:
    """What a format tells of.

    `live` and `support` are what the plan was made from; without them nothing is said of who has access to what.
    `full` cuts no list. `color` and `width` (in cells) concern terminals only. `when`: when the plan was made.
    `anchor` is the file of findings without a place, `rules` are the lint rules: both for SARIF.
    """

    plan: Plan
    live: State | None = None
    support: Support | None = None
    full: bool = False
    color: bool = False
    width: int | None = None
    when: datetime | None = None
    anchor: str = "reconciler.yaml"
    rules: tuple[Rule, ...] = ()

    @cached_property
    def view(self) -> PlanView:
        return plan_view(self.plan, full=self.full)


@dataclass(frozen=True, slots=True)
class Format:
    """One way to tell a plan. `ending` (with its dot) names it as a file; None where it is for terminals alone."""

    name: str
    ending: str | None
    render: Callable[[Report], str]


def _text(report: Report) -> str:
    from reconciler.render.plan.text import render  # noqa: PLC0415  a format is loaded when it is asked for

    return render(report.view, color=report.color, width=report.width)


def _json(report: Report) -> str:
    from reconciler.render.plan.json import render  # noqa: PLC0415  as above

    return render(report.view)


def _markdown(report: Report) -> str:
    from reconciler.render.plan.markdown import render  # noqa: PLC0415  as above

    return render(report.view)


def _html(report: Report) -> str:
    """Also who has access to what, before and after."""
    from reconciler.core.plan.order.schedule import transition_of  # noqa: PLC0415  as above
    from reconciler.render.plan.html import render  # noqa: PLC0415  as above

    if report.live is None or report.support is None:
        return render(report.view, made=report.when)
    transition = transition_of(report.plan.changes, report.live, report.support)
    return render(report.view, (transition.before, transition.after), made=report.when)


def _sarif(report: Report) -> str:
    """Only the findings and the refusals."""
    from reconciler import __version__  # noqa: PLC0415  as above
    from reconciler.core.plan.safety import at_their_lines  # noqa: PLC0415  as above
    from reconciler.render.findings.sarif import render_sarif  # noqa: PLC0415  as above

    plan = report.plan
    findings = (*plan.findings, *at_their_lines(plan.refusals, plan.impact))
    return render_sarif(
        findings, tool_version=__version__, rules=report.rules, anchor=report.anchor
    )


FORMATS: Mapping[str, Format] = {
    row.name: row
    for row in (
        Format("text", None, _text),
        Format("json", ".json", _json),
        Format("markdown", ".md", _markdown),
        Format("html", ".html", _html),
        Format("sarif", ".sarif", _sarif),
    )
}
