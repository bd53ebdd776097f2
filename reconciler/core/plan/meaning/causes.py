"""causes: why a team gains or loses a model, pays another price or gets other credits, and where that is written.

Each cause is an edit in git, a date that came, or a hand on the gateway. What was applied last (the inventory) tells
them apart: git says something else than it did, or the gateway does. A cause that teams share reads the same for all.
"""

from collections.abc import Iterator

from reconciler.core.access.rules import Source
from reconciler.core.model.kinds import AccessGroup, ModelAlias, PricingPlan, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.meaning.evidence import (
    Evidence,
    Reason,
    declared,
    grant_path,
    grants,
    tier,
)
from reconciler.core.plan.plan import Cause, TeamImpact
from reconciler.core.plan.resolve import holds, instant


def causes(team: TeamImpact, given: Evidence) -> tuple[Cause, ...]:
    """Every cause once, with the models that it takes and gives; sorted."""
    found: dict[Reason, tuple[set[str], set[str]]] = {}
    told = [(why, "lost") for why in _losses(team, given)] + [
        (why, "gained") for why in _gains(team, given)
    ]
    for (reason, model), side in told:
        lost, gained = found.setdefault(reason, (set(), set()))
        (lost if side == "lost" else gained).add(model)
    for reason in (*_price(team, given), *_credits(team, given)):
        found.setdefault(reason, (set(), set()))
    made = (
        Cause(kind, text, ref, path, given.place(ref, path), frozenset(lost), frozenset(gained))
        for (kind, text, ref, path), (lost, gained) in found.items()
    )
    return tuple(sorted(made, key=lambda cause: (cause.text, cause.ref, str(cause.path))))


def _losses(team: TeamImpact, given: Evidence) -> Iterator[tuple[Reason, str]]:
    ref = Ref(Team.kind, team.team)
    before, after = given.live.of(Team).get(team.team), given.desired.of(Team).get(team.team)
    whole = _whole(team, ref, before, after, given)
    for model in sorted(team.lost):
        if model in team.announced:
            yield from ((reason, model) for reason in _dates(model, ref, given))
        elif whole is not None:
            yield whole, model
        elif before is not None and after is not None:
            yield from ((reason, model) for reason in _lost(model, ref, after, given))


def _dates(model: str, ref: Ref, given: Evidence) -> Iterator[Reason]:
    """The dates that take a model from a team, whatever else happens to it."""
    if model in given.ahead.sunsets:
        yield _sunset(model, given)
    for source in given.before.paths(ref.name, model):
        if source.kind == "group" and (ref.name, source.name) in given.ahead.ended:
            yield _ended(source.name, ref, given)


def _sunset(model: str, given: Evidence) -> Reason:
    day = given.ahead.sunsets[model].isoformat()
    return "date", f"sunset of {model} on {day}", Ref(ModelAlias.kind, model), ("sunset",)


def _ended(group: str, ref: Ref, given: Evidence) -> Reason:
    day = given.ahead.ended[ref.name, group].isoformat()
    return "date", f"grant of {group} ended {day}", ref, grant_path(ref, group, given)


def _whole(
    team: TeamImpact, ref: Ref, before: Team | None, after: Team | None, given: Evidence
) -> Reason | None:
    """What takes every model at once."""
    if team.deleted or after is None:
        return "edit", "the team is no longer declared", ref, ()
    if (
        before is not None
        and before.status is not after.status
        and after.status is Status.SUSPENDED
    ):
        return "edit", "the team is suspended", ref, ("status",)
    if not team.cut_off:
        return None
    name = str(team.refused_after).partition(" ")[0]
    if name in ("tpm_limit", "rpm_limit"):
        return "edit", str(team.refused_after), ref, (name,)
    return next(_credits(team, given), ("edit", str(team.refused_after), ref, ("max_budget_usd",)))


def _lost(model: str, ref: Ref, after: Team, given: Evidence) -> Iterator[Reason]:
    """Every path by which the team had the model, and what cut it."""
    found = [
        _lost_path(model, source, ref, after, given)
        for source in given.before.paths(ref.name, model)
    ]
    yield from found
    if all(kind == "date" for kind, *_ in found):
        yield from _not_begun(model, ref, after, given)


def _lost_path(model: str, source: Source, ref: Ref, after: Team, given: Evidence) -> Reason:
    if source.kind != "group":
        return _own(ref, given)
    if source.name not in after.access_groups:
        return _left(source.name, ref, after, given)
    return _cut(model, source.name, given)


def _not_begun(model: str, ref: Ref, after: Team, given: Evidence) -> Iterator[Reason]:
    """What cut the path that dates would have begun when they ended the one there was: the loss is its doing."""
    team, groups = given.ahead.state.of(Team).get(ref.name), given.ahead.state.of(AccessGroup)
    for name in sorted(team.access_groups if team else ()):
        if name in groups and model in groups[name].model_aliases:
            gone = name not in after.access_groups
            yield _left(name, ref, after, given) if gone else _cut(model, name, given)


def _own(ref: Ref, given: Evidence) -> Reason:
    """The team's own list of models, by git or by hand."""
    change = given.changes.get(ref)
    moved = {each.name for each in change.fields} if change else set()
    name = "model_aliases" if "model_aliases" in moved and "models" not in moved else "models"
    return "edit", f"its {name}", ref, (name,)


def _left(group: str, ref: Ref, after: Team, given: Evidence) -> Reason:  # noqa: PLR0911  one return for each cause
    """Why a team no longer holds a group."""
    record = given.applied(ref)
    live = given.live.of(Team).get(ref.name)
    has = live is not None and group in live.access_groups
    if has and record is not None and group not in record.get("access_groups", ()):
        return "hand", f"{group} was given on the gateway", ref, ()
    if (ref.name, group) in given.ahead.ended:
        return _ended(group, ref, given)
    if Ref(AccessGroup.kind, group) not in given.desired:
        return (
            "edit",
            f"access group {group} is no longer declared",
            Ref(AccessGroup.kind, group),
            (),
        )
    if record is not None and record.get("plan") != after.plan:
        return (
            "edit",
            f"pricing plan {record.get('plan') or 'none'} -> {after.plan or 'none'}",
            ref,
            ("plan",),
        )
    moved = tier(
        after.plan, "access_groups", given, lambda old, new: group in old and group not in new
    )
    if moved is not None:
        return (
            "edit",
            f"pricing plan {moved} no longer gives {group}",
            Ref(PricingPlan.kind, moved),
            ("access_groups",),
        )
    ended = grant_path(ref, group, given)
    if ended:
        return "edit", f"grant of {group} is over", ref, ended
    return "edit", f"its access_groups no longer have {group}", ref, ("access_groups",)


def _cut(model: str, group: str, given: Evidence) -> Reason:
    """Why a group that the team keeps no longer gives the model."""
    ref, alias = Ref(AccessGroup.kind, group), Ref(ModelAlias.kind, model)
    record = given.applied(ref)
    wish = given.written.get(alias)
    members = (
        given.live.of(AccessGroup)[group].model_aliases if ref in given.live else frozenset[str]()
    )
    if record is not None and model in members and model not in record.get("model_aliases", ()):
        return "hand", f"{model} was put into {group} on the gateway", ref, ()
    if model in given.ahead.sunsets:
        return _sunset(model, given)
    if (
        isinstance(wish, ModelAlias)
        and wish.sunset is not None
        and instant(wish.sunset) <= given.now
    ):
        return (
            "edit",
            f"sunset of {model} on {wish.sunset.isoformat()}, which nobody announced",
            alias,
            ("sunset",),
        )
    after = given.desired.of(ModelAlias).get(model)
    if after is None and alias in given.live:
        return "edit", f"model alias {model} is no longer declared", alias, ()
    if after is not None and after.status is not Status.ACTIVE:
        return "edit", f"{model} is {after.status.value}", alias, ("status",)
    chosen = getattr(given.written.get(ref), "select", None) is not None
    return (
        "edit",
        f"{group} no longer has {model}",
        ref,
        ("select",) if chosen else ("model_aliases",),
    )


def _gains(team: TeamImpact, given: Evidence) -> Iterator[tuple[Reason, str]]:
    ref = Ref(Team.kind, team.team)
    before, after = given.live.of(Team).get(team.team), given.desired.of(Team).get(team.team)
    whole = _at_once(team, ref, before, after, given)
    for model in sorted(team.gained):
        if whole is not None:
            yield whole, model
        elif before is not None and after is not None:
            for source in given.after.paths(ref.name, model):
                yield _given(model, source, ref, before, after, given), model


def _at_once(
    team: TeamImpact, ref: Ref, before: Team | None, after: Team | None, given: Evidence
) -> Reason | None:
    """What gives every model at once."""
    if team.created or before is None or after is None:
        return "edit", "the team is new", ref, ()
    if before.status is not after.status:
        return "edit", "the team is active again", ref, ("status",)
    if team.revived:
        return next(_credits(team, given), ("edit", "the team may call again", ref, ()))
    return None


def _given(
    model: str, source: Source, ref: Ref, before: Team, after: Team, given: Evidence
) -> Reason:
    if source.kind != "group":
        return _own(ref, given)
    if source.name not in before.access_groups:
        return _joined(source.name, ref, after, given)
    return _put(model, source.name, given)


def _joined(group: str, ref: Ref, after: Team, given: Evidence) -> Reason:
    """Why a team gets a group."""
    record = given.applied(ref)
    if record is not None and group in record.get("access_groups", ()):
        return "hand", f"{group} was taken away on the gateway", ref, ("access_groups", group)
    path = grant_path(ref, group, given)
    current = [
        grant
        for grant in grants(ref, given)
        if group in grant.access_groups and holds(grant, given.now)
    ]
    begun = [grant.since for grant in current if grant.since is not None]
    if path and current:
        since = f" since {begun[0].isoformat()}" if begun else ""
        return "date" if begun else "edit", f"grant of {group}{since}", ref, path
    if record is not None and record.get("plan") != after.plan:
        return (
            "edit",
            f"pricing plan {record.get('plan') or 'none'} -> {after.plan or 'none'}",
            ref,
            ("plan",),
        )
    moved = tier(
        after.plan, "access_groups", given, lambda old, new: group in new and group not in old
    )
    if moved is not None:
        return (
            "edit",
            f"pricing plan {moved} gives {group}",
            Ref(PricingPlan.kind, moved),
            ("access_groups", group),
        )
    return "edit", f"its access_groups have {group}", ref, ("access_groups", group)


def _put(model: str, group: str, given: Evidence) -> Reason:
    """Why a group that the team had gives the model now."""
    ref, alias = Ref(AccessGroup.kind, group), Ref(ModelAlias.kind, model)
    record = given.applied(ref)
    members = (
        given.live.of(AccessGroup)[group].model_aliases if ref in given.live else frozenset[str]()
    )
    if model in members:
        return "edit", f"{model} is active", alias, ("status",)
    if record is not None and model in record.get("model_aliases", ()):
        return (
            "hand",
            f"{model} was taken out of {group} on the gateway",
            ref,
            ("model_aliases", model),
        )
    listed: frozenset[str] = getattr(given.written.get(ref), "model_aliases", frozenset())
    return (
        "edit",
        f"{group} has {model}",
        ref,
        ("model_aliases", model) if model in listed else ("select",),
    )


def _price(team: TeamImpact, given: Evidence) -> Iterator[Reason]:
    if team.price_before == team.price_after or team.created or team.deleted:
        return
    ref = Ref(Team.kind, team.team)
    if team.plan_before != team.plan_after:
        yield (
            "edit",
            f"pricing plan {team.plan_before or 'none'} -> {team.plan_after or 'none'}",
            ref,
            ("plan",),
        )
        return
    own = "price_usd_per_month" in _own_fields(ref, given)
    moved = (
        None
        if own
        else tier(team.plan_after, "price_usd_per_month", given, lambda old, new: old != new)
    )
    if moved is not None:
        yield (
            "edit",
            f"price of pricing plan {moved}",
            Ref(PricingPlan.kind, moved),
            ("price_usd_per_month",),
        )
    else:
        yield "edit", "its price", ref, ("price_usd_per_month",)


def _own_fields(ref: Ref, given: Evidence) -> frozenset[str]:
    """What the team says itself, instead of its pricing plan."""
    written = given.written.get(ref)
    return frozenset(written.model_fields_set) if written is not None else frozenset()


def _credits(team: TeamImpact, given: Evidence) -> Iterator[Reason]:
    """What moves the credits of a team that stays; a top-up says its own reason."""
    ref = Ref(Team.kind, team.team)
    change = given.changes.get(ref)
    if change is None or change.before is None or change.after is None:
        return
    wish, last = (
        given.desired.of(Team).get(team.team),
        (given.applied(ref) or {}).get("credits_allocated"),
    )
    record = given.applied(ref)
    for grant in change.credits:
        if grant.grant_id != ALLOCATION:
            yield "edit", f"top-up {grant.grant_id}", ref, ("top_ups",)
        elif record is not None and wish is not None and declared(ref, given) == last:
            yield "hand", "its credits were changed on the gateway", ref, ("credits_allocated",)
        else:
            yield _allocated(team, ref, given)


def _allocated(team: TeamImpact, ref: Ref, given: Evidence) -> Reason:
    if team.plan_before != team.plan_after:
        return (
            "edit",
            f"pricing plan {team.plan_before or 'none'} -> {team.plan_after or 'none'}",
            ref,
            ("plan",),
        )
    own = "credits_allocated" in _own_fields(ref, given)
    moved = (
        None
        if own
        else tier(team.plan_after, "credits_allocated", given, lambda old, new: old != new)
    )
    if moved is not None:
        return (
            "edit",
            f"credits of pricing plan {moved}",
            Ref(PricingPlan.kind, moved),
            ("credits_allocated",),
        )
    return "edit", "its credits", ref, ("credits_allocated",)
