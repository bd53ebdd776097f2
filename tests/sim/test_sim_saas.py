"""The simulation's SaaS LiteLLM against the double on a real socket: the same requests, the same answers."""

import json
import random

import pytest
from fastapi.testclient import TestClient
from saas_litellm import create_app
from saas_litellm_world import World
from sim_network import Request, Url
from sim_saas import Saas

TEAMS, GROUPS, ALIASES, ORGANIZATIONS = ("t0", "t1"), ("g0", "g1"), ("m0", "m1"), ("o", "p")
IN_USE = "in use by teams: "
ADMIN = "admin-key-of-the-test"
# Times, made-up ids, and what no part of the product reads.
UNLIKE = {
    "created_at",
    "updated_at",
    "virtual_key",
    "transaction_id",
    "transaction",
    "litellm_model_id",
    "total",
}


def some(names, rng):
    return rng.sample(names, rng.randint(0, len(names)))


def creation(rng):
    name, alias, team = rng.choice(GROUPS), rng.choice(ALIASES), rng.choice(TEAMS)
    model = {"model_alias": alias, "display_name": alias, "provider": "openai", "actual_model": "a"}
    group = {"group_name": name, "display_name": name, "model_aliases": some(ALIASES, rng)}
    return rng.choice(
        (
            (
                "POST",
                "/api/organizations/create",
                {
                    "organization_id": rng.choice(ORGANIZATIONS),
                    "name": "O",
                    "create_default_team": False,
                },
            ),
            ("POST", "/api/models/create", model),
            ("POST", "/api/model-access-groups/create", group),
            (
                "POST",
                "/api/teams/create",
                {
                    "organization_id": rng.choice(ORGANIZATIONS),
                    "team_id": team,
                    "access_groups": some(GROUPS, rng),
                    "credits_allocated": rng.choice((0, 100)),
                },
            ),
        )
    )


def change(rng):
    team, group, alias = map(rng.choice, (TEAMS, GROUPS, ALIASES))
    credits_ = {"credits": rng.choice((5, 70)), "reason": "moved [reconciler:allocation:1]"}
    return rng.choice(
        (
            ("PUT", f"/api/teams/{team}", {"access_groups": some(GROUPS, rng)}),
            ("PUT", f"/api/teams/{team}", {"credits_allocated": rng.choice((100, 300))}),
            ("PUT", f"/api/teams/{team}/suspend", {}),
            ("PUT", f"/api/teams/{team}/resume", {}),
            ("POST", f"/api/credits/teams/{team}/add", credits_),
            ("POST", f"/api/credits/teams/{team}/add", credits_),
            ("PUT", f"/api/model-access-groups/{group}", {"description": rng.choice(("a", None))}),
            (
                "PUT",
                f"/api/model-access-groups/{group}/models",
                {"model_aliases": some(ALIASES, rng)},
            ),
            ("PUT", f"/api/models/{alias}", {"status": rng.choice(("active", "inactive"))}),
            ("PUT", f"/api/models/{alias}", {"description": rng.choice(("a", "b"))}),
            (
                "PATCH",
                f"/api/credits/teams/{team}/conversion-rates",
                {"tokens_per_credit": rng.choice((10_000, 20_000))},
            ),
        )
    )


def deletion(rng):
    kinds = (("teams", TEAMS), ("model-access-groups", GROUPS), ("models", ALIASES))
    kind, names = rng.choice(kinds)
    return "DELETE", f"/api/{kind}/{rng.choice(names)}", None


def look(rng):
    kind, names = rng.choice(
        (
            ("teams", TEAMS),
            ("model-access-groups", GROUPS),
            ("models", ALIASES),
            ("organizations", ORGANIZATIONS),
        )
    )
    team = rng.choice(TEAMS)
    return rng.choice(
        (
            ("GET", f"/api/{kind}", None),
            ("GET", f"/api/{kind}/{rng.choice(names)}", None),
            ("GET", f"/api/credits/teams/{team}/transactions?as={rng.choice(TEAMS)}", None),
        )
    )


KINDS = (creation, creation, change, change, change, change, deletion, look, look, look)


def conversation(seed):
    rng = random.Random(seed)
    yield (
        "POST",
        "/api/organizations/create",
        {"organization_id": "o", "name": "O", "create_default_team": False},
    )
    for number in range(120):
        request = (creation if number < 15 else rng.choice(KINDS))(rng)
        yield from [request] * (2 if rng.random() < 0.1 else 1)


def plain(value):
    """An answer without what differs from server to server. Only transactions have an order: the newest first."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in UNLIKE}
    if isinstance(value, list):
        items = [plain(item) for item in value]
        ordered = any("credits_before" in item for item in items if isinstance(item, dict))
        return (
            items if ordered else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
        )
    if isinstance(value, str) and IN_USE in value:
        said, _, names = value.partition(IN_USE)
        return said + IN_USE + ", ".join(sorted(names.split(", ")))
    return value


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 150))]
)
def test_saas_litellm_and_its_double_give_the_same_answers(seed):
    token = iter(range(10**6))
    double = Saas(lambda: 0.0, lambda: f"{next(token):032x}")
    keys = {}
    with TestClient(create_app(World(admin_key=ADMIN)), raise_server_exceptions=False) as client:
        for number, (method, target, body) in enumerate(conversation(seed)):
            path, _, caller = target.partition("?as=")
            bearers = [f"Bearer {known.get(caller, 'sk-nobody')}" for known in (keys, double.keys)]
            ours, theirs = ({"Authorization": bearer} if caller else {} for bearer in bearers)
            if path.endswith("/add") and path.split("/")[4] not in double.tables.teams:
                continue  # the server makes a ghost; the product never asks for one
            real = client.request(method, path, json=body, headers={"X-Admin-Key": ADMIN, **ours})
            lowered = {name.lower(): value for name, value in theirs.items()}
            status, answer = double.serve(Request(method, Url(path), {}, lowered, body, "test"))
            said = f"{number}: {method} {target} {body}"
            assert status == real.status_code, f"{said}: {answer} {real.text}"
            assert plain(answer) == plain(real.json()), said
            if isinstance(answer, dict) and status == 200 and path == "/api/teams/create":
                keys[body["team_id"]] = real.json()["virtual_key"]
