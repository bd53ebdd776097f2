"""Facts that decide access on LiteLLM and that no manifest says: what another hand changed of them is told, as it is.

Random proxies with legacy groups and router aliases; the meaning is compared with access by the former facts.
"""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.access.litellm.facts import access_facts, facts_after, moved_facts
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.access.rules import access
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.meaning.moved import fact_meaning

MODELS, TAGS, ALIASES = ["m0", "m1", "openai/m2"], ["beta", "eu"], ["best", "fast", "m0"]


def proxy(rng):
    """A state, and rules with legacy groups and router aliases."""
    models = rng.sample(MODELS, rng.randint(1, 3))
    made = {Ref("model_alias", name): ModelAlias(litellm_model="openai/x") for name in models}
    for group in ("g0", "g1"):
        names = rng.sample([*MODELS, *TAGS, *ALIASES], rng.randint(0, 2))
        made[Ref("access_group", group)] = AccessGroup(model_aliases=frozenset(names))
    for team in ("t0", "t1", "t2"):
        own = rng.sample([*MODELS, *TAGS, *ALIASES, "openai/*"], rng.randint(0, 2))
        groups = rng.sample(["g0", "g1"], rng.randint(0, 1))
        made[Ref("team", team)] = Team(models=frozenset(own), access_groups=frozenset(groups))
    return State(made), facts(rng, models)


def facts(rng, models):
    legacy = {
        name: frozenset(rng.sample(TAGS, rng.randint(0, 2)))
        for name in models
        if rng.random() < 0.7
    }
    router = {name: rng.choice(MODELS) for name in ALIASES if rng.random() < 0.5}
    return legacy, router


def edited(rng, models, legacy, router):
    """One thing that another hand does."""
    legacy, router = dict(legacy), dict(router)
    if rng.random() < 0.5:
        name, tag = rng.choice(models), rng.choice(TAGS)
        legacy[name] = legacy.get(name, frozenset()) ^ {tag}
    else:
        name = rng.choice(ALIASES)
        if name in router and rng.random() < 0.5:
            del router[name]
        else:
            router[name] = rng.choice(MODELS)
    return legacy, router


def difference(before, after, teams):
    return {
        team: after.of(team) - before.of(team) for team in teams if after.of(team) - before.of(team)
    }


seeds = st.integers(0, 2**64).map(random.Random)


@given(seeds)
@settings(max_examples=300)
def test_one_edit_of_another_hand_means_what_access_by_the_former_facts_says(rng):
    live, then = proxy(rng)
    now = edited(rng, [ref.name for ref in live if ref.kind == "model_alias"], *then)
    ours = frozenset(ref for ref in live if rng.random() < 0.8)
    before, after = (access(live, LiteLLMRules(*each)) for each in (then, now))
    teams = [ref.name for ref in ours if ref.kind == "team"]
    known = json.loads(json.dumps(access_facts(*then)))  # as the ledger keeps it
    found = moved_facts(LiteLLMRules(*now), access_facts(*now), known, live, ours)
    gained, lost = difference(before, after, teams), difference(after, before, teams)
    if gained or lost:
        [fact] = found
        assert (fact.gained, fact.lost) == (gained, lost)
        assert all(name in fact_meaning(fact) for names in gained.values() for name in names)
    else:
        # What moved and means nothing for a team is told of what is ours, and of a name that they call.
        assert not any(fact.gained or fact.lost for fact in found)
        assert all(fact.redirected or fact.ref in ours for fact in found)
    assert all("another hand" in fact.text for fact in found)


@given(seeds)
@settings(max_examples=200)
def test_no_edit_that_moves_the_access_of_a_team_of_ours_is_left_out(rng):
    live, then = proxy(rng)
    models = [ref.name for ref in live if ref.kind == "model_alias"]
    now = then
    for _ in range(rng.randint(1, 5)):
        now = edited(rng, models, *now)
    before, after = (access(live, LiteLLMRules(*each)) for each in (then, now))
    found = moved_facts(
        LiteLLMRules(*now), access_facts(*now), access_facts(*then), live, frozenset(live)
    )
    if any(before.of(team) != after.of(team) for team in before.teams):
        assert found
    for fact in found:
        assert all(models <= after.of(team) for team, models in fact.gained.items())
        assert not any(models & after.of(team) for team, models in fact.lost.items())


@given(seeds)
@settings(max_examples=100)
def test_what_was_never_written_down_is_seen_without_noise_and_what_was_told_is_told_once(rng):
    live, now = proxy(rng)
    rules, told = LiteLLMRules(*now), access_facts(*now)
    assert moved_facts(rules, told, {}, live, frozenset(live)) == ()
    assert moved_facts(rules, told, facts_after(told, live, {}), live, frozenset(live)) == ()


def test_an_apply_writes_down_what_it_told_under_the_new_names_and_not_what_came_meanwhile():
    told = access_facts({"old": {"beta"}, "gone": {"eu"}, "kept": {"eu"}}, {"best": "old"})
    live = State(
        {Ref("model_alias", name): ModelAlias(litellm_model="openai/x") for name in ("new", "kept")}
    )
    known = facts_after(told, live, {Ref("model_alias", "new"): Ref("model_alias", "old")})
    assert known == access_facts({"new": {"beta"}, "kept": {"eu"}}, {"best": "old"})


def test_a_name_that_another_model_answers_now_is_told_of_those_who_call_it():
    live = State(
        {
            **{
                Ref("model_alias", name): ModelAlias(litellm_model="openai/x")
                for name in ("a", "b")
            },
            Ref("team", "t"): Team(models=frozenset({"best"})),
        }
    )
    then, now = access_facts({}, {"best": "a"}), access_facts({}, {"best": "b"})
    rules = LiteLLMRules(router_aliases={"best": "b"})
    [fact] = moved_facts(rules, now, then, live, frozenset(live))
    assert fact.text == "router alias best was turned from a to b by another hand"
    assert fact_meaning(fact) == "team t can call it"
