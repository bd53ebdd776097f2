"""Orders that random worlds hardly ever ask for: swaps that cross, and credits of several kinds for one team."""

from graphlib import TopologicalSorter

import pytest

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Action
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Team, TopUp
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.diff import diff
from reconciler.core.plan.order.schedule import Order, schedule
from reconciler.core.plan.support import Support, everything

KINDS = ("organization", "model_alias", "access_group", "team")
SUPPORT = Support("test", {kind: everything(kind) for kind in KINDS}, GroupRules())


def world(groups, **teams):
    return State(
        {
            Ref("organization", "o"): Organization(name="O"),
            **{Ref("model_alias", name): ModelAlias(litellm_model="openai/a") for name in "abcd"},
            **{
                Ref("access_group", name): AccessGroup(model_aliases=frozenset(of))
                for name, of in groups.items()
            },
            **{Ref("team", name): team for name, team in teams.items()},
        }
    )


def team(*groups, **fields):
    return Team(organization_id="o", access_groups=frozenset(groups), **fields)


def scheduled(live, desired, order=Order.GRANT_FIRST, inventory=None):
    owned = {ref: Record(record_of(resource)) for ref, resource in live.resources.items()}
    changes = diff(desired, live, Known(owned if inventory is None else inventory), SUPPORT).changes
    return schedule(changes, live, SUPPORT, order=order)


@pytest.mark.parametrize("order", Order)
def test_teams_that_swap_groups_which_swap_models_close_no_circle(order):
    live = world({"g": "a", "h": "c"}, t=team("h"), u=team("g"))
    desired = world({"g": "b", "h": "d"}, t=team("g"), u=team("h"))
    steps = scheduled(live, desired, order)
    assert len(list(TopologicalSorter(steps).static_order())) == len(steps) == 8


def test_top_ups_wait_for_the_allocation_that_raises_to_what_is_declared():
    """An adopted team is raised to 1000 and gets 500 on top; had the 500 come first, a rerun would raise by less."""
    live = world({}, t=team(credits_allocated=100))
    desired = world({}, t=team(credits_allocated=1000, top_ups=(TopUp(id="promo", amount=500),)))
    steps = scheduled(live, desired, inventory={})
    grants = {step.credit.grant_id: step for step in steps if step.action is Action.GRANT}
    assert grants["promo"].credit.amount == 500
    assert steps[grants["promo"]] == {grants["allocation"]}
    assert steps[grants["allocation"]] == frozenset()
