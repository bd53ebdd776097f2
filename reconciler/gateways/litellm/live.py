"""What one read of LiteLLM Proxy means: the state, what in it can only be read, and what is worth telling. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.access.litellm.facts import access_facts
from reconciler.core.access.litellm.providers import InferProvider
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.findings import Finding
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.gateways.base import Live
from reconciler.gateways.litellm.deployments import Row
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.operations import OUR_IDS
from reconciler.gateways.litellm.reading import Snapshot
from reconciler.gateways.litellm.rows import KINDS
from reconciler.gateways.litellm.team_codec import TeamCodec, mark_of
from reconciler.gateways.shapes import UNEXPECTED, checked, odd


def live_of(found: Snapshot, codec: TeamCodec) -> Live:
    """The live state. Raises GatewayError where a row lacks what every row has."""
    try:
        return checked(_live(found, codec))
    except UNEXPECTED as error:
        raise odd(error) from error


def _live(found: Snapshot, codec: TeamCodec) -> Live:
    state: dict[Ref, Resource] = {}
    fixed: set[Ref] = set()
    runtime: dict[Ref, Mapping[str, Any]] = {}
    findings: list[Finding] = []
    for kind, read in found.kinds.items():
        row = KINDS[kind]
        state |= {Ref(kind, name): it for name, it in row.decode(read, codec).items()}
        fixed |= {Ref(kind, name) for name in row.fixed(read)}
        runtime |= {Ref(kind, name): facts for name, facts in row.runtime(read).items()}
        findings += row.told(read, codec)
    return Live(State(state), frozenset(fixed), runtime, tuple(findings))


def facts_of(found: Snapshot) -> Facts:
    """What checks and terms need beside the state."""
    marks = {str(body["team_id"]): mark_of(body) for body in found.teams}
    return Facts(
        budgets={str(body["team_id"]): body.get("max_budget") for body in found.teams},
        rates={name: mark.usd_per_credit for name, mark in marks.items() if mark.usd_per_credit},
        top_ups={name: frozenset(mark.top_ups) for name, mark in marks.items() if mark.top_ups},
        spend={str(body["team_id"]): float(body.get("spend") or 0) for body in found.teams},
        by_others=frozenset(
            row.name for row in found.deployments.rows if row.db and not row.id.startswith(OUR_IDS)
        ),
        in_config=frozenset(row.name for row in found.deployments.rows if not row.db),
        # Which deployments a process serves differs between processes; their groups do not.
        access=access_facts(
            _legacy((*found.deployments.rows, *found.deployments.zombies)),
            found.deployments.router_aliases,
        ),
    )


def rules_of(found: Snapshot, infer: InferProvider) -> LiteLLMRules:
    """LiteLLM's rules with what is on this proxy and in no state: legacy access groups and router aliases."""
    legacy = _legacy(found.deployments.rows)
    return LiteLLMRules(legacy, found.deployments.router_aliases, infer)


def _legacy(rows: Iterable[Row]) -> Mapping[str, frozenset[str]]:
    """Alias -> the legacy groups of any of its deployments: one of them lets the whole name through."""
    legacy: dict[str, frozenset[str]] = {}
    for row in rows:
        if row.legacy_groups:
            legacy[row.name] = legacy.get(row.name, frozenset()) | row.legacy_groups
    return legacy
