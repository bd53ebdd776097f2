"""What decides access on LiteLLM Proxy beside the state: legacy access groups and router aliases, as facts. Pure.

Source: LiteLLM 1.106.2, `get_model_access_groups` and `_get_all_models` in `router.py`: a deployment's
`model_info.access_groups` lets teams through that name such a group, `router_settings.model_group_alias` gives a model
another name. Neither is in a manifest, so nobody but the ledger knows what they were.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from reconciler.core.access.facts import AccessFacts, Models, MovedFact
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.access.rules import Access, access
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State

LEGACY_GROUPS, ROUTER_ALIASES = "legacy_groups", "router_aliases"
LEFT = "no manifest says it, so apply leaves it: undo it on the proxy, or apply, and it counts as known"
Legacy = Mapping[str, frozenset[str]]


def access_facts(legacy: Legacy, router_aliases: Mapping[str, str]) -> AccessFacts:
    """As JSON: model -> its legacy groups, those without any left out; name -> model."""
    groups = {name: sorted(names) for name, names in sorted(legacy.items()) if names}
    return {LEGACY_GROUPS: groups, ROUTER_ALIASES: dict(sorted(router_aliases.items()))}


def moved_facts(
    rules: LiteLLMRules,
    now: AccessFacts,
    then: AccessFacts,
    live: State,
    ours: Collection[Ref],
) -> tuple[MovedFact, ...]:
    """How the facts of `now`, which `rules` go by, differ from those of `then`, for the objects in `ours`.

    What `then` does not name was never written down, and nothing is said of it. A model of others, or a router alias,
    counts where a team of ours can call something else by it.
    """
    if all(then.get(name, value) == value for name, value in now.items()):
        return ()
    reach = access(live, rules)
    found: list[MovedFact] = []
    if LEGACY_GROUPS in then:
        found += _legacy(rules, _groups(now), _groups(then), live, ours, reach)
    if ROUTER_ALIASES in then:
        found += _router(rules, then[ROUTER_ALIASES], live, ours, reach)
    return tuple(found)


def facts_after(told: AccessFacts, live: State, former_names: Mapping[Ref, Ref]) -> AccessFacts:
    """What counts as known after an apply: the facts that its plan told, for the models that are there now.

    What another hand changed while the apply ran is not among them: the next plan tells it. `former_names`: new ref ->
    old ref of what the apply renamed.
    """
    legacy: dict[str, list[str]] = {}
    for ref in live:
        former = former_names.get(ref, ref).name
        if ref.kind == "model_alias" and former in told[LEGACY_GROUPS]:
            legacy[ref.name] = told[LEGACY_GROUPS][former]
    return {LEGACY_GROUPS: dict(sorted(legacy.items())), ROUTER_ALIASES: told[ROUTER_ALIASES]}


def _groups(facts: AccessFacts) -> Legacy:
    return {name: frozenset(groups) for name, groups in facts[LEGACY_GROUPS].items()}


def _legacy(
    rules: LiteLLMRules,
    now: Legacy,
    then: Legacy,
    live: State,
    ours: Collection[Ref],
    reach: Access,
) -> Iterator[MovedFact]:
    """One fact for each group that was put on models, and one for each that was taken off them."""
    put: dict[str, set[str]] = {}
    taken: dict[str, set[str]] = {}
    for model in sorted(now.keys() | then.keys()):
        if Ref("model_alias", model) not in live:
            continue  # the model itself is gone, which is said of it as of any object
        before, after = then.get(model, frozenset()), now.get(model, frozenset())
        for group in after - before:
            put.setdefault(group, set()).add(model)
        for group in before - after:
            taken.setdefault(group, set()).add(model)
    for moves, verb in ((put, "put on"), (taken, "taken off")):
        for group, models in sorted(moves.items()):
            former = {**rules.legacy}
            for model in models:
                groups = former.get(model, frozenset())
                former[model] = groups - {group} if verb == "put on" else groups | {group}
            gained, lost = _difference(replace(rules, legacy=former), live, ours, reach)
            owned = [Ref("model_alias", model) for model in sorted(models)]
            owned = [ref for ref in owned if ref in ours]
            if owned or gained or lost:
                text = f"legacy access group {group} was {verb} {_models(models)} by another hand"
                ref = owned[0] if owned else None
                yield MovedFact(text, gained, lost, ref=ref, why_left=LEFT)


def _router(
    rules: LiteLLMRules,
    then: Mapping[str, str],
    live: State,
    ours: Collection[Ref],
    reach: Access,
) -> Iterator[MovedFact]:
    now = rules.router_aliases
    for name in sorted(now.keys() | then.keys()):
        before, after = then.get(name), now.get(name)
        if before == after:
            continue
        former = {alias: target for alias, target in now.items() if alias != name}
        if before is not None:
            former[name] = before
        gained, lost = _difference(replace(rules, router_aliases=former), live, ours, reach)
        redirected: frozenset[str] = frozenset()
        if before is not None and after is not None:
            callers = (team for team in reach.callers.get(name, ()) if Ref("team", team) in ours)
            redirected = frozenset(callers) - gained.keys()
        if gained or lost or redirected:
            text = f"router alias {name} {_moved(before, after)} by another hand"
            yield MovedFact(text, gained, lost, redirected, why_left=LEFT)


def _moved(before: str | None, after: str | None) -> str:
    if before is None:
        return f"was made for {after}"
    if after is None:
        return f"of {before} was removed"
    return f"was turned from {before} to {after}"


def _difference(
    former: LiteLLMRules, live: State, ours: Collection[Ref], reach: Access
) -> tuple[Models, Models]:
    """Team of ours -> what it reaches only now, and what it reached only by the former facts."""
    before = access(live, former)
    teams = [team for team in sorted(reach.teams) if Ref("team", team) in ours]
    gained = {team: reach.of(team) - before.of(team) for team in teams}
    lost = {team: before.of(team) - reach.of(team) for team in teams}
    return (
        {team: models for team, models in gained.items() if models},
        {team: models for team, models in lost.items() if models},
    )


def _models(names: Collection[str]) -> str:
    first = sorted(names)[:3]
    more = f" and {len(names) - len(first):,} more" if len(names) > len(first) else ""
    return f"model {', '.join(first)}{more}"
