"""What a plan says of gains, losses, revenue and credits equals a computation straight from the manifests.

The brute force below knows nothing of the product: it walks the YAML's plain mappings with the documented words.
"""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from law_worlds import KINDS

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.findings import errors
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import SECTIONS
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.meaning.impact import totals
from reconciler.core.plan.plan import Target
from reconciler.core.plan.resolve import resolve
from reconciler.core.plan.support import Support, everything
from reconciler.core.rules.check import check

TODAY = date(2026, 6, 15)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
SUPPORT = Support("test", {kind: everything(kind) for kind in KINDS}, GroupRules())
DAYS = [TODAY + timedelta(days=n) for n in (-400, -1, 0, 1, 400)]
ALIASES = [f"m{n}" for n in range(6)]
GROUPS = [f"g{n}" for n in range(5)]
PLANS = [f"p{n}" for n in range(4)]
TEAMS = [f"t{n}" for n in range(8)]
PAIRS = 300


# ---- random manifests, as plain mappings


def manifest(rng: random.Random) -> dict:
    aliases = rng.sample(ALIASES, rng.randint(3, 6))
    groups = rng.sample(GROUPS, rng.choice([0, 3, 3, 4, 4, 5, 5]))
    plans = rng.sample(PLANS, rng.randint(0, 4))
    return {
        "model_aliases": {name: alias(rng) for name in aliases},
        "access_groups": {name: group(rng, aliases) for name in groups},
        "plans": {name: plan(rng, groups, plans[:position]) for position, name in enumerate(plans)},
        "teams": {
            name: team(rng, groups, plans)
            for name in rng.sample(TEAMS, rng.choice([0, 4, 5, 6, 7, 8]))
        },
    }


def some(rng, names):
    return rng.sample(names, rng.randint(0, len(names)))


def alias(rng):
    spec = {
        "litellm_model": rng.choice(["openai/a", "anthropic/b"]),
        "tags": some(rng, ["chat", "fast"]),
    }
    spec |= rng.choice([{}, {}, {}, {"status": "inactive"}, {"status": "deprecated"}])
    spec |= rng.choice([{}, {}, {"sunset": rng.choice(DAYS)}])
    return spec


def group(rng, aliases):
    spec = {"model_aliases": some(rng, aliases)}
    spec |= rng.choice(
        [
            {},
            {},
            {"select": {"tag": "chat"}},
            {"select": {"provider": "openai", "tag": ["fast", "chat"]}},
        ]
    )
    return spec


def plan(rng, groups, parents):
    spec = {"access_groups": some(rng, groups)}
    spec |= rng.choice([{}, {"price_usd_per_month": rng.choice([0, 99, 299])}])
    spec |= rng.choice([{}, {"credits_allocated": rng.choice([0, 1000, 5000])}])
    return spec | ({"extends": rng.choice(parents)} if parents and rng.random() < 0.6 else {})


def team(rng, groups, plans):
    spec = {"access_groups": some(rng, groups)[:2]}
    spec |= {"plan": rng.choice(plans)} if plans and rng.random() < 0.7 else {}
    spec |= rng.choice([{}, {}, {}, {}, {"status": "suspended"}])
    spec |= rng.choice([{}, {}, {"price_usd_per_month": 7}])
    spec |= rng.choice([{}, {}, {"credits_allocated": rng.choice([0, 50, 2000])}])
    if groups and rng.random() < 0.4:
        since, until = sorted(rng.sample(DAYS, 2))
        spec["grants"] = [
            {"access_groups": [rng.choice(groups)], "until": until}
            | rng.choice([{}, {"since": since}])
        ]
    spec["top_ups"] = [
        {"id": name, "amount": amount}
        for name, amount in (("a", 10), ("b", 100))
        if rng.random() < 0.3
    ]
    return spec


# ---- the brute force


def chain(said, team_spec):
    name, found = team_spec.get("plan"), []
    while name is not None:
        found.append(said["plans"][name])
        name = said["plans"][name].get("extends")
    return found


def nearest(said, team_spec, field):
    for spec in [team_spec, *chain(said, team_spec)]:
        if field in spec:
            return spec[field]
    return None


def reach(said, name):
    if name not in said["teams"]:
        return set()
    spec = said["teams"][name]
    if spec.get("status") == "suspended":
        return set()
    groups = set(spec["access_groups"])
    for each in chain(said, spec):
        groups |= set(each["access_groups"])
    for grant in spec.get("grants", []):
        if grant["until"] > TODAY and grant.get("since", TODAY) <= TODAY:
            groups |= set(grant["access_groups"])
    return {
        model
        for model in said["model_aliases"]
        if callable_(said, model) and groups & holding(said, model)
    }


def callable_(said, model):
    spec = said["model_aliases"][model]
    return (
        spec.get("status", "active") == "active"
        and spec.get("sunset", TODAY + timedelta(days=1)) > TODAY
    )


def holding(said, model):
    spec = said["model_aliases"][model]
    found = set()
    for name, each in said["access_groups"].items():
        select = each.get("select")
        tags = (
            {select["tag"]}
            if select and isinstance(select["tag"], str)
            else set(select["tag"])
            if select
            else set()
        )
        provider = (select or {}).get("provider", spec["litellm_model"].split("/")[0])
        fits = bool(tags & set(spec["tags"])) and spec["litellm_model"].startswith(provider + "/")
        if model in each["model_aliases"] or fits:
            found.add(name)
    return found


def revenue(said):
    return sum(nearest(said, spec, "price_usd_per_month") or 0 for spec in said["teams"].values())


def credits_moved(before, after, live):
    granted = taken = 0
    for name, spec in after["teams"].items():
        wish = nearest(after, spec, "credits_allocated")
        known = name in before["teams"]
        last = nearest(before, before["teams"][name], "credits_allocated") if known else None
        if not known:
            move = wish or 0
        elif wish is None:
            move = 0
        else:
            move = wish - last if last is not None else max(0, wish - live[name])
        granted, taken = granted + max(0, move), taken + max(0, -move)
        had = {top["id"] for top in before["teams"][name]["top_ups"]} if known else set()
        granted += sum(top["amount"] for top in spec["top_ups"] if top["id"] not in had)
    return granted, taken


# ---- ours


def state_of(said) -> State:
    return State(
        {
            Ref(SECTIONS[section].kind, name): SECTIONS[section].model_validate(spec)
            for section, specs in said.items()
            for name, spec in specs.items()
        }
    )


def planned(before, after, live):
    applied = resolve(state_of(before), NOW, NO_PRICES).state
    owned = {ref: Record(record_of(resource)) for ref, resource in applied.resources.items()}
    there = {
        ref: resource.model_copy(update={"credits_allocated": live[ref.name]})
        if ref.kind == "team"
        else resource
        for ref, resource in applied.resources.items()
    }
    granted = {
        name: frozenset(top["id"] for top in spec["top_ups"])
        for name, spec in before["teams"].items()
    }
    known = Known(owned, granted, frozenset(), frozenset())
    desired = resolve(state_of(after), NOW, NO_PRICES).state
    return make_plan(Inputs(Target("t", "t", "test"), desired, State(there), known, SUPPORT))


@pytest.mark.parametrize("seed", range(PAIRS))
def test_a_plans_meaning_is_what_a_brute_force_finds(seed):
    rng = random.Random(seed)
    before, after = manifest(rng), manifest(rng)
    assert not errors(check(state_of(after)))
    live = {
        name: (nearest(before, spec, "credits_allocated") or 0) + rng.choice([0, 0, 500])
        for name, spec in before["teams"].items()
    }
    found = planned(before, after, live).impact
    teams = before["teams"].keys() | after["teams"].keys()
    gained = {name: reach(after, name) - reach(before, name) for name in teams}
    lost = {name: reach(before, name) - reach(after, name) for name in teams}

    assert {t.team: set(t.gained) for t in found.teams if t.gained} == {
        t: m for t, m in gained.items() if m
    }
    assert {t.team: set(t.lost) for t in found.teams if t.lost} == {
        t: m for t, m in lost.items() if m
    }
    emptied = {t for t in after["teams"] if reach(before, t) and not reach(after, t)}
    assert {t.team for t in found.teams if t.left_with_nothing} == emptied
    granted, taken = credits_moved(before, after, live)
    assert totals(found) == {
        "revenue_before": revenue(before),
        "revenue_after": revenue(after),
        "credits_granted": granted,
        "credits_taken": taken,
        "teams_gaining": sum(1 for models in gained.values() if models),
        "teams_losing": sum(1 for models in lost.values() if models),
    }


def test_the_random_pairs_are_worth_something():
    """Enough of them gain, lose, keep a model by another path, and move money."""
    told = [planned(b, a, dict.fromkeys(b["teams"], 0)).impact for b, a in map(pair, range(60))]
    assert sum(1 for each in told if any(t.gained for t in each.teams)) > 30
    assert sum(1 for each in told if any(t.lost for t in each.teams)) > 30
    assert sum(1 for each in told if each.revenue_before != each.revenue_after) > 30
    assert sum(1 for each in told if any(t.left_with_nothing for t in each.teams)) > 10


def pair(seed):
    rng = random.Random(seed)
    return manifest(rng), manifest(rng)
