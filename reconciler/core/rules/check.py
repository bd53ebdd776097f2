"""What is wrong with resources as they are written: links, cycles, names, and fields that contradict each other."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import get_args, get_origin

from reconciler.core.model.findings import Finding, did_you_mean, error, ordered, warning
from reconciler.core.model.kinds import (
    KINDS,
    AccessGroup,
    CreditsMode,
    Deployment,
    Key,
    Limits,
    ModelAlias,
    Organization,
    PricingPlan,
    Resource,
    Select,
    Spec,
    Team,
    links,
)
from reconciler.core.model.refs import FieldPath, Ref, names_in
from reconciler.core.model.secrets.literal import literal_secrets, revealed
from reconciler.core.model.state import State
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.resolve import instant, lineage

MAX_NAME = 200
_STYLE = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_ALIAS_STYLE = re.compile(r"[a-z0-9*][a-z0-9._:/*@-]*\Z")
_UNUSABLE = re.compile(r"[\s\x00-\x1f\x7f]")
_MANY = 1000
_LENGTHS_APART = 2


def check(
    state: State, *, declared: Collection[Ref] = (), complete: bool = True
) -> tuple[Finding, ...]:
    """Every finding about the resources as written, with ref and path, sorted.

    `declared` names resources that exist in the files but are invalid: nothing dangles that points at them.
    `complete=False` (a file could not be read) leaves the question of dangling links open altogether.
    """
    known = frozenset(declared) | state.resources.keys()
    found = [finding for rule in RULES for finding in rule(state)]
    return ordered([*found, *(dangling(state, known) if complete else ())])


def dangling(state: State, known: Collection[Ref]) -> Iterator[Finding]:
    """Links to what nobody declares, once per place."""
    names: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for ref in known:
        names[ref.kind].append(ref.name)
    hints: dict[Ref, str | None] = {}
    for ref, resource in state.resources.items():
        for path, target in _links(resource, ()):
            if target not in known:
                if target not in hints:
                    hints[target] = _nearest(target, names)
                hint = hints[target]
                says = f"{path[0]}: there is no {_words(target.kind)} {target.name}"
                yield error("dangling-reference", says, hint=hint, ref=ref, path=path)


def _links(spec: Spec, path: FieldPath) -> Iterator[tuple[FieldPath, Ref]]:
    """(path, target) of every checked link of a spec, and of the specs inside it."""
    for field, to in links(type(spec)).items():
        value = getattr(spec, field)
        for name in names_in(value) if to.checked else ():
            yield (
                ((*path, field) if isinstance(value, str) else (*path, field, name)),
                Ref(to.kind, name),
            )
    for field in _nested(type(spec)):
        for index, item in enumerate(getattr(spec, field)):
            yield from _links(item, (*path, field, index))


@cache
def _nested(cls: type[Spec]) -> tuple[str, ...]:
    """The fields that hold several specs, which may have links of their own."""
    fields = ((name, field.annotation) for name, field in cls.model_fields.items())
    return tuple(
        name for name, kind in fields if get_origin(kind) is tuple and _is_spec(get_args(kind)[0])
    )


def _is_spec(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Spec)


def _alike(name: str, wanted: str) -> bool:
    return name[:2] == wanted[:2] and abs(len(name) - len(wanted)) <= _LENGTHS_APART


def _nearest(target: Ref, names: Mapping[str, list[str]]) -> str | None:
    candidates = names[target.kind]
    if len(candidates) > _MANY:  # comparing with 100,000 names takes seconds
        candidates = [name for name in candidates if _alike(name, target.name)][:_MANY]
    near = did_you_mean(target.name, candidates)
    others = sorted(
        kind for kind, there in names.items() if kind != target.kind and target.name in there
    )
    if near is None and others:
        return f"there is a {_words(others[0])} of that name"
    return near or f"declare it under {KINDS[target.kind].section}"


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _names(state: State) -> Iterator[Finding]:
    """Names go into URL paths, so some characters never work; the rest is style (the seed: lowercase with hyphens)."""
    for ref in state:
        yield from _name(ref)


def _name(ref: Ref) -> Iterator[Finding]:
    is_alias = ref.kind == ModelAlias.kind
    if not ref.name or _UNUSABLE.search(ref.name) or ("/" in ref.name and not is_alias):
        says = f"{ref.name!r} cannot be a name: it must not be empty or hold slashes, blanks or control characters"
        yield error("name-invalid", says, hint=_suggested(ref.name), ref=ref)
    elif len(ref.name) > MAX_NAME:
        yield error(
            "name-style",
            f"the name is longer than {MAX_NAME} characters",
            hint="shorten it",
            ref=ref,
        )
    elif is_alias and not _STYLE.match(ref.name) and _ALIAS_STYLE.match(ref.name):
        says = f"{ref.name}: only LiteLLM Proxy knows aliases with slashes, colons or wildcards"
        yield warning("name-style", says, ref=ref)
    elif not _STYLE.match(ref.name):
        says = f"{ref.name}: names are lowercase letters, digits, hyphens, dots and underscores"
        yield error("name-style", says, hint=_suggested(ref.name), ref=ref)


def _suggested(name: str) -> str | None:
    better = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    return f"e.g. {better}" if better else None


def _cycles(state: State) -> Iterator[Finding]:
    parents = {name: plan.extends for name, plan in state.of(PricingPlan).items()}
    yield from _named_cycles(PricingPlan.kind, "extends", parents)
    replacements = {name: alias.replacement for name, alias in state.of(ModelAlias).items()}
    yield from _named_cycles(ModelAlias.kind, "replacement", replacements)


def _named_cycles(kind: str, field: str, following: Mapping[str, str | None]) -> Iterator[Finding]:
    done: set[str] = set()
    for start in sorted(following):
        trail: list[str] = []
        name: str | None = start
        while name is not None and name in following and name not in done and name not in trail:
            trail.append(name)
            name = following[name]
        if name in trail:
            yield _cycle(kind, field, trail[trail.index(str(name)) :])
        done.update(trail)


def _cycle(kind: str, field: str, members: list[str]) -> Finding:
    first = members.index(min(members))
    ring = [*members[first:], *members[: first + 1]]
    says = f"{field} goes round in a circle: {' -> '.join(ring)}"
    return error(
        f"{field}-cycle",
        says,
        hint="remove one of these links",
        ref=Ref(kind, ring[0]),
        path=(field,),
    )


def _alias_targets(state: State) -> Iterator[Finding]:
    for name, alias in state.of(ModelAlias).items():
        ref = Ref(ModelAlias.kind, name)
        if not (alias.litellm_model or "").strip() and not alias.deployments:
            yield error(
                "alias-target",
                "the alias names no model",
                hint="add litellm_model: provider/model",
                ref=ref,
            )
        elif alias.litellm_model is not None and alias.deployments:
            says = "litellm_model and deployments exclude each other"
            yield error(
                "alias-target", says, hint="keep one of the two", ref=ref, path=("deployments",)
            )


def _budgets(state: State) -> Iterator[Finding]:
    for ref, resource in _limits(state):
        soft, hard = resource.soft_budget_usd, resource.max_budget_usd
        if soft is not None and hard is not None and soft >= hard:
            says = f"soft_budget_usd {soft:g} never alerts before the hard budget max_budget_usd {hard:g}"
            yield error(
                "budget-order", says, hint="make it smaller", ref=ref, path=("soft_budget_usd",)
            )


def _limits(state: State) -> Iterator[tuple[Ref, Limits]]:
    yield from ((Ref(PricingPlan.kind, name), plan) for name, plan in state.of(PricingPlan).items())
    yield from ((Ref(Team.kind, name), team) for name, team in state.of(Team).items())


def _selections(state: State) -> Iterator[Finding]:
    """No condition is a condition that all aliases meet, which is seldom what somebody who wrote nothing meant."""
    for name, group in state.of(AccessGroup).items():
        if group.select == Select():
            says, hint = (
                "an empty select chooses every model alias",
                "give it a condition, e.g. provider: openai",
            )
            yield warning(
                "select-everything",
                says,
                hint=hint,
                ref=Ref(AccessGroup.kind, name),
                path=("select",),
            )


def _price_ranges(state: State) -> Iterator[Finding]:
    for name, group in state.of(AccessGroup).items():
        for field, lowest, highest in _ranges(group.select):
            if lowest is not None and highest is not None and lowest > highest:
                says = f"min_{field} {lowest:g} is above max_{field} {highest:g}: nothing can fit"
                path = ("select", f"min_{field}")
                yield error("price-range", says, ref=Ref(AccessGroup.kind, name), path=path)


def _ranges(select: Select | None) -> Iterator[tuple[str, float | None, float | None]]:
    if select is not None:
        yield "price_input", select.min_price_input, select.max_price_input
        yield "price_output", select.min_price_output, select.max_price_output


def _grants(state: State) -> Iterator[Finding]:
    for name, team in state.of(Team).items():
        for index, grant in enumerate(team.grants):
            if grant.since is not None and instant(grant.since) >= instant(grant.until):
                says = f"the grant ends ({grant.until}) before it begins ({grant.since})"
                path = ("grants", index, "since")
                yield error(
                    "grant-period", says, hint="swap the dates", ref=Ref(Team.kind, name), path=path
                )


def _top_ups(state: State) -> Iterator[Finding]:
    for name, team in state.of(Team).items():
        if not team.top_ups:
            continue
        ref = Ref(Team.kind, name)
        ids = [top_up.id for top_up in team.top_ups]
        for index, top_up_id in enumerate(ids):
            if top_up_id in ids[:index]:
                says = f"the top-up {top_up_id} stands twice; each id is granted once ever"
                path = ("top_ups", index, "id")
                yield error("duplicate-top-up", says, hint="give it another id", ref=ref, path=path)
        if ALLOCATION in ids:
            says = f"the id {ALLOCATION} stands for credits_allocated itself"
            path = ("top_ups", ids.index(ALLOCATION), "id")
            yield error("reserved-top-up", says, hint="give it another id", ref=ref, path=path)
        if _credits_mode(team, state) is CreditsMode.EXACT:
            says = "top_ups do nothing with credits_mode: exact, which sets the remaining credits itself"
            hint = "drop one of the two"
            yield error("credits-exact-top-ups", says, hint=hint, ref=ref, path=("top_ups",))


def _credits_mode(team: Team, state: State) -> CreditsMode | None:
    """The team's own mode, or the nearest of its pricing plan and that plan's parents."""
    if team.credits_mode is not None or team.plan is None:
        return team.credits_mode
    plans = state.of(PricingPlan)
    modes = (plans[name].credits_mode for name in lineage(team.plan, plans))
    return next((mode for mode in modes if mode is not None), None)


def _renames(state: State) -> Iterator[Finding]:
    former: dict[Ref, Ref] = {}
    for ref, resource in state.resources.items():
        if resource.renamed_from is None:
            continue
        old = Ref(ref.kind, resource.renamed_from)
        path = ("renamed_from",)
        if old in state:
            says = f"renamed_from {old.name}, but {old} is still declared"
            yield error(
                "renamed-from-declared", says, hint="remove one of the two", ref=ref, path=path
            )
        elif old in former:
            says = f"renamed_from {old.name} is already said by {former[old]}"
            yield error(
                "renamed-from-twice",
                says,
                hint="only one can be the same object",
                ref=ref,
                path=path,
            )
        former.setdefault(old, ref)


def _secrets(state: State) -> Iterator[Finding]:
    for ref, resource in state.resources.items():
        for path in literal_secrets(revealed(dict(_free_values(resource)))):
            says = f"{'.'.join(map(str, path))} looks like a literal secret"
            hint = "reference an environment variable of the gateway: os.environ/NAME"
            yield error("secret-in-manifest", says, hint=hint, ref=ref, path=path)


def _free_values(resource: Resource) -> Iterator[tuple[str, object]]:
    """The fields whose content the schema leaves open, where a secret may slip in."""
    if isinstance(resource, (Organization, Limits, Key)):
        metadata = getattr(resource, "metadata", None)
        if metadata:
            yield "metadata", metadata
    elif isinstance(resource, ModelAlias):
        yield "litellm_params", resource.litellm_params or {}
        yield "deployments", tuple(map(_free_deployment, resource.deployments))


def _free_deployment(deployment: Deployment) -> Mapping[str, object]:
    return {"api_base": deployment.api_base, "litellm_params": deployment.litellm_params}


Rule = Callable[[State], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    _names,
    _cycles,
    _alias_targets,
    _budgets,
    _selections,
    _price_ranges,
    _grants,
    _top_ups,
    _renames,
    _secrets,
)
