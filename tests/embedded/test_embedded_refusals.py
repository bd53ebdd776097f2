"""What is refused changes nothing: every bad body gets 4xx, names its field, and leaves the database as it was."""

import json

import pytest
from embedded_world import served

TEAM = {"organization_id": "org_acme", "team_id": "new"}
ALIAS = {"alias": "new", "litellm_model": "openai/x"}
CREATE_TEAM = ("POST", "/api/teams/create")
CREATE_ALIAS = ("POST", "/api/model-aliases/create")
CREATE_GROUP = ("POST", "/api/model-access-groups/create")
CREATE_ORG = ("POST", "/api/organizations/create")
PUT_TEAM = ("PUT", "/api/teams/t")
ADD = ("POST", "/api/credits/add")
DEEP = {"a": {}}
for _ in range(70):
    DEEP = {"a": DEEP}

CASES = [
    # unknown fields
    (CREATE_TEAM, {**TEAM, "credit_allocated": 5}, 422, "credit_allocated: unknown field"),
    (CREATE_GROUP, {"group_name": "x", "models": []}, 422, "models: unknown field"),
    (CREATE_ALIAS, {**ALIAS, "api_key": "x"}, 422, "api_key: unknown field"),
    (
        CREATE_ORG,
        {"organization_id": "x", "name": "x", "create_default_team": False},
        422,
        "create_default_team",
    ),
    (PUT_TEAM, {"credits_used": 0}, 422, "credits_used: unknown field"),
    (PUT_TEAM, {"team_id": "u"}, 422, "team_id: unknown field"),
    (ADD, {"team_id": "t", "amount": 1, "credits": 1}, 422, "credits: unknown field"),
    # missing fields
    (CREATE_TEAM, {"team_id": "new"}, 422, "organization_id: required"),
    (CREATE_ALIAS, {"alias": "new"}, 422, "litellm_model: required"),
    (("POST", "/api/model-access-groups/g/add-models"), {}, 422, "model_aliases: required"),
    (ADD, {"team_id": "t"}, 422, "amount: required"),
    # wrong types
    (
        CREATE_TEAM,
        {**TEAM, "access_groups": "g"},
        422,
        "access_groups: Input should be a valid list",
    ),
    (
        CREATE_TEAM,
        {**TEAM, "access_groups": ["g", 1]},
        422,
        "access_groups[1]: Input should be a valid string",
    ),
    (CREATE_TEAM, {**TEAM, "credits_allocated": "5"}, 422, "credits_allocated"),
    (CREATE_TEAM, {**TEAM, "credits_allocated": 5.0}, 422, "credits_allocated"),
    (CREATE_TEAM, {**TEAM, "credits_allocated": True}, 422, "credits_allocated"),
    (CREATE_TEAM, {**TEAM, "credits_allocated": -1}, 422, "credits_allocated"),
    (CREATE_TEAM, {**TEAM, "credits_allocated": 10**30}, 422, "credits_allocated"),
    (CREATE_TEAM, {**TEAM, "metadata": []}, 422, "metadata"),
    (CREATE_TEAM, {**TEAM, "status": "paused"}, 422, "status"),
    (PUT_TEAM, {"status": None}, 422, "status"),
    (PUT_TEAM, {"access_groups": None}, 422, "access_groups"),
    (PUT_TEAM, {"credits_allocated": None}, 422, "credits_allocated"),
    (CREATE_ALIAS, {**ALIAS, "pricing_input": -1}, 422, "pricing_input"),
    (CREATE_ALIAS, {**ALIAS, "pricing_input": "1"}, 422, "pricing_input"),
    (CREATE_ALIAS, {**ALIAS, "status": "suspended"}, 422, "status"),
    (CREATE_ALIAS, {**ALIAS, "status": "active", "active": False}, 422, "contradict"),
    (CREATE_ALIAS, {**ALIAS, "litellm_model": ""}, 422, "litellm_model"),
    (CREATE_ALIAS, {**ALIAS, "tags": "dear"}, 422, "tags"),
    (CREATE_ORG, {"organization_id": "x", "name": ""}, 422, "name"),
    (CREATE_ORG, {"organization_id": "x", "name": None}, 422, "name"),
    (ADD, {"team_id": "t", "amount": 0}, 422, "amount"),
    (ADD, {"team_id": "t", "amount": -5}, 422, "amount"),
    (ADD, {"team_id": "t", "amount": 1.5}, 422, "amount"),
    (ADD, {"team_id": "t", "amount": 2**53}, 422, "amount"),
    (ADD, {"team_id": "t", "amount": 1, "operation_id": ""}, 422, "operation_id"),
    # ids
    *(
        (CREATE_TEAM, {**TEAM, "team_id": bad}, 422, "team_id")
        for bad in ("", "a/b", "-a", "a b", "ü", "a\n", "x" * 201, 5)
    ),
    *(
        (CREATE_ALIAS, {**ALIAS, "alias": bad}, 422, "alias")
        for bad in ("openai/gpt-4", ".", "..", None)
    ),
    (CREATE_GROUP, {"group_name": "../x"}, 422, "group_name"),
    (CREATE_ORG, {"organization_id": "a%2Fb", "name": "x"}, 422, "organization_id"),
    # what does not exist, or exists already
    (CREATE_TEAM, {**TEAM, "organization_id": "nobody"}, 404, "Organization 'nobody' not found"),
    (
        CREATE_TEAM,
        {**TEAM, "access_groups": ["g", "nothing"]},
        404,
        "Model access group 'nothing' not found",
    ),
    (
        PUT_TEAM,
        {"team_alias": "x", "access_groups": ["g", "nothing"]},
        404,
        "Model access group 'nothing' not found",
    ),
    (
        PUT_TEAM,
        {"team_alias": "x", "organization_id": "nobody"},
        404,
        "Organization 'nobody' not found",
    ),
    (
        CREATE_GROUP,
        {"group_name": "x", "model_aliases": ["a", "nil"]},
        404,
        "Model alias 'nil' not found",
    ),
    (
        ("PUT", "/api/model-access-groups/g"),
        {"description": "x", "model_aliases": ["nil"]},
        404,
        "Model alias 'nil'",
    ),
    (
        ("POST", "/api/model-access-groups/g/add-models"),
        {"model_aliases": ["c", "nil"]},
        404,
        "Model alias 'nil'",
    ),
    (
        ("POST", "/api/model-access-groups/g/remove-models"),
        {"model_aliases": ["a", "nil"]},
        404,
        "Model alias 'nil'",
    ),
    (
        ("POST", "/api/model-access-groups/x/add-models"),
        {"model_aliases": ["a"]},
        404,
        "Model access group 'x' not",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "access_groups": ["g", "nothing"]},
        404,
        "Model access group 'nothing' not found",
    ),
    (("PUT", "/api/model-aliases/nil"), {"description": "x"}, 404, "Model alias 'nil' not found"),
    (("PUT", "/api/organizations/nobody"), {"name": "x"}, 404, "Organization 'nobody' not found"),
    (("PUT", "/api/teams/nobody"), {}, 404, "Team 'nobody' not found"),
    (("POST", "/api/teams/nobody/rotate-key"), None, 404, "Team 'nobody' not found"),
    (("PUT", "/api/teams/nobody/suspend"), None, 404, "Team 'nobody' not found"),
    (("DELETE", "/api/teams/nobody"), None, 404, "Team 'nobody' not found"),
    (("DELETE", "/api/model-access-groups/x"), None, 404, "Model access group 'x' not found"),
    (("DELETE", "/api/organizations/org_acme"), None, 409, "Organization has active teams"),
    (ADD, {"team_id": "nobody", "amount": 1}, 404, "Team 'nobody' not found"),
    (CREATE_TEAM, {**TEAM, "team_id": "t"}, 409, "Team 't' already exists"),
    (CREATE_GROUP, {"group_name": "g"}, 409, "Model access group 'g' already exists"),
    (CREATE_ALIAS, {**ALIAS, "alias": "a"}, 409, "Model alias 'a' already exists"),
    (
        CREATE_ORG,
        {"organization_id": "org_acme", "name": "x"},
        409,
        "Organization 'org_acme' already exists",
    ),
    # secrets
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"api_key": "sk-live-1"}},
        422,
        "api_key must not hold a secret",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"aws_secret_access_key": "x"}},
        422,
        "aws_secret_access_key must not",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"azure_ad_token": "x"}},
        422,
        "azure_ad_token must not",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"extra_headers": {"Authorization": "x"}}},
        422,
        "Authorization must not",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"extra_headers": {"X-A": "Bearer abc"}}},
        422,
        "X-A must not",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"api_base": "https://me:pw@host/"}},
        422,
        "api_base must not",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"vertex_credentials": {"a": ["x"]}}},
        422,
        "vertex_credentials.a must",
    ),
    (
        CREATE_ALIAS,
        {**ALIAS, "litellm_params": {"model": "openai/y"}},
        422,
        "model is set by the gateway",
    ),
    (
        ("PUT", "/api/model-aliases/a"),
        {"litellm_params": {"password": "x"}},
        422,
        "password must not hold a secret",
    ),
    # JSON that nobody means
    (CREATE_TEAM, b"", 422, "body: required"),
    (CREATE_TEAM, b"{", 400, "not JSON"),
    (CREATE_TEAM, b"organization_id=org_acme&team_id=new", 400, "not JSON"),
    (CREATE_TEAM, b"[]", 422, "body"),
    (CREATE_TEAM, b"null", 422, "body"),
    (CREATE_TEAM, b'"text"', 422, "body"),
    (CREATE_TEAM, b"\xff\xfe", 400, "not UTF-8"),
    (
        CREATE_TEAM,
        b'{"team_id": "a", "team_id": "b", "organization_id": "org_acme"}',
        400,
        "'team_id' is given twice",
    ),
    (PUT_TEAM, b'{"metadata": {"a": NaN}}', 400, "NaN"),
    (PUT_TEAM, b'{"metadata": {"a": 1e999}}', 400, "too large"),
    (PUT_TEAM, b'{"metadata": {"a": ' + b"1" * 5000 + b"}}", 400, "cannot be used"),
    (PUT_TEAM, b'{"team_alias": "a\\u0000b"}', 400, "NUL"),
    (PUT_TEAM, b'{"metadata": {"a\\u0000": 1}}', 400, "NUL"),
    (PUT_TEAM, b'{"team_alias": "\\ud800"}', 400, "surrogate"),
    (PUT_TEAM, {"metadata": DEEP}, 400, "deep"),
    (PUT_TEAM, b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "deep"),
    (PUT_TEAM, {"team_alias": "x" * 2001}, 422, "team_alias"),
    # paths and parameters
    (("GET", "/api/teams/a%2Fb"), None, 404, "Not Found"),
    (("GET", "/api/teams/a%00"), None, 422, "team_id"),
    (("DELETE", "/api/teams/%20"), None, 422, "team_id"),
    (("GET", "/api/teams?limit=0"), None, 422, "limit"),
    (("GET", "/api/teams?limit=many"), None, 422, "limit"),
    (("GET", "/api/teams?include=keys"), None, 422, "include"),
    (("GET", "/api/credits/balance"), None, 422, "team_id: required"),
    (("GET", "/api/credits/balance?team_id=nobody"), None, 404, "Team 'nobody' not found"),
    (("GET", "/api/credits/transactions?team_id=nobody"), None, 404, "Team 'nobody' not found"),
    (("GET", "/api/credits/transactions?after=5"), None, 422, "after"),
    (("PATCH", "/api/teams/t"), {}, 405, "Method Not Allowed"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with served(tmp_path_factory.mktemp("refusals") / "gateway.db") as gateway:
        for alias in ("a", "b", "c"):
            gateway.alias(alias)
        gateway.group("g", "a", "b", description="first")
        gateway.organization()
        gateway.team("t", "g", credits_allocated=100, metadata={"env": "prod"})
        yield gateway


def identify(value):
    return json.dumps(value, default=repr)[:50] if isinstance(value, (dict, bytes)) else None


@pytest.mark.parametrize(("endpoint", "body", "status", "words"), CASES, ids=identify)
def test_it_is_refused_with_the_reason_and_changes_nothing(world, endpoint, body, status, words):
    content = (
        body if isinstance(body, bytes) else (b"" if body is None else json.dumps(body).encode())
    )
    before = world.dump()
    detail = world.refused(*endpoint, status, content=content)
    assert words in detail
    assert len(detail) < 600
    assert world.dump() == before


def test_a_reason_never_repeats_what_was_sent(world):
    secret = "sk-proj-abcdefghijklmnop"
    bodies = [
        {**ALIAS, "litellm_params": {"api_key": secret}},
        {**ALIAS, "status": secret},
        {**ALIAS, "pricing_input": secret},
        {**ALIAS, "alias": f"/{secret}"},
    ]
    assert not [
        detail
        for body in bodies
        if secret in (detail := world.refused(*CREATE_ALIAS, 422, json=body))
    ]
