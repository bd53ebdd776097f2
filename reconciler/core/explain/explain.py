"""explain: can this team call this model, in the config and live; why, why not, and what would change that."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.core.access.rules import SourceKind
from reconciler.core.explain.checks import Checked, Verdict, verdict
from reconciler.core.explain.remedies import Remedy, remedies
from reconciler.core.explain.routes import Asked, World, config_world, live_world
from reconciler.core.model.inventory import Record, applied_value
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Resource, Status, Team
from reconciler.core.model.refs import Ref

APPLY = "reconciler plan shows the change, reconciler apply makes it"
HEAL = "somebody changed it on the gateway; reconciler drift shows it, reconciler apply heals it"
STALE = (
    "if LiteLLM itself still refuses the call, its copy of the team is stale: it learns of a group's models only when "
    "the team is written. reconciler apply writes the teams again after each change of a group; after a change made by "
    "hand send the team's groups again: {request}. A restart does not help"
)


@dataclass(frozen=True, slots=True)
class Gap:
    """A cause why config and gateway differ: `pending` (never applied) or `drift` (applied, then changed there)."""

    kind: str
    text: str
    hint: str


@dataclass(frozen=True)
class Explanation:
    """Everything about one team and one model. `live` is None where no gateway was asked.

    `gaps` say why the two differ; `remedies` are changes to the YAML that would grant the model;
    `notes` are what else may refuse a call although both sides say yes.
    """

    team: str
    model: str
    config: Verdict
    live: Verdict | None
    gaps: tuple[Gap, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reachable:
    """One model of a team's list: what it stands for, and the verdicts' routes in short."""

    model: str
    targets: tuple[str, ...]
    config: Verdict
    live: bool | None


@dataclass(frozen=True)
class Overview:
    """Everything that a team can call, in the config or live."""

    team: str
    models: tuple[Reachable, ...]
    declared: bool
    exists: bool | None


def explain(asked: Asked, team: str, model: str) -> Explanation:
    """One question answered in full. Never raises: an unknown team or model is an answer."""
    asked = replace(asked, rules=asked.rules.asking(model))
    config, live = config_world(asked, team), live_world(asked, team)
    wanted = verdict(asked, config, team, model)
    actual = verdict(asked, live, team, model) if live else None
    return Explanation(
        team=team,
        model=model,
        config=wanted,
        live=actual,
        gaps=tuple(_gaps(asked, config, live, team, model)) if live else (),
        remedies=remedies(asked, config, team, model),
        notes=tuple(_notes(asked, team, wanted, actual)),
    )


def overview(asked: Asked, team: str) -> Overview:
    """What the team can call: the union of config and gateway, sorted by name."""
    config, live = config_world(asked, team), live_world(asked, team)
    there = live.access.of(team) if live else frozenset()
    ref = Ref(Team.kind, team)
    models = tuple(
        _reachable(asked, config, model, team, model in there if live else None)
        for model in sorted(config.access.of(team) | there)
    )
    return Overview(
        team,
        models,
        ref in asked.desired.state,
        ref in asked.live if asked.live is not None else None,
    )


def _reachable(asked: Asked, config: World, model: str, team: str, live: bool | None) -> Reachable:
    found = verdict(asked, config, team, model)
    alias = asked.desired.state.of(ModelAlias).get(model) or (
        asked.live.of(ModelAlias).get(model) if asked.live else None
    )
    targets = (alias.litellm_model,) if alias and alias.litellm_model else ()
    return Reachable(model, targets, found, live)


def _gaps(asked: Asked, config: World, live: World, team: str, model: str) -> Iterator[Gap]:
    wanted, actual = model in config.access.of(team), model in live.access.of(team)
    if wanted and not actual:
        yield from _missing(asked, config, live, team, model)
    if actual and not wanted:
        yield from _surplus(asked, config, live, team, model)


def _missing(asked: Asked, config: World, live: World, team: str, model: str) -> Iterator[Gap]:
    """What the gateway lacks of the config's routes."""
    teams, aliases = live.state.of(Team), live.state.of(ModelAlias)
    wish, ref = config.state.of(Team)[team], Ref(Team.kind, team)
    if team not in teams:
        yield _gap(asked, ref, f"the gateway has no team {team}")
        return
    if teams[team].status is not Status.ACTIVE:
        yield _gap(
            asked, ref, f"the team is {teams[team].status.value} on the gateway", "status", wish
        )
    alias_ref = Ref(ModelAlias.kind, model)
    if model not in aliases:
        yield _gap(asked, alias_ref, f"the gateway has no model alias {model}")
    elif aliases[model].status is not Status.ACTIVE:
        wished = config.state.get(alias_ref)
        yield _gap(
            asked,
            alias_ref,
            f"the alias is {aliases[model].status.value} on the gateway",
            "status",
            wished,
        )
    for source in config.access.paths(team, model):
        if source.kind is SourceKind.GROUP:
            yield from _missing_group(asked, live, team, source.name, model)
        else:
            yield _gap(
                asked, ref, "the team's own list of models differs on the gateway", "models", wish
            )


def _missing_group(asked: Asked, live: World, team: str, group: str, model: str) -> Iterator[Gap]:
    there = live.state.of(AccessGroup).get(group)
    ref = Ref(AccessGroup.kind, group)
    if there is None:
        yield _gap(asked, ref, f"the gateway has no access group {group}")
    elif model not in there.model_aliases:
        yield _member_gap(
            asked, ref, "model_aliases", model, f"access group {group} lacks {model} on the gateway"
        )
    if group not in live.state.of(Team)[team].access_groups:
        says = f"the team lacks access group {group} on the gateway"
        yield _member_gap(asked, Ref(Team.kind, team), "access_groups", group, says)


def _surplus(asked: Asked, config: World, live: World, team: str, model: str) -> Iterator[Gap]:
    """What the gateway has beyond the config."""
    ref = Ref(Team.kind, team)
    wish = config.state.of(Team).get(team)
    if wish is None:
        yield Gap(
            "pending",
            "the team is on the gateway and not in the config",
            "declare it, or prune what is owned",
        )
        return
    if wish.status is not Status.ACTIVE:
        yield _gap(
            asked,
            ref,
            f"the gateway has not yet heard that the team is {wish.status.value}",
            "status",
            wish,
        )
    alias = config.state.of(ModelAlias).get(model)
    if alias is not None and alias.status is not Status.ACTIVE:
        says = f"the gateway has not yet heard that {model} is {alias.status.value}"
        yield _gap(asked, Ref(ModelAlias.kind, model), says, "status", alias)
    groups = config.state.of(AccessGroup)
    for source in live.access.paths(team, model):
        if source.kind is SourceKind.GROUP and source.name not in wish.access_groups:
            yield _extra(
                asked,
                ref,
                "access_groups",
                source.name,
                f"the team still has access group {source.name} on the gateway",
            )
        elif (
            source.kind is SourceKind.GROUP
            and source.name in groups
            and model not in groups[source.name].model_aliases
        ):
            group_ref = Ref(AccessGroup.kind, source.name)
            yield _extra(
                asked,
                group_ref,
                "model_aliases",
                model,
                f"access group {source.name} still holds {model} on the gateway",
            )


def _gap(
    asked: Asked, ref: Ref, says: str, name: str | None = None, wish: Resource | None = None
) -> Gap:
    """Drift where we applied just what is wished (or, without a field, the object at all), else pending."""
    record = asked.inventory.get(ref)
    if name is None:
        return _told(says, drifted=record is not None)
    applied = (
        name in record.applied and applied_value(ref, record, name) == getattr(wish, name)
        if record
        else False
    )
    default = (
        record is not None
        and name not in record.applied
        and wish is not None
        and name not in wish.model_fields_set
    )
    return _told(says, drifted=applied or default)


def _member_gap(asked: Asked, ref: Ref, name: str, member: str, says: str) -> Gap:
    return _told(says, drifted=member in _applied(asked.inventory.get(ref), ref, name))


def _extra(asked: Asked, ref: Ref, name: str, member: str, says: str) -> Gap:
    record = asked.inventory.get(ref)
    return _told(says, drifted=record is not None and member not in _applied(record, ref, name))


def _applied(record: Record | None, ref: Ref, name: str) -> frozenset[str]:
    return frozenset(applied_value(ref, record, name) or ()) if record else frozenset()


def _told(says: str, *, drifted: bool) -> Gap:
    return Gap("drift", says, HEAL) if drifted else Gap("pending", says, APPLY)


def _notes(asked: Asked, team: str, wanted: Verdict, actual: Verdict | None) -> Iterator[str]:
    if actual is None or not (wanted.allowed and actual.allowed):
        return
    if any(check.result is Checked.NOTE and check.name == "credits" for check in actual.checks):
        yield "the team has no credits left; its calls are answered but not charged"
    if asked.facts.copies:
        groups = (
            ", ".join(f'"{name}"' for name in sorted(asked.live.of(Team)[team].access_groups))
            if asked.live
            else ""
        )
        yield STALE.format(request=f'PUT /api/teams/{team} {{"access_groups": [{groups}]}}')
