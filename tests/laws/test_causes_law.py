"""Every model that a team loses or gains has a cause, and no cause names another; dates and hands are told from edits."""

import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from test_announced_law import LATER, TODAY, applied_today, dated, edited
from test_impact_law import NOW, SUPPORT, nearest, state_of

from reconciler.core.model.findings import Origin
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, PricingPlan, Team
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.plan import Target
from reconciler.core.plan.resolve import resolve
from reconciler.core.plan.safety import at_their_lines

LAW = settings(max_examples=120, deadline=None)
SEEDS = st.integers(0, 2**32)


def somewhere(ref, path):
    return Origin(f"{ref.kind}.yaml", 1 + len(path), 1)


def planned(before, after, day, hand=lambda live: live):
    live, records = applied_today(before)
    tiers = resolve(state_of(before), NOW, NO_PRICES).plans
    records |= {
        Ref(PricingPlan.kind, name): Record(record_of(plan)) for name, plan in tiers.items()
    }
    moment = NOW + (day - TODAY)
    written = state_of(after)
    wish = resolve(written, moment, NO_PRICES)
    granted = {
        name: frozenset(top["id"] for top in spec["top_ups"])
        for name, spec in before["teams"].items()
    }
    return make_plan(
        Inputs(
            Target("t", "t", "test"), wish.state, hand(live), Known(records, granted), SUPPORT, plans=wish.plans,
            now=moment, written=written, find=somewhere,
        )
    )  # fmt: skip


@LAW
@given(SEEDS)
def test_every_loss_and_gain_has_a_cause_with_a_place(seed):
    rng = random.Random(seed)
    before = dated(rng)
    after = edited(rng, before)
    plan = planned(before, after, TODAY + timedelta(days=rng.choice([0, LATER])))
    for team in plan.impact.teams:
        assert frozenset().union(*(cause.lost for cause in team.causes)) == team.lost, team.team
        assert frozenset().union(*(cause.gained for cause in team.causes)) == team.gained, team.team
        assert all(cause.origin is not None for cause in team.causes)
        assert all(cause.kind != "hand" for cause in team.causes), "nobody touched the gateway"
        by_date = frozenset().union(*(cause.lost for cause in team.causes if cause.kind == "date"))
        assert team.announced <= by_date, "what was announced names its date"
        if team.price_before != team.price_after and not team.created and not team.deleted:
            assert team.causes, "a price has a cause"
    lost = {(t.team, model) for t in plan.impact.teams for model in t.unannounced}
    if any(finding.code == "loss" for finding in plan.refusals):
        told = at_their_lines(plan.refusals, plan.impact)
        assert {finding.code for finding in told} >= {"loss"}
        named = {line.split(" (")[0] for finding in told for line in finding.details}
        assert {team for team, _ in lost} == named & {team for team, _ in lost}


@LAW
@given(SEEDS)
def test_what_a_hand_gave_or_took_is_said_to_be_of_a_hand(seed):
    """Git stands still, so every change heals what somebody did on the gateway."""
    rng = random.Random(seed)
    said = dated(rng)

    def hand(live):
        moved = {}
        groups, aliases = (
            list(live.of(AccessGroup)),
            [ref.name for ref in live if ref.kind == "model_alias"],
        )
        for ref in live:
            if ref.kind == Team.kind and rng.random() < 0.4:
                held = frozenset(rng.sample(groups, rng.randint(0, len(groups))))
                moved[ref] = live[ref].model_copy(update={"access_groups": held})
            if ref.kind == AccessGroup.kind and rng.random() < 0.3:
                members = frozenset(rng.sample(aliases, rng.randint(0, len(aliases))))
                moved[ref] = live[ref].model_copy(update={"model_aliases": members})
        return State({**live.resources, **moved})

    plan = planned(said, said, TODAY, hand)
    for team in plan.impact.teams:
        for cause in team.causes:
            assert cause.kind == "hand", (team.team, cause)


def test_an_own_price_and_a_tiers_price_are_told_apart():
    before = {
        "model_aliases": {}, "access_groups": {}, "plans": {"p": {"price_usd_per_month": 1}},
        "teams": {name: {"plan": "p", "access_groups": [], "top_ups": []} for name in ("a", "b")},
    }  # fmt: skip
    after = {**before, "plans": {"p": {"price_usd_per_month": 2}}}
    after["teams"] = {**before["teams"], "b": {**before["teams"]["b"], "price_usd_per_month": 5}}
    assert nearest(after, after["teams"]["b"], "price_usd_per_month") == 5
    plan = planned(before, after, TODAY)
    told = {
        team.team: [(str(cause.ref), cause.path) for cause in team.causes]
        for team in plan.impact.teams
    }
    assert told["a"] == [("pricing_plan/p", ("price_usd_per_month",))]
    assert told["b"] == [("team/b", ("price_usd_per_month",))]
