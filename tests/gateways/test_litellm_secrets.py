"""What only the proxy knows is never thrown away, overwritten by its mask, or shown: it is kept, or the plan says so."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import Deployment, ModelAlias
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.diff import diff
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.plan import Target
from reconciler.gateways.litellm.aliases import Deployments
from reconciler.gateways.litellm.deployments import contents_of, row_of, words_of
from reconciler.gateways.litellm.live import facts_of, live_of
from reconciler.gateways.litellm.operations import UNREADABLE, operations
from reconciler.gateways.litellm.reading import Snapshot
from reconciler.gateways.litellm.support import support
from reconciler.gateways.litellm.team_codec import TeamCodec
from reconciler.render import FORMATS, Report

REF = Ref("model_alias", "m")
MASKED = ("auth_token", "extra_headers", "x_password")
SECRETS = {
    "api_key": "sk-real-1234567890",
    "auth_token": "tok-abcdefghmnop",
    "x_password": "pw",
    "extra_headers": {"Authorization": "Bearer abcdef1234567890", "X-Plain": "yes"},
}
OPEN = {"timeout": 30.0, "rpm": 3, "api_base": "https://a"}


def masked(text):
    return "*" * len(text) if len(text) < 9 else f"{text[:4]}{'*' * (len(text) - 8)}{text[-4:]}"


def shown(stored):
    """What the proxy answers of a stored deployment (observed on 1.106.2)."""
    params = {
        name: value for name, value in stored["litellm_params"].items() if name not in UNREADABLE
    }
    params |= {
        name: masked(params[name]) for name in ("auth_token", "x_password") if name in params
    }
    if "Authorization" in params.get("extra_headers", {}):
        headers = params["extra_headers"]
        params["extra_headers"] = {**headers, "Authorization": masked(headers["Authorization"])}
    return {**stored, "litellm_params": params}


def stored_row(row_id, model, names):
    params = {"model": model, **{name: (SECRETS | OPEN)[name] for name in names}}
    return {
        "model_name": "m",
        "litellm_params": params,
        "model_info": {"id": row_id, "db_model": True},
    }


names = st.sets(st.sampled_from([*SECRETS, *OPEN]))
models = st.sampled_from(["openai/a", "openai/b"])
rows = st.lists(st.tuples(models, names), min_size=1, max_size=3).map(
    lambda found: [stored_row(f"{n}-by-hand", model, some) for n, (model, some) in enumerate(found)]
)
declared = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.sampled_from([30, 31]),
        "rpm": st.sampled_from([3, 4]),
        "auth_token": st.just("os.environ/TOKEN"),
        "extra_headers": st.just({"X-Plain": "no"}),
    },
)
wishes = st.one_of(
    st.builds(ModelAlias, litellm_model=models),
    st.builds(ModelAlias, litellm_model=models, litellm_params=declared),
    st.builds(
        ModelAlias,
        deployments=st.lists(
            st.builds(Deployment, litellm_model=models, litellm_params=declared),
            min_size=1,
            max_size=3,
        ).map(tuple),
    ),
)
LAW = settings(max_examples=200, deadline=None)


def gateway(stored):
    rows = tuple(row_of(shown(body)) for body in stored)
    found = Snapshot({"model_alias": Deployments(rows)})
    live = live_of(found, TeamCodec())
    return live, support(LiteLLMRules(), facts_of(found), rate=None)


def planned(stored, wish, known=None):
    live, able = gateway(stored)
    given = Inputs(
        Target("t", "t", "litellm"), State({REF: wish}), live.state, known or Known(), able
    )
    return make_plan(given), able


def sent(stored, change):
    """The requests for one change, as they meet the stored deployments; None where the writing refuses."""
    found = [row_of(shown(body)) for body in stored]
    todo = operations(found, contents_of(change.after), words_of(change.after))
    by_id = {body["model_info"]["id"]: body["litellm_params"] for body in stored}
    made = []
    for each in todo.creations:
        old = by_id[each.instead_of.id] if each.instead_of else {}
        if each.content.unreadable or (old.keys() & UNREADABLE) - each.content.params.keys():
            return None
        made.append({"model": each.content.model, **each.content.params})
    for patch in todo.patches:
        by_id[patch.row.id] = {**by_id[patch.row.id], **patch.body.get("litellm_params", {})}
    gone = {row.id for row in todo.deletions}
    replaced = {each.instead_of.id for each in todo.creations if each.instead_of}
    return (
        {row_id: params for row_id, params in by_id.items() if row_id not in gone},
        made,
        gone - replaced,
        replaced,
    )


TIED = [
    stored_row("0-by-hand", "openai/a", {"auth_token", "x_password"}),
    stored_row("1-by-hand", "openai/a", {"api_base", "timeout"}),
]


@LAW
@example(TIED, ModelAlias(litellm_model="openai/a"))
@given(rows, wishes)
def test_a_secret_stays_unless_its_deployment_is_declared_away(stored, wish):
    plan, _ = planned(stored, wish)
    [change] = plan.changes
    before = {body["model_info"]["id"]: body["litellm_params"] for body in stored}
    outcome = sent(stored, change)
    if outcome is None:
        assert any(finding.code == "cannot-read-secret" for finding in plan.findings)
        return
    left, made, dropped, replaced = outcome
    assert len(dropped) <= max(0, len(stored) - len(contents_of(wish)))
    for row_id, params in left.items():
        for name in SECRETS:
            if name in before[row_id]:
                assert params[name] == before[row_id][name] or params[name] in declared_values(
                    wish, name
                )
    for row_id in replaced:
        assert not {n for n in SECRETS if n in before[row_id]} - {
            name for each in made for name in each
        }
    assert "*" not in json.dumps([*left.values(), *made])


def declared_values(wish, name):
    return [content.params[name] for content in contents_of(wish) if name in content.params]


@settings(max_examples=25, deadline=None)
@given(rows, wishes, st.booleans())
def test_no_mask_is_printed_recorded_or_planned_a_second_time(stored, wish, adopted):
    live, able = gateway(stored)
    record = Record(record_of(wish), adopted=True) if adopted else None
    known = Known({REF: record} if record else {})
    plan, _ = planned(stored, wish, known)
    texts = [FORMATS[each].render(Report(plan, full=True)) for each in ("text", "json", "markdown")]
    texts += [json.dumps(record_of(live.state[REF])), repr(live.state[REF])]
    for text in texts:
        assert not any(end in text for end in ("Bear*", "7890", "tok-", "mnop"))
    again = diff(State({REF: wish}), live.state, known, able).changes
    assert [change.fields for change in again] == [change.fields for change in plan.changes]


def test_what_is_not_declared_is_left_and_what_cannot_be_left_is_refused_with_the_field_to_declare():
    stored = [stored_row("x", "openai/a", {"timeout", "rpm", "auth_token", "api_key"})]
    plan, _ = planned(
        stored, ModelAlias(litellm_model="openai/b", litellm_params={"timeout": 31, "rpm": 3})
    )
    assert not plan.findings
    left, made, _, _ = sent(stored, plan.changes[0])
    assert left["x"] == {**stored[0]["litellm_params"], "model": "openai/b", "timeout": 31}
    assert not made
    plan, _ = planned(stored, ModelAlias(litellm_model="openai/a", litellm_params={"timeout": 31}))
    [finding] = plan.findings
    assert finding.code == "cannot-read-secret"
    assert finding.message == (
        "model_alias/m: rpm can only be taken away by replacing the deployment, and its auth_token cannot be read to be "
        "carried over; apply changes the rest and fails for that"
    )
    assert finding.hint == "declare auth_token as os.environ/NAME, or keep rpm"


def test_an_adopted_alias_that_is_gone_is_not_made_anew_without_a_secret():
    for wish, refuses in (
        (ModelAlias(litellm_model="openai/a"), True),
        (ModelAlias(litellm_model="openai/a", litellm_params={"api_key": "os.environ/KEY"}), False),
        (
            ModelAlias(litellm_model="openai/a", litellm_params={"litellm_credential_name": "c"}),
            False,
        ),
        (
            ModelAlias(
                deployments=(
                    Deployment(litellm_model="openai/a", api_key="os.environ/KEY"),
                    Deployment(litellm_model="openai/b"),
                )
            ),
            True,
        ),
    ):
        for adopted in (True, False):
            known = Known({REF: Record(record_of(wish), adopted=adopted)})
            plan = make_plan(
                Inputs(
                    Target("t", "t", "litellm"), State({REF: wish}), State(), known, gateway([])[1]
                )
            )
            assert [f.code for f in plan.refusals] == (
                ["secret-lost"] if refuses and adopted else []
            )


def test_a_row_of_config_yaml_that_differs_stops_nothing():
    body = stored_row("x", "openai/a", {"timeout"})
    body["model_info"]["db_model"] = False
    live, able = gateway([body])
    wish = ModelAlias(litellm_model="openai/a", litellm_params={"timeout": 99})
    plan = make_plan(
        Inputs(
            Target("t", "t", "litellm"),
            State({REF: wish}),
            live.state,
            Known(fixed=live.fixed),
            able,
        )
    )
    assert [(f.code, f.level.value) for f in plan.findings] == [("read-only", "warning")]
    assert not plan.changes
