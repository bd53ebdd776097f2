"""A plan as one HTML file for a person to read, search and print: no other file, no network, no script needed."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from reconciler.core.model.findings import Finding, Level
from reconciler.core.model.printable import safe
from reconciler.render.findings.text import in_order
from reconciler.render.plan.groups import Section, sections
from reconciler.render.plan.html.matrix import AccessMatrix, access_matrix
from reconciler.render.plan.html.teams import (
    ITEMS,
    ModelRow,
    Pair,
    TeamRow,
    exposures,
    filters,
    fitting,
    left_out,
    model_rows,
    team_rows,
)
from reconciler.render.plan.limits import ALL, Limits
from reconciler.render.plan.view import PlanView
from reconciler.render.words import NameList, count, money, signed_money, some

if TYPE_CHECKING:
    from jinja2 import Environment, Template

LIMITS = Limits(
    rows=400,
    fields=100,
    groups=ALL,
    notices=ALL,
    of_a_code=ALL,
    findings=ALL,
    names=200,
    examples=400,
)
FINDINGS = 2_000
FOREIGN = 200
POLICY = "default-src 'none'; style-src '{style}'; script-src '{early}' '{script}'; base-uri 'none'; form-action 'none'"
EARLY = 'document.documentElement.classList.add("js");'


@dataclass(frozen=True)
class Page:
    """All that the report shows, cut to what a browser handles well; every cut is counted."""

    view: PlanView
    models: tuple[ModelRow, ...]
    more_models: int
    filters: tuple[tuple[str, str, int], ...]
    teams: tuple[TeamRow, ...]
    more_teams: str | None
    exposures: tuple[tuple[str, str, NameList], ...]
    matrix: AccessMatrix | None
    sections: tuple[Section, ...]
    findings: tuple[Finding, ...]
    more_findings: int
    refusals: tuple[Finding, ...]
    revenue: tuple[str, str, str | None]
    foreign: NameList
    made: str | None = None


def render(view: PlanView, access: Pair | None = None, *, made: datetime | None = None) -> str:
    """The report. `access` is effective access (before, after), which adds the matrix and the models that teams keep;
    `made` is when the plan was made.

    It holds more than the view's own excerpt: all teams and changes up to some megabytes. Every text is escaped by the
    template engine; the page's policy allows its own style and scripts by their hashes, and nothing else.
    """
    style, script = _asset("report.css"), _asset("report.js")
    policy = POLICY.format(style=_hash(style), early=_hash(EARLY), script=_hash(script))
    return _template().render(
        page=_page(view, access, made), style=style, early=EARLY, script=script, policy=policy
    )


def _page(view: PlanView, access: Pair | None, made: datetime | None) -> Page:
    plan = view.plan
    models, other_models = fitting(model_rows(plan.impact), lambda row: row.size, ITEMS)
    teams, other_teams = fitting(team_rows(plan.impact, access), lambda row: row.size, ITEMS)
    findings = sorted(in_order(plan.findings), key=lambda finding: list(Level).index(finding.level))
    return Page(
        view=view,
        models=models,
        more_models=len(other_models),
        filters=filters(plan.impact),
        teams=teams,
        more_teams=left_out(other_teams),
        exposures=tuple(exposures(plan.impact.exposures)),
        matrix=access_matrix(*access) if access else None,
        sections=sections(view.listed, LIMITS, view.notes),
        findings=tuple(findings[:FINDINGS]),
        more_findings=max(0, len(findings) - FINDINGS),
        refusals=in_order(plan.refusals),
        revenue=_revenue(view),
        foreign=some(map(str, plan.foreign), FOREIGN),
        made=made.strftime("%Y-%m-%d %H:%M UTC") if made else None,
    )


def _revenue(view: PlanView) -> tuple[str, str, str | None]:
    """USD per month before, after, and how much more that is."""
    before, after = view.plan.impact.revenue_before, view.plan.impact.revenue_after
    return money(before), money(after), signed_money(after - before) if before != after else None


def _asset(name: str) -> str:
    return (files("reconciler.render.plan.html") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> "Template":
    return _environment().get_template("report.html.jinja")


def _environment() -> "Environment":
    """Everything that a template prints is escaped by type, and unprintable characters are made visible."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  # only for this format

    environment = Environment(
        loader=PackageLoader("reconciler.render.plan.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printed,
    )
    environment.filters |= {"number": lambda number: f"{number:,}"}
    environment.globals |= {"count": count}
    return environment


def _printed(value: Any) -> Any:
    """A text that is not markup already, with what cannot be seen made visible."""
    return safe(value) if type(value) is str else value
