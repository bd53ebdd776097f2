"""PlanView: every decision of how a plan is presented, taken once; a format only sets it in type.

All texts in a view are safe to print (see `words.safe`); a format adds the escapes of its own markup.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, Level
from reconciler.core.model.printable import safe
from reconciler.core.plan.plan import Exposure, Impact, Plan, Risk
from reconciler.render.findings.text import in_order, place
from reconciler.render.plan.fields import FieldRow
from reconciler.render.plan.groups import (
    SIGNS,
    ChangeRow,
    ImpactRow,
    Notes,
    Section,
    grouped,
    impact_rows,
    sections,
)
from reconciler.render.plan.limits import ROOMY, UNLIMITED, Limits, tighter
from reconciler.render.plan.listing import listing
from reconciler.render.words import NameList, count, money, per_month, signed_money, some

__all__ = [
    "ChangeRow",
    "FieldRow",
    "ImpactRow",
    "Notice",
    "PlanView",
    "Problems",
    "Section",
    "plan_view",
]

LABEL = 34
WIDTH = 95
NARROW = 50
FREE = ("", 0.0)
SHOWN = (Level.ERROR, Level.WARNING, Level.INFO)
SMALL = 60
TALLEST = 38


@dataclass(frozen=True, slots=True)
class Notice:
    """A fact about some teams: `say` follows `3,000 teams: `, e.g. `left with no model at all`."""

    total: int
    teams: NameList
    say: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Problems:
    """Findings to print, and how many of which code were left out because they repeat those."""

    shown: tuple[Finding, ...] = ()
    more: tuple[tuple[Level, str, int], ...] = ()
    counts: Mapping[Level, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many changes a verb makes, with its sign: `~ 3 to update`."""

    sign: str
    verb: str
    number: int


@dataclass(frozen=True)
class PlanView:
    """What there is to see of a plan. `listed` are the changes and what is only noted, `noted` counts the latter.

    `notes` say more about some refs. `more_impact` counts rows and teams that were left out; `plan` is the source.

    `totals` are (what, text) pairs. `complete` says that nothing was left out, so that `--full` would add nothing but
    `foreign_names`.
    """

    plan: Plan
    gateway: str
    identity: str
    counts: tuple[Counted, ...]
    adopted: int
    unchanged: int
    foreign: int
    foreign_names: tuple[str, ...]
    risk: Risk
    reasons: tuple[str, ...]
    sections: tuple[Section, ...]
    impact: tuple[ImpactRow, ...]
    teams: int
    more_impact: int
    more_impact_teams: int
    totals: tuple[tuple[str, str], ...]
    notices: tuple[Notice, ...]
    more_notices: int
    problems: Problems
    refusals: Problems
    next: str
    complete: bool
    listed: tuple[Change, ...] = ()
    notes: Notes = field(default_factory=dict)
    noted: int = 0
    full: bool = False

    @property
    def adopting_updates(self) -> int:
        return self.adopted - self.plan.counts["adopt"]

    @property
    def total(self) -> int:
        return sum(counted.number for counted in self.counts)


def plan_view(plan: Plan, *, full: bool = False) -> PlanView:
    """The plan as people see it.

    A plan of up to 60 changes is shown whole, but for long lists; a larger one is cut to what is read in one go
    (under 40 lines of text), with a count of all that was left out. `full` shows everything.
    """
    if full:
        return _view(plan, UNLIMITED)
    if len(plan.changes) <= SMALL:
        return _view(plan, ROOMY)
    views = (_view(plan, limits) for limits in tighter())
    last = next(views)
    for view in views:
        if _height(last) <= TALLEST:
            break
        last = view
    return last


def _view(plan: Plan, limits: Limits) -> PlanView:
    impact = _in_order(plan.impact)
    rows = impact_rows(impact.teams, limits)
    shown = rows[: limits.groups]
    notices = (
        *_standing(impact, limits),
        *_dearest(impact, limits),
        *_exposed(impact.exposures, limits),
    )
    listed, notes = listing(plan)
    told = max(limits.notices, sum(notice.danger for notice in notices))
    view = PlanView(
        plan=plan,
        gateway=safe(plan.target.name),
        identity=safe(plan.target.identity),
        counts=_counts(plan),
        adopted=sum(change.adopt for change in plan.changes),
        unchanged=plan.unchanged,
        foreign=len(plan.foreign),
        foreign_names=tuple(safe(str(ref)) for ref in sorted(plan.foreign))
        if limits is UNLIMITED
        else (),
        risk=impact.risk,
        reasons=tuple(map(safe, impact.reasons)),
        sections=sections(listed, limits, notes),
        listed=listed,
        notes=notes,
        noted=len(plan.told),
        impact=shown,
        teams=len(impact.teams),
        more_impact=len(rows) - len(shown),
        more_impact_teams=sum(row.count for row in rows[len(shown) :]),
        totals=_totals(plan, impact),
        notices=notices[:told],
        more_notices=len(notices) - len(notices[:told]),
        problems=_problems(plan.findings, limits),
        refusals=_problems(plan.refusals, limits),
        next=_next(plan),
        complete=True,
        full=limits is UNLIMITED,
    )
    return view if limits is UNLIMITED else replace(view, complete=not _cut(view))


def _in_order(impact: Impact) -> Impact:
    teams = tuple(sorted(impact.teams, key=lambda team: team.team))
    return replace(impact, teams=teams, exposures=tuple(sorted(impact.exposures)))


def _cut(view: PlanView) -> bool:
    changes = any(row.cut for part in view.sections for row in part.rows)
    left_out = view.more_impact + view.more_notices + sum(part.more for part in view.sections)
    lists = (
        changes
        or any(row.cut for row in view.impact)
        or any(notice.teams.more for notice in view.notices)
    )
    refusals = view.refusals.more or any(finding.cut for finding in view.refusals.shown)
    return bool(left_out or lists or view.problems.more or refusals)


def _counts(plan: Plan) -> tuple[Counted, ...]:
    counts = plan.counts
    return tuple(Counted(sign, verb, counts[verb]) for verb, sign in SIGNS.items())


def _totals(plan: Plan, impact: Impact) -> tuple[tuple[str, str], ...]:
    return (*_revenue(impact), *_credits(impact), *_prices(plan))


def _prices(plan: Plan) -> Iterator[tuple[str, str]]:
    """The version of the prices, where something that is to change depends on them, or they moved."""
    used = plan.prices
    if used and used.former:
        models = f", {count(len(used.moved), 'model')} moved" if used.moved else ""
        yield "prices", safe(f"{used.former} -> {used.version}{models}")
    elif (
        used and plan.pending and (used.decisive or any(team.dearer for team in plan.impact.teams))
    ):
        yield "prices", safe(used.version)


def _revenue(impact: Impact) -> Iterator[tuple[str, str]]:
    before, after = impact.revenue_before, impact.revenue_after
    if before != after:
        yield (
            "revenue",
            f"{per_month(before)} -> {per_month(after)} ({signed_money(after - before)}/month)",
        )
    elif after and impact.teams:
        yield "revenue", f"{per_month(after)}, as before"


def _credits(impact: Impact) -> Iterator[tuple[str, str]]:
    moves = ((impact.credits_granted, "granted"), (impact.credits_taken, "taken back"))
    said = [f"{amount:,} {verb}" for amount, verb in moves if amount]
    if said:
        yield "credits", ", ".join(said)


def _standing(impact: Impact, limits: Limits) -> Iterator[Notice]:
    """Teams for which the plan is worse than a list of models tells."""
    refused = [team.team for team in impact.teams if team.cut_off]
    nothing = [team.team for team in impact.teams if team.left_with_nothing]
    everything = [team.team for team in impact.teams if team.everything]
    if refused:
        yield Notice(
            len(refused), some(refused, limits.examples), "refused every call", danger=True
        )
    if nothing:
        yield Notice(
            len(nothing), some(nothing, limits.examples), "left with no model at all", danger=True
        )
    if everything:
        yield Notice(
            len(everything),
            some(everything, limits.examples),
            "able to call every model",
            danger=True,
        )


def _dearest(impact: Impact, limits: Limits) -> Iterator[Notice]:
    """Teams whose dearest model gets dearer, by what it becomes."""
    dearer = [team for team in impact.teams if team.dearer]
    for (before, after), teams in grouped(
        dearer, lambda team: (team.dearest_before, team.dearest_after or FREE)
    ):
        was = f" (was {safe(before[0])}, {money(before[1])})" if before else ""
        names = [team.team for team in teams]
        dear = f"dearest model is now {safe(after[0])}, {money(after[1])} per million output tokens{was}"
        yield Notice(len(names), some(names, limits.examples), dear)


def _exposed(exposures: tuple[Exposure, ...], limits: Limits) -> Iterator[Notice]:
    for (model, because), group in grouped(exposures, lambda each: (each.model, _anonymous(each))):
        names = {exposure.team for exposure in group}
        say = f"exposure to {safe(model)} while the plan is applied: {safe(because)}"
        yield Notice(len(names), some(names, limits.examples), say)


def _anonymous(exposure: Exposure) -> str:
    return exposure.because.replace(f"team/{exposure.team}", "the team")


def _problems(findings: tuple[Finding, ...], limits: Limits) -> Problems:
    """Those of one code read alike, so only some of each are shown; notes of level info only with everything."""
    told = [
        each for each in in_order(findings) if each.level is not Level.INFO or limits is UNLIMITED
    ]
    groups = grouped(told, _sort)
    kept = [finding for _, group in groups for finding in group[: limits.of_a_code]]
    worst = sorted(in_order(kept), key=lambda finding: finding.level is not Level.ERROR)[
        : limits.findings
    ]
    shown = Counter(map(_sort, worst))
    more = [(level, code, len(group) - shown[level, code]) for (level, code), group in groups]
    levels = [finding.level for finding in told]
    return Problems(
        shown=tuple(worst),
        more=tuple((level, code, number) for level, code, number in more if number > 0),
        counts={level: levels.count(level) for level in SHOWN},
    )


def _sort(finding: Finding) -> tuple[Level, str]:
    return finding.level, finding.code


def _next(plan: Plan) -> str:
    failing = [finding for finding in plan.findings if finding.level is Level.ERROR]
    if failing:
        return f"Fix {'the error' if len(failing) == 1 else f'the {len(failing):,} errors'}, then plan again."
    if not plan.pending:
        return "Nothing to do: the gateway is as declared."
    flags = flags_of(plan.refusals)
    if plan.refusals:
        return f"apply refuses this plan. If all of it is meant: reconciler apply {' '.join(flags)}".rstrip()
    return "Apply it: reconciler apply"


def flags_of(refusals: tuple[Finding, ...]) -> list[str]:
    """The flags that allow what is refused, each once, in order."""
    return list(dict.fromkeys(finding.flag for finding in in_order(refusals) if finding.flag))


def _height(view: PlanView) -> int:
    """About how many lines the view takes as text."""
    rows = [row for part in view.sections for row in part.rows]
    prose = [*(f"{each.teams}{each.say}" for each in view.notices), "; ".join(view.reasons)]
    heights = (
        6,
        sum(2 + bool(part.more and part.rows) for part in view.sections),
        sum(_tall(row.label, sum(map(_wraps, row.fields)) + bool(row.more_fields)) for row in rows),
        sum(_tall(row.label, _facts(row)) for row in view.impact)
        + bool(view.more_impact)
        + 2 * bool(view.impact),
        len(view.totals) + bool(view.totals or view.notices),
        sum(1 + (len(said) + 20) // WIDTH for said in prose),
        _lines(view.problems) + _lines(view.refusals) + bool(view.more_notices),
    )
    return sum(heights)


def _lines(found: Problems) -> int:
    said = (
        text
        for finding in found.shown
        for text in (f"{place(finding)}{finding.message}", finding.hint)
        if text
    )
    return (
        sum(1 + (len(text) + 20) // WIDTH for text in said)
        + bool(found.more)
        + 2 * bool(found.shown)
    )


def _tall(label: str, lines: int) -> int:
    return max(1, lines) if len(label) <= LABEL else 1 + lines


def _wraps(field: FieldRow) -> int:
    return (
        1
        + (len(f"{field.added}{field.removed}{field.before or ''}{field.after or ''}") + 8)
        // NARROW
    )


def _facts(row: ImpactRow) -> int:
    models = sum(1 + len(str(names)) // NARROW for names in (row.gained, row.lost) if names)
    said = bool(row.plan or row.price or row.credits or row.fate) + bool(row.standing)
    return (
        models
        + said
        + sum(1 + len(cause) // NARROW for cause in row.causes)
        + bool(row.more_causes)
    )
