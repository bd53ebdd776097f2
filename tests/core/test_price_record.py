"""What a ledger keeps of prices tells every model of the config whose price moved, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions_world import asked

from reconciler.core.model.findings import Finding
from reconciler.core.model.prices import Price, PriceMap
from reconciler.core.plan.meaning.prices import price_record, prices_finding, prices_used

MODELS = ("openai/a", "openai/b", "azure/c:0", "openai/d: e")
PRICE = st.builds(
    Price, st.just("openai"), *[st.none() | st.sampled_from([0.0, 0.25, 3, 1e-6])] * 2
)
PRICES = st.dictionaries(st.sampled_from([*MODELS, "openai/not-used"]), PRICE)
STATE = asked(model_aliases={f"m{n}": {"litellm_model": m} for n, m in enumerate(MODELS)}).written


def priced(prices: dict[str, Price], name: str) -> PriceMap:
    return PriceMap(prices, version=name, digest=name)


def told(record: object, prices: dict[str, Price]) -> list[Finding]:
    return list(prices_finding(prices_used(STATE, priced(prices, "y"), record)))


@given(PRICES, PRICES)
def test_just_the_models_whose_price_moved_are_told(before, after):
    findings = told(price_record(STATE, priced(before, "x")), after)
    expected = [model for model in MODELS if before.get(model) != after.get(model)]
    names = [detail.rpartition(": ")[0] for finding in findings for detail in finding.details]
    assert sorted(names) == sorted(expected)
    assert len(findings) == bool(expected)


@pytest.mark.parametrize("record", [None, {}, [], "x", {"version": "x"}, {"models": "text"}])
def test_a_record_that_is_none_tells_nothing_wrong(record):
    assert all(finding.code == "prices-moved" for finding in told(record, {}))
