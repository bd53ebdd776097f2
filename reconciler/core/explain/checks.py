"""verdicts: may a team call a model in one world, and every check that decides it, in the order of a real request."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.explain.routes import Asked, Route, World, granted, routes
from reconciler.core.model.findings import Origin, did_you_mean
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Status, Team
from reconciler.core.model.prices import providers_of
from reconciler.core.model.refs import FieldPath, Ref
from reconciler.core.plan.resolve import holds, instant


class Checked(StrEnum):
    """`note` is worth knowing but refuses nothing; `unknown` cannot be told."""

    YES = "pass"
    NO = "fail"
    NOTE = "note"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a call: `name` is one of team, status, groups, alias, alias status, credits, provider."""

    name: str
    result: Checked
    fact: str
    hint: str | None = None
    ref: Ref | None = None
    path: FieldPath = ()
    origin: Origin | None = None


@dataclass(frozen=True)
class Verdict:
    """The answer of one world, with every route (none where access is refused) and every check."""

    world: str
    allowed: bool
    routes: tuple[Route, ...]
    checks: tuple[Check, ...]


def verdict(asked: Asked, world: World, team: str, model: str) -> Verdict:
    """What the world says. A route alone is not enough: a check that fails (credits) refuses all the same."""
    found = tuple(checks(asked, world, team, model))
    granting = routes(asked, world, team, model)
    refused = any(check.result is Checked.NO for check in found)
    return Verdict(world.name, model in world.access.of(team) and not refused, granting, found)


def checks(asked: Asked, world: World, team: str, model: str) -> Iterator[Check]:
    """Each check with its facts; those that make no sense without an earlier one are left out."""
    in_config = world.name == "config"
    found = world.state.of(Team).get(team)
    if found is None:
        yield _no_team(asked, world, team)
    else:
        yield _check(
            asked,
            in_config,
            "team",
            Checked.YES,
            f"{team} {_there(in_config)}",
            Ref(Team.kind, team),
        )
        yield _status(asked, in_config, team, found)
        yield _groups(asked, world, team, model)
    alias = world.state.of(ModelAlias).get(model)
    if alias is None:
        yield _no_alias(asked, world, team, model)
    else:
        yield from _alias(asked, world, model, alias)
    if found is not None:
        yield _credits(asked, world, team, found)
    if alias is not None:
        yield _provider(asked, in_config, model, alias)


def _there(in_config: bool) -> str:
    return "is declared" if in_config else "exists on the gateway"


def _check(
    asked: Asked,
    in_config: bool,
    name: str,
    result: Checked,
    fact: str,
    ref: Ref,
    path: FieldPath = (),
    hint: str | None = None,
) -> Check:
    return Check(name, result, fact, hint, ref, path, asked.find(ref, path) if in_config else None)


def _no_team(asked: Asked, world: World, team: str) -> Check:
    ref = Ref(Team.kind, team)
    if world.name == "config":
        says = f"there is no team {team} in the config"
        hint = did_you_mean(team, world.state.of(Team)) or "declare it under teams"
        if asked.live is not None and ref in asked.live:
            says, hint = (
                f"{says}; the gateway has one that is not declared",
                "declare it under teams to manage it",
            )
        return Check("team", Checked.NO, says, hint, ref)
    return Check(
        "team", Checked.NO, f"the gateway has no team {team}", _known_hint(asked, ref), ref
    )


def _known_hint(asked: Asked, ref: Ref) -> str | None:
    return "reconciler apply creates it" if ref in asked.desired.state else None


def _status(asked: Asked, in_config: bool, name: str, team: Team) -> Check:
    result = Checked.YES if team.status is Status.ACTIVE else Checked.NO
    hint = None if result is Checked.YES else "set status: active"
    fact = f"the team is {team.status.value}" + (
        "" if result is Checked.YES else ": every call is refused"
    )
    return _check(asked, in_config, "status", result, fact, Ref(Team.kind, name), ("status",), hint)


def _groups(asked: Asked, world: World, team: str, model: str) -> Check:
    found = world.state.of(Team)[team]
    members = world.state.of(AccessGroup)
    holding = sorted(
        g for g in found.access_groups if g in members and model in members[g].model_aliases
    )
    paths = world.access.paths(team, model)
    in_config = world.name == "config"
    if holding or paths:
        through = ", ".join(holding) or "its own list of models"
        return _check(
            asked,
            in_config,
            "groups",
            Checked.YES,
            f"{model} is in {through}",
            Ref(Team.kind, team),
        )
    own = ", ".join(sorted(found.access_groups))
    fact = (
        f"none of its access groups ({own}) holds {model}"
        if own
        else "the team has no access group"
    )
    hint = _lapsed(asked, team, model) if in_config else None
    return _check(
        asked, in_config, "groups", Checked.NO, fact, Ref(Team.kind, team), ("access_groups",), hint
    )


def _lapsed(asked: Asked, team: str, model: str) -> str | None:
    """A grant that would have given it: one that has ended or not begun."""
    written = asked.written.of(Team).get(team)
    groups = asked.desired.state.of(AccessGroup)
    for grant in written.grants if written else ():
        if holds(grant, asked.now) or not any(
            g in groups and model in groups[g].model_aliases for g in grant.access_groups
        ):
            continue
        if grant.since is not None and asked.now < instant(grant.since):
            return f"a {granted(grant)} begins {grant.since.isoformat()}"
        return f"a {granted(grant)} has ended"
    return None


def _no_alias(asked: Asked, world: World, team: str, model: str) -> Check:
    ref = Ref(ModelAlias.kind, model)
    if model in world.access.of(team):
        return Check(
            "alias",
            Checked.YES,
            f"{model} is no alias of its own, and a wildcard serves it",
            ref=ref,
        )
    known = world.state.of(ModelAlias)
    where = "in the config" if world.name == "config" else "on the gateway"
    if world.name == "live" and ref in asked.desired.state:
        return Check(
            "alias",
            Checked.NO,
            f"there is no model alias {model} {where}",
            "reconciler apply creates it",
            ref,
        )
    behind = [
        name
        for name, alias in known.items()
        if (alias.litellm_model or "").rpartition("/")[2] == model
    ]
    near = (
        f"did you mean {min(behind)}? It calls {known[min(behind)].litellm_model}"
        if behind
        else None
    )
    hint = (
        near
        or did_you_mean(model, known)
        or "declare it under model_aliases, and add it to an access group"
    )
    return Check("alias", Checked.NO, f"there is no model alias {model} {where}", hint, ref)


def _alias(asked: Asked, world: World, model: str, alias: ModelAlias) -> Iterator[Check]:
    in_config, ref = world.name == "config", Ref(ModelAlias.kind, model)
    yield _check(asked, in_config, "alias", Checked.YES, f"{model} {_there(in_config)}", ref)
    follow = f"; its replacement is {alias.replacement}" if alias.replacement else ""
    if alias.status is not Status.ACTIVE:
        fact = f"{model} is {alias.status.value}: only active aliases answer{follow}"
        yield _check(
            asked,
            in_config,
            "alias status",
            Checked.NO,
            fact,
            ref,
            ("status",),
            "set status: active",
        )
    elif alias.sunset and instant(alias.sunset) <= asked.now:
        fact = (
            f"its sunset ({alias.sunset.isoformat()}) has come: it left every access group{follow}"
        )
        hint = (
            f"call {alias.replacement} instead"
            if alias.replacement
            else "move or remove the sunset"
        )
        yield _check(asked, in_config, "alias status", Checked.NO, fact, ref, ("sunset",), hint)
    else:
        yield _check(
            asked, in_config, "alias status", Checked.YES, f"{model} is active", ref, ("status",)
        )


def _credits(asked: Asked, world: World, name: str, team: Team) -> Check:
    ref, path = Ref(Team.kind, name), ("credits_allocated",)
    in_config = world.name == "config"
    runtime = {} if in_config else asked.runtime.get(ref, {})
    if runtime.get("max_budget") is not None:
        return _budget(asked, ref, float(runtime.get("spend") or 0), float(runtime["max_budget"]))
    remaining = runtime.get("credits_remaining")
    if remaining is None:
        amount = (
            "none declared"
            if team.credits_allocated is None
            else f"{team.credits_allocated:,} allocated"
        )
        result = Checked.NOTE if in_config else Checked.UNKNOWN
        return _check(
            asked,
            in_config,
            "credits",
            result,
            f"{amount}; what is left, only the gateway knows",
            ref,
            path,
        )
    if remaining > 0:
        return _check(
            asked, in_config, "credits", Checked.YES, f"{remaining:,} credits left", ref, path
        )
    if asked.facts.credits is False:
        fact = f"{remaining:,} credits left; this gateway does not refuse calls for that"
        return _check(asked, in_config, "credits", Checked.NOTE, fact, ref, path)
    result = Checked.NO if asked.facts.credits else Checked.UNKNOWN
    hint = "raise credits_allocated, or add a top_ups entry"
    return _check(
        asked, in_config, "credits", result, f"{remaining:,} credits left", ref, path, hint
    )


def _budget(asked: Asked, ref: Ref, spend: float, budget: float) -> Check:
    """LiteLLM Proxy: a team whose spend has reached its max_budget is refused (proxy/auth/auth_checks.py)."""
    fact = f"${spend:,.2f} of ${budget:,.2f} spent"
    if spend < budget:
        return _check(
            asked, in_config=False, name="credits", result=Checked.YES, fact=fact, ref=ref
        )
    return _check(
        asked,
        in_config=False,
        name="credits",
        result=Checked.NO,
        fact=fact,
        ref=ref,
        hint="raise max_budget_usd, or wait for its reset",
    )


def _provider(asked: Asked, in_config: bool, model: str, alias: ModelAlias) -> Check:
    ref, path = Ref(ModelAlias.kind, model), ("litellm_model",)
    found = providers_of(alias, asked.prices)
    listed = ", ".join(sorted(found)) or "no provider named"
    if asked.facts.providers is not None and not found & asked.facts.providers:
        fact = f"{listed}: this gateway can only call {', '.join(sorted(asked.facts.providers))}"
        return _check(
            asked, in_config, "provider", Checked.NO, fact, ref, path, "use a model of one of them"
        )
    if found & asked.prices.providers or not asked.prices.providers:
        return _check(asked, in_config, "provider", Checked.YES, listed, ref, path)
    fact = f"{listed}: not among the providers that LiteLLM's price map knows"
    return _check(asked, in_config, "provider", Checked.NOTE, fact, ref, path)
