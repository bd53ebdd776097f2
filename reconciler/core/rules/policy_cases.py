"""Tests of policies as data: given attributes, a team of the config or a small manifest, is it allowed or denied?"""

# ruff: noqa: RUF012  # pydantic copies a mutable default for each instance

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.core.explain.routes import Asked, config_world
from reconciler.core.model.findings import Origin
from reconciler.core.model.kinds import Labels, Policy, Spec, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import resolve
from reconciler.core.rules.cel import DEFAULTS, VARIABLES
from reconciler.core.rules.policies import Attributes, Rules, answer_of, compile_policies, violating

Number = int | float
UNPRICED = "the model's price is not known"


class GivenTeam(Spec):
    """A team's attributes; what is left out is empty. `env` is the label env unless it is given."""

    id: str = "team"
    organization_id: str = ""
    plan: str = ""
    status: Literal["active", "suspended"] = "active"
    env: str | None = None
    labels: Labels = {}
    access_groups: list[str] = []
    models: list[str] = []
    credits_allocated: Number = 0
    price_usd_per_month: Number = 0


class GivenModel(Spec):
    """A model's attributes; prices left out are not known."""

    alias: str = "model"
    litellm_model: str = ""
    provider: str = ""
    price_input: Number | None = None
    price_output: Number | None = None
    tags: list[str] = []
    labels: Labels = {}
    status: Literal["active", "inactive", "deprecated"] = "active"


class GivenGroup(Spec):
    """An access group's attributes."""

    id: str = "group"
    labels: Labels = {}
    models: list[str] = []


class PolicyCase(Spec):
    """One test. `team`, `model` and `group` are attributes, or names of the config or of `manifest`.

    With names alone the policy is asked about what that team really reaches; with attributes just about what is given,
    and a name beside them stands for the attributes of what it names.
    """

    name: Annotated[str, Field(min_length=1, description="What is tested.")]
    policy: Annotated[
        str | None, Field(description="The policy asked; all of them by default.")
    ] = None
    team: Annotated[
        GivenTeam | str | None, Field(description="Attributes, or an id of the config.")
    ] = None
    model: Annotated[
        GivenModel | str | None, Field(description="Attributes, or an alias of the config.")
    ] = None
    group: Annotated[
        GivenGroup | str | None, Field(description="Attributes, or an access group's id.")
    ] = None
    via: Annotated[list[str], Field(description="The access groups that grant the model.")] = []
    manifest: Annotated[
        dict[str, dict[str, Any]] | None,
        Field(description="Sections as in a manifest, instead of the config."),
    ] = None
    expect: Annotated[Literal["allow", "deny"], Field(description="What the policy should say.")]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of a case; `detail` says why it failed, or could not be run."""

    name: str
    policy: str | None
    expected: str
    actual: str
    detail: str = ""
    origin: Origin | None = None

    @property
    def passed(self) -> bool:
        return self.actual == self.expected


def run_case(
    case: PolicyCase, asked: Asked, manifest: State | None = None, origin: Origin | None = None
) -> CaseResult:
    """The case against the policies of `asked`. `manifest` is the case's own, as resources; `actual` may be `error`."""
    policies = asked.written.of(Policy)
    if case.policy is not None and case.policy not in policies:
        return CaseResult(
            case.name,
            case.policy,
            case.expect,
            "error",
            f"there is no policy {case.policy}",
            origin,
        )
    chosen = policies if case.policy is None else {case.policy: policies[case.policy]}
    rules, mistakes = compile_policies(chosen)
    if mistakes:
        ref, path, mistake = mistakes[0]
        says = f"policy {ref.name}: {path[0]} does not compile: {mistake.message}"
        return CaseResult(case.name, case.policy, case.expect, "error", says, origin)
    world = _with(asked, manifest) if manifest is not None else asked
    missing = undeclared(case, world.written)
    if missing:
        return CaseResult(case.name, case.policy, case.expect, "error", missing, origin)
    answers = dict(
        _by_attributes(case, rules, world) if _is_given(case) else _by_names(case, rules, world)
    )
    return _result(case, answers, origin)


def _result(case: PolicyCase, answers: Mapping[str, str], origin: Origin | None) -> CaseResult:
    if not answers:
        says = "no policy is about what the case gives: give it a model (or a group)"
        return CaseResult(case.name, case.policy, case.expect, "error", says, origin)
    denying = sorted(name for name, answer in answers.items() if answer == "deny")
    broken = sorted(
        f"{name}: {answer}" for name, answer in answers.items() if answer not in ("allow", "deny")
    )
    actual = "error" if broken else "deny" if denying else "allow"
    detail = "; ".join(broken) or (
        f"denied by {', '.join(denying)}" if denying else "no policy denies it"
    )
    return CaseResult(case.name, case.policy, case.expect, actual, detail, origin)


def _with(asked: Asked, manifest: State) -> Asked:
    return replace(asked, written=manifest, desired=resolve(manifest, asked.now, asked.prices))


def _is_given(case: PolicyCase) -> bool:
    """Whether the case describes what it is about, instead of naming a team whose effective access is meant."""
    described = any(
        isinstance(part, (GivenTeam, GivenModel, GivenGroup))
        for part in (case.team, case.model, case.group)
    )
    return described or (case.manifest is None and not isinstance(case.team, str))


def _by_attributes(
    case: PolicyCase, rules: tuple[Rules, ...], asked: Asked
) -> Iterator[tuple[str, str]]:
    values, given = _values(case, asked)
    for each in rules:
        if (each.about_models <= ("model" in given)) and (each.about_groups <= ("group" in given)):
            answer = answer_of(each, values)
            yield (
                each.name,
                "allow" if answer is None else _said(answer.broken, unpriced=answer.unpriced),
            )


def _said(broken: str | None, *, unpriced: bool) -> str:
    return UNPRICED if unpriced else broken or "deny"


def _values(case: PolicyCase, asked: Asked) -> tuple[Mapping[str, object], set[str]]:
    """Variable -> value as the case gives it, and which of model and group it gives at all."""
    values: dict[str, object] = {name: DEFAULTS[kind] for name, (kind, _) in VARIABLES.items()}
    values |= {"via": list(case.via), "model.price_input": None, "model.price_output": None}
    given: set[str] = set()
    for what, cls in (("team", GivenTeam), ("model", GivenModel), ("group", GivenGroup)):
        part = getattr(case, what)
        if isinstance(part, cls):
            given.add(what)
            values |= {f"{what}.{name}": getattr(part, name) for name in cls.model_fields}
        elif isinstance(part, str):
            given.add(what)
            values |= _attributes(what, part, asked)
    if isinstance(case.team, GivenTeam) and case.team.env is None:
        values["team.env"] = case.team.labels.get("env", "")
    return values, given


def _attributes(what: str, name: str, asked: Asked) -> Mapping[str, object]:
    """Variable -> value of a team, alias or access group of the config."""
    world = config_world(asked)
    found = Attributes(world, asked.prices)
    variables = [variable for variable in VARIABLES if variable.startswith(f"{what}.")]
    if what == "team":
        team = world.state.of(Team)[name]
        return {variable: found.of_team(name, team, variable) for variable in variables}
    of = found.of_model if what == "model" else found.of_group
    return {variable: of(name, variable) for variable in variables}


def _by_names(
    case: PolicyCase, rules: tuple[Rules, ...], asked: Asked
) -> Iterator[tuple[str, str]]:
    world = config_world(asked)
    for each in rules:
        found = [
            violation
            for violation in violating(each, asked, world)
            if case.team in (None, violation.team)
            and (violation.model is None or case.model in (None, violation.model))
            and (violation.group is None or case.group in (None, violation.group))
        ]
        # What has no price is no violation; asked for by its name, it has no answer.
        found = [
            violation for violation in found if not violation.unpriced or case.model is not None
        ]
        broken = next((violation for violation in found if violation.broken), None)
        first = broken or next(iter(found), None)
        yield each.name, "allow" if first is None else _said(first.broken, unpriced=first.unpriced)


def undeclared(case: PolicyCase, state: State) -> str | None:
    """What the case names that the config (or its manifest) does not have."""
    for kind, name in (
        ("team", case.team),
        ("model_alias", case.model),
        ("access_group", case.group),
    ):
        if isinstance(name, str) and Ref(kind, name) not in state:
            return f"there is no {kind.replace('_', ' ')} {name}"
    return None
