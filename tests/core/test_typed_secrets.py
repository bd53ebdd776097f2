"""Texts that their type hides compare as what they hide, in every direction and however deep."""

import itertools

import pytest
from pydantic import SecretStr

from reconciler.core.model.inventory import Record, record_of, resource_of
from reconciler.core.model.kinds import Deployment, ModelAlias, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.secrets.literal import concealed, revealed
from reconciler.core.model.secrets.typed import MASK, FilledSecret, ForgottenSecret, filled, veiled

WRAPS = (str, SecretStr, FilledSecret)


@pytest.mark.parametrize(
    ("one", "other"), [pair for pair in itertools.product(WRAPS, WRAPS) if FilledSecret in pair]
)
def test_a_filled_secret_is_equal_to_its_text(one, other):
    assert one("a") == other("a")
    assert one("a") != other("b")
    assert {"x": [one("a")]} == {"x": [other("a")]}
    assert Team(metadata={"x": one("a")}) == Team(metadata={"x": other("a")})
    assert FilledSecret("a") not in (1, None, b"a")


@pytest.mark.parametrize("wrap", [*WRAPS, lambda _text: ForgottenSecret()])
def test_a_forgotten_one_is_equal_to_every_text(wrap):
    assert ForgottenSecret() == wrap("a")
    assert wrap("a") == ForgottenSecret()
    assert {"x": [wrap("a")]} == {"x": [ForgottenSecret()]}
    assert ForgottenSecret() not in (1, None, {})


def test_only_texts_in_free_json_are_filled():
    alias = ModelAlias(
        litellm_model="openai/gpt-4",
        description="d",
        litellm_params={"a": {"b": ["x", "y"]}, "n": 1},
        deployments=(
            Deployment(litellm_model="openai/gpt-4", api_base="u", litellm_params={"k": "z"}),
        ),
    )
    paths = [
        ("litellm_params", "a", "b", 1),
        ("litellm_params", "n"),
        ("description",),
        ("deployments", 0, "litellm_params", "k"),
        ("deployments", 0, "api_base"),
    ]
    hidden = filled(alias, paths)
    assert hidden == alias
    assert revealed(hidden.litellm_params) == alias.litellm_params
    assert record_of(hidden)["litellm_params"] == {"a": {"b": ["x", MASK]}, "n": 1}
    assert record_of(hidden)["deployments"][0] == {
        "litellm_model": "openai/gpt-4",
        "api_base": "u",
        "litellm_params": {"k": MASK},
    }
    assert record_of(hidden)["description"] == "d"


def test_what_a_record_left_out_is_equal_to_what_was_applied_and_cannot_be_sent():
    team = filled(
        Team(metadata={"a": "x", "b": ["y"], "c": "z"}), [("metadata", "a"), ("metadata", "b", 0)]
    )
    back = resource_of(Ref("team", "t"), Record(record_of(team)))
    assert back == team
    assert back.metadata["c"] == "z"
    assert record_of(back) == record_of(team)
    with pytest.raises(ValueError, match="not kept"):
        revealed(back.metadata)


@pytest.mark.parametrize("pattern", ["wish", "record"])
def test_live_values_are_veiled_where_a_secret_is_or_was(pattern):
    live = Team(metadata={"a": "old", "b": ["p", "q"], "c": "open", "d": {"e": "old"}})
    wish = filled(
        Team(metadata={"a": "new", "b": ["x"], "c": "open", "d": {"e": "f"}}),
        [("metadata", "a"), ("metadata", "b", 0), ("metadata", "d", "e")],
    )
    seen = veiled(live, None, wish if pattern == "wish" else record_of(wish))
    assert seen == live
    assert "old" not in str(seen)
    assert record_of(seen)["metadata"] == {
        "a": MASK,
        "b": [MASK, MASK],
        "c": "open",
        "d": {"e": MASK},
    }
    assert veiled(live, Team(metadata={"z": "y"}), None) is live


def test_what_is_concealed_already_stays_filled():
    assert isinstance(concealed({"api_key": FilledSecret("x")})["api_key"], FilledSecret)
