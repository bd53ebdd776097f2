"""The plan as data for other programs: the types behind the JSON format and its published JSON Schema.

Additions keep `version`; a field that goes or changes its meaning raises it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.core.model.changes import Change, FieldChange
from reconciler.core.model.findings import Finding, Origin
from reconciler.core.model.refs import FieldPath
from reconciler.core.plan.plan import Cause, Exposure, Impact, Plan, TeamImpact
from reconciler.render.findings.text import in_order
from reconciler.render.plan.fields import fields_of
from reconciler.render.plan.groups import credits_delta
from reconciler.render.words import plain

Sorted = Annotated[tuple[str, ...], Field(description="Sorted.")]
Verb = Literal["create", "update", "delete", "adopt"]


class Part(BaseModel):
    """What every object of the report is: frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetPart(Part):
    """The gateway that the plan is for."""

    name: str
    identity: Annotated[str, Field(description="Backend and URL.")]
    backend: str


class Counts(Part):
    """How many changes of each sort; `adopted` counts all adoptions, also those that update."""

    create: int
    update: int
    delete: int
    adopt: int
    adopted: int
    unchanged: int
    foreign: int


class FieldPart(Part):
    """One field. Names are sorted lists, and `added` and `removed` say what comes and goes; else both are null."""

    name: str
    before: Any
    after: Any
    added: Sorted | None
    removed: Sorted | None


class CreditPart(Part):
    """Credits added once (negative: taken back)."""

    grant_id: str
    amount: int
    reason: str


class ChangePart(Part):
    """Before -> after of one object. A creation has no values before, a deletion none after."""

    ref: Annotated[str, Field(description="kind/name")]
    kind: str
    name: str
    verb: Verb
    adopt: bool
    fields: tuple[FieldPart, ...]
    credits: tuple[CreditPart, ...]
    renamed_from: Annotated[
        str | None, Field(description="The former name; the object, or what took its place.")
    ]


class ModelPrice(Part):
    """A model and its price in USD per million output tokens."""

    model: str
    usd_per_million_output_tokens: float


class Place(Part):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


class CausePart(Part):
    """Why: an edit in git, a date that came, or a hand on the gateway; with the models that it takes and gives."""

    kind: Literal["edit", "date", "hand"]
    text: str
    ref: str
    path: FieldPath
    origin: Place | None
    lost: Sorted
    gained: Sorted


class TeamPart(Part):
    """What the plan means for one team. Prices in USD per month; models are those that it can really call."""

    team: str
    gained: Sorted
    lost: Sorted
    plan_before: str | None
    plan_after: str | None
    price_before: float | None
    price_after: float | None
    credits_before: int | None
    credits_after: int | None
    credits_delta: int
    dearest_before: ModelPrice | None
    dearest_after: ModelPrice | None
    left_with_nothing: bool
    everything: bool
    created: bool
    deleted: bool
    left_before: Annotated[
        float | None, Field(description="What it has to spend, in `unit`; null: not known.")
    ] = None
    left_after: float | None = None
    unit: Literal["credits", "usd"] | None = None
    refused_before: Annotated[
        str | None, Field(description="Why every call is refused, or null.")
    ] = None
    refused_after: str | None = None
    announced: Annotated[
        Sorted, Field(description="Of the lost models, those that go by a date that came.")
    ] = ()
    causes: tuple[CausePart, ...] = ()


class Totals(Part):
    """Sums over all teams; revenue in USD per month."""

    revenue_before: float
    revenue_after: float
    revenue_delta: float
    credits_granted: int
    credits_taken: int
    teams: int
    teams_gaining: int
    teams_losing: int
    teams_left_with_nothing: int
    teams_with_everything: int


class ExposurePart(Part):
    """A model that a team can call while the plan is applied, though neither before nor after."""

    team: str
    model: str
    because: str


class ImpactPart(Part):
    """What the plan means; `teams` are those for which something changes, sorted by name."""

    totals: Totals
    teams: tuple[TeamPart, ...]
    exposures: tuple[ExposurePart, ...]
    silent: Annotated[
        Sorted, Field(description="All teams that can call nothing after the plan.")
    ] = ()


class PricesPart(Part):
    """Which prices the plan was computed with; the digest is the SHA-256 that names just these."""

    version: str
    digest: str


class RiskPart(Part):
    """How dangerous the plan is, and why."""

    level: Literal["none", "low", "high"]
    reasons: tuple[str, ...]


class FindingPart(Part):
    """Something to tell the user; of a refusal, the hint names the flag that allows it."""

    level: Literal["error", "warning", "info", "off"]
    code: str
    message: str
    hint: str | None
    ref: str | None
    path: FieldPath
    origin: Place | None
    flag: Annotated[
        str | None, Field(description="Of a refusal: the option of apply that allows it.")
    ] = None
    details: Annotated[
        tuple[str, ...], Field(description="The whole of a list that the message cuts.")
    ] = ()


class Report(Part):
    """A plan of the reconciler: changes, what they mean, and what stands in the way."""

    format: Literal["reconciler-plan-report"] = "reconciler-plan-report"
    version: Literal[1] = 1
    target: TargetPart
    revision: Annotated[str | None, Field(description="The git commit that was planned.")]
    prices: PricesPart | None = None
    order: str
    pending: Annotated[bool, Field(description="Whether there is anything to apply.")]
    counts: Counts
    risk: RiskPart
    changes: Annotated[tuple[ChangePart, ...], Field(description="Sorted by ref.")]
    noted: Annotated[
        tuple[ChangePart, ...],
        Field(
            description="What is only written down: pricing plans, and what else lives in git only. Sorted by ref."
        ),
    ] = ()
    impact: ImpactPart
    findings: tuple[FindingPart, ...]
    refusals: Annotated[
        tuple[FindingPart, ...], Field(description="What apply refuses unless a flag allows it.")
    ]
    foreign: Annotated[
        Sorted, Field(description="Refs of live objects that are not ours; they stay untouched.")
    ]


def report(plan: Plan) -> Report:
    """The whole plan, whatever its size; every list in a stable order."""
    target, impact = plan.target, plan.impact
    return Report(
        target=TargetPart(name=target.name, identity=target.identity, backend=target.backend),
        revision=plan.revision,
        prices=_prices(plan),
        order=plan.order,
        pending=plan.pending,
        counts=_counts(plan),
        risk=RiskPart(level=impact.risk.value, reasons=impact.reasons),
        changes=tuple(
            _change(change) for change in sorted(plan.changes, key=lambda change: change.ref)
        ),
        noted=tuple(_change(change) for change in sorted(plan.told, key=lambda change: change.ref)),
        impact=_impact(impact),
        findings=tuple(map(_finding, in_order(plan.findings))),
        refusals=tuple(map(_finding, in_order(plan.refusals))),
        foreign=tuple(sorted(map(str, plan.foreign))),
    )


def _prices(plan: Plan) -> PricesPart | None:
    used = plan.prices
    return PricesPart(version=used.version, digest=used.digest) if used else None


def _counts(plan: Plan) -> Counts:
    adopted = sum(change.adopt for change in plan.changes)
    return Counts(
        **plan.counts, adopted=adopted, unchanged=plan.unchanged, foreign=len(plan.foreign)
    )


def _change(change: Change) -> ChangePart:
    return ChangePart(
        ref=str(change.ref),
        kind=change.ref.kind,
        name=change.ref.name,
        verb=change.verb,
        adopt=change.adopt,
        fields=tuple(map(_field, fields_of(change))),
        credits=tuple(
            CreditPart(grant_id=g.grant_id, amount=g.amount, reason=g.reason)
            for g in change.credits
        ),
        renamed_from=change.renamed_from,
    )


def _field(field: FieldChange) -> FieldPart:
    before, after = field.before, field.after
    added = removed = None
    if isinstance(before, frozenset) or isinstance(after, frozenset):
        old, new = before or frozenset(), after or frozenset()
        added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
    return FieldPart(
        name=field.name, before=plain(before), after=plain(after), added=added, removed=removed
    )


def _impact(impact: Impact) -> ImpactPart:
    teams = sorted(impact.teams, key=lambda team: team.team)
    exposures = sorted(impact.exposures)
    return ImpactPart(
        totals=_totals(impact),
        teams=tuple(map(_team, teams)),
        exposures=tuple(map(_exposure, exposures)),
        silent=tuple(sorted(impact.silent)),
    )


def _totals(impact: Impact) -> Totals:
    return Totals(
        revenue_before=impact.revenue_before,
        revenue_after=impact.revenue_after,
        revenue_delta=round(impact.revenue_after - impact.revenue_before, 6),
        credits_granted=impact.credits_granted,
        credits_taken=impact.credits_taken,
        teams=len(impact.teams),
        teams_gaining=sum(bool(team.gained) for team in impact.teams),
        teams_losing=sum(bool(team.lost) for team in impact.teams),
        teams_left_with_nothing=sum(team.left_with_nothing for team in impact.teams),
        teams_with_everything=sum(team.everything for team in impact.teams),
    )


def _team(team: TeamImpact) -> TeamPart:
    return TeamPart(
        team=team.team,
        gained=tuple(sorted(team.gained)),
        lost=tuple(sorted(team.lost)),
        plan_before=team.plan_before,
        plan_after=team.plan_after,
        price_before=team.price_before,
        price_after=team.price_after,
        credits_before=team.credits_before,
        credits_after=team.credits_after,
        credits_delta=credits_delta(team),
        dearest_before=_dearest(team.dearest_before),
        dearest_after=_dearest(team.dearest_after),
        left_with_nothing=team.left_with_nothing,
        everything=team.everything,
        created=team.created,
        deleted=team.deleted,
        left_before=team.left_before,
        left_after=team.left_after,
        unit=team.unit,
        refused_before=team.refused_before,
        refused_after=team.refused_after,
        announced=tuple(sorted(team.announced)),
        causes=tuple(map(_cause, team.causes)),
    )


def _cause(cause: Cause) -> CausePart:
    return CausePart(
        kind=cause.kind,
        text=cause.text,
        ref=str(cause.ref),
        path=cause.path,
        origin=_place(cause.origin),
        lost=tuple(sorted(cause.lost)),
        gained=tuple(sorted(cause.gained)),
    )


def _place(origin: Origin | None) -> Place | None:
    return Place(file=origin.file, line=origin.line, column=origin.column) if origin else None


def _dearest(model: tuple[str, float] | None) -> ModelPrice | None:
    return model and ModelPrice(model=model[0], usd_per_million_output_tokens=model[1])


def _exposure(exposure: Exposure) -> ExposurePart:
    return ExposurePart(team=exposure.team, model=exposure.model, because=exposure.because)


def _finding(finding: Finding) -> FindingPart:
    return FindingPart(
        level=finding.level.value,
        code=finding.code,
        message=finding.message,
        hint=finding.hint,
        ref=str(finding.ref) if finding.ref else None,
        path=finding.path,
        origin=_place(finding.origin),
        flag=finding.flag,
        details=finding.details,
    )
