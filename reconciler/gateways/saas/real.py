"""SaaS LiteLLM as its server 1.0.2 really speaks: credits, what it cannot reach, what its failures mean.

Source: SaaS LiteLLM, src/api and src/services, observed on the running server.
"""

import asyncio
import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import SecretStr

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Action, Step
from reconciler.core.model.kinds import Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION
from reconciler.core.plan.support import Support
from reconciler.gateways.base import GatewayError, Operations, Receipt, credit_of
from reconciler.gateways.endpoints import echoed, segment
from reconciler.gateways.http import Http
from reconciler.gateways.request import Request
from reconciler.gateways.saas.dialect import Dialect
from reconciler.gateways.saas.real_checks import check
from reconciler.gateways.saas.real_rows import ENDPOINTS, TEAMS
from reconciler.gateways.saas.requests import Memory

BACKEND = "saas-litellm"
# Above 8 parallel requests the server exhausts its database pool and then fails for everybody (observed on the server).
CONCURRENCY, MOST_CONCURRENCY = 4, 8
# A team's creation waits for LiteLLM twice, 30 s each (observed on the server).
SECONDS = 75.0
LONGEST_REASON, SERVER_ERROR = 500, 500
MARK = re.compile(r"\[(?P<operation>reconciler:[^\]]*)\]\s*$")


def fixed(ref: Ref) -> bool:
    """Default teams cannot be deleted; an id that is empty or has a slash is listed but has no path (observed)."""
    return "/" in ref.name or not ref.name or (ref.kind == "team" and ref.name.endswith("_default"))


async def grant(http: Http, step: Step, _memory: Memory) -> Receipt:
    """Adds the credits unless a transaction with the operation id says that it happened.

    The server's `add` is not idempotent and makes a ghost of an unknown team (observed), so the team is read first.
    An allocation's operation id is new for each apply: there is nothing to look up before its first try.
    """
    credit = credit_of(step)
    done = await granted(http, step)
    if done:
        return Receipt(note="was already granted")
    if done is None and credit.grant_id != ALLOCATION:
        raise GatewayError(
            f"{step.ref} is not active, so nobody can see whether {credit.grant_id} was granted before",
            hint=f"resume {step.ref.name} first, or take the top-up out until it is active",
        )
    body = {"credits": credit.amount, "reason": _reason(credit.reason, str(credit.operation_id))}
    await http.send(Request("POST", f"/api/credits/teams/{segment(step.ref.name)}/add", body))
    return Receipt()


async def granted(http: Http, step: Step) -> bool | None:
    """Whether the operation id is among the team's transactions; None where the server does not show them.

    They need the team's own virtual key, and an active team (observed on the server).
    """
    transactions = await _transactions(http, step.ref.name)
    if transactions is None:
        return None
    mark = _mark(str(credit_of(step).operation_id))
    return any(mark in (each.get("reason") or "") for each in transactions)


async def _transactions(http: Http, team: str) -> list[Mapping[str, Any]] | None:
    body = TEAMS.flat(await http.get(TEAMS.item(team)))
    if body["status"] != Status.ACTIVE or not body.get("virtual_key"):
        return None
    path = f"/api/credits/teams/{segment(team)}/transactions"
    answer = await http.get(
        path, bearer=SecretStr(body["virtual_key"]), params={"limit": "1000000"}
    )
    return list(answer["transactions"])


async def operations(
    http: Http, teams: Collection[str], _memory: Memory
) -> Mapping[str, Operations]:
    """Team -> our operations, by the mark in their reason; a team that shows no transactions is left out."""
    looks = await asyncio.gather(*(_operations(http, team) for team in sorted(teams)))
    return {
        team: found for team, found in zip(sorted(teams), looks, strict=True) if found is not None
    }


async def _operations(http: Http, team: str) -> Operations | None:
    transactions = await _transactions(http, team)
    if transactions is None:
        return None
    marked = ((MARK.search(each.get("reason") or ""), each) for each in transactions)
    return {mark["operation"]: int(each["credits_amount"]) for mark, each in marked if mark}


def _mark(operation_id: str) -> str:
    return f"[{operation_id}]"


def _reason(said: str, operation_id: str) -> str:
    mark = _mark(operation_id)
    return f"{said[: LONGEST_REASON - len(mark) - 1]} {mark}"


def explain(what: str, error: GatewayError) -> GatewayError:
    """What to do about the failures that the server explains badly."""
    if what == "create team" and error.status == SERVER_ERROR and "already exists" in str(error):
        return GatewayError(
            f"{error}: LiteLLM has a team with this id, SaaS LiteLLM has none",
            hint="remove it from LiteLLM (POST /team/delete with its team_ids), then apply again",
            status=error.status,
        )
    if what == "list organization" and error.status == SERVER_ERROR:
        return GatewayError(
            str(error),
            hint="one organization may have no metadata, which breaks the list for all: "
            "UPDATE organizations SET metadata = '{}' WHERE metadata IS NULL",
            status=error.status,
        )
    return error


def note(step: Step) -> str | None:
    """What the server does not tell LiteLLM (observed on the server)."""
    if step.ref.kind != "team":
        return None
    suspended = isinstance(step.after, Team) and step.after.status is Status.SUSPENDED
    was_active = not (isinstance(step.before, Team) and step.before.status is Status.SUSPENDED)
    if step.action is Action.DELETE or (suspended and was_active):
        return f"{step.ref}'s virtual key still works where LiteLLM itself can be reached; block it there"
    return None


async def shown_key(http: Http, team: str, _key: SecretStr | None) -> Any:
    """The team's virtual key: this server shows it to whoever asks (observed on the server)."""
    return await http.get(TEAMS.item(team))


async def accepts(http: Http, team: str, key: SecretStr) -> bool | None:
    """Whether the key is the one that the server shows."""
    return bool((await http.get(TEAMS.item(team))).get("virtual_key") == key.get_secret_value())


DIALECT = Dialect(
    endpoints=ENDPOINTS,
    support=Support(
        backend=BACKEND,
        kinds={kind: endpoint.support() for kind, endpoint in ENDPOINTS.items()},
        rules=GroupRules(),
        normalise=echoed(ENDPOINTS),
        check=check,
        touch_teams=True,
        top_ups_when_active=True,
        balance="credits",
        answers_when_spent=True,  # observed: credits are not asked for before a call
        keys=frozenset({Team.kind}),
    ),
    grant=grant,
    granted=granted,
    operations=operations,
    accepts=accepts,
    fixed=fixed,
    explain=explain,
    note=note,
    key=shown_key,
)
