"""Plans that people read, as values: one per golden folder."""

from reconciler.core.model.changes import Change, CreditGrant, FieldChange
from reconciler.core.model.findings import Finding, Origin, error, info, warning
from reconciler.core.model.kinds import (
    AccessGroup,
    Deployment,
    ModelAlias,
    Organization,
    PricingPlan,
    Resource,
    Team,
)
from reconciler.core.model.refs import Ref
from reconciler.core.plan.plan import Exposure, Impact, Plan, Risk, Target, TeamImpact

TARGET = Target("production", "saas-litellm at https://llm.example.com", "saas-litellm")
F = frozenset


def update(ref: Ref, before: Resource, after: Resource, **more) -> Change:
    pairs = (
        (name, getattr(before, name), getattr(after, name)) for name in type(after).model_fields
    )
    return Change(
        ref,
        before,
        after,
        tuple(FieldChange(*pair) for pair in pairs if pair[1] != pair[2]),
        **more,
    )


def new(ref: Ref, after: Resource, **more) -> Change:
    return Change(ref, None, after, **more)


def first_plan() -> Plan:
    aliases = {
        "gpt-4": "openai/gpt-4",
        "gpt-3.5-turbo": "openai/gpt-3.5-turbo",
        "claude-3-opus": "anthropic/claude-3-opus",
    }
    changes = [
        new(Ref("organization", "org_acme"), Organization(name="ACME Corp")),
        *(
            new(Ref("model_alias", name), ModelAlias(litellm_model=model))
            for name, model in aliases.items()
        ),
        new(
            Ref("access_group", "basic-models"),
            AccessGroup(description="For all", model_aliases=F(["gpt-3.5-turbo"])),
        ),
        new(
            Ref("access_group", "gpt-models"),
            AccessGroup(model_aliases=F(["gpt-4", "gpt-3.5-turbo"])),
        ),
        new(
            Ref("team", "acme-prod"),
            Team(
                organization_id="org_acme",
                access_groups=F(["gpt-models"]),
                credits_allocated=6000,
                metadata={"env": "prod"},
            ),
            credits=(CreditGrant("welcome", 500, "welcome gift"),),
        ),
        new(
            Ref("team", "acme-dev"),
            Team(
                organization_id="org_acme",
                access_groups=F(["basic-models"]),
                credits_allocated=1000,
            ),
        ),
    ]
    teams = (
        TeamImpact(
            "acme-dev",
            F(["gpt-3.5-turbo"]),
            plan_after="starter",
            price_after=99,
            credits_after=1000,
            created=True,
        ),
        TeamImpact(
            "acme-prod",
            F(["gpt-3.5-turbo", "gpt-4"]),
            plan_after="professional",
            price_after=299.5,
            credits_after=6500,
            created=True,
            dearest_after=("gpt-4", 60.0),
        ),
    )
    impact = Impact(
        teams,
        revenue_after=398.5,
        credits_granted=7500,
        risk=Risk.LOW,
        reasons=("2 teams gain models",),
    )
    return Plan(TARGET, tuple(changes), impact)


def no_changes() -> Plan:
    return Plan(TARGET, unchanged=42, foreign=(Ref("team", "someone-else"),))


def tier_change() -> Plan:
    """3,000 teams go from starter to professional; one in seven loses a model that only starter had."""
    names = [f"acme-{number:04}" for number in range(1, 3001)]
    group = Ref("access_group", "pro-models")
    pro = update(
        group,
        AccessGroup(model_aliases=F(["gpt-4"])),
        AccessGroup(model_aliases=F(["gpt-4", "o1"])),
    )
    old = Team(access_groups=F(["basic-models"]), credits_allocated=1000)
    after = Team(access_groups=F(["pro-models"]), credits_allocated=5000)
    grant = (CreditGrant("allocation", 4000, "credits_allocated 5000"),)
    teams = tuple(
        TeamImpact(
            name, F(["gpt-4", "o1"]), F(["gpt-3.5-turbo"]) if place % 7 == 0 else F(), "starter", "professional", 99, 299, 1000, 5000,
            dearest_before=("gpt-3.5-turbo", 1.5), dearest_after=("o1", 60.0),
        )
        for place, name in enumerate(names)
    )  # fmt: skip
    impact = Impact(
        teams, (), 297_000, 897_000, 12_000_000, 0, Risk.HIGH, ("429 teams lose a model",)
    )
    refused = (
        error(
            "access-loss",
            "429 teams lose access to a model",
            hint="--allow-loss applies it all the same",
            flag="--allow-loss",
        ),
    )
    changes = (pro, *(update(Ref("team", name), old, after, credits=grant) for name in names))
    return Plan(TARGET, changes, impact, refusals=refused, unchanged=17)


def losses_and_refusals() -> Plan:
    alias = update(
        Ref("model_alias", "gpt-4"),
        ModelAlias(
            litellm_model="openai/gpt-4",
            pricing_output=60,
            litellm_params={"timeout": 30, "extra": {"tier": "a"}},
        ),
        ModelAlias(
            litellm_model="openai/gpt-4o",
            pricing_output=10.5,
            litellm_params={"timeout": 60, "extra": {"tier": "a"}},
        ),
    )
    team = update(
        Ref("team", "beta-prod"),
        Team(
            access_groups=F(["gpt-models", "basic-models"]),
            credits_allocated=5000,
            tpm_limit=100_000,
        ),
        Team(access_groups=F(["basic-models"]), credits_allocated=1000),
        credits=(CreditGrant("allocation", -4000, "credits_allocated 1000"),),
    )
    impact = Impact(
        (
            TeamImpact("beta-dev", everything=True, gained=F(["claude-3-opus"]), dearest_before=("gpt-4", 60.0), dearest_after=("claude-3-opus", 75.0)),
            TeamImpact("beta-prod", F(), F(["gpt-4", "gpt-4-turbo"]), "professional", "starter", 299, 99, 5000, 1000),
        ),
        (Exposure("beta-prod", "o1", "team/beta-prod keeps gpt-models until it is dropped"),),
        4485, 4285, 0, 4000, Risk.HIGH, ("1 team loses a model", "1 team can call every model"),
    )  # fmt: skip
    refused = (
        error(
            "access-loss",
            "1 team loses access to a model",
            hint="--allow-loss applies it all the same",
            flag="--allow-loss",
        ),
        error(
            "too-many-changes",
            "12 of 30 teams would change (40 %)",
            hint="--allow-changes=team lifts the limit for teams",
            flag="--allow-changes=team",
        ),
    )
    return Plan(TARGET, (alias, team), impact, refusals=refused, unchanged=28)


def adoption() -> Plan:
    group = AccessGroup(model_aliases=F(["gpt-4"]))
    changes = (
        Change(Ref("access_group", "gpt-models"), group, group, adopt=True),
        *(Change(Ref("team", f"old-{number}"), Team(), Team(), adopt=True) for number in range(5)),
        update(
            Ref("team", "acme-prod"),
            Team(team_alias="prod"),
            Team(team_alias="Production"),
            adopt=True,
        ),
    )
    return Plan(TARGET, changes, foreign=(Ref("team", "a"), Ref("team", "b")), unchanged=3)


def deletions() -> Plan:
    changes = (
        Change(Ref("access_group", "chat-bundle"), AccessGroup(model_aliases=F(["gpt-4"])), None),
        *(
            Change(Ref("team", f"trial-{number:02}"), Team(credits_allocated=100), None)
            for number in range(1, 13)
        ),
        update(Ref("team", "acme-dev"), Team(access_groups=F(["chat-bundle"])), Team()),
    )
    gone = [
        TeamImpact(
            f"trial-{n:02}",
            lost=F(["gpt-4"]),
            plan_before="starter",
            price_before=99,
            credits_before=100,
            deleted=True,
        )
        for n in range(1, 13)
    ]
    left = TeamImpact("acme-dev", lost=F(["gpt-4"]), left_with_nothing=True)
    impact = Impact(
        (left, *gone),
        (),
        1188,
        0,
        0,
        0,
        Risk.HIGH,
        ("12 teams are deleted", "1 team is left with nothing"),
    )
    refused = tuple(
        error(
            "protected",
            f"team/trial-{n:02} was declared with `protect: true` and would be deleted",
            hint="--allow-protected deletes it",
            flag="--allow-protected",
            ref=Ref("team", f"trial-{n:02}"),
        )
        for n in (1, 2)
    )
    return Plan(TARGET, changes, impact, refusals=refused)


def refused_every_call() -> Plan:
    """A tier whose credits are cut below what is used, and one that nobody is on."""
    starter = Ref("pricing_plan", "starter")
    noted = (
        new(
            Ref("pricing_plan", "platinum"),
            PricingPlan(price_usd_per_month=2999, access_groups=F(["pro-models"])),
        ),
        update(
            starter,
            PricingPlan(price_usd_per_month=99, credits_allocated=1000),
            PricingPlan(price_usd_per_month=89, credits_allocated=20),
        ),
        update(Ref("team", "shop-dev"), Team(labels={"env": "dev"}), Team(labels={"env": "prod"})),
    )
    cut = update(
        Ref("team", "shop-prod"),
        Team(credits_allocated=1000),
        Team(credits_allocated=20),
        credits=(CreditGrant("allocation", -980, "credits_allocated 20"),),
    )
    team = TeamImpact(
        "shop-prod",
        lost=F(["gpt-4"]),
        plan_before="starter",
        plan_after="starter",
        price_before=99,
        price_after=89,
        credits_before=1000,
        credits_after=20,
        left_before=970,
        left_after=-10,
        unit="credits",
        refused_after="no credits are left",
    )
    back = TeamImpact("shop-trial", gained=F(["gpt-4"]), left_before=0, left_after=50, unit="credits", refused_before="no credits are left")  # fmt: skip
    impact = Impact(
        (team, back),
        (),
        99,
        89,
        0,
        980,
        Risk.HIGH,
        ("1 team is refused every call",),
        F(["shop-prod"]),
    )
    said = error(
        "loss",
        "1 team would be refused every call: shop-prod (970 credits left -> -10)",
        hint="--allow-loss allows it",
        flag="--allow-loss",
        details=("shop-prod (970 credits left -> -10)",),
    )
    on = {"starter": ("shop-prod", "shop-trial")}
    return Plan(TARGET, (cut,), impact, refusals=(said,), unchanged=9, noted=noted, on_plans=on)


def findings() -> Plan:
    return Plan(TARGET, (), findings=HINTED, unchanged=8)


def unsupported_fields() -> Plan:
    """A gateway that cannot change a field of many teams: said a few times, counted in full."""
    stuck = tuple(
        warning("cannot-change", f"team_alias of team/t-{n:03} differs, but saas-litellm cannot change it: it is set when the object is created",
                hint=f"declare the live value, or delete and re-create t-{n:03}", ref=Ref("team", f"t-{n:03}"), path=("team_alias",))
        for n in range(200)
    )  # fmt: skip
    kept = warning(
        "not-stored",
        "saas-litellm does not keep rpm_limit of teams: t-000, t-001, t-002 and 9 more",
        ref=Ref("team", "t-000"),
        path=("rpm_limit",),
    )
    return Plan(
        TARGET,
        (update(Ref("team", "t-001"), Team(), Team(rpm_limit=100)),),
        findings=(*stuck, kept),
        unchanged=200,
    )


def hostile_names() -> Plan:
    """Names that try to be markup, mentions, table cells, terminal codes and fences."""
    evil = "x|y`z</details><script>alert(1)</script>@admin #1 [a](http://evil.example) \x1b[31m$a$ *b* _c_\n```"
    alias = ModelAlias(
        deployments=(Deployment(litellm_model=evil, weight=1),), litellm_params={evil: [evil]}
    )
    changes = (
        new(Ref("model_alias", evil), alias),
        update(Ref("team", evil), Team(), Team(access_groups=F([evil, "\\|"]))),
    )
    impact = Impact(
        (TeamImpact(evil, F([evil, "\\|"]), F(["`"]), evil, "@team", 1, 2, left_with_nothing=True, dearest_after=(evil, 1.0)),),
        (Exposure(evil, evil, evil),), 1, 2, risk=Risk.HIGH, reasons=(evil, f"- {evil}"),
    )  # fmt: skip
    said = (
        error("bad", evil, hint=evil, origin=Origin("```", 1, 2)),
        warning("odd", evil, ref=Ref("team", evil)),
    )
    return Plan(
        Target(evil, evil, "embedded"),
        changes,
        impact,
        said,
        (error("no", evil, hint=evil),),
        (Ref("team", evil),),
    )


HINTED: tuple[Finding, ...] = (
    warning("missing-description", "access_group/gpt-models has no description", origin=Origin("config/groups.yaml", 4, 3)),
    error(
        "dangling-reference", "team/acme-prod: there is no access group gpt-model", hint="did you mean gpt-models?",
        ref=Ref("team", "acme-prod"), path=("access_groups", 0), origin=Origin("config/teams.yaml", 12, 23),
    ),
    error("cannot-create", "saas-litellm cannot create key/ci", ref=Ref("key", "ci")),
    error("empty-config", "nothing is declared below ./config", hint="is --config right?"),
    info("unused-plan", "no team is on pricing_plan/trial", origin=Origin("config/plans.yaml", 2, 3)),
)  # fmt: skip

CASES = {
    case.__name__: case
    for case in (
        first_plan, no_changes, tier_change, losses_and_refusals, adoption, deletions, refused_every_call, findings, unsupported_fields, hostile_names,
    )
}  # fmt: skip
