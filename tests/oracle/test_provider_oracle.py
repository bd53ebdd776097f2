"""The provider inferred from a name against LiteLLM's `get_llm_provider`, over every name of its price map."""

import pytest
from worlds import infer_from_price_map, price_map

LOGS_IN = ("github_copilot/", "chatgpt/")  # LiteLLM starts a login to answer


@pytest.fixture(scope="module")
def names():
    known = set(price_map())
    spelled = {
        spelling
        for name in known
        for spelling in (name.split("/")[-1], name.upper(), f"{name}-x", f"foo/{name}")
    }
    azure = {f"azure/{name.split('/')[-1]}" for name in known}
    new = {
        "claude-new-7",
        "amazon_nova_x",
        "us.anthropic.claude-new-9",
        "foo/anthropic.claude-3",
        "gpt-image-9",
        "ft:gpt-4:x",
        "openai",
        "openai/",
    }
    return sorted(name for name in known | spelled | azure | new if not name.startswith(LOGS_IN))


def test_what_a_wildcard_is_matched_against_agrees(decide, names):
    from litellm_side import guessed_spelling  # as in conftest

    theirs = {name: guessed_spelling(name) for name in names}
    assert len(names) > 15_000
    assert sum(found is not None for found in theirs.values()) > 300
    assert {
        name: (found, ours(name)) for name, found in theirs.items() if found != ours(name)
    } == {}


def ours(name):
    inferred = infer_from_price_map()(name)
    if inferred is None or (inferred.model == name and "/" in name):
        return None
    spelling = f"{inferred.provider}/{inferred.model}"
    return spelling if spelling != name else None
