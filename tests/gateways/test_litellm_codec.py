"""Deployments and teams as LiteLLM Proxy holds them: every change of an alias comes out as wished, whatever was there."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.model.kinds import Deployment, ModelAlias, Status, Team
from reconciler.gateways.litellm.deployments import (
    MARK,
    alias_of,
    canonical,
    contents_of,
    row_of,
    words_of,
)
from reconciler.gateways.litellm.operations import CLEARED_BY_NULL, creation, operations
from reconciler.gateways.litellm.team_codec import (
    TeamCodec,
    listed_models,
    merge_patch,
    models_of,
    team_of,
    without_nulls,
)
from reconciler.gateways.litellm.team_codec import creation as team_creation

CODEC = TeamCodec({"g1": "id-1", "g2": "id-2"}, usd_per_credit=0.1)
params = st.fixed_dictionaries(
    {},
    optional={
        "rpm": st.integers(1, 3),
        "api_base": st.sampled_from(["https://a", "https://b"]),
        "api_key": st.sampled_from(["os.environ/A", "os.environ/B"]),
        "timeout": st.sampled_from([30, 30.0, 5]),
        "tags": st.sampled_from([["a"], ["a", "b"], []]),
        "litellm_credential_name": st.just("c"),
        "use_in_pass_through": st.booleans(),
        "input_cost_per_token": st.sampled_from([1e-06, 2.5e-06]),
        "base_model": st.sampled_from(["x", "y"]),
    },
)
deployments = st.builds(
    Deployment, litellm_model=st.sampled_from(["openai/a", "openai/b"]), litellm_params=params
)
words = {
    "description": st.sampled_from([None, "", "good"]),
    "display_name": st.sampled_from([None, "Good"]),
    "status": st.sampled_from([Status.ACTIVE, Status.INACTIVE, Status.DEPRECATED]),
    "pricing_input": st.sampled_from([None, 0.0, 0.15, 2.1234567]),
    "pricing_output": st.sampled_from([None, 10.0]),
}
short = st.builds(
    ModelAlias,
    litellm_model=st.sampled_from(["openai/a", "openai/b"]),
    litellm_params=params,
    **words,
)
several = st.builds(
    ModelAlias, deployments=st.lists(deployments, min_size=1, max_size=3).map(tuple), **words
)
aliases = st.one_of(short, several)


class Proxy:
    """What the proxy does with the requests for one alias: PATCH merges, null clears next to nothing."""

    def __init__(self):
        self.rows, self.serial = {}, 0

    def create(self, alias, content):
        self.serial += 1
        body = creation("m", f"id-{self.serial}", content, words_of(alias), {})
        self.rows[f"id-{self.serial}"] = body

    def patch(self, row_id, body):
        row = self.rows[row_id]
        for name, value in body.get("litellm_params", {}).items():
            clears = name in CLEARED_BY_NULL or name.endswith("cost_per_token")
            if value is None and clears:
                row["litellm_params"].pop(name, None)
            elif value is not None:
                row["litellm_params"][name] = value
        row["model_info"] |= {k: v for k, v in body.get("model_info", {}).items() if v is not None}
        row["blocked"] = body.get("blocked", row["blocked"])

    def become(self, alias):
        todo = operations(self.read(), contents_of(alias), words_of(alias))
        for each in todo.creations:
            self.create(alias, each.content)
        assert self.rows, "the name is backed all the time"
        for each in todo.patches:
            self.patch(each.row.id, each.body)
        for row in todo.deletions:
            del self.rows[row.id]
            assert self.rows, "the name is backed all the time"

    def read(self):
        """Secrets and references are not shown; `blocked` is shown in model_info."""
        shown = []
        for row in self.rows.values():
            hidden = {
                k: v
                for k, v in row["litellm_params"].items()
                if not str(v).startswith("os.environ/")
            }
            info = {**row["model_info"], "blocked": row["blocked"], "db_model": True}
            shown.append(row_of({"model_name": "m", "litellm_params": hidden, "model_info": info}))
        return shown


@settings(max_examples=80, deadline=None)
@given(st.lists(aliases, min_size=1, max_size=4))
def test_an_alias_becomes_whatever_is_wished_next_and_its_name_stays_backed(wishes):
    proxy = Proxy()
    for wish in wishes:
        proxy.become(wish)
        assert alias_of(proxy.read()) == canonical(wish).model_copy(update={"labels": {}})
        todo = operations(proxy.read(), contents_of(wish), words_of(wish))
        assert todo == type(todo)(), "nothing is left to do"


@settings(max_examples=60, deadline=None)
@given(aliases)
def test_the_canonical_form_is_stable_and_can_be_written_down(alias):
    once = canonical(alias)
    assert canonical(once) == once
    assert (
        ModelAlias.model_validate(once.model_dump(mode="json", exclude_unset=True)).litellm_model
        == once.litellm_model
    )


@given(deployments, deployments)
def test_the_order_of_deployments_says_nothing(one, two):
    assert canonical(ModelAlias(deployments=(one, two))) == canonical(
        ModelAlias(deployments=(two, one))
    )


def test_one_deployment_is_the_short_form():
    alone = Deployment(
        litellm_model="openai/a", rpm=5, base_model="x", litellm_params={"timeout": 3}
    )
    short_form = ModelAlias(
        litellm_model="openai/a", litellm_params={"rpm": 5, "base_model": "x", "timeout": 3}
    )
    assert canonical(ModelAlias(deployments=(alone,))) == canonical(short_form)


def test_parameters_beside_several_deployments_hold_for_all_of_them():
    two = (Deployment(litellm_model="openai/a", rpm=5), Deployment(litellm_model="openai/b"))
    both = canonical(ModelAlias(deployments=two, litellm_params={"mock_response": "x", "rpm": 9}))
    assert [(d.litellm_model, d.rpm, d.litellm_params) for d in both.deployments] == [
        ("openai/a", 5, {"mock_response": "x"}),
        ("openai/b", 9, {"mock_response": "x"}),
    ]


json_values = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 3), st.text(max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(st.sampled_from("abcd"), json_values, max_size=4)


def merged(target, patch):
    """RFC 7386, as written there."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merged(out.get(name), value)
    return out


@settings(max_examples=80)
@given(metadata, metadata, json_values)
def test_a_metadata_patch_makes_new_of_old_and_leaves_others_alone(old, new, theirs):
    assert merged({**old, "theirs": theirs}, merge_patch(old, new)) == {**new, "theirs": theirs}


@given(st.frozensets(st.sampled_from(["a", "b", "*"])))
def test_an_empty_list_of_models_is_never_written(models):
    assert listed_models(models)
    assert models_of(listed_models(models)) == models


def test_an_empty_list_on_the_wire_is_everything():
    assert models_of([]) == {"*"}
    assert models_of(["no-default-models", "a"]) == {"a"}


def test_a_team_reads_back_as_it_was_created():
    team = Team(
        access_groups={"g1"},
        credits_allocated=100,
        tpm_limit=5,
        metadata={"a": {"b": None}},
        organization_id="acme",
    )
    body = team_creation("t", team, CODEC)
    assert body["max_budget"] == 10
    assert "organization_id" not in body
    row = {**body, "metadata": without_nulls(body["metadata"])}
    found = team_of(row, CODEC)
    assert (found.credits_allocated, found.max_budget_usd, found.organization_id) == (
        100,
        None,
        "acme",
    )
    assert found.metadata == {"a": {}}
    assert MARK in row["metadata"]
