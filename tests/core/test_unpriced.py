"""Where a price that nobody knows decides something, it is said."""

from hypothesis import given
from hypothesis import strategies as st
from questions_world import asked

from reconciler.core.model.kinds import AccessGroup, ModelAlias
from reconciler.core.model.prices import NO_PRICES, Price, PriceMap
from reconciler.core.plan.meaning.unpriced import unpriced_changes, unpriced_selections
from reconciler.core.plan.plan import Impact, TeamImpact
from reconciler.core.plan.resolve import selected

PRICES = PriceMap({"openai/known": Price("openai", 1.0, 4.0)}, frozenset({"openai"}))
PRICE = st.sampled_from([None, 0.5, 3, 40])
ALIASES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.fixed_dictionaries(
        {
            "litellm_model": st.sampled_from(["openai/x", "anthropic/y", "openai/known"]),
            "tags": st.sampled_from([[], ["chat"]]),
            "pricing_input": PRICE,
            "pricing_output": PRICE,
        }
    ),
    min_size=1,
)
SELECT = st.dictionaries(
    st.sampled_from(["provider", "tag", "max_price_input", "min_price_output", "max_price_output"]),
    st.just(0),
    min_size=1,
).map(lambda keys: {key: {"provider": "openai", "tag": "chat"}.get(key, 5) for key in keys})


@given(ALIASES, SELECT)
def test_a_selection_by_price_names_just_what_a_known_price_would_let_in(aliases, select):
    """What is left out for want of a price: no price whatever could be wrong for the others."""
    written = asked(model_aliases=aliases, access_groups={"g": {"select": select}}).written
    parsed, chosen = written.of(ModelAlias), written.of(AccessGroup)["g"].select
    now = selected(chosen, parsed, PRICES)
    expected = set()
    for name, alias in parsed.items():
        fitting = [
            alias.model_copy(update={"pricing_input": first, "pricing_output": second})
            for first in (alias.pricing_input, 1, 5, 10)
            for second in (alias.pricing_output, 1, 5, 10)
            if (alias.pricing_input is None or first == alias.pricing_input)
            and (alias.pricing_output is None or second == alias.pricing_output)
        ]
        is_in_the_map = alias.litellm_model == "openai/known"
        if (
            name not in now
            and not is_in_the_map
            and any(selected(chosen, {name: each}, PRICES) for each in fitting)
        ):
            expected.add(name)
    found = list(unpriced_selections(written, PRICES))
    assert [(f.level, f.code, str(f.ref), f.path) for f in found] == (
        [("warning", "price-unknown", "access_group/g", ("select",))] if expected else []
    )
    assert {
        name
        for name in parsed
        if found and name in found[0].message.split("leaves out ")[1][:20].split(":")[0]
    } == expected


def test_a_plan_says_what_it_moves_without_a_known_price():
    state = asked(
        model_aliases={name: {"litellm_model": f"openai/{name}"} for name in ("known", "x", "y")}
    ).written
    impact = Impact(
        teams=(
            TeamImpact("t", frozenset({"known", "x"})),
            TeamImpact("u", lost=frozenset({"y", "wild"})),
        )
    )
    (finding,) = unpriced_changes(impact, state, state, PRICES)
    assert finding.message.startswith("no price is known of wild, x, y:")
    assert (
        unpriced_changes(
            Impact(teams=(TeamImpact("t", frozenset({"known"})),)), state, state, PRICES
        )
        == ()
    )
    assert unpriced_changes(impact, state, state, NO_PRICES) == ()
