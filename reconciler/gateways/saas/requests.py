"""The requests of one step on a gateway that may count operation ids and row generations.

An operation id makes that a request counts once, however often it arrives; a generation, that it is refused where its
object is not any more as it was when the step was decided.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.model.changes import Action, Step
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import TOP_UPS
from reconciler.gateways.base import GatewayError, Operations
from reconciler.gateways.http import Http
from reconciler.gateways.request import Again, Request

MOVED = 412
VOID_AT_ONCE = 1000


@dataclass(slots=True)
class Memory:
    """What a connection has seen: the generation of each object, and the last operation on each team's credits.

    `created`: team -> when it was created; transactions of an earlier team of that name are no part of its credits.
    A team whose credits were not looked at is not in `operations`; None stands for "looked at, and there is none".
    """

    generations: dict[Ref, int] = field(default_factory=dict)
    operations: dict[str, str | None] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)

    def see(self, ref: Ref, body: Any) -> None:
        """Remember what an answer says of an object; an answer that says nothing changes nothing."""
        if (
            ref.kind == Team.kind
            and isinstance(body, Mapping)
            and isinstance(body.get("created_at"), str)
        ):
            self.created[ref.name] = body["created_at"]
        generation = body.get("generation") if isinstance(body, Mapping) else None
        if isinstance(generation, int):
            self.generations[ref] = generation


@dataclass
class Requests:
    """Sends the requests of one step in order; `about` is the object whose generation they depend on."""

    http: Http
    memory: Memory
    step: Step
    about: Ref | None = None
    number: int = 0

    async def send(self, request: Request) -> Any:
        """The JSON answer. Raises GatewayError; status 412 says that the object moved, and nothing was changed."""
        again = Again.REFUSED if self.number > 0 else Again.NEVER
        as_sent = replace(request, headers=self._headers(), again=again)
        self.number += 1
        answer = await self.http.send(as_sent)
        self.memory.see(self.step.ref, answer)
        return answer

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.step.operation is not None:
            headers["Idempotency-Key"] = operation_of(self.step, self.number)
        generation = self.memory.generations.get(self.about) if self.about else None
        if generation is not None:
            headers["If-Match"] = f'"{generation}"'
        return headers


def before_ref(step: Step) -> Ref:
    """What the object is called until the step is done."""
    return (
        Ref(step.ref.kind, step.renamed_from)
        if step.renamed_from and step.action is Action.RENAME
        else step.ref
    )


def moved(ref: Ref, name: str, now: Any) -> GatewayError:
    value = ", ".join(sorted(now)) if isinstance(now, frozenset) else str(now or "")
    message = f"{ref} moved since the plan: its {name} are now {value or 'none'}"
    return GatewayError(message, hint="plan again, then apply")


def gone(ref: Ref) -> GatewayError:
    return GatewayError(
        f"{ref} no longer exists on the gateway", hint="plan again, then apply", status=404
    )


def operation_of(step: Step, number: int) -> str:
    """The operation id of a step's request; the first has number 0."""
    return f"{step.operation}.{number}"


def first_operation(operation: str) -> str:
    """The operation id of the first request of a step: of a creation, the one that makes the object."""
    return f"{operation}.0"


async def voided(http: Http, operations: Sequence[str]) -> Mapping[str, bool]:
    """Operation id -> whether it was carried out. One that was not never will be.

    Sent again in doubt: to void twice is to void. Raises GatewayError.
    """
    ends: dict[str, bool] = {}
    for start in range(0, len(operations), VOID_AT_ONCE):
        body = {"operation_ids": list(operations[start : start + VOID_AT_ONCE])}
        answer = await http.send(Request("POST", "/api/operations/void", body, again=Again.ALWAYS))
        told = answer.get("operations") if isinstance(answer, Mapping) else None
        if not isinstance(told, Mapping):
            raise GatewayError(
                "POST /api/operations/void answered in an unknown shape: expected operations"
            )
        ends |= {operation: told.get(operation) == "done" for operation in body["operation_ids"]}
    return ends


# Up to so many teams are asked for one by one; beyond that all pages are read.
FEW_TEAMS = 20
OURS = "reconciler:"


async def granted_by_us(
    http: Http, teams: Collection[str], memory: Memory
) -> Mapping[str, Operations]:
    """Team -> our operations on its credits that the gateway has on record, the newest first."""
    queries = [{"team_id": team} for team in sorted(teams)] if len(teams) <= FEW_TEAMS else [{}]
    operations: dict[str, dict[str, int | None]] = {team: {} for team in teams}
    for team in teams:
        memory.operations.pop(team, None)
    for query in queries:
        await _pages(http, {"operation_prefix": OURS, "limit": "1000", **query}, operations, memory)
    for team in teams:
        memory.operations.setdefault(team, None)
    return operations


async def _pages(
    http: Http,
    query: Mapping[str, str],
    operations: dict[str, dict[str, int | None]],
    memory: Memory,
) -> None:
    after: dict[str, str] = {}
    while True:
        answer = await http.get("/api/credits/transactions", params={**query, **after})
        rows = answer["transactions"]
        for row in rows:
            team, operation = row["team_id"], row["operation_id"]
            if team not in operations:
                continue
            former = row["timestamp"] < memory.created.get(team, "") and not operation.startswith(
                TOP_UPS
            )
            memory.operations.setdefault(team, operation)
            if not former:
                operations[team][operation] = row["amount"]
        if len(rows) < int(query["limit"]):
            return
        after = {"after": rows[-1]["transaction_id"]}
