"""The simulation's doubles against what they stand for: the same requests, the same answers. A double is never kinder."""

import random

import pytest
from fastapi.testclient import TestClient
from sim_embedded import PATHS, Embedded
from sim_network import Request, Url

from reconciler.embedded.app import close, create_app

TEAMS, GROUPS, ALIASES, ORGANIZATIONS = ("t0", "t1"), ("g0", "g1"), ("m0", "m1"), ("o", "p")
OPERATIONS = ("op-0", "op-1", "op-2", "op-3")
STAMPS = ("created_at", "updated_at", "timestamp")


def some(names, rng):
    return rng.sample(names, rng.randint(0, len(names)))


def creation(rng):
    return rng.choice(
        (
            (
                "POST",
                "/api/organizations/create",
                {"organization_id": rng.choice(ORGANIZATIONS), "name": "O"},
            ),
            (
                "POST",
                "/api/model-aliases/create",
                {"alias": rng.choice(ALIASES), "litellm_model": "openai/a"},
            ),
            (
                "POST",
                "/api/model-access-groups/create",
                {"group_name": rng.choice(GROUPS), "model_aliases": some(ALIASES, rng)},
            ),
            (
                "POST",
                "/api/teams/create",
                {
                    "organization_id": rng.choice(ORGANIZATIONS),
                    "team_id": rng.choice(TEAMS),
                    "access_groups": some(GROUPS, rng),
                    "credits_allocated": rng.choice((0, 100)),
                    **(
                        {"virtual_key": f"sk-{rng.choice('ab') * 40}"} if rng.random() < 0.5 else {}
                    ),
                },
            ),
        )
    )


def grant(rng):
    body = {"team_id": rng.choice(TEAMS), "amount": rng.choice((5, 5, 7, -50, 0))}
    body |= {"operation_id": rng.choice(OPERATIONS)} if rng.random() < 0.8 else {}
    body |= {"previous_operation_id": rng.choice((None, *OPERATIONS))} if rng.random() < 0.4 else {}
    return "POST", "/api/credits/add", body


def change(rng):
    team, group, alias, organization = map(rng.choice, (TEAMS, GROUPS, ALIASES, ORGANIZATIONS))
    status = {"status": rng.choice(("active", "suspended"))}
    return rng.choice(
        (
            ("PUT", f"/api/teams/{team}", {"access_groups": some(GROUPS, rng)}),
            ("PUT", f"/api/teams/{team}", {"access_groups": some(GROUPS, rng), **status}),
            (
                "PUT",
                f"/api/teams/{team}",
                {"credits_allocated": rng.choice((0, 100, 300)), "metadata": None},
            ),
            ("PUT", f"/api/teams/{team}", {"organization_id": organization}),
            ("PUT", f"/api/model-access-groups/{group}", {"description": rng.choice(("a", None))}),
            ("PUT", f"/api/model-access-groups/{group}", {"model_aliases": some(ALIASES, rng)}),
            (
                "POST",
                f"/api/model-access-groups/{group}/add-models",
                {"model_aliases": some(ALIASES, rng)},
            ),
            (
                "POST",
                f"/api/model-access-groups/{group}/remove-models",
                {"model_aliases": some(ALIASES, rng)},
            ),
            ("PUT", f"/api/model-aliases/{alias}", {"status": rng.choice(("active", "inactive"))}),
            (
                "PUT",
                f"/api/model-aliases/{alias}",
                {"litellm_params": rng.choice(({"a": 1}, None))},
            ),
            (
                "PUT",
                f"/api/organizations/{organization}",
                {"name": rng.choice("AB"), "metadata": {"a": 1}},
            ),
            (
                "POST",
                f"/api/teams/{team}/rotate-key",
                {"virtual_key": f"sk-{rng.choice('ab') * 40}"},
            ),
            ("POST", f"/api/teams/{team}/rotate-key", {}),
            ("POST", f"/api/teams/{team}/{rng.choice(('suspend', 'resume'))}", None),
            ("POST", "/api/operations/void", {"operation_ids": some(OPERATIONS, rng)}),
        )
    )


def deletion(rng):
    kinds = (("teams", TEAMS), ("model-access-groups", GROUPS), ("model-aliases", ALIASES))
    kind, names = rng.choice((*kinds, ("organizations", ORGANIZATIONS)))
    return "DELETE", f"/api/{kind}/{rng.choice(names)}", None


def look(rng):
    transactions = rng.choice(
        (
            {"team_id": rng.choice(TEAMS)},
            {"team_id": rng.choice(TEAMS), "operation_id": rng.choice(OPERATIONS)},
            {
                "operation_prefix": rng.choice(("op-", "op-1", "x")),
                "order": rng.choice(("newest", "oldest")),
            },
            {"limit": 2, "after": f"txn_{rng.randint(1, 6):08d}"},
        )
    )
    return rng.choice(
        (
            ("GET", "/api/teams", None),
            ("GET", f"/api/teams/{rng.choice(TEAMS)}", None),
            ("GET", "/api/model-access-groups", None, {"include": "model_aliases"}),
            ("GET", f"/api/model-access-groups/{rng.choice(GROUPS)}", None),
            ("GET", "/api/model-aliases", None),
            ("GET", f"/api/model-aliases/{rng.choice(ALIASES)}", None),
            ("GET", "/api/organizations", None),
            ("GET", f"/api/organizations/{rng.choice(ORGANIZATIONS)}", None),
            ("GET", "/api/credits/transactions", None, transactions),
            ("GET", "/v1/models", None),
        )
    )


def conversation(seed):
    """Requests with and without ids and generations; now and then the same one again."""
    rng = random.Random(seed)
    made = [("POST", "/api/organizations/create", {"organization_id": "o", "name": "O"}, {}, {})]
    for number in range(60):
        kind = (
            creation
            if number < 12
            else rng.choice((creation, grant, grant, change, change, change, deletion, look))
        )
        method, path, body, *params = kind(rng)
        headers = (
            {"Authorization": f"Bearer sk-{rng.choice('ab') * 40}"} if path == "/v1/models" else {}
        )
        if (
            method != "GET" and not path.endswith("/void") and rng.random() < 0.4
        ):  # it would void itself
            headers["Idempotency-Key"] = rng.choice(OPERATIONS)
        if method != "GET" and rng.random() < 0.3:
            headers["If-Match"] = f'"{rng.randint(1, 4)}"'
        made.append((method, path, body, headers, params[0] if params else {}))
        if rng.random() < 0.15:
            made.append(rng.choice(made[-6:]))
    return made


def plain(value):
    """An answer without its times."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in STAMPS}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 100))]
)
def test_the_embedded_gateway_and_its_double_give_the_same_answers(seed):
    token = ["token"]
    app = create_app(":memory:", tokens=lambda: token[0])
    double = Embedded(lambda: 0.0, lambda: token[0])
    with TestClient(app) as client:
        for number, (method, path, body, headers, params) in enumerate(conversation(seed)):
            token[0] = f"token-{number}"
            real = client.request(method, path, json=body, headers=headers, params=params)
            lowered = {name.lower(): value for name, value in headers.items()}
            sent = {name: str(value) for name, value in params.items()}
            status, answer = double.serve(Request(method, Url(path), sent, lowered, body, "test"))
            said = f"{number}: {method} {path} {body} {headers} {params}"
            assert (status, plain(answer)) == (real.status_code, plain(real.json())), said
        for team, key in double.keys.items():
            answer = client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code in (200, 403), f"{team} has another key"
    close(app)


def test_what_tells_the_dialect_is_what_the_gateway_has():
    app = create_app(":memory:")
    assert PATHS.keys() <= app.openapi()["paths"].keys()
    close(app)
