"""policies: rules of the config's own, in CEL, over effective access and attributes of the desired state.

A policy is asked once per team; once per team and model it can call where it mentions `model` or `via`; once per team
and access group where it mentions `group`. Where `match` holds, `rule` must. Its variables: `core.rules.cel.VARIABLES`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from reconciler.core.access.rules import Source, SourceKind
from reconciler.core.explain.routes import Asked, World, config_world, routes, starts
from reconciler.core.model.findings import Finding, Level, Origin, error, warning
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Policy, Team
from reconciler.core.model.prices import PriceMap, models_of, price_of, providers_of
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.rules.cel import Broken, Expression, Mistake, compiled

FindExpression = Callable[[Ref, FieldPath, int, int], Origin | None]
Values = Mapping[str, object]
Begins = Callable[[str], None]

VIOLATION = "policy"
EXAMPLES = 5
PRICES = ("model.price_input", "model.price_output")


def _silent(_name: str) -> None:
    return None


@dataclass(frozen=True)
class Rules:
    """A policy, compiled. `match` is None where it is about everything."""

    name: str
    policy: Policy
    match: Expression | None
    rule: Expression

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.rule.names).union(self.match.names if self.match else ())

    @cached_property
    def about_models(self) -> bool:
        return "via" in self.names or any(name.startswith("model.") for name in self.names)

    @cached_property
    def about_groups(self) -> bool:
        return any(name.startswith("group.") for name in self.names)


@dataclass(frozen=True, slots=True)
class Violation:
    """A policy that a team violates, by a model and an access group where the policy is about those.

    `broken`: the policy has no answer, and why. `unpriced`: it has none because the model's price is not known.
    """

    policy: str
    team: str
    model: str | None = None
    group: str | None = None
    broken: str | None = None
    unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy that is not content says: no, or no answer (`broken`), also for want of a price (`unpriced`)."""

    broken: str | None = None
    unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What one evaluation is about, beside the team."""

    model: str | None = None
    group: str | None = None


def compile_policies(
    policies: Mapping[str, Policy], begins: Begins = _silent
) -> tuple[tuple[Rules, ...], tuple[tuple[Ref, FieldPath, Mistake], ...]]:
    """The policies that compile, and what is wrong with the others."""
    rules: list[Rules] = []
    mistakes: list[tuple[Ref, FieldPath, Mistake]] = []
    for name, policy in sorted(policies.items()):
        begins(name)
        match = compiled(policy.match) if policy.match else None
        rule = compiled(policy.rule)
        for where, part in (("match", match), ("rule", rule)):
            if isinstance(part, tuple):
                mistakes += [(Ref(Policy.kind, name), (where,), mistake) for mistake in part]
        if isinstance(rule, Expression) and not isinstance(match, tuple):
            rules.append(Rules(name, policy, match, rule))
    return tuple(rules), tuple(mistakes)


def verdict_of(rules: Rules, values: Values) -> bool | Broken:
    """Whether the policy is content: its match does not hold, or its rule does."""
    matched = rules.match.holds(values) if rules.match else True
    if matched is True:
        return rules.rule.holds(values)
    return True if matched is False else matched


def answer_of(rules: Rules, values: Values) -> Answer | None:
    """None where the policy is content. A comparison with a price that is not known has no answer."""
    content = verdict_of(rules, values)
    if not isinstance(content, Broken):
        return None if content else Answer()
    return Answer(
        content.message, any(name in rules.names and values[name] is None for name in PRICES)
    )


def violations(
    asked: Asked, find_expression: FindExpression = lambda *_: None, begins: Begins = _silent
) -> tuple[Finding, ...]:
    """A finding per policy, team and model that violates it, at the place that grants it; and per broken expression.

    Codes: `policy` (at the policy's level), `policy-invalid` (an expression does not compile), `policy-failed` (it has
    no answer for some team: guard it with has()), `policy-unpriced` (a warning: it compares prices, and those of some
    models are not known). `begins` hears the name of each policy before it is compiled and before it is asked.
    """
    policies, mistakes = compile_policies(asked.written.of(Policy), begins)
    findings = [_invalid(ref, path, mistake, find_expression) for ref, path, mistake in mistakes]
    if not policies:
        return tuple(findings)
    world = config_world(asked)
    for policy in policies:
        begins(policy.name)
        findings += _told(policy, tuple(violating(policy, asked, world)), asked, world)
    return tuple(findings)


def _invalid(ref: Ref, path: FieldPath, mistake: Mistake, find: FindExpression) -> Finding:
    says = f"policy {ref.name}: {path[0]} does not compile at {mistake.line}:{mistake.column}: {mistake.message}"
    origin = find(ref, path, mistake.line, mistake.column)
    return error("policy-invalid", says, hint=mistake.hint, ref=ref, path=path, origin=origin)


def violating(rules: Rules, asked: Asked, world: World) -> Iterator[Violation]:
    """Every violation of one policy. Teams alike in all that it looks at are judged once."""
    attributes = Attributes(world, asked.prices)
    team_names = [name for name in sorted(rules.names) if name.startswith("team.")]
    judged: dict[object, tuple[tuple[Subject, Answer], ...]] = {}
    verdicts: dict[object, Answer | None] = {}
    sources = rules.about_models or rules.about_groups
    for name, team in world.state.of(Team).items():
        values = {variable: attributes.of_team(name, team, variable) for variable in team_names}
        own: tuple[Source, ...] | frozenset[str] = ()
        if sources:
            own = world.access.sources[name] if rules.about_models else team.access_groups
        key = (tuple(map(_frozen, values.values())), own)
        if key not in judged:
            subjects = _subjects(rules, world, name, team)
            judged[key] = tuple(_judged(rules, attributes, world, name, values, subjects, verdicts))
        for subject, answer in judged[key]:
            yield Violation(
                rules.name, name, subject.model, subject.group, answer.broken, answer.unpriced
            )


def _judged(
    rules: Rules,
    attributes: "Attributes",
    world: World,
    team: str,
    values: Values,
    subjects: Iterator[Subject],
    verdicts: dict[object, Answer | None],
) -> Iterator[tuple[Subject, Answer]]:
    others = [name for name in sorted(rules.names) if not name.startswith("team.")]
    for subject in subjects:
        more = {name: attributes.of_subject(world, team, subject, name) for name in others}
        key = tuple(map(_frozen, (*values.values(), *more.values())))
        if key not in verdicts:
            verdicts[key] = answer_of(rules, {**values, **more})
        answer = verdicts[key]
        if answer is not None:
            yield subject, answer


def _subjects(rules: Rules, world: World, name: str, team: Team) -> Iterator[Subject]:
    if not rules.about_models:
        groups = sorted(team.access_groups) if rules.about_groups else [None]
        yield from (Subject(None, group) for group in groups)
        return
    for model in sorted(world.access.of(name)):
        via = _via(world, name, model) if rules.about_groups else [None]
        yield from (Subject(model, group) for group in via)


def _via(world: World, team: str, model: str) -> list[str]:
    return [
        source.name for source in world.access.paths(team, model) if source.kind is SourceKind.GROUP
    ]


def _frozen(value: object) -> object:
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return tuple(value) if isinstance(value, list) else value


_NUMBERS = frozenset({"credits_allocated", "price_usd_per_month"})
_OWN: Mapping[str, Callable[[World, str, Team], Any]] = {
    "id": lambda _world, name, _team: name,
    "env": lambda _world, _name, team: team.labels.get("env", ""),
    "models": lambda world, name, _team: sorted(world.access.of(name)),
    "access_groups": lambda _world, _name, team: sorted(team.access_groups),
    "status": lambda _world, _name, team: team.status.value,
    "labels": lambda _world, _name, team: team.labels,
}


@dataclass(frozen=True)
class Attributes:
    """The variables of teams, models and groups, by name."""

    world: World
    prices: PriceMap
    _models: dict[str, dict[str, object]] = field(default_factory=dict)

    def of_team(self, name: str, team: Team, variable: str) -> Any:
        attribute = variable.removeprefix("team.")
        if attribute in _NUMBERS:
            return getattr(team, attribute) or 0
        if attribute in _OWN:
            return _OWN[attribute](self.world, name, team)
        return getattr(team, attribute) or ""

    def of_subject(self, world: World, team: str, subject: Subject, variable: str) -> Any:
        if variable == "via":
            return _via(world, team, subject.model or "")
        if variable.startswith("model."):
            return self.of_model(subject.model or "", variable)
        return self.of_group(subject.group or "", variable)

    def of_model(self, name: str, variable: str) -> Any:
        if name not in self._models:
            self._models[name] = dict(self._model(name))
        return self._models[name][variable]

    def _model(self, name: str) -> Iterator[tuple[str, object]]:
        alias = self.world.state.of(ModelAlias).get(name) or ModelAlias(litellm_model=name)
        price_input, price_output = price_of(alias, self.prices)
        yield "model.alias", name
        yield "model.litellm_model", next(iter(models_of(alias)), "")
        yield "model.provider", min(providers_of(alias, self.prices), default="")
        yield "model.price_input", price_input
        yield "model.price_output", price_output
        yield "model.tags", sorted(alias.tags)
        yield "model.labels", alias.labels
        yield "model.status", alias.status.value

    def of_group(self, name: str, variable: str) -> Any:
        group = self.world.state.of(AccessGroup).get(name) or AccessGroup()
        found = {"id": name, "labels": group.labels, "models": sorted(group.model_aliases)}
        return found[variable.removeprefix("group.")]


def _told(rules: Rules, found: tuple[Violation, ...], asked: Asked, world: World) -> list[Finding]:
    unpriced = sorted({each.model for each in found if each.unpriced and each.model is not None})
    broken = [each for each in found if each.broken is not None and not each.unpriced]
    said = ([_failed(rules, broken)] if broken else []) + (
        [_unpriced(rules, unpriced, asked.prices)] if unpriced else []
    )
    return said + [_violated(rules, each, asked, world) for each in found if each.broken is None]


def _failed(rules: Rules, broken: list[Violation]) -> Finding:
    first = broken[0]
    what = (
        first.team
        + (f" and {first.model}" if first.model else "")
        + (f" and {first.group}" if first.group else "")
    )
    more = f" (and {len(broken) - 1:,} more)" if len(broken) > 1 else ""
    says = f"policy {rules.name} has no answer for {what}{more}: {first.broken}"
    hint = "guard it: has(team.labels.x) && ..."
    return Finding(
        Level(rules.policy.level),
        "policy-failed",
        says,
        hint,
        Ref(Policy.kind, rules.name),
        ("rule",),
    )


def _unpriced(rules: Rules, models: list[str], prices: PriceMap) -> Finding:
    named = ", ".join(models[:EXAMPLES]) + (
        f" and {len(models) - EXAMPLES:,} more" if len(models) > EXAMPLES else ""
    )
    says = f"policy {rules.name} cannot judge {named}: their price is not known{prices.note}"
    hint = "declare pricing_input and pricing_output of the alias, or say what holds: model.price_output == null || ..."
    return warning(
        "policy-unpriced", says, hint=hint, ref=Ref(Policy.kind, rules.name), path=("rule",)
    )


def _violated(rules: Rules, each: Violation, asked: Asked, world: World) -> Finding:
    says, path = _where(each, asked, world)
    reason = (
        rules.policy.message or rules.policy.description or f"not so: {rules.rule.text.strip()}"
    )
    note = asked.prices.note if rules.names & set(PRICES) else ""
    ref = Ref(Team.kind, each.team)
    return Finding(
        Level(rules.policy.level),
        VIOLATION,
        f"policy {rules.name}: {says}: {reason}{note}",
        None,
        ref,
        path,
    )


def _where(each: Violation, asked: Asked, world: World) -> tuple[str, FieldPath]:
    """What happened, with the granting path, and the place in the team that begins it."""
    silent = replace(asked, find=lambda _ref, _path: None)
    if each.model is not None:
        ways = [
            way
            for way in routes(silent, world, each.team, each.model)
            if _is_through(way, each.group)
        ]
        way = ways[0][1:] if ways else ()
        return (
            f"team {each.team} reaches {each.model} by {' -> '.join(link.text for link in way)}",
            _start(way, each.team),
        )
    if each.group is not None:
        way = next(starts(silent, world, each.team, each.group), ())
        return f"team {each.team} has {' -> '.join(link.text for link in way)}", _start(
            way, each.team
        )
    return f"team {each.team}", ()


def _is_through(way: tuple[Any, ...], group: str | None) -> bool:
    return group is None or any(link.text == f"access group {group}" for link in way)


def _start(way: tuple[Any, ...], team: str) -> FieldPath:
    ref = Ref(Team.kind, team)
    own: list[FieldPath] = [link.path for link in way if link.ref == ref]
    return own[0] if own else ()
