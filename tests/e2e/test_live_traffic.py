"""Teams call their models over real HTTP while an apply turns the tiers inside out: no call of a kept model is denied."""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))

from fault_world import ADMIN_KEY, World, world
from naive_order import install

MODELS = [f"m{number}" for number in range(6)]
CREDITS = 1_000_000
# Tiers are renamed, a group is split, two are merged, models move between groups, a team changes its tier.
BEFORE = {
    "groups": {
        "basic": "m0 m1",
        "pro": "m2 m3",
        "extra": "m4",
        "all": "m0 m1 m2 m3 m4 m5",
        "side": "m5",
    },
    "teams": {
        "a": "basic",
        "b": "basic pro",
        "c": "all",
        "d": "pro extra",
        "e": "basic side",
        "f": "side extra",
    },
}
AFTER = {
    "groups": {
        "tier-1": "m0 m1",
        "tier-2": "m2",
        "extra": "m3",
        "all": "m4 m5",
        "side": "m4",
        "rest": "m0 m1 m2 m3 m5",
    },
    "teams": {
        "a": "tier-1",
        "b": "tier-1 tier-2 extra",
        "c": "all rest",
        "d": "tier-2 extra side",
        "e": "rest",
        "f": "side rest",
    },
}


def models(company, team):
    return {
        model
        for group in company["teams"][team].split()
        for model in company["groups"][group].split()
    }


def kept(team):
    return sorted(models(BEFORE, team) & models(AFTER, team))


def manifests(company):
    return {
        "organizations": {"acme": {"name": "ACME"}},
        "model_aliases": {
            name: {
                "litellm_model": "openai/gpt-4o-mini",
                "litellm_params": {"mock_response": f"I am {name}"},
            }
            for name in MODELS
        },
        "access_groups": {
            name: {"model_aliases": members.split()} for name, members in company["groups"].items()
        },
        "teams": {
            name: {
                "organization_id": "acme",
                "access_groups": groups.split(),
                "credits_allocated": CREDITS,
            }
            for name, groups in company["teams"].items()
        },
    }


def declare(here: World, company):
    here.directory.mkdir(exist_ok=True)
    (here.directory / "reconciler.yaml").write_text(yaml.safe_dump(here.settings()))
    (here.directory / "company.yaml").write_text(yaml.safe_dump(manifests(company)))


def call(url, key, model):
    """(status, what the gateway said)."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/v1/chat/completions", body, headers)
        ) as answer:
            return answer.status, json.load(answer)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


@dataclass
class Traffic:
    """One client per team, asking for every model that it keeps, over and over."""

    answered: Counter = field(default_factory=Counter)
    denied: list = field(default_factory=list)
    other: list = field(default_factory=list)

    @contextmanager
    def flowing(self, url, keys):
        over = threading.Event()
        clients = [
            threading.Thread(target=self._client, args=(url, team, key, over))
            for team, key in keys.items()
        ]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            over.set()
            for client in clients:
                client.join()

    def _client(self, url, team, key, over):
        while not over.is_set():
            for model in kept(team):
                status, said = call(url, key, model)
                if status == 200:
                    assert said == f"I am {model}"
                    self.answered[team] += 1
                elif status == 403 and "denied" in said:
                    self.denied.append((team, model))
                else:
                    self.other.append((team, model, status, said))


def virtual_keys(here):
    """A new key for each team; the gateway shows it once."""
    return {
        team: here.gateway.ask("POST", f"/api/teams/{team}/rotate-key", {})["virtual_key"]
        for team in BEFORE["teams"]
    }


@contextmanager
def founded(directory):
    with world("embedded", directory, 0, timeout=2.0) as here:
        declare(here, BEFORE)
        assert here.apply().code == 0, here.last.said
        assert here.gateway.admin_key == ADMIN_KEY
        keys = virtual_keys(here)
        call(here.gateway.url, keys["a"], "m0")  # the first call imports LiteLLM
        declare(here, AFTER)
        here.proxy.rates = {
            "slow": 1.0
        }  # each write is answered 0.2 s later, so that there is time to ask
        yield here, keys


def disturbed(here, keys, **how):
    traffic = Traffic()
    with traffic.flowing(here.gateway.url, keys):
        time.sleep(0.3)
        ended = here.apply(**how)
        time.sleep(0.3)
    print(
        f"{sum(traffic.answered.values())} answered, {len(traffic.denied)} denied: {Counter(traffic.denied)}"
    )
    return ended, traffic


def arrived(here):
    return here.gateway.groups() == {
        name: frozenset(members.split()) for name, members in AFTER["groups"].items()
    }


def test_every_team_keeps_something_by_another_path():
    assert all(kept(team) for team in BEFORE["teams"])
    assert all(
        not set(BEFORE["teams"][team].split()) & set(AFTER["teams"][team].split()) for team in "abe"
    )


@pytest.mark.slow
def test_no_call_of_a_kept_model_is_denied_during_a_violent_apply(tmp_path):
    with founded(tmp_path) as (here, keys):
        ended, traffic = disturbed(here, keys)
        assert ended.code == 0, ended.said
        assert arrived(here)
        assert traffic.denied == []
        assert traffic.other == []
        assert all(traffic.answered[team] > 0 for team in BEFORE["teams"])


@pytest.mark.slow
def test_the_same_harness_counts_denials_under_a_naive_order(tmp_path):
    with founded(tmp_path) as (here, keys):
        ended, traffic = disturbed(here, keys, before=install)
        assert ended.code == 0, ended.said
        assert arrived(here)
        assert len(traffic.denied) > 0
        assert traffic.other == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_denial_in_many_applies_to_and_fro(tmp_path):
    answered, denied = 0, 0
    with founded(tmp_path) as (here, keys):
        for number in range(20):
            declare(here, (AFTER, BEFORE)[number % 2])
            ended, traffic = disturbed(here, keys)
            assert ended.code == 0, ended.said
            answered, denied = (
                answered + sum(traffic.answered.values()),
                denied + len(traffic.denied),
            )
            assert traffic.other == []
    print(f"20 applies: {answered} answered, {denied} denied")
    assert denied == 0
