"""What somebody changes on a real proxy by hand: access and money are drift with its meaning, healed or said why not.

One company, adopted and applied; each edit is made, seen, healed, and nothing that nobody declared moves with it.
"""

import asyncio
import json
from dataclasses import dataclass

import pytest

from reconciler.apply.run import Options, apply
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.plan.safety import FLAGS
from reconciler.pipeline import drift, load, opened

pytestmark = pytest.mark.litellm

SETTINGS = """
default_gateway: proxy
gateways:
  proxy: {backend: litellm, url: "%s", admin_key_env: TEST_KEY, timeout_seconds: 90, processes: 1, usd_per_credit: 0.01,
    keys_out: keys.json}
safety: {max_update_percent: 100, max_delete_percent: 100}
"""


@dataclass
class Edited:
    """The proxy with the names of the company: what another hand has to work with."""

    proxy: object
    prefix: str

    def n(self, name):
        return f"{self.prefix}-{name}"

    def team(self, name, **body):
        self.proxy.call("PATCH", f"/team/{self.n(name)}", body)

    def group(self, name, **body):
        group_id = self.proxy.group(self.n(name))["access_group_id"]
        self.proxy.call("PUT", f"/v1/access_group/{group_id}", body)

    def model(self, name, **body):
        [row] = self.proxy.rows(self.n(name))
        row_id = row["model_info"]["id"]
        body["model_info"] = {"id": row_id, **body.get("model_info", {})}
        self.proxy.call("PATCH", f"/model/{row_id}/update", body)

    def delete_model(self, name):
        [row] = self.proxy.rows(self.n(name))
        self.proxy.call("POST", "/model/delete", {"id": row["model_info"]["id"]})

    def tag(self, name, *groups):
        """The legacy access groups of a model: `model_info.access_groups`."""
        self.model(name, model_info={"access_groups": [self.n(group) for group in groups]})

    def route(self, **targets):
        """Router aliases; those of others stay."""
        known = (
            self.proxy.call("GET", "/router/settings")["current_values"]["model_group_alias"] or {}
        )
        others = {
            name: target for name, target in known.items() if not name.startswith(self.prefix)
        }
        ours = {self.n(name): self.n(target) for name, target in targets.items()}
        settings = {"model_group_alias": {**others, **ours}}
        self.proxy.call("POST", "/config/update", {"router_settings": settings})

    def key(self, **body):
        alias = self.n("k")
        [found] = self.proxy.call(
            "GET", "/key/list", key_alias=alias, return_full_object="true", size="10"
        )["keys"]
        return found["token"]

    def ids(self, *names):
        return [self.proxy.group(self.n(name))["access_group_id"] for name in names]


def company(n):
    mock = {"mock_response": "hi"}
    return {
        "model_aliases": {
            n("a"): {
                "litellm_model": "openai/gpt-4o",
                "litellm_params": {**mock, "timeout": 30},
                "pricing_input": 5,
            },
            n("b"): {"litellm_model": "openai/gpt-4o-mini", "litellm_params": mock},
            n("adopted"): {"litellm_model": "openai/gpt-4o"},
            n("adopted-too"): {
                "litellm_model": "openai/gpt-4o",
                "litellm_params": {**mock, "timeout": 30},
            },
        },
        "access_groups": {
            n("g"): {"model_aliases": [n("a")], "description": "first"},
            n("h"): {"model_aliases": [n("b"), n("adopted")]},
        },
        "teams": {
            n("usd"): {
                "team_alias": "Usd",
                "access_groups": [n("g")],
                "max_budget_usd": 50,
                "budget_duration": "30d",
                "tpm_limit": 1000,
                "rpm_limit": 100,
                "metadata": {"owner": "us"},
            },
            n("credits"): {"access_groups": [n("g"), n("h")], "credits_allocated": 1000},
            n("own"): {"models": [n("a"), n("b")], "model_aliases": {"nick": n("a")}},
            n("tagged"): {"models": [n("beta"), n("best")]},
        },
        "keys": {n("k"): {"team_id": n("usd"), "max_budget_usd": 5}},
    }


# name of the edit -> what is done, the field (or None: the object is gone) that drifts, and what it means for whom
SEEN = {
    "budget raised": (lambda e: e.team("usd", max_budget=500), "team/usd", "max_budget_usd", {}),
    "budget spent": (lambda e: e.team("usd", max_budget=0), "team/usd", "max_budget_usd", {"usd": "refused"}),
    "budget lifted": (lambda e: e.team("usd", max_budget=None), "team/usd", "max_budget_usd", {}),
    "credits cut": (lambda e: e.team("credits", max_budget=1), "team/credits", "credits_allocated", {}),
    "credits gone": (lambda e: e.team("credits", max_budget=0), "team/credits", "credits_allocated", {"credits": "refused"}),
    "credits lifted": (lambda e: e.team("credits", max_budget=None), "team/credits", "credits_allocated", {}),
    "budget window": (lambda e: e.team("usd", budget_duration="7d"), "team/usd", "budget_duration", {}),
    "tokens": (lambda e: e.team("usd", tpm_limit=1), "team/usd", "tpm_limit", {}),
    "requests": (lambda e: e.team("usd", rpm_limit=None), "team/usd", "rpm_limit", {}),
    "blocked": (lambda e: e.team("usd", blocked=True), "team/usd", "status", {"usd": "lost"}),
    "renamed": (lambda e: e.team("usd", team_alias="Theirs"), "team/usd", "team_alias", {}),
    "our metadata": (lambda e: e.team("usd", metadata={"owner": "them"}), "team/usd", "metadata", {}),
    "models": (lambda e: e.team("own", models=[e.n("a")]), "team/own", "models", {"own": "lost"}),
    "models emptied": (lambda e: e.team("own", models=[]), "team/own", "models", {"own": "gained"}),
    "team alias": (lambda e: e.team("own", model_aliases={}), "team/own", "model_aliases", {"own": "lost"}),
    "group taken": (lambda e: e.team("credits", access_group_ids=e.ids("h")), "team/credits", "access_groups", {"credits": "lost"}),
    "group given": (lambda e: e.team("usd", access_group_ids=e.ids("g", "h")), "team/usd", "access_groups", {"usd": "gained"}),
    "group shrunk": (lambda e: e.group("h", access_model_names=[e.n("b")]), "access_group/h", "model_aliases", {"credits": "lost"}),
    "group grown": (lambda e: e.group("g", access_model_names=[e.n("a"), e.n("b")]), "access_group/g", "model_aliases", {"usd": "gained"}),
    "group described": (lambda e: e.group("g", description="theirs"), "access_group/g", "description", {}),
    "target": (lambda e: e.model("b", litellm_params={"model": "openai/o3"}), "model_alias/b", "litellm_model", {}),
    "parameter": (lambda e: e.model("a", litellm_params={"timeout": 5}), "model_alias/a", "litellm_params", {}),
    "parameter added": (lambda e: e.model("b", litellm_params={"rpm": 5}), "model_alias/b", "litellm_params", {}),
    "price": (lambda e: e.model("a", litellm_params={"input_cost_per_token": 1e-05}), "model_alias/a", "pricing_input", {}),
    "model blocked": (lambda e: e.model("a", blocked=True), "model_alias/a", "status", {"usd": "lost"}),
    "model deleted": (lambda e: e.delete_model("b"), "model_alias/b", None, {"credits": "lost"}),
    "key budget": (lambda e: e.proxy.call("POST", "/key/update", {"key": e.key(), "max_budget": 50}), "key/k", "max_budget_usd", {}),
    "key blocked": (lambda e: e.proxy.call("POST", "/key/update", {"key": e.key(), "blocked": True}), "key/k", "status", {}),
}  # fmt: skip
UNSEEN = {
    "a customer's top-up": lambda e: e.team("credits", max_budget=15),
    "an undeclared limit": lambda e: e.team("own", tpm_limit=77),
    "metadata of others": lambda e: e.team("usd", metadata={"theirs": {"x": 1}}),
    "a member": lambda e: e.proxy.call(
        "POST", "/team/member_add", {"team_id": e.n("usd"), "member": {"role": "user", "user_id": e.n("somebody")}}
    ),
    "model_info of others": lambda e: e.model("a", model_info={"owner_team": "infra"}),
    "a secret header": lambda e: e.model("adopted", litellm_params={"extra_headers": {"Authorization": "Bearer 123456789"}}),
    "a foreign team": lambda e: e.proxy.call("POST", "/team/new", {"team_id": e.n("x-foreign"), "max_budget": 3}),
}  # fmt: skip


@pytest.fixture(scope="module")
def edited(running, tmp_path_factory):
    world = running("litellm")
    place = tmp_path_factory.mktemp("edited")
    (place / "reconciler.yaml").write_text(SETTINGS % world.server.url)
    found = Edited(world.server, world.prefix)
    for name in ("adopted", "adopted-too"):
        params = {
            "model": "openai/gpt-4o",
            "api_key": "sk-theirs-1234567890",
            "mock_response": "hi",
            "timeout": 30.0,
        }
        world.server.call(
            "POST", "/model/new", {"model_name": found.n(name), "litellm_params": params}
        )
    (place / "all.yaml").write_text(json.dumps(company(found.n)))
    found.place = place
    applied(found)
    return found


def session(edited, work, *, read_only=True):
    async def connected():
        loaded = load(edited.place, variables={"TEST_KEY": edited.proxy.admin_key})
        assert loaded.valid, [str(f) for f in loaded.findings]
        async with opened(loaded, read_only=read_only) as found:
            return await work(found)

    return asyncio.run(connected())


def drifted(edited):
    return session(edited, drift)


def applied(edited, allowed=frozenset(FLAGS) - {"secret-lost"}):
    options = Options(actor="test", allowed=allowed)
    return session(edited, lambda found: apply(found, options), read_only=False)


def objects(edited):
    """Everything of the company as the proxy has it, but for what moves by itself."""
    proxy, n = edited.proxy, edited.n
    teams = [proxy.team(n(name)) for name in ("usd", "credits", "own")]
    groups = [
        g
        for g in proxy.call("GET", "/v1/access_group")
        if g["access_group_name"].startswith(edited.prefix)
    ]
    rows = [proxy.rows(n(name)) for name in ("a", "b", "adopted", "adopted-too")]
    mirror = {
        "assigned_teams",
        "assigned_team_ids",
    }  # of the teams' own lists, in the order of their writing
    moving = {
        "updated_at",
        "updated_by",
        "spend",
        "budget_reset_at",
        "supported_openai_params",
        "created_at",
        "id",
    }
    left_out = moving | mirror | {"allocation"}
    everything = json.dumps([teams, groups, rows])
    return json.loads(
        everything, object_hook=lambda o: {k: v for k, v in o.items() if k not in left_out}
    )


@pytest.mark.parametrize("name", SEEN)
def test_what_concerns_access_or_money_is_seen_with_its_meaning_and_healed(edited, name):
    edit, where, field, means = SEEN[name]
    if drifted(edited).objects:  # left by a failure of another edit
        applied(edited)
    before = objects(edited)
    edit(edited)
    found = drifted(edited)
    kind, _, short = where.partition("/")
    [seen] = [each for each in found.objects if str(each.ref) == f"{kind}/{edited.n(short)}"]
    assert seen.missing == (field is None)
    assert [each.name for each in seen.fields] == ([field] if field else [])
    meaning = {team.team: team for team in found.teams}
    for team, how in means.items():
        assert getattr(meaning[edited.n(team)], how), how
    if not means:
        assert not meaning
    report = applied(edited)
    assert report.complete, [(o.step.id, o.error) for o in report.outcomes]
    assert not drifted(edited).objects
    assert objects(edited) == before


@pytest.mark.parametrize("name", UNSEEN)
def test_what_nobody_declared_is_no_drift_and_stays(edited, name):
    UNSEEN[name](edited)
    before = objects(edited)
    assert not drifted(edited).objects
    assert applied(edited).complete
    assert objects(edited) == before


# name of the edit -> what is done, what is said of it (names without their prefix), and what it means for whom
MOVED = {
    "legacy group put": (lambda e: e.tag("b", "beta"), "legacy access group beta was put on model b", {"tagged": {"gained": {"b"}}}),
    "legacy group taken": (lambda e: e.tag("a"), "legacy access group beta was taken off model a", {"tagged": {"lost": {"a"}}}),
    "legacy group of nobody": (lambda e: e.tag("a", "beta", "eu"), "legacy access group eu was put on model a", {}),
    "router alias turned": (lambda e: e.route(best="b"), "router alias best was turned from a to b", {"tagged": {"redirected": True}, "own": {"redirected": True}, "credits": {"redirected": True}, "usd": {"lost": {"best"}}}),
    "router alias removed": (lambda e: e.route(), "router alias best of a was removed", {"tagged": {"lost": {"best"}}, "own": {"lost": {"best"}}, "usd": {"lost": {"best"}}, "credits": {"lost": {"best"}}}),
    "router alias made": (lambda e: e.route(best="a", fast="b"), "router alias fast was made for b", {"own": {"gained": {"fast"}}, "credits": {"gained": {"fast"}}}),
}  # fmt: skip


@pytest.fixture
def routed(edited):
    """The company as applied, with a legacy group on one model and a router alias for it, which count as known."""
    edited.tag("a", "beta")
    edited.tag("b")
    edited.route(best="a")
    assert applied(edited).complete
    assert not drifted(edited).drifted
    yield edited
    edited.route()


def meant(fact, prefix):
    """Team -> what the fact means for it, without the prefix of all names."""
    found = {team: {} for team in fact.concerns}
    for kind, models in (("gained", fact.gained), ("lost", fact.lost)):
        for team, names in models.items():
            found[team][kind] = {name.removeprefix(prefix) for name in names}
    for team in fact.redirected:
        found[team]["redirected"] = True
    return {team.removeprefix(prefix): means for team, means in found.items()}


@pytest.mark.parametrize("name", MOVED)
def test_what_decides_access_beside_the_objects_is_drift_with_its_meaning_and_why_it_is_left(
    routed, name
):
    edit, says, means = MOVED[name]
    edit(routed)
    found = drifted(routed)
    assert not found.objects
    [fact] = found.moved
    assert fact.text.replace(f"{routed.prefix}-", "") == f"{says} by another hand"
    assert "undo it on the proxy, or apply, and it counts as known" in fact.why_left
    assert meant(fact, f"{routed.prefix}-") == means
    before = objects(routed)
    report = applied(routed)
    assert report.complete
    assert [f.code for f in report.plan.findings if fact.text in f.message] == ["access-moved"]
    assert objects(routed) == before
    assert not drifted(routed).drifted


def test_a_team_reaches_by_a_legacy_group_what_drift_says_it_does(routed):
    key = routed.proxy.team_key(routed.n("tagged"))
    assert routed.proxy.chat(key, routed.n("b")).status_code in (401, 403)
    routed.tag("b", "beta")
    [fact] = drifted(routed).moved
    assert fact.gained == {routed.n("tagged"): {routed.n("b")}}
    assert routed.proxy.chat(key, routed.n("b")).status_code == 200


def test_an_adopted_model_that_is_gone_is_not_made_anew_without_its_key(edited):
    edited.delete_model("adopted")
    [seen] = [each for each in drifted(edited).objects if each.missing]
    assert seen.ref.name == edited.n("adopted")
    with pytest.raises(ReconcilerError, match="what secret it had was only on the gateway"):
        applied(edited)
    assert not edited.proxy.rows(edited.n("adopted"))
    assert applied(edited, frozenset(FLAGS)).complete


def test_a_parameter_that_cannot_be_taken_away_holds_up_nothing_else_of_its_alias(edited):
    edited.model("adopted-too", litellm_params={"rpm": 5, "model": "openai/o3"}, blocked=True)
    report = applied(edited)
    [failed] = [outcome for outcome in report.outcomes if outcome.error]
    assert "rpm" in failed.error or "parameter" in failed.error
    assert "api_key" in failed.error
    [row] = edited.proxy.rows(edited.n("adopted-too"))
    assert (row["litellm_params"]["model"], row["litellm_params"]["rpm"]) == ("openai/gpt-4o", 5)
    assert not row["model_info"].get("blocked")
    assert any(finding.code == "cannot-read-secret" for finding in report.plan.findings)
