"""Every management write that the gateway has; a test compares the table with the routes."""

ORGANIZATION, TEAM = "/api/organizations/org_acme", "/api/teams/t"
ALIAS, GROUP = "/api/model-aliases/a", "/api/model-access-groups/g"
KEY = "sk-" + "k" * 40

# Every management write of the gateway: (method, path, body, what it is about: None for no one object).
WRITES = [
    ("POST", "/api/organizations/create", {"organization_id": "new", "name": "New"}, None),
    ("PUT", ORGANIZATION, {"name": "Other"}, ORGANIZATION),
    ("POST", f"{ORGANIZATION}/rename", {"organization_id": "other"}, ORGANIZATION),
    ("DELETE", "/api/organizations/org_empty", None, "/api/organizations/org_empty"),
    (
        "POST",
        "/api/model-aliases/create",
        {"alias": "d", "litellm_model": "x/d", "access_groups": ["g"]},
        None,
    ),
    ("PUT", ALIAS, {"status": "inactive", "pricing_input": 2}, ALIAS),
    ("POST", f"{ALIAS}/rename", {"alias": "z"}, ALIAS),
    ("DELETE", ALIAS, None, ALIAS),
    ("POST", "/api/model-access-groups/create", {"group_name": "i", "model_aliases": ["a"]}, None),
    ("PUT", GROUP, {"model_aliases": ["c"]}, GROUP),
    ("POST", f"{GROUP}/add-models", {"model_aliases": ["c"]}, GROUP),
    ("POST", f"{GROUP}/remove-models", {"model_aliases": ["a"]}, GROUP),
    ("POST", f"{GROUP}/rename", {"group_name": "z"}, GROUP),
    ("DELETE", GROUP, None, GROUP),
    (
        "POST",
        "/api/teams/create",
        {"organization_id": "org_acme", "team_id": "u", "virtual_key": KEY},
        None,
    ),
    (
        "POST",
        "/api/teams/create",
        {"organization_id": "org_acme", "team_id": "u", "credits_allocated": 5},
        None,
    ),
    ("PUT", TEAM, {"access_groups": ["h"], "credits_allocated": 7}, TEAM),
    ("POST", f"{TEAM}/rename", {"team_id": "z"}, TEAM),
    ("PUT", f"{TEAM}/suspend", None, TEAM),
    ("POST", f"{TEAM}/suspend", {}, TEAM),
    ("PUT", "/api/teams/s/resume", None, "/api/teams/s"),
    ("POST", "/api/teams/s/resume", None, "/api/teams/s"),
    ("POST", f"{TEAM}/rotate-key", None, TEAM),
    ("POST", f"{TEAM}/rotate-key", {"virtual_key": KEY}, TEAM),
    ("DELETE", TEAM, None, TEAM),
    ("POST", "/api/credits/add", {"team_id": "t", "amount": 5}, None),
    ("POST", "/api/credits/add", {"team_id": "t", "amount": 5, "operation_id": "inner"}, None),
    ("POST", "/api/operations/void", {"operation_ids": ["x"]}, None),
]
NO_WRITES = {"/api/teams/{team_id}/probe", "/api/jobs/{job_id}/llm-call"}


def named(write):
    return f"{write[0]} {write[1]} {sorted(write[2] or ())}"
