"""paths: what cut or built a path from a team to a model: its own list, a group of it, or what is in that group."""

from collections.abc import Iterator

from reconciler.core.access.rules import Source, SourceKind
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.meaning.evidence import (
    Evidence,
    Reason,
    another_plan,
    date,
    edit,
    grant_path,
    grants,
    hand,
    tier,
)
from reconciler.core.plan.resolve import holds, instant


def by_dates(model: str, team: Ref, given: Evidence) -> Iterator[Reason]:
    """The dates that take a model from a team."""
    if model in given.ahead.sunsets:
        yield _sunset(model, given)
    for source in given.before.paths(team.name, model):
        if source.kind is SourceKind.GROUP and (team.name, source.name) in given.ahead.ended:
            yield _ended(source.name, team, given)


def cut(model: str, team: Ref, after: Team, given: Evidence) -> Iterator[Reason]:
    """What cut each path by which the team had the model."""
    sources = given.before.paths(team.name, model)
    reasons = [_of_cut(model, source, team, after, given) for source in sources]
    yield from reasons
    if all(reason.why == "date" for reason in reasons):
        yield from _not_begun(model, team, after, given)


def built(model: str, team: Ref, before: Team, after: Team, given: Evidence) -> Iterator[Reason]:
    """What built each path by which the team has the model now."""
    for source in given.after.paths(team.name, model):
        if source.kind is not SourceKind.GROUP:
            yield _own_list(team, given)
        elif source.name not in before.access_groups:
            yield _joined(source.name, team, after, given)
        else:
            yield _put_in(model, source.name, given)


def _of_cut(model: str, source: Source, team: Ref, after: Team, given: Evidence) -> Reason:
    if source.kind is not SourceKind.GROUP:
        return _own_list(team, given)
    if source.name not in after.access_groups:
        return _left(source.name, team, after, given)
    return _taken_out(model, source.name, given)


def _not_begun(model: str, team: Ref, after: Team, given: Evidence) -> Iterator[Reason]:
    """What cut the path that dates would have begun when they ended the one there was: the loss is its doing."""
    ahead = given.ahead.state.of(Team).get(team.name)
    groups = given.ahead.state.of(AccessGroup)
    for name in sorted(ahead.access_groups if ahead else ()):
        if name in groups and model in groups[name].model_aliases:
            stays = name in after.access_groups
            yield (_taken_out(model, name, given) if stays else _left(name, team, after, given))


# ---- dates


def _sunset(model: str, given: Evidence) -> Reason:
    day = given.ahead.sunsets[model].isoformat()
    return date(f"sunset of {model} on {day}", Ref(ModelAlias.kind, model), "sunset")


def _ended(group: str, team: Ref, given: Evidence) -> Reason:
    day = given.ahead.ended[team.name, group].isoformat()
    return date(f"grant of {group} ended {day}", team, *grant_path(team, group, given))


# ---- the team


def _own_list(team: Ref, given: Evidence) -> Reason:
    """The team's own list of models, by git or by hand."""
    change = given.changes.get(team)
    moved = {field.name for field in change.fields} if change else set()
    name = "model_aliases" if "model_aliases" in moved and "models" not in moved else "models"
    return edit(f"its {name}", team, name)


def _left(group: str, team: Ref, after: Team, given: Evidence) -> Reason:  # noqa: PLR0911  one return for each cause
    """Why a team no longer holds a group."""
    record = given.applied(team)
    live = given.live.of(Team).get(team.name)
    holds_it = live is not None and group in live.access_groups
    if holds_it and record is not None and group not in record.get("access_groups", ()):
        return hand(f"{group} was given on the gateway", team)
    if (team.name, group) in given.ahead.ended:
        return _ended(group, team, given)
    if Ref(AccessGroup.kind, group) not in given.desired:
        return edit(f"access group {group} is no longer declared", Ref(AccessGroup.kind, group))
    if record is not None and record.get("plan") != after.plan:
        return another_plan(record.get("plan"), after.plan, team)
    plan = tier(
        after.plan, "access_groups", given, lambda old, new: group in old and group not in new
    )
    if plan is not None:
        text = f"pricing plan {plan} no longer gives {group}"
        return edit(text, Ref(PricingPlan.kind, plan), "access_groups")
    path = grant_path(team, group, given)
    if path:
        return edit(f"grant of {group} is over", team, *path)
    return edit(f"its access_groups no longer have {group}", team, "access_groups")


def _joined(group: str, team: Ref, after: Team, given: Evidence) -> Reason:
    """Why a team gets a group."""
    record = given.applied(team)
    if record is not None and group in record.get("access_groups", ()):
        return hand(f"{group} was taken away on the gateway", team, "access_groups", group)
    path = grant_path(team, group, given)
    current = [
        grant
        for grant in grants(team, given)
        if group in grant.access_groups and holds(grant, given.now)
    ]
    begun = [grant.since for grant in current if grant.since is not None]
    if path and begun:
        return date(f"grant of {group} since {begun[0].isoformat()}", team, *path)
    if path and current:
        return edit(f"grant of {group}", team, *path)
    if record is not None and record.get("plan") != after.plan:
        return another_plan(record.get("plan"), after.plan, team)
    plan = tier(
        after.plan, "access_groups", given, lambda old, new: group in new and group not in old
    )
    if plan is not None:
        text = f"pricing plan {plan} gives {group}"
        return edit(text, Ref(PricingPlan.kind, plan), "access_groups", group)
    return edit(f"its access_groups have {group}", team, "access_groups", group)


# ---- the group


def _live_members(group: Ref, given: Evidence) -> frozenset[str]:
    live = given.live.of(AccessGroup).get(group.name)
    return live.model_aliases if live is not None else frozenset()


def _taken_out(model: str, name: str, given: Evidence) -> Reason:
    """Why a group that the team keeps no longer gives the model."""
    group, alias = Ref(AccessGroup.kind, name), Ref(ModelAlias.kind, model)
    record, written = given.applied(group), given.written.get(alias)
    recorded = record.get("model_aliases", ()) if record is not None else (model,)
    if model in _live_members(group, given) and model not in recorded:
        return hand(f"{model} was put into {name} on the gateway", group)
    if model in given.ahead.sunsets:
        return _sunset(model, given)
    sunset = written.sunset if isinstance(written, ModelAlias) else None
    if sunset is not None and instant(sunset) <= given.now:
        text = f"sunset of {model} on {sunset.isoformat()}, which nobody announced"
        return edit(text, alias, "sunset")
    after = given.desired.of(ModelAlias).get(model)
    if after is None and alias in given.live:
        return edit(f"model alias {model} is no longer declared", alias)
    if after is not None and after.status is not Status.ACTIVE:
        return edit(f"{model} is {after.status.value}", alias, "status")
    chosen = getattr(given.written.get(group), "select", None) is not None
    return edit(f"{name} no longer has {model}", group, "select" if chosen else "model_aliases")


def _put_in(model: str, name: str, given: Evidence) -> Reason:
    """Why a group that the team had gives the model now."""
    group, alias = Ref(AccessGroup.kind, name), Ref(ModelAlias.kind, model)
    record = given.applied(group)
    if model in _live_members(group, given):
        return edit(f"{model} is active", alias, "status")
    if record is not None and model in record.get("model_aliases", ()):
        text = f"{model} was taken out of {name} on the gateway"
        return hand(text, group, "model_aliases", model)
    listed: frozenset[str] = getattr(given.written.get(group), "model_aliases", frozenset())
    if model in listed:
        return edit(f"{name} has {model}", group, "model_aliases", model)
    return edit(f"{name} has {model}", group, "select")
