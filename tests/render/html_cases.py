"""Plans made by the core itself from two states, with access before and after, as the HTML report gets them."""

from reconciler.core.access.rules import Access, GroupRules, access
from reconciler.core.model.findings import Origin, error, warning
from reconciler.core.model.inventory import Known
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.plan import Plan, Target
from reconciler.gateways.saas.documented import DIALECT

TARGET = Target("production", "saas-litellm at https://llm.example.com", "saas-litellm")
MODELS = {
    "gpt-3.5-turbo": ("openai/gpt-3.5-turbo", 1.5),
    "gpt-4": ("openai/gpt-4", 60.0),
    "gpt-4-turbo": ("openai/gpt-4-turbo", 30.0),
    "claude-3-haiku": ("anthropic/claude-3-haiku", 1.25),
    "claude-3-sonnet": ("anthropic/claude-3-sonnet", 15.0),
    "claude-3-opus": ("anthropic/claude-3-opus", 75.0),
    "gemini-pro": ("gemini/gemini-pro", 1.5),
}
GROUPS = {
    "basic-models": ("gpt-3.5-turbo", "claude-3-haiku"),
    "gpt-models": ("gpt-3.5-turbo", "gpt-4"),
    "pro-models": ("gpt-4", "gpt-4-turbo", "claude-3-sonnet"),
    "best-models": ("claude-3-opus", "gemini-pro"),
}


def state(
    teams: dict[str, Team], groups: dict[str, tuple[str, ...]] | None = None, **more: ModelAlias
) -> State:
    resources: dict[Ref, Resource] = {
        Ref("organization", "org_acme"): Organization(name="ACME Corp")
    }
    aliases = {
        name: ModelAlias(litellm_model=model, pricing_output=price)
        for name, (model, price) in MODELS.items()
    }
    resources |= {Ref("model_alias", name): alias for name, alias in (aliases | more).items()}
    members = {**GROUPS, **(groups or {})}
    resources |= {
        Ref("access_group", name): AccessGroup(model_aliases=frozenset(held))
        for name, held in members.items()
    }
    resources |= {Ref("team", name): team for name, team in teams.items()}
    return State(resources)


def team(*groups: str, credits_allocated: int = 1000, **more: object) -> Team:
    return Team(
        organization_id="org_acme",
        access_groups=frozenset(groups),
        credits_allocated=credits_allocated,
        **more,
    )


def planned(live: State, desired: State, **more: object) -> tuple[Plan, tuple[Access, Access]]:
    plan = make_plan(
        Inputs(
            TARGET,
            desired,
            live,
            Known({}, {}),
            DIALECT.support,
            revision="4f1c2d9a7be003aa55f0c1d2e3f4a5b6c7d8e9f0",
            **more,
        )
    )
    after = live.updated({change.ref: change.after for change in plan.changes})
    return plan, (access(live, GroupRules()), access(after, GroupRules()))


def few() -> tuple[Plan, tuple[Access, Access]]:
    """A company of nine teams: gpt-4 is lost by two of them and gained by five."""
    before = {f"acme-{name}": team("basic-models") for name in ("dev", "qa", "ops", "data", "web")}
    before |= {
        "beta-prod": team("gpt-models", credits_allocated=5000),
        "beta-dev": team("gpt-models"),
    }
    before |= {"gamma": team("pro-models"), "delta": team("best-models")}
    after = {
        name: team("basic-models", "pro-models", credits_allocated=5000)
        for name in before
        if "acme" in name
    }
    after |= {
        "beta-prod": team("basic-models"),
        "beta-dev": team("basic-models"),
        "gamma": before["gamma"],
    }
    after |= {
        "delta": team("best-models", "gpt-models", plan="enterprise", price_usd_per_month=999.0)
    }
    after |= {"omega-prod": team("best-models", plan="professional", price_usd_per_month=299.0)}
    after["acme-web"] = team("basic-models", "best-models")
    groups = {"best-models": ("claude-3-opus", "gemini-pro", "gemini-ultra")}
    found = (
        warning("dear-team", "omega-prod is for development and reaches claude-3-opus", hint="give it a cheaper group",
                ref=Ref("team", "omega-prod"), path=("access_groups", 0), origin=Origin("config/teams.yaml", 12, 23)),
        error("limit-invalid", "team/gamma: tpm_limit is below rpm_limit", origin=Origin("config/teams.yaml", 40, 5)),
    )  # fmt: skip
    ultra = ModelAlias(
        litellm_model="gemini/gemini-ultra", litellm_params={"timeout": 60, "extra": {"tier": "a"}}
    )
    return planned(state(before), state(after, groups, **{"gemini-ultra": ultra}), findings=found)


def many(teams: int = 10_000) -> tuple[Plan, tuple[Access, Access]]:
    """Many teams in some hundred ways: every third loses, every other gains, some come and go."""
    names = [f"customer-{number:05}-prod" for number in range(teams)]
    groups = {
        f"bundle-{number:02}": tuple(f"model-{(number * 7 + k) % 60:02}" for k in range(6))
        for number in range(40)
    }
    extra = {
        f"model-{k:02}": ModelAlias(litellm_model=f"openai/m-{k}", pricing_output=float(k))
        for k in range(60)
    }
    held = lambda n, shift: (f"bundle-{(n + shift) % 40:02}", f"bundle-{(n * 3) % 40:02}")  # noqa: E731  # short
    before = {
        name: team(*held(n, 0), credits_allocated=1000 + n % 50)
        for n, name in enumerate(names)
        if n % 97
    }
    after = {
        name: team(
            *held(n, n % 3), *(["pro-models"] if n % 2 else []), credits_allocated=1000 + n % 70
        )
        for n, name in enumerate(names)
        if n % 89
    }
    return planned(state(before, groups, **extra), state(after, groups, **extra))
