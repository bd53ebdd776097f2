"""How long LiteLLM's processes keep what they read: by the settings, else by its defaults."""

import pytest

from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways.litellm.caches import holding, holds_everywhere, lifetimes_of
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.support import LiteLLMRules, support


def settings(**fields):
    return GatewaySettings(backend="litellm", url="http://127.0.0.1:4000", **fields)


@pytest.mark.parametrize(
    ("fields", "teams", "groups"),
    [
        ({}, 60, 600),
        ({"processes": 2}, 60, 600),
        ({"cache_seconds": 7}, 7, 7),
        ({"processes": 2, "cache_seconds": 7}, 7, 7),
    ],
)
def test_a_proxy_of_unknown_or_several_processes_keeps_teams_and_groups(fields, teams, groups):
    known = holding(lifetimes_of(settings(**fields)))
    assert known == {"team": teams, "access_group": groups}
    assert support(LiteLLMRules(), Facts(), rate=None, lifetimes=known).lifetimes == known


def test_one_process_knows_at_once():
    known = lifetimes_of(settings(processes=1, cache_seconds=7))
    assert support(LiteLLMRules(), Facts(), rate=None, lifetimes=holding(known)).lifetimes == {}
    assert holds_everywhere((), known) == (0, "holds everywhere at once")
