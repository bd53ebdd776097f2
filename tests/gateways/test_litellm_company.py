"""A random company on a real LiteLLM Proxy: it converges after any edits, and the proxy decides as we say it does."""

import asyncio
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from litellm_company import Company, edit_live

from reconciler.apply.run import Options, apply
from reconciler.core.access.rules import access
from reconciler.core.model.kinds import ModelAlias, Team
from reconciler.core.plan.safety import FLAGS
from reconciler.pipeline import load, make, opened

DATABASE = "RECONCILER_TEST_LITELLM_DB"
CACHES = 3.0  # seconds; the proxy under test is started with caches of one second
ROUNDS = int(os.environ.get("RECONCILER_TEST_LITELLM_ROUNDS", "3"))
SIZES = tuple(map(int, os.environ.get("RECONCILER_TEST_LITELLM_SIZES", "20,6,5,40").split(",")))
PAIRS = int(os.environ.get("RECONCILER_TEST_LITELLM_PAIRS", "60"))
EDITS = int(os.environ.get("RECONCILER_TEST_LITELLM_EDITS", "20"))

SETTINGS = """
default_gateway: proxy
gateways:
  proxy: {backend: litellm, url: "%s", admin_key_env: TEST_KEY, timeout_seconds: 90, processes: 1}
safety: {max_update_percent: 100, max_delete_percent: 100, allow_loss: true, allow_cascade: true}
"""


@pytest.fixture
def place(litellm_world, tmp_path):
    (tmp_path / "reconciler.yaml").write_text(SETTINGS % litellm_world.server.url)
    return tmp_path


def applied(place, key):
    async def work():
        loaded = load(place, variables={"TEST_KEY": key})
        assert loaded.valid, [str(f) for f in loaded.findings]
        async with opened(loaded, read_only=False) as session:
            report = await apply(session, Options(actor="test", allowed=frozenset(FLAGS)))
            bad = [(o.step.id, o.error, o.hint) for o in report.outcomes if o.error]
            left = (
                [(str(c.ref), c.fields, c.credits) for c in report.left.changes]
                if report.left
                else []
            )
            assert not bad, bad
            assert not left, left
            return report

    return asyncio.run(work())


def planned(place, key):
    async def work():
        async with opened(load(place, variables={"TEST_KEY": key})) as session:
            return (*await make(session), session.gateway.support)

    return asyncio.run(work())


def foreign(proxy, prefix):
    """Everything on the proxy that is not the company's, as the proxy says it."""
    rows = proxy.call("GET", "/v2/model/info", size="5000", search="_")["data"]
    found = {
        "teams": [
            t for t in proxy.call("GET", "/team/list") if not t["team_id"].startswith(prefix)
        ],
        "groups": [
            g
            for g in proxy.call("GET", "/v1/access_group")
            if not g["access_group_name"].startswith(prefix)
        ],
        "rows": [r for r in rows if not r["model_name"].startswith(prefix)],
    }
    for row in found["rows"]:
        row["model_info"].pop(
            "supported_openai_params", None
        )  # made up anew for each answer, in any order
    return json.dumps([found, stored(prefix)], sort_keys=True, default=str)


STORED = {
    "LiteLLM_ProxyModelTable": "model_name",
    "LiteLLM_AccessGroupTable": "access_group_name",
    "LiteLLM_TeamTable": "team_id",
}


def stored(prefix):
    """The same, byte by byte as the database holds it."""
    if DATABASE not in os.environ:
        return None
    with psycopg.connect(os.environ[DATABASE]) as connection:
        return [
            connection.execute(
                f'select t::text from "{table}" t where not starts_with({name}, %s) order by 1',
                [prefix],
            ).fetchall()
            for table, name in STORED.items()
        ]


@contextmanager
def watched(prefix: str) -> Iterator[list[str]]:
    """The teams of the prefix that ever held an empty list of models, by looking at the database all the time."""
    url, seen, done = os.environ.get(DATABASE), [], threading.Event()

    def watch() -> None:
        query = """select team_id from "LiteLLM_TeamTable" where models = '{}' and starts_with(team_id, %s)"""
        with psycopg.connect(url, autocommit=True) as connection:
            while not done.is_set():
                rows = connection.execute(query, [prefix]).fetchall()
                seen.extend(name for (name,) in rows)
                time.sleep(0.005)

    thread = threading.Thread(target=watch, daemon=True)
    if url:
        thread.start()
    yield seen
    done.set()
    if url:
        thread.join(10)


def others(proxy, prefix):
    """A few objects of somebody else, with everything that could be trodden on."""
    model = f"{prefix}x-foreign"
    body = {
        "model_name": model,
        "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-theirs", "custom": 1},
    }
    proxy.call("POST", "/model/new", {**body, "model_info": {"theirs": {"a": [1, 2]}}})
    group = proxy.call(
        "POST",
        "/v1/access_group",
        {"access_group_name": f"{prefix}x-group", "access_model_names": [model]},
    )
    team = {
        "team_id": f"{prefix}x-team",
        "models": [model],
        "metadata": {"theirs": 1, "tags": []},
        "budget_duration": "14d",
    }
    proxy.call(
        "POST",
        "/team/new",
        {**team, "max_budget": 5, "access_group_ids": [group["access_group_id"]]},
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [int(os.environ.get("RECONCILER_TEST_LITELLM_SEED", "1"))])
def test_a_random_company_converges_and_access_is_what_the_proxy_says(litellm_world, place, seed):
    proxy, prefix, key = litellm_world.server, litellm_world.prefix, litellm_world.server.admin_key
    company, rng = Company(prefix, seed, SIZES), random.Random(seed)
    others(proxy, prefix)
    before, sent = foreign(proxy, f"{prefix}-"), len(proxy.sent)
    with watched(prefix) as empty:
        company.write(place / "company")
        applied(place, key)
        assert_settled(place, key, "the first apply")
        for _ in range(ROUNDS):
            edits = [
                company.edit() if rng.random() < 0.6 else edit_live(proxy, prefix, rng)
                for _ in range(EDITS)
            ]
            company.write(place / "company")
            applied(place, key)
            assert_settled(place, key, edits)
            assert_access(proxy, place, prefix, rng)
    assert empty == []
    assert foreign(proxy, f"{prefix}-") == before
    for method, path, body in proxy.sent[sent:]:
        assert body.get("models") != [] or path.startswith("/key"), (method, path, body)
        assert path != "/model/update"


def assert_settled(place, key, because):
    plan, _live, _ = planned(place, key)
    assert plan.changes == (), (
        because,
        [(str(c.ref), c.verb, c.fields, c.credits) for c in plan.changes],
    )


def assert_access(proxy, place, prefix, rng):
    """For random pairs, the proxy's own answer to a chat completion is the one that we compute."""
    _, live, support = planned(place, proxy.admin_key)
    granted = access(live.state, support.rules)
    teams = [name for name in live.state.of(Team) if name.startswith(f"{prefix}-")]
    models = [name for name in live.state.of(ModelAlias) if name.startswith(prefix)] + [
        f"{prefix}-fast",
        "openai/gpt-x",
    ]
    keys: dict[str, str] = {}
    time.sleep(CACHES)
    for _ in range(PAIRS):
        team, model = rng.choice(teams), rng.choice(models)
        if rng.random() < 0.5 and granted.of(team):
            model = rng.choice(sorted(granted.of(team)))
        if team not in keys:
            keys[team] = proxy.team_key(team)
        answer = proxy.chat(keys[team], model)
        ours = live.state.of(Team)[team], live.state.of(ModelAlias).get(model)
        assert (answer.status_code == 200) == (model in granted.of(team)), (
            team,
            model,
            answer.text[:300],
            *ours,
        )
