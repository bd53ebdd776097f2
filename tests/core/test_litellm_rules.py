"""LiteLLM's rules on a State: which source grants what, beside what `litellm_access` is proven for."""

from reconciler.core.access.litellm.providers import Inferred
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.access.rules import Source, SourceKind, access
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State

RULES = LiteLLMRules(legacy={"opus": frozenset({"smart"})}, router_aliases={"fast": "mini"})


def state(**teams):
    aliases = {
        name: ModelAlias(litellm_model="openai/x") for name in ("mini", "opus", "openai/gpt-4o")
    }
    off = ModelAlias(litellm_model="openai/x", status=Status.INACTIVE)
    return State(
        {
            **{Ref("model_alias", name): alias for name, alias in aliases.items()},
            Ref("model_alias", "off"): off,
            Ref("access_group", "g"): AccessGroup(model_aliases=frozenset({"mini", "off", "gone"})),
            Ref("access_group", "none"): AccessGroup(),
            **{Ref("team", name): team for name, team in teams.items()},
        }
    )


def reached(rules=RULES, **team):
    return access(state(t=Team(**team)), rules).of("t")


def test_a_group_grants_its_active_aliases_and_the_router_aliases_of_them():
    assert reached(access_groups={"g"}) == {"mini", "fast"}


def test_nothing_is_not_everything():
    assert reached() == frozenset()
    assert reached(access_groups={"none", "unknown"}) == frozenset()
    assert not RULES.everything(Team())


def test_a_star_is_everything_that_answers():
    assert reached(models={"*"}) == {"mini", "opus", "openai/gpt-4o", "fast"}
    assert RULES.everything(Team(models={"*"}))
    assert RULES.everything(Team(models={"all-proxy-models"}))
    assert not RULES.everything(Team(models={"openai/*"}))
    assert not RULES.everything(Team(models={"*"}, status=Status.SUSPENDED))


def test_a_pattern_reads_the_name_and_the_provider_in_it():
    assert reached(models={"openai/*"}) == {"openai/gpt-4o"}
    guess = LiteLLMRules(infer=lambda name: Inferred("openai", name) if name == "mini" else None)
    assert reached(guess, models={"openai/*"}) == {"openai/gpt-4o", "mini"}


def test_a_legacy_group_in_the_list_grants_what_carries_it():
    assert reached(models={"smart"}) == {"opus"}


def test_a_blocked_team_calls_nothing():
    assert reached(models={"*"}, access_groups={"g"}, status=Status.SUSPENDED) == frozenset()


def test_an_alias_of_the_team_passes_by_its_list_if_something_answers_to_its_target():
    assert reached(model_aliases={"mine": "opus"}) == {"mine"}
    assert reached(model_aliases={"mine": "off"}) == frozenset()
    assert reached(model_aliases={"mine": "nobody"}) == frozenset()
    assert reached(model_aliases={"off": "opus"}) == {"off"}


def test_the_paths_name_their_source():
    found = access(
        state(t=Team(models={"mini"}, access_groups={"g"}, model_aliases={"mini": "opus"})), RULES
    )
    assert found.paths("t", "mini") == (
        Source(SourceKind.DIRECT, "", frozenset({"mini"})),
        Source(SourceKind.ALIAS, "mini", frozenset({"opus"})),
        Source(SourceKind.GROUP, "g"),
    )
