"""After a complete apply by any path, a plan of the same config says nothing: no change, no impact, no risk, no note.

The random configs below are edited over and over; each edit is applied by the path under test.
"""

import asyncio
import json
import random
from collections import Counter

import pytest
import yaml

from reconciler.apply.run import Options, apply
from reconciler.core.plan.plan import Risk
from reconciler.core.plan.scope import EVERYTHING, parse_scope
from reconciler.files.plan_file import read_plan_file, write_plan_file
from reconciler.ledger import Ledger
from reconciler.pipeline import load, make, opened
from reconciler.render.plan.saved import plan_file_content

ALLOWED = frozenset({"loss", "too-many-updates", "too-many-deletes", "cascade"})
GROUPS, TEAMS, PLANS = ["g0", "g1", "g2"], ["t0", "t1", "t2"], ["p0", "p1", "p2"]


def company(rng: random.Random) -> dict:
    """A small company in which everything that lives in git only moves from one draw to the next."""
    plans = rng.sample(PLANS, rng.randint(1, 3))
    return {
        "organizations": {"o": {"name": "O"}},
        "model_aliases": {f"m{n}": alias(rng, n) for n in range(3)},
        "access_groups": {
            name: {"model_aliases": ["m0", *rng.sample(["m1", "m2"], 1)]} for name in GROUPS
        },
        "plans": {name: tier(rng, plans[:position]) for position, name in enumerate(plans)},
        "teams": {name: team(rng, plans) for name in TEAMS},
    }


def alias(rng, number):
    dated = {"sunset": rng.choice(["2031-01-01", "2032-01-01"])} if rng.random() < 0.4 else {}
    return {
        "litellm_model": f"openai/m{number}",
        "tags": rng.sample(["chat", "fast"], rng.randint(0, 2)),
        **dated,
    }


def tier(rng, parents):
    spec = {
        "price_usd_per_month": rng.choice([0, 99, 199.5]),
        "credits_allocated": rng.choice([100, 200]),
    }
    spec |= {
        "access_groups": rng.sample(GROUPS, rng.randint(0, 2)),
        "labels": {"x": rng.choice("ab")},
    }
    return spec | ({"extends": rng.choice(parents)} if parents and rng.random() < 0.5 else {})


def team(rng, plans):
    spec = {"organization_id": "o", "access_groups": ["g0"], "protect": rng.random() < 0.3}
    spec |= {"plan": rng.choice(plans)} if rng.random() < 0.7 else {}
    spec |= {"price_usd_per_month": rng.choice([1, 2])} if rng.random() < 0.3 else {}
    spec |= {"labels": {"env": rng.choice(["dev", "prod"])}} if rng.random() < 0.5 else {}
    if rng.random() < 0.3:
        spec["grants"] = [
            {"access_groups": ["g2"], "until": rng.choice(["2030-01-01", "2033-01-01"])}
        ]
    return spec


def priced_only(rng, said):
    """An edit of nothing but money, for which nothing is ever sent."""
    copy = json.loads(json.dumps(said))
    for spec in copy["plans"].values():
        spec["price_usd_per_month"] += rng.choice([1, 10])
    return copy


async def planned(directory, scope=EVERYTHING):
    loaded = load(directory, variables={})
    async with opened(loaded) as session:
        return (*(await make(session, scope=scope)), loaded.now)


async def applied(directory, saved=None, scope=EVERYTHING):
    loaded = load(directory, variables={})
    async with opened(loaded, read_only=False) as session:
        options = Options(actor="law", allowed=ALLOWED, saved=saved, scope=scope)
        report = await apply(session, options)
        assert report.complete


async def plainly(directory):
    await applied(directory)
    return EVERYTHING


async def by_a_saved_plan(directory):
    plan, live, now = await planned(directory)
    file = directory.parent / "plan.json"
    write_plan_file(file, plan_file_content(plan, live.state, now))
    await applied(directory, read_plan_file(file))
    return EVERYTHING


async def in_parts(directory):
    for part in ("organizations", "model_aliases", "access_groups", "plans", "teams"):
        await applied(directory, scope=parse_scope([part]))
    return EVERYTHING


async def only_some_teams(directory):
    scope = parse_scope(["team/t[01]", "model_aliases", "access_groups", "organizations"])
    await applied(directory, scope=scope)
    return scope


async def twice(directory):
    await applied(directory)
    await applied(directory)
    return EVERYTHING


PATHS = [plainly, by_a_saved_plan, in_parts, only_some_teams, twice]


@pytest.mark.parametrize("edits", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", PATHS)
def test_a_plan_after_an_apply_says_nothing(tmp_path, path, edits):
    rng = random.Random(path.__name__)
    directory = tmp_path / "config"
    directory.mkdir()
    said = company(rng)
    for number in range(edits):
        (directory / "all.yaml").write_text(yaml.safe_dump(said))
        scope = asyncio.run(path(directory))
        plan, *_ = asyncio.run(planned(directory, scope))
        assert (plan.changes, plan.noted, plan.impact.teams, plan.impact.reasons) == (
            (),
            (),
            (),
            (),
        ), number
        assert plan.impact.risk is Risk.NONE
        assert plan.impact.revenue_before == pytest.approx(plan.impact.revenue_after)
        assert not plan.pending
        said = priced_only(rng, said) if number % 2 == 0 else company(rng)


def test_a_saved_plan_of_another_price_is_not_what_was_approved(tmp_path):
    """A config whose prices moved after the review is another config."""
    directory = tmp_path / "config"
    directory.mkdir()
    said = company(random.Random(3))
    (directory / "all.yaml").write_text(yaml.safe_dump(said))
    asyncio.run(plainly(directory))
    (directory / "all.yaml").write_text(yaml.safe_dump(priced_only(random.Random(1), said)))
    plan, live, now = asyncio.run(planned(directory))
    assert plan.pending
    write_plan_file(tmp_path / "plan.json", plan_file_content(plan, live.state, now))
    saved = read_plan_file(tmp_path / "plan.json")
    (directory / "all.yaml").write_text(
        yaml.safe_dump(priced_only(random.Random(2), priced_only(random.Random(1), said)))
    )
    with pytest.raises(Exception, match="not what the plan file says"):
        asyncio.run(applied(directory, saved))


READS = ("inventory", "grants", "unfinished_creations", "expanded_since")


@pytest.mark.parametrize("saved", [False, True])
def test_an_apply_reads_what_is_remembered_once_before_its_requests_and_once_after(
    tmp_path, monkeypatch, saved
):
    reads: list[str] = []

    def counting(name):
        plain = getattr(Ledger, name)
        return lambda self, *given: reads.append(name) or plain(self, *given)

    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "all.yaml").write_text(yaml.safe_dump(company(random.Random(7))))
    file = tmp_path / "plan.json"
    if saved:
        plan, live, now = asyncio.run(planned(directory))
        write_plan_file(file, plan_file_content(plan, live.state, now))
    for name in READS:
        monkeypatch.setattr(Ledger, name, counting(name))
    for most in (2, 1):  # the second finds nothing to do, so there is nothing to verify
        reads.clear()
        approved = read_plan_file(file) if saved and most > 1 else None
        asyncio.run(applied(directory, approved))
        assert max(Counter(reads).values()) == most
