"""The oracle's teeth: each rule broken on purpose must show up as disagreements with LiteLLM."""

import re
from dataclasses import replace

import pytest
from worlds import disagreements

from reconciler.core.access.litellm import lists as litellm_access
from reconciler.core.access.litellm import world as litellm_world
from reconciler.core.access.litellm.providers import Inferred, no_provider

ACCESS, WORLD = litellm_access, litellm_world
original = {
    name: getattr(module, name)
    for module, names in {
        ACCESS: (
            "_allows",
            "_candidates",
            "_expanded",
            "_spellings",
            "_unified",
            "_lists",
            "_list_allows",
            "_by_pattern",
            "legacy_groups",
        ),
        WORLD: ("_routes", "_tags_by_name", "routed_groups", "_legacy_groups"),
    }.items()
    for name in names
}


def compiled_pattern(translate, flags=0):
    def regex(pattern):
        try:
            return re.compile(f"^{translate(pattern)}$", flags)
        except (re.error, OverflowError):
            return None

    return regex


def star(pattern):
    return pattern.replace("*", ".*")


def escaped(pattern):
    return re.escape(pattern).replace(r"\*", ".*")


def without(dropped):
    return lambda compiled, entries, team, name: original["_allows"](
        compiled, [e for e in entries if e not in dropped], team, name
    )


def empty_is_nothing(compiled, entries, team, name):
    return bool(entries) and original["_allows"](compiled, entries, team, name)


def unified_restrict(compiled, team):
    yield tuple(entry for _, entry in original["_unified"](compiled, team)) or team.models


def empty_models_with_groups_means_groups(compiled, team):
    lists = list(original["_lists"](compiled, team))
    yield from lists if team.models else lists[-1:]


def no_default_models_denies(compiled, entries, team, name):
    return "no-default-models" not in entries and original["_allows"](compiled, entries, team, name)


def case_blind(compiled, entries, team, name):
    return original["_allows"](
        compiled,
        [*entries, *([name] if name.lower() in map(str.lower, entries) else [])],
        team,
        name,
    )


def provider_normalised(compiled, entries, team, name):
    bare = [e.partition("/")[2] for e in entries if "*" not in e and "/" in e]
    return original["_allows"](compiled, [*entries, *bare], team, name)


def team_alias_by_target(compiled, entries, team, name):
    return original["_allows"](
        compiled, entries, replace(team, model_aliases={}), team.model_aliases.get(name, name)
    )


def team_alias_ignored(compiled, entries, team, name):
    return original["_allows"](compiled, entries, replace(team, model_aliases={}), name)


def router_alias_reversed(compiled, model):
    return (model, *compiled.called_as.get(model, ()))


def router_alias_instead(compiled, model):
    return (compiled.world.router_aliases.get(model) or model,)


def all_team_models_is_everything(compiled, entries):
    return ["*" if e == "all-team-models" else e for e in entries]


def all_proxy_models_is_deployed(compiled, entries, team, name):
    known = compiled.listed if "all-proxy-models" in entries else ()
    return original["_allows"](
        compiled, [*(e for e in entries if e != "all-proxy-models"), *known], team, name
    )


def every_namespace_guessed(compiled, name):
    inferred = compiled.world.infer(name)
    return (name, f"{inferred.provider}/{inferred.model}") if inferred else (name,)


def every_deployment_must_be_tagged(deployments):
    tags = {}
    for d in deployments:
        tags[d.model_name] = tags.get(d.model_name, d.access_groups) & d.access_groups
    return tags


def only_names_in_groups(compiled, team):
    return tuple(
        (group, entry) for group, entry in original["_unified"](compiled, team) if "*" not in entry
    )


def no_legacy_groups_in_groups(compiled, team):
    pairs = original["_unified"](compiled, team)
    return tuple((group, entry) for group, entry in pairs if entry not in compiled.tagged)


def unknown_group_is_an_error(compiled, team):
    known = all(group in compiled.world.groups for group in team.access_groups)
    return original["_unified"](compiled, team) if known else ()


def broken_patterns_skipped(compiled, patterns, name):
    return original["_by_pattern"](compiled, [p for p in patterns if ACCESS.pattern_regex(p)], name)


def broken_pattern_always_fails(compiled, entries, team, name):
    return (
        None
        if ACCESS.invalid_patterns(entries)
        else original["_allows"](compiled, entries, team, name)
    )


def anchored_routes(deployed):
    return tuple(
        replace(route, regex=re.compile(f"(?:{route.regex.pattern})$"))
        for route in original["_routes"](deployed)
    )


def shortest_route_first(deployed):
    return original["_routes"](deployed)[::-1]


def all_routes_add_up(world, routes, name):
    inferred = world.infer(name)
    spellings = [name, f"{inferred.provider if inferred else None}/{name}"]
    found = [
        route.access_groups for route in routes if any(route.regex.match(s) for s in spellings)
    ]
    return frozenset().union(*found) if found else None


def routes_without_provider(world, routes, name):
    return next((route.access_groups for route in routes if route.regex.match(name)), None)


def routes_beside_deployed(world, deployed, routes, name):
    return original["_legacy_groups"](world, deployed, routes, name) | (
        WORLD.routed_groups(world, routes, name) or frozenset()
    )


def alias_without_its_targets_groups(world, deployed, routes, name):
    return original["_legacy_groups"](replace(world, router_aliases={}), deployed, routes, name)


def first_failure_forgotten(compiled, entries, team, model):
    answers = [
        original["_allows"](compiled, entries, team, name)
        for name in original["_candidates"](compiled, model)
    ]
    return True if True in answers else answers[-1]


def no_legacy_groups(compiled, name):
    return frozenset()


MUTATIONS = {
    "empty list is nothing": (ACCESS, "_allows", empty_is_nothing),
    "groups replace the list": (ACCESS, "_lists", unified_restrict),
    "groups restrict an empty list": (ACCESS, "_lists", empty_models_with_groups_means_groups),
    "groups ignored": (ACCESS, "_unified", lambda compiled, team: ()),
    "groups hold names only, no wildcards": (ACCESS, "_unified", only_names_in_groups),
    "groups hold no legacy groups": (ACCESS, "_unified", no_legacy_groups_in_groups),
    "an unknown group voids the known ones": (ACCESS, "_unified", unknown_group_is_an_error),
    "no-default-models dropped from lists": (ACCESS, "_allows", without({"no-default-models"})),
    "no-default-models denies all": (ACCESS, "_allows", no_default_models_denies),
    "all-proxy-models ignored": (ACCESS, "_OPEN", frozenset({"*"})),
    "all-proxy-models is deployed only": (ACCESS, "_allows", all_proxy_models_is_deployed),
    "all-team-models ignored": (ACCESS, "_expanded", lambda compiled, entries: entries),
    "all-team-models is everything": (ACCESS, "_expanded", all_team_models_is_everything),
    "names case-insensitive": (ACCESS, "_allows", case_blind),
    "names without their provider": (ACCESS, "_allows", provider_normalised),
    "team alias checked by target": (ACCESS, "_allows", team_alias_by_target),
    "team alias ignored": (ACCESS, "_allows", team_alias_ignored),
    "router alias reversed": (ACCESS, "_candidates", router_alias_reversed),
    "router alias ignored": (ACCESS, "_candidates", lambda compiled, model: (model,)),
    "router alias replaced by its target": (ACCESS, "_candidates", router_alias_instead),
    "router alias without its target's legacy groups": (WORLD, "_legacy_groups", alias_without_its_targets_groups),
    "wildcard dots escaped": (ACCESS, "pattern_regex", compiled_pattern(escaped)),
    "wildcard case-insensitive": (ACCESS, "pattern_regex", compiled_pattern(star, re.IGNORECASE)),
    "wildcard star needs a character": (ACCESS, "pattern_regex", compiled_pattern(lambda p: p.replace("*", ".+"))),
    "wildcard star stops at a slash": (ACCESS, "pattern_regex", compiled_pattern(lambda p: re.sub(r"(?<!\[)\*", "[^/]*", p))),
    "wildcard matched as a whole": (ACCESS, "pattern_regex", compiled_pattern(lambda p: f"(?:{star(p)})")),
    "wildcards ignored": (ACCESS, "_by_pattern", lambda compiled, patterns, name: False),
    "no provider guessed": (ACCESS, "_spellings", lambda compiled, name: (name,)),
    "a provider guessed for every namespace": (ACCESS, "_spellings", every_namespace_guessed),
    "broken patterns skipped": (ACCESS, "_by_pattern", broken_patterns_skipped),
    "a broken pattern always fails": (ACCESS, "_allows", broken_pattern_always_fails),
    "a failure does not end the search": (ACCESS, "_list_allows", first_failure_forgotten),
    "legacy groups ignored": (ACCESS, "legacy_groups", no_legacy_groups),
    "legacy group needed on every deployment": (WORLD, "_tags_by_name", every_deployment_must_be_tagged),
    "wildcard deployments give no legacy groups": (WORLD, "routed_groups", lambda world, routes, name: None),
    "wildcard deployments matched as a whole": (WORLD, "_routes", anchored_routes),
    "wildcard deployments, the shortest first": (WORLD, "_routes", shortest_route_first),
    "wildcard deployments add up": (WORLD, "routed_groups", all_routes_add_up),
    "wildcard deployments without provider": (WORLD, "routed_groups", routes_without_provider),
    "wildcard deployments beside a deployed name": (WORLD, "_legacy_groups", routes_beside_deployed),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_oracle_notices(mutation, corners_decided, monkeypatch):
    monkeypatch.setattr(*MUTATIONS[mutation])
    assert disagreements(corners_decided)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_random_worlds_notice(mutation, many_decided, monkeypatch):
    monkeypatch.setattr(*MUTATIONS[mutation])
    found = disagreements(many_decided)
    print(f"{mutation}: {len(found)} of {len(many_decided)}")
    assert found


@pytest.mark.parametrize(
    "guess", [no_provider, lambda name: Inferred("openai", name)], ids=["nothing", "always openai"]
)
def test_the_oracle_notices_a_wrong_guess(guess, random_decided):
    guessing = [
        (replace(case, world=replace(case.world, infer=guess)), theirs)
        for case, theirs in random_decided
    ]
    assert len(disagreements(guessing)) > 3
