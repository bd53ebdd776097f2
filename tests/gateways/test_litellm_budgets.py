"""No budget is no limit: more than any number of credits, and never cut or made up silently. Offline: rows -> plan -> bodies."""

import pytest

from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.changes import Action
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import Team, TopUp
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.drift import drift
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.order.schedule import schedule
from reconciler.core.plan.plan import Risk, Target
from reconciler.gateways.litellm.aliases import Deployments
from reconciler.gateways.litellm.deployments import row_of
from reconciler.gateways.litellm.live import facts_of, live_of
from reconciler.gateways.litellm.reading import Snapshot
from reconciler.gateways.litellm.support import support
from reconciler.gateways.litellm.team_codec import MARK, TeamCodec

RATE = 0.01
REF = Ref("team", "t")
PROMO = TopUp(id="promo", amount=500)


def row(max_budget, *, spend=0.0, marked=True, top_ups=(), **fields):
    mark = {"v": 1, "usd_per_credit": RATE, "top_ups": list(top_ups)} if marked else None
    metadata = {MARK: mark} if mark else {}
    return {
        "team_id": "t",
        "models": ["*"],
        "max_budget": max_budget,
        "spend": spend,
        "metadata": metadata,
        **fields,
    }


def gateway(body):
    model = {
        "model_name": "m",
        "litellm_params": {"model": "openai/a"},
        "model_info": {"id": "x", "db_model": True},
    }
    deployments = Deployments(rows=(row_of(model),))
    found = Snapshot({"model_alias": deployments, "team": [body]})
    live = live_of(found, TeamCodec(usd_per_credit=RATE))
    return live, support(LiteLLMRules(), facts_of(found), rate=RATE)


def team(declared=1000, **fields):
    return Team(models=frozenset("*"), credits_allocated=declared, **fields)


def planned(body, wish, applied=None, granted=()):
    live, able = gateway(body)
    inventory = {REF: Record(record_of(applied))} if applied else {}
    known = Known(inventory, {"t": frozenset(granted)} if granted else {})
    return make_plan(
        Inputs(
            Target("t", "t", "litellm"),
            State({REF: wish}),
            live.state,
            known,
            able,
            runtime=live.runtime,
        )
    )


def grants(plan):
    return {grant.grant_id: grant.amount for change in plan.changes for grant in change.credits}


def refused(plan):
    return [finding.message for finding in plan.refusals if finding.code in ("budget-cut", "loss")]


@pytest.mark.parametrize("spend", [0.0, 9.99, 10.0, 20.0])
@pytest.mark.parametrize("marked", [True, False])
def test_adopting_an_unlimited_team_is_a_cut_that_a_flag_allows(spend, marked):
    plan = planned(row(None, spend=spend, marked=marked), team())
    assert grants(plan) == {"allocation": 1000}
    [field] = [
        field
        for change in plan.changes
        for field in change.fields
        if field.name == "credits_allocated"
    ]
    assert (field.before, field.after) == ("unlimited", 1000)
    [said] = refused(plan)
    assert ("refused every call" in said) == (spend >= 10)
    assert ("unlimited to 10 USD" in said) == (spend < 10)
    assert plan.impact.risk is Risk.HIGH
    assert plan.impact.credits_granted == 0


@pytest.mark.parametrize(("now", "last"), [(1100, 1000), (900, 1000), (1000, 1000)])
def test_a_team_that_somebody_made_unlimited_gets_what_is_declared_and_not_the_difference(
    now, last
):
    plan = planned(row(None), team(now), team(last))
    assert grants(plan) == {"allocation": now}
    assert len(refused(plan)) == 1


def test_top_ups_that_the_row_remembers_are_part_of_what_it_gets_back():
    wish = team(top_ups=(PROMO,))
    assert grants(planned(row(None, top_ups=["promo"]), wish, wish, ["promo"])) == {
        "allocation": 1500
    }
    assert grants(planned(row(10.0, top_ups=["promo"]), wish, wish, ["promo"])) == {
        "allocation": 500
    }
    assert grants(planned(row(15.0, top_ups=["promo"]), wish, wish, ["promo"])) == {}


@pytest.mark.parametrize("mode", ["initial", "minimum"])
def test_modes_that_never_lower_leave_no_limit_alone(mode):
    plan = planned(row(None), team(credits_mode=mode), team(credits_mode=mode))
    assert not plan.changes
    assert not refused(plan)


def test_no_credits_at_all_are_a_limit_too():
    plan = planned(row(None), team(0))
    assert grants(plan) == {"allocation": 0}
    assert len(refused(plan)) == 1


@pytest.mark.parametrize(
    ("budget", "live"), [(1.0, 100), (9.99, 999), (0.0, 0), (None, "unlimited")]
)
def test_credits_that_were_cut_or_lifted_by_hand_are_drift_and_healed(budget, live):
    body, found = row(budget), team()
    state, able = gateway(body)
    seen = drift(
        State({REF: found}),
        state.state,
        Known({REF: Record(record_of(found))}),
        able,
        state.runtime,
    )
    [field] = seen.objects[0].fields
    assert (field.name, field.applied, field.live) == ("credits_allocated", 1000, live)
    given = grants(planned(body, found, found))
    assert given == {"allocation": 1000 - (live if budget is not None else 0)}


@pytest.mark.parametrize("budget", [10.0, 10.5, 4000.0])
def test_what_customers_bought_on_top_is_no_drift(budget):
    found = team()
    state, able = gateway(row(budget))
    assert not drift(
        State({REF: found}), state.state, Known({REF: Record(record_of(found))}), able, {}
    ).objects
    assert not planned(row(budget), found, found).changes


@pytest.mark.parametrize(
    ("wish", "refuses"),
    [
        (team(400), True),
        (team(500), True),
        (team(501), False),
        (Team(models=frozenset("*"), max_budget_usd=5.0), True),
        (Team(models=frozenset("*"), max_budget_usd=5.01), False),
    ],
)
def test_a_budget_that_is_used_up_at_once_is_refused_in_credits_as_in_dollars(wish, refuses):
    body = row(8.0, spend=5.0, marked=wish.max_budget_usd is None)
    applied = Team(models=frozenset("*"), max_budget_usd=8.0) if wish.max_budget_usd else team(800)
    assert bool(refused(planned(body, wish, applied))) == refuses


def test_the_steps_of_a_limit_keep_what_a_credit_is_worth():
    wish = team(team_alias="T", tpm_limit=5)
    live, able = gateway(row(None, team_alias="old"))
    plan = planned(row(None, team_alias="old"), wish)
    steps = schedule(plan.changes, live.state, able)
    [grant] = [step for step in steps if step.action is Action.GRANT]
    assert grant.before.credits_allocated is None
    assert grant.before.usd_per_credit == RATE
