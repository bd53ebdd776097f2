"""The corners of the rule by hand: each is decided by LiteLLM and by us, and both must say what is written here.

A disagreement that random worlds turn up is written down here.
"""

from worlds import Case, infer_from_price_map

from reconciler.core.access.litellm.world import Deployment, LiteLLMTeam, LiteLLMWorld

GPT = (Deployment("gpt-4o", "openai/gpt-4o"), Deployment("claude", "anthropic/claude-opus-4-8"))
HALF_TAGGED = (
    Deployment("gpt-4o", "openai/gpt-4o", frozenset({"beta"})),
    Deployment("gpt-4o", "azure/gpt-4o"),
)
BEDROCK_CLAUDE = (Deployment("claude-opus-4-8", "bedrock/us.anthropic.claude-opus-4-8"),)
OPENAI_WILD = (Deployment("openai/*", "openai/*", frozenset({"beta"})),)
PREFIX_WILD = (
    Deployment("gpt-*-mini", "openai/*", frozenset({"beta"})),
    Deployment("*", "openai/*", frozenset({"eu"})),
)
MISTRAL = (Deployment("mistral/large", "mistral/mistral-large"),)
FAST = {"fast": "gpt-4o"}
NONE = ("no-default-models",)

# deployments, router aliases, unified groups, team.models, team.access_groups, team.model_aliases, model, allowed
CORNERS = {
    "empty list is everything": (GPT, {}, {}, (), (), {}, "not-deployed", True),
    "groups do not restrict an empty list": (GPT, {}, {"g": ("claude",)}, (), ("g",), {}, "gpt-4o", True),
    "no-default-models is none": (GPT, {}, {}, NONE, (), {}, "gpt-4o", False),
    "no-default-models with a group is the group": (GPT, {}, {"g": ("claude",)}, NONE, ("g",), {}, "claude", True),
    "and nothing else": (GPT, {}, {"g": ("claude",)}, NONE, ("g",), {}, "gpt-4o", False),
    "no-default-models beside a name denies nothing": (GPT, {}, {}, ("gpt-4o", *NONE), (), {}, "gpt-4o", True),
    "no-default-models in a group is a string": (GPT, {}, {"g": NONE}, ("gpt-4o",), ("g",), {}, "gpt-4o", True),
    "an empty group is no empty list": (GPT, {}, {"g": ()}, NONE, ("g",), {}, "gpt-4o", False),
    "an unknown group is ignored": (GPT, {}, {"g": ("gpt-4o",)}, NONE, ("gone", "g"), {}, "gpt-4o", True),
    "all-team-models on a team is all deployed": (GPT, {}, {}, ("all-team-models",), (), {}, "claude", True),
    "all-team-models is deployed names only": (GPT, {}, {}, ("all-team-models",), (), {}, "gpt-9", False),
    "all-team-models takes wildcard deployments": (OPENAI_WILD, {}, {}, ("all-team-models",), (), {}, "gpt-4o-mini", True),
    "all-team-models takes router aliases": (GPT, FAST, {}, ("all-team-models",), (), {}, "fast", True),
    "all-team-models of no deployment": ((), {}, {}, ("all-team-models",), (), {}, "gpt-4o", False),
    "all-team-models of no deployment is a string": ((), {}, {}, ("all-team-models",), (), {}, "all-team-models", True),
    "all-team-models inside a group": (GPT, {}, {"g": ("all-team-models",)}, NONE, ("g",), {}, "claude", True),
    "all-proxy-models is any string": (GPT, {}, {}, ("all-proxy-models",), (), {}, "not-deployed", True),
    "all-proxy-models inside a group": (GPT, {}, {"g": ("all-proxy-models",)}, NONE, ("g",), {}, "not-deployed", True),
    "a legacy group on one deployment grants the name": (HALF_TAGGED, {}, {}, ("beta",), (), {}, "gpt-4o", True),
    "a legacy group is case-sensitive": (HALF_TAGGED, {}, {}, ("Beta",), (), {}, "gpt-4o", False),
    "a legacy group inside a unified one": (HALF_TAGGED, {}, {"g": ("beta",)}, NONE, ("g",), {}, "gpt-4o", True),
    "a unified group's name in models is inert": (GPT, {}, {"g": ("gpt-4o",)}, ("g",), (), {}, "gpt-4o", False),
    "a legacy group's name is itself no model": (HALF_TAGGED, {}, {}, ("eu",), (), {}, "gpt-4o", False),
    "the alias of a listed name": (GPT, FAST, {}, ("gpt-4o",), (), {}, "fast", True),
    "the name of a listed alias": (GPT, FAST, {}, ("fast",), (), {}, "gpt-4o", False),
    "an alias takes its target's legacy groups": (HALF_TAGGED, FAST, {}, ("beta",), (), {}, "fast", True),
    "an alias of an alias, one hop for names": (GPT, {"quick": "fast", **FAST}, {}, ("gpt-4o",), (), {}, "quick", False),
    "an alias of an alias, two hops for legacy groups": (HALF_TAGGED, {"quick": "fast", **FAST}, {}, ("beta",), (), {}, "quick", True),
    "an alias named like a deployment": (HALF_TAGGED, {"gpt-4o": "claude"}, {}, ("claude",), (), {}, "gpt-4o", True),
    "an alias to what only a wildcard serves": (OPENAI_WILD, {"fast": "openai/gpt-9"}, {}, ("beta",), (), {}, "fast", True),
    "a team alias passes the list by": (GPT, {}, {}, ("claude",), (), {"my": "gpt-4o"}, "my", True),
    "a team alias grants not its target": (GPT, {}, {}, ("claude",), (), {"my": "gpt-4o"}, "gpt-4o", False),
    "a router alias of a team alias": (GPT, {"fast": "my"}, {}, NONE, (), {"my": "x"}, "fast", True),
    "a wildcard reads the provider from the name": (GPT, {}, {}, ("openai/*",), (), {}, "gpt-4o", True),
    "wherever it is routed": (BEDROCK_CLAUDE, {}, {}, ("anthropic/*",), (), {}, "claude-opus-4-8", True),
    "bedrock is not in the name": (BEDROCK_CLAUDE, {}, {}, ("bedrock/*",), (), {}, "claude-opus-4-8", False),
    "a name that shows no provider": (GPT, {}, {}, ("anthropic/*",), (), {}, "claude", False),
    "a Claude not yet in the price map": (GPT, {}, {}, ("anthropic/*",), (), {}, "claude-newfamily-7", True),
    "a foreign namespace is not guessed": (GPT, {}, {}, ("openai/*",), (), {}, "foo/ft:gpt-4x", False),
    "cohere chat models change provider": (GPT, {}, {}, ("cohere_chat/*",), (), {}, "cohere/command-r-08-2024", True),
    "old Anthropic models change provider": (GPT, {}, {}, ("anthropic_text/*",), (), {}, "anthropic/claude-2", True),
    "a Bedrock Mantle region is dropped": (GPT, {}, {}, ("bedrock_mantle/gpt*",), (), {}, "bedrock_mantle/us-east-1/gpt-x", True),
    "a pattern's dot is any character": (GPT, {}, {}, ("gpt.4o*",), (), {}, "gptX4o", True),
    "a pattern's bar splits the anchors": (GPT, {}, {}, ("gpt|x*",), (), {}, "gpt-4o", True),
    "a pattern's star crosses slashes": (GPT, {}, {}, ("foo/*",), (), {}, "foo/a/b", True),
    "a pattern is case-sensitive": (GPT, {}, {}, ("GPT-*",), (), {}, "gpt-4o", False),
    "a name is case-sensitive": (GPT, {}, {}, ("GPT-4o",), (), {}, "gpt-4o", False),
    "a name is not given a provider": (GPT, {}, {}, ("openai/gpt-4o",), (), {}, "gpt-4o", False),
    "nor stripped of one": (GPT, {}, {}, ("gpt-4o",), (), {}, "openai/gpt-4o", False),
    "a broken pattern fails the call": (GPT, {}, {}, ("gpt-4o", "foo[*"), (), {}, "gpt-4o", False),
    "a match before a broken pattern wins": (GPT, {}, {}, ("gpt*", "foo[*"), (), {}, "gpt-4o", True),
    "a match after a broken pattern is too late": (GPT, {}, {}, ("foo[*", "gpt*"), (), {}, "gpt-4o", False),
    "a guess is later than a broken pattern": (GPT, {}, {}, ("openai/*", "foo[*"), (), {}, "gpt-4o", False),
    "a broken pattern keeps the groups from being read": (GPT, {}, {"g": ("gpt-4o",)}, ("foo[*",), ("g",), {}, "gpt-4o", False),
    "a broken pattern spares the legacy groups": (HALF_TAGGED, {}, {}, ("foo[*", "beta"), (), {}, "gpt-4o", True),
    "a broken pattern spares the team aliases": (GPT, {}, {}, ("foo[*",), (), {"my": "gpt-4o"}, "my", True),
    "a broken pattern fails the alias too": (GPT, {"fast": "my"}, {}, ("foo[*",), (), {"my": "gpt-4o"}, "fast", False),
    "a broken pattern in a group fails what only groups grant": (GPT, {}, {"g": ("foo[*", "gpt-4o")}, NONE, ("g",), {}, "gpt-4o", False),
    "a broken pattern in a group spares the list": (GPT, {}, {"g": ("foo[*",)}, ("gpt-4o",), ("g",), {}, "gpt-4o", True),
    "a wildcard deployment gives its legacy group": (OPENAI_WILD, {}, {}, ("beta",), (), {}, "openai/never-heard-of", True),
    "also to a name that shows the provider": (OPENAI_WILD, {}, {}, ("beta",), (), {}, "gpt-4o", True),
    "but not to a deployed name": ((*OPENAI_WILD, *GPT), {}, {}, ("beta",), (), {}, "gpt-4o", False),
    "a wildcard deployment matches by prefix": (PREFIX_WILD, {}, {}, ("beta",), (), {}, "gpt-4o-mini-2024", True),
    "the longest wildcard deployment wins": (PREFIX_WILD, {}, {}, ("eu",), (), {}, "gpt-4o-mini-2024", False),
    "a deployed namespace": (MISTRAL, {}, {}, ("mistral/*",), (), {}, "mistral/large", True),
}  # fmt: skip


def corner(name: str) -> tuple[Case, bool]:
    deployments, router, groups, models, access_groups, aliases, model, allowed = CORNERS[name]
    world = LiteLLMWorld(deployments, groups, router, infer_from_price_map())
    return Case(world, LiteLLMTeam(models, access_groups, aliases), model), allowed
