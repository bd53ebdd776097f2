"""Lint rules about teams, and secrets in texts anywhere."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache

from reconciler.core.access.litellm.lists import NO_DEFAULT_MODELS
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import Resource, Status, Team
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.model.secrets.literal import literal_secrets
from reconciler.core.plan.resolve import instant
from reconciler.core.rules.lint.rule import Hit, Linted, rule

PROD_ONLY = "prod-only"
SOON = timedelta(days=14)
MANY = 4
EXAMPLES = 3


def team_ref(name: str) -> Ref:
    return Ref(Team.kind, name)


@rule(
    "dev-reaches-dear",
    Level.WARNING,
    "A development team that reaches a dear model or one for production only.",
    reason="The documentation's best practices: separate dev and prod; cheaper models for dev teams. A test that runs "
    "in a loop is the usual way to an expensive month. A team is for development by its label env "
    "(lint_limits.dev_labels) or an id that ends so; a model is dear above "
    "lint_limits.dear_output_usd_per_million, and for production only by the tag prod-only.",
    hint="give it a cheaper group, or a grant with an end",
)
def dev_reaches_dear(world: Linted) -> Iterator[Hit]:
    limit = world.limits.dear_output_usd_per_million
    dear = {
        name for name, price in world.price_output.items() if price is not None and price > limit
    }
    barred = {
        name
        for name, alias in world.aliases.items()
        if PROD_ONLY in alias.tags or alias.labels.get("env") == PROD_ONLY
    }
    for name, team in world.teams.items():
        reached = (
            world.access.of(name) & (dear | barred) if is_dev(world, name, team) else frozenset()
        )
        if reached:
            listed = ", ".join(_priced(world, model) for model in sorted(reached)[:EXAMPLES])
            more = f" and {len(reached) - EXAMPLES} more" if len(reached) > EXAMPLES else ""
            yield Hit(
                f"development team {name} reaches {listed}{more}",
                team_ref(name),
                _path(world, name, min(reached)),
            )


def is_dev(world: Linted, name: str, team: Team) -> bool:
    """By its label env; without one, by the end of its id."""
    env = team.labels.get("env")
    return (
        env in world.limits.dev_labels
        if env is not None
        else name.endswith(tuple(f"-{d}" for d in world.limits.dev_labels))
    )


def _priced(world: Linted, model: str) -> str:
    price = world.price_output[model]
    return model if price is None else f"{model} (${price:g} per million output tokens)"


def _path(world: Linted, team: str, model: str) -> FieldPath:
    """Where the team's own list says the group; else its plan."""
    written = world.written.of(Team)[team]
    own = [s.name for s in world.access.paths(team, model) if s.name in written.access_groups]
    return ("access_groups", own[0]) if own else ("plan",) if written.plan else ()


@rule(
    "team-reaches-everything",
    Level.WARNING,
    "A team that can call every model there is.",
    reason="The documentation's best practices: principle of least privilege, don't grant all models by default. On "
    "LiteLLM an empty list of models is everything, also what is added later.",
    hint="start with what the team needs",
)
def team_reaches_everything(world: Linted) -> Iterator[Hit]:
    for name, team in world.teams.items():
        if world.rules.everything(team):
            yield Hit(f"team {name} may call any model, also those added later", team_ref(name))
        elif len(world.active) > MANY and world.access.of(name) >= world.active:
            yield Hit(
                f"team {name} reaches all {len(world.active)} active models",
                team_ref(name),
                ("access_groups",),
            )


@rule(
    "team-without-access",
    Level.WARNING,
    "An active team that can call no model.",
    reason="Its clients are denied every call. A grant that ended, a group that lost its last model or a forgotten "
    "plan is behind it.",
    hint="put it on a plan or give it an access group; or suspend it",
)
def team_without_access(world: Linted) -> Iterator[Hit]:
    for name, team in world.teams.items():
        if (
            team.status is Status.ACTIVE
            and not world.access.of(name)
            and not _may_reach(world, team)
        ):
            yield Hit(f"team {name} can call no model", team_ref(name))


def _may_reach(world: Linted, team: Team) -> bool:
    """Whether only a LiteLLM Proxy can tell: what no alias is may be a legacy group, or served by a wildcard."""
    if world.rules.everything(team) or not isinstance(world.rules, LiteLLMRules):
        return world.rules.everything(team)
    groups = (
        world.groups[name].model_aliases for name in team.access_groups if name in world.groups
    )
    names = frozenset(team.models).union(team.model_aliases or (), *groups)
    return bool(names - world.aliases.keys() - {NO_DEFAULT_MODELS})


@rule(
    "expired-grant",
    Level.WARNING,
    "A grant whose time is over.",
    reason="It grants nothing any more, but reads as if it did. Whoever changes its date by mistake gives the access "
    "back without a new decision.",
    hint="remove it",
)
def expired_grant(world: Linted) -> Iterator[Hit]:
    for name, team in world.written.of(Team).items():
        for index, grant in enumerate(team.grants):
            if instant(grant.until) <= world.now:
                groups = ", ".join(sorted(grant.access_groups))
                says = f"the grant of {groups} to {name} ended on {grant.until.isoformat()}"
                yield Hit(says, team_ref(name), ("grants", index, "until"))


@rule(
    "expiring-grant",
    Level.INFO,
    "A grant that ends within two weeks.",
    reason="The next apply after that day takes the models away by itself. Whoever depends on them should hear of it "
    "before.",
    hint="extend it, or tell the team",
)
def expiring_grant(world: Linted) -> Iterator[Hit]:
    for name, team in world.written.of(Team).items():
        for index, grant in enumerate(team.grants):
            if world.now < instant(grant.until) <= world.now + SOON:
                groups = ", ".join(sorted(grant.access_groups))
                says = f"the grant of {groups} to {name} ends on {grant.until.isoformat()}"
                yield Hit(says, team_ref(name), ("grants", index, "until"))


@rule(
    "redundant-group",
    Level.INFO,
    "A team that lists a group which its plan gives already.",
    reason="The line changes nothing today, and survives a move to another plan: then the team keeps a group that "
    "nobody meant to leave it.",
    hint="remove it from the team",
)
def redundant_group(world: Linted) -> Iterator[Hit]:
    for name, team in world.written.of(Team).items():
        plan = world.desired.plans.get(team.plan) if team.plan else None
        for group in sorted(team.access_groups & plan.access_groups) if plan else ():
            yield Hit(
                f"team {name} has {group} from plan {team.plan} already",
                team_ref(name),
                ("access_groups", group),
            )


@rule(
    "suspended-team",
    Level.INFO,
    "A suspended team that still costs or counts.",
    reason="It is refused every call, but its plan's price counts as revenue, its grants run out unused, and top-ups "
    "are paid out to it.",
    hint="set price_usd_per_month: 0 while it is suspended, or remove its grants and top_ups",
)
def suspended_team(world: Linted) -> Iterator[Hit]:
    for name, team in world.teams.items():
        if team.status is not Status.SUSPENDED:
            continue
        written = world.written.of(Team)[name]
        still = [what for what, there in _still(team, written) if there]
        if still:
            yield Hit(
                f"team {name} is suspended and still {' and '.join(still)}",
                team_ref(name),
                ("status",),
            )


def _still(team: Team, written: Team) -> tuple[tuple[str, bool], ...]:
    price = team.price_usd_per_month or 0
    return (
        (f"pays ${price:,g} a month", price > 0),
        ("has grants", bool(written.grants)),
        ("gets top_ups", bool(team.top_ups)),
    )


@rule(
    "secret-in-text",
    Level.ERROR,
    "A text that looks like a secret.",
    reason="What is in git is read by many and stays in its history. A key pasted into a description, a label or a "
    "reason must be taken as leaked. Free JSON (metadata, litellm_params) is checked by validate in any case.",
    hint="remove it and replace the key at its provider",
)
def secret_in_text(world: Linted) -> Iterator[Hit]:
    known: dict[str, bool] = {}
    for ref, resource in world.written.resources.items():
        for path, text in _texts(resource):
            if text not in known:
                known[text] = any(True for _ in literal_secrets(text))
            if known[text]:
                yield Hit(f"{'.'.join(map(str, path))} looks like a secret", ref, path)


TEXTS = ("description", "display_name", "name", "team_alias", "message")


@cache
def _fields(cls: type[Resource]) -> tuple[str, ...]:
    return tuple(name for name in TEXTS if name in cls.model_fields)


def _texts(resource: Resource) -> Iterator[tuple[FieldPath, str]]:
    for name in _fields(type(resource)):
        value = getattr(resource, name)
        if value:
            yield (name,), value
    for key, value in resource.labels.items():
        yield ("labels", key), value
    if isinstance(resource, Team):
        yield from _reasons(resource)


def _reasons(team: Team) -> Iterator[tuple[FieldPath, str]]:
    yield from (
        (("grants", i, "reason"), grant.reason)
        for i, grant in enumerate(team.grants)
        if grant.reason
    )
    yield from (
        (("top_ups", i, "reason"), top.reason) for i, top in enumerate(team.top_ups) if top.reason
    )
