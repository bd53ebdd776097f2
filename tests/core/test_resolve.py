from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from reconciler.core.model.kinds import AccessGroup, Grant, ModelAlias, PricingPlan, Select, Team
from reconciler.core.model.prices import Price, PriceMap
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.resolve import expand_plans, holds, resolve, resolve_team

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PRICES = PriceMap({"openai/gpt-4": Price("openai", 30, 60), "claude": Price("anthropic", 3, 15)})


def plans(**specs):
    return {name: PricingPlan(**spec) for name, spec in specs.items()}


def test_a_plan_adds_its_parents_groups_and_overrides_their_scalars():
    found = expand_plans(
        plans(
            starter={
                "access_groups": ["basic"],
                "credits_allocated": 1000,
                "price_usd_per_month": 99,
            },
            pro={"extends": "starter", "access_groups": ["pro"], "credits_allocated": 5000},
            top={"extends": "pro", "access_groups": ["top"], "rpm_limit": 9},
        )
    )
    assert found["top"].access_groups == {"basic", "pro", "top"}
    assert (
        found["top"].credits_allocated,
        found["top"].price_usd_per_month,
        found["top"].rpm_limit,
    ) == (5000, 99, 9)


def test_a_null_in_a_plan_overrides_the_parents_value():
    found = expand_plans(plans(a={"rpm_limit": 5}, b={"extends": "a", "rpm_limit": None}))
    assert found["b"].rpm_limit is None


def test_a_cycle_of_plans_ends():
    found = expand_plans(
        plans(
            a={"extends": "b", "access_groups": ["x"]}, b={"extends": "a", "access_groups": ["y"]}
        )
    )
    assert found["a"].access_groups == found["b"].access_groups == {"x", "y"}


def test_a_team_has_its_plans_groups_beside_its_own_and_its_own_credits_instead():
    team = Team(plan="p", access_groups=["own"], credits_allocated=7)
    found = resolve_team(
        team, plans(p={"access_groups": ["basic"], "credits_allocated": 5, "tpm_limit": 3}), NOW
    )
    assert (found.access_groups, found.credits_allocated, found.tpm_limit) == (
        {"own", "basic"},
        7,
        3,
    )


@pytest.mark.parametrize(
    ("since", "until", "holding"),
    [
        (None, date(2026, 6, 2), True),
        (None, date(2026, 6, 1), False),
        (date(2026, 6, 1), date(2026, 7, 1), True),
        (date(2026, 6, 2), date(2026, 7, 1), False),
        (None, datetime(2026, 6, 1, 0, 0, 1), True),  # noqa: DTZ001  an instant without a zone is UTC
        (None, datetime(2026, 6, 1, 1, tzinfo=timezone(timedelta(hours=2))), False),
    ],
)
def test_a_grant_holds_from_since_and_before_until(since, until, holding):
    assert holds(Grant(access_groups=["g"], since=since, until=until), NOW) is holding


def select(**conditions):
    aliases = {
        "gpt-4": ModelAlias(litellm_model="openai/gpt-4", tags=["dear"]),
        "mini": ModelAlias(litellm_model="openai/mini", pricing_output=0.6, pricing_input=0.1),
        "claude": ModelAlias(litellm_model="anthropic/claude", tags=["chat"]),
        "gone": ModelAlias(litellm_model="openai/gone", sunset=date(2026, 5, 1)),
    }
    state = {Ref("model_alias", name): alias for name, alias in aliases.items()}
    state[Ref("access_group", "g")] = AccessGroup(select=Select(**conditions))
    return resolve(State(state), NOW, PRICES).state[Ref("access_group", "g")].model_aliases


def test_groups_select_by_provider_tag_and_price_and_never_after_the_sunset():
    assert select(provider="openai") == {"gpt-4", "mini"}
    assert select(provider=["openai", "anthropic"]) == {"gpt-4", "mini", "claude"}
    assert select(tag="chat") == {"claude"}
    assert select(max_price_output=20) == {"mini", "claude"}
    assert select(min_price_output=20) == {"gpt-4"}
    assert select(provider="openai", max_price_input=1) == {"mini"}
    assert select(tag="nope") == frozenset()
