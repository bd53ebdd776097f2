"""What one read of LiteLLM Proxy means: the state, what in it can only be read, and what is worth telling. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.access.litellm.facts import access_facts
from reconciler.core.access.litellm.providers import InferProvider
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.findings import Finding, info, warning
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.gateways.base import Live
from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm import keys, teams
from reconciler.gateways.litellm.aliases import Row, alias_of
from reconciler.gateways.litellm.deployments import OUR_IDS
from reconciler.gateways.litellm.groups import group_of
from reconciler.gateways.litellm.organizations import organization_of
from reconciler.gateways.litellm.reading import Snapshot
from reconciler.gateways.litellm.support import Facts
from reconciler.gateways.shapes import UNEXPECTED, checked, odd

EXAMPLES = 3


def live_of(found: Snapshot, codec: teams.TeamCodec) -> Live:
    """The live state. Raises GatewayError where a row lacks what every row has."""
    try:
        state = {**_aliases(found), **_others(found, codec)}
        return checked(
            Live(State(state), _fixed(found), _runtime(found), tuple(_findings(found, codec)))
        )
    except UNEXPECTED as error:
        raise odd(error) from error


def _by_name(found: Snapshot) -> Mapping[str, list[Row]]:
    names: dict[str, list[Row]] = {}
    for row in (*found.rows, *found.zombies):
        names.setdefault(row.name, []).append(row)
    return names


def _aliases(found: Snapshot) -> dict[Ref, Resource]:
    return {Ref("model_alias", name): alias_of(rows) for name, rows in _by_name(found).items()}


def _others(found: Snapshot, codec: teams.TeamCodec) -> dict[Ref, Resource]:
    state: dict[Ref, Resource] = {}
    state |= {
        Ref("access_group", body["access_group_name"]): group_of(body) for body in found.groups
    }
    state |= {Ref("team", body["team_id"]): teams.team_of(body, codec) for body in found.teams}
    state |= {
        Ref("key", body["key_alias"]): keys.key_of(body)
        for body in found.keys
        if keys.is_ours(body)
    }
    state |= {
        Ref("organization", body["organization_id"]): organization_of(body)
        for body in found.organizations
    }
    return state


def _fixed(found: Snapshot) -> frozenset[Ref]:
    """What config.yaml defines; a name that it shares with rows of the database counts as its own."""
    return frozenset(Ref("model_alias", row.name) for row in found.rows if not row.db)


def _runtime(found: Snapshot) -> Mapping[Ref, Mapping[str, Any]]:
    facts = {Ref("team", body["team_id"]): _picked(body, teams.RUNTIME) for body in found.teams}
    ours = (body for body in found.keys if keys.is_ours(body))
    return facts | {Ref("key", body["key_alias"]): _picked(body, keys.RUNTIME) for body in ours}


def _picked(body: Body, names: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: body[name] for name in names if body.get(name) is not None}


def facts_of(found: Snapshot) -> Facts:
    """What checks and terms need beside the state."""
    marks = {str(body["team_id"]): teams.mark_of(body) for body in found.teams}
    return Facts(
        budgets={str(body["team_id"]): body.get("max_budget") for body in found.teams},
        rates={name: mark.usd_per_credit for name, mark in marks.items() if mark.usd_per_credit},
        top_ups={name: frozenset(mark.top_ups) for name, mark in marks.items() if mark.top_ups},
        spend={str(body["team_id"]): float(body.get("spend") or 0) for body in found.teams},
        by_others=frozenset(
            row.name for row in found.rows if row.db and not row.id.startswith(OUR_IDS)
        ),
        in_config=frozenset(row.name for row in found.rows if not row.db),
        # Which deployments a process serves differs between processes; their groups do not.
        access=access_facts(_legacy((*found.rows, *found.zombies)), found.router_aliases),
    )


def rules_of(found: Snapshot, infer: InferProvider) -> LiteLLMRules:
    """LiteLLM's rules with what is on this proxy and in no state: legacy access groups and router aliases."""
    return LiteLLMRules(_legacy(found.rows), found.router_aliases, infer)


def _legacy(rows: Iterable[Row]) -> Mapping[str, frozenset[str]]:
    """Alias -> the legacy groups of any of its deployments: one of them lets the whole name through."""
    legacy: dict[str, frozenset[str]] = {}
    for row in rows:
        if row.legacy_groups:
            legacy[row.name] = legacy.get(row.name, frozenset()) | row.legacy_groups
    return legacy


# ---- what is worth telling


def _findings(found: Snapshot, codec: teams.TeamCodec) -> Iterator[Finding]:
    yield from _zombies(found)
    yield from _open_teams(found)
    yield from _dangling_groups(found, codec)
    yield from _twin_keys(found)


def _zombies(found: Snapshot) -> Iterator[Finding]:
    for name in sorted({row.name for row in found.zombies}):
        ids = ", ".join(row.id for row in found.zombies if row.name == name)
        yield warning(
            "not-served",
            f"model_alias/{name} is stored, but the proxy that answered does not serve deployment {ids}",
            hint="its log says why (an unknown provider?); another process may serve it",
            ref=Ref("model_alias", name),
        )


def _open_teams(found: Snapshot) -> Iterator[Finding]:
    names = sorted(str(body["team_id"]) for body in found.teams if not body.get("models"))
    if names:
        yield warning(
            "open-team",
            f"{_some(names)} may call every model: an empty list of models is everything to LiteLLM",
            hint='declare the team; without models of its own it gets "no-default-models"',
            ref=Ref("team", names[0]),
        )


def _dangling_groups(found: Snapshot, codec: teams.TeamCodec) -> Iterator[Finding]:
    names = sorted(
        str(body["team_id"]) for body in found.teams if teams.foreign_groups(body, codec)
    )
    if names:
        yield info(
            "dangling-group-id",
            f"{_some(names)} hold ids of access groups that do not exist; they grant nothing and are left alone",
            ref=Ref("team", names[0]),
        )


def _twin_keys(found: Snapshot) -> Iterator[Finding]:
    aliases = [str(body["key_alias"]) for body in found.keys if keys.is_ours(body)]
    for alias in sorted({alias for alias in aliases if aliases.count(alias) > 1}):
        yield warning(
            "key-alias-twice", f"several keys have the alias {alias}", ref=Ref("key", alias)
        )


def _some(names: list[str]) -> str:
    first = ", ".join(f"team/{name}" for name in names[:EXAMPLES])
    return first if len(names) <= EXAMPLES else f"{first} and {len(names) - EXAMPLES:,} more teams"
