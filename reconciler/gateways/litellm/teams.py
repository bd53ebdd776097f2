"""Teams on LiteLLM Proxy: read, created, changed, given credits, deleted.

Source: LiteLLM 1.106.2, proxy/management_endpoints/team_endpoints.py.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.access.litellm.lists import NO_DEFAULT_MODELS
from reconciler.core.model.changes import CreditGrant, Step
from reconciler.core.model.findings import Finding, info, warning
from reconciler.core.model.kinds import Resource, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import ALLOCATION, operation_id
from reconciler.gateways.base import GatewayError, Operations, Receipt, credit_of
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.budgets import Terms, first_limit, soft_above_hard
from reconciler.gateways.litellm.checks import reserved, wildcards, with_values
from reconciler.gateways.litellm.connection import (
    BAD_REQUEST,
    NOT_FOUND,
    Desk,
    exists,
    gone,
    segment,
    unmoved,
)
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.groups import groups_of
from reconciler.gateways.litellm.kind import Kind, Verbs, stored
from reconciler.gateways.litellm.paging import Paging, paged, picked
from reconciler.gateways.litellm.team_codec import (
    LIMITS,
    RUNTIME,
    Mark,
    TeamCodec,
    creation,
    foreign_groups,
    grant,
    mark_of,
    patch,
    team_of,
    without_nulls,
)
from reconciler.gateways.request import Again, Request

LIST = Paging(
    "/v2/team/list", "teams", "total", "page_size", 100, "team_id", {"sort_by": "team_id"}
)
NO_RATE = "no usd_per_credit, on the plan or in the gateway's settings, says what a credit is worth"
EXAMPLES = 3
WHOLE = ("access_groups", "models", "model_aliases")


async def with_groups(desk: Desk, team: Team) -> TeamCodec:
    """The codec with the ids of the team's groups. Raises GatewayError for a group that does not exist.

    The proxy takes any id, and one of nothing would grant nothing (observed on 1.106.2).
    """
    if not team.access_groups <= desk.groups.keys():
        desk.know(await groups_of(desk.http))
    missing = team.access_groups - desk.groups.keys()
    if missing:
        raise GatewayError(
            f"there is no access group {', '.join(sorted(missing))} on the gateway",
            hint="apply again",
        )
    return desk.codec


async def create_team(desk: Desk, ref: Ref, after: Team) -> Receipt:
    if await team_body(desk.http, ref.name):
        raise exists(ref)
    known = await with_groups(desk, after)
    try:
        answer = await desk.http.send(
            Request("POST", "/team/new", creation(ref.name, after, known))
        )
    except GatewayError as error:
        if error.status == BAD_REQUEST and "already exists" in str(error):
            raise exists(ref) from error
        raise
    await _clear_defaults(desk, ref, after, known, answer)
    return Receipt()


async def _clear_defaults(
    desk: Desk, ref: Ref, after: Team, codec: TeamCodec, answer: Body
) -> None:
    """The proxy fills in limits that were not given (`default_team_params`): null takes them away."""
    asked = creation(ref.name, after, codec)
    filled = {
        theirs
        for theirs in LIMITS.values()
        if asked.get(theirs) is None and answer.get(theirs) is not None
    }
    if filled:
        await desk.http.send(
            Request(
                "PATCH",
                f"/team/{segment(ref.name)}",
                dict.fromkeys(sorted(filled)),
                again=Again.ALWAYS,
            )
        )


async def update_team(desk: Desk, ref: Ref, before: Team, after: Team) -> Receipt:
    found = await _present(desk, ref)
    known = await with_groups(desk, after)
    moving = [name for name in WHOLE if getattr(before, name) != getattr(after, name)]
    unmoved(ref, moving, before, after, team_of(found, known))
    body = patch(before, after, found, known)
    if body:
        await desk.http.send(Request("PATCH", f"/team/{segment(ref.name)}", body))
    return Receipt()


async def delete_team(desk: Desk, ref: Ref) -> Receipt:
    """Takes the team's keys along; the plan says how many, and asks."""
    try:
        await desk.http.send(Request("POST", "/team/delete", {"team_ids": [ref.name]}))
    except GatewayError as error:
        if error.status != NOT_FOUND:
            raise
        return Receipt(note="was already gone")
    return Receipt()


async def grant_credits(desk: Desk, step: Step) -> Receipt:
    """Adds credits to the budget and writes the operation down in the same request: sent twice, it counts once."""
    found, credit = await _present(desk, step.ref), credit_of(step)
    mark = mark_of(found)
    if _is_marked(mark, credit):
        return Receipt(note="was already granted")
    rate = _rate(step, mark, desk.codec)
    body = grant(found, rate, credit.amount, _marked(mark, credit, rate, step))
    unlimited = found.get("max_budget") is None
    if _allocates(credit) and unlimited != _planned_unlimited(step):
        now = "unlimited" if unlimited else "limited"
        raise GatewayError(
            f"{step.ref} moved since the plan: its budget is {now} now",
            hint="plan again, then apply",
        )
    if unlimited and not _allocates(credit):
        del body["max_budget"]  # more of an unlimited budget is still unlimited
    await desk.http.send(Request("PATCH", f"/team/{segment(step.ref.name)}", body))
    return Receipt()


async def granted(desk: Desk, step: Step) -> bool:
    """Whether the operation is written down on the team."""
    return _is_marked(mark_of(await _present(desk, step.ref)), credit_of(step))


async def mark_now(desk: Desk, team: str) -> Mark:
    """What is written down on the team of the credits that it was given."""
    return mark_of(await team_body(desk.http, team) or {})


def operations_of_mark(team: str, mark: Mark) -> Operations:
    """Operation id -> None, as no amounts are kept."""
    top_ups = [operation_id(team, top_up) for top_up in mark.top_ups]
    return dict.fromkeys([*top_ups, *([mark.allocation] if mark.allocation else [])])


async def _present(desk: Desk, ref: Ref) -> Body:
    found = await team_body(desk.http, ref.name)
    if found is None:
        raise gone(ref)
    return found


def _is_marked(mark: Mark, credit: CreditGrant) -> bool:
    return (
        mark.allocation == credit.operation_id
        if _allocates(credit)
        else credit.grant_id in mark.top_ups
    )


def _allocates(credit: CreditGrant) -> bool:
    return credit.grant_id == ALLOCATION


def _planned_unlimited(step: Step) -> bool:
    return isinstance(step.before, Team) and step.before.credits_allocated is None


def _in_credits(step: Step, credit: CreditGrant) -> bool:
    return _allocates(credit) or (
        isinstance(step.after, Team) and step.after.credits_allocated is not None
    )


def _rate(step: Step, mark: Mark, codec: TeamCodec) -> float:
    asked: Any = step.after.usd_per_credit if isinstance(step.after, Team) else None
    rate: float | None = asked or mark.usd_per_credit or codec.usd_per_credit
    if rate is None:
        message = f"{step.ref}: nothing says what a credit is worth in USD"
        raise GatewayError(
            message, hint="set usd_per_credit on the plan or in the gateway's settings"
        )
    return rate


def _marked(mark: Mark, credit: CreditGrant, rate: float, step: Step) -> Mark:
    kept = rate if _in_credits(step, credit) else mark.usd_per_credit
    if _allocates(credit):
        return Mark(kept, mark.top_ups, credit.operation_id, mark.organization_id)
    return Mark(
        kept, tuple(sorted({*mark.top_ups, credit.grant_id})), mark.allocation, mark.organization_id
    )


async def team_now(desk: Desk, ref: Ref) -> Team | None:
    body = await team_body(desk.http, ref.name)
    if body is None:
        return None
    if not set(body.get("access_group_ids") or ()) <= set(desk.groups.values()):
        desk.know(await groups_of(desk.http))
    return team_of(body, desk.codec)


# ---- reading


async def team_body(http: Http, name: str) -> Body | None:
    """The team's row as it is now, None where there is none."""
    try:
        answer = await http.get("/team/info", params={"team_id": name, "key_limit": "1"})
    except GatewayError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    found: Body = answer["team_info"]
    return found


def _decoded(bodies: list[Body], codec: TeamCodec) -> Mapping[str, Team]:
    return {body["team_id"]: team_of(body, codec) for body in bodies}


def _told(bodies: list[Body], codec: TeamCodec) -> Iterator[Finding]:
    yield from _open_teams(bodies)
    yield from _dangling_groups(bodies, codec)


def _open_teams(bodies: list[Body]) -> Iterator[Finding]:
    names = sorted(str(body["team_id"]) for body in bodies if not body.get("models"))
    if names:
        yield warning(
            "open-team",
            f"{_some(names)} may call every model: an empty list of models is everything to LiteLLM",
            hint='declare the team; without models of its own it gets "no-default-models"',
            ref=Ref("team", names[0]),
        )


def _dangling_groups(bodies: list[Body], codec: TeamCodec) -> Iterator[Finding]:
    names = sorted(str(body["team_id"]) for body in bodies if foreign_groups(body, codec))
    if names:
        yield info(
            "dangling-group-id",
            f"{_some(names)} hold ids of access groups that do not exist; they grant nothing and are left alone",
            ref=Ref("team", names[0]),
        )


def _some(names: list[str]) -> str:
    first = ", ".join(f"team/{name}" for name in names[:EXAMPLES])
    return first if len(names) <= EXAMPLES else f"{first} and {len(names) - EXAMPLES:,} more teams"


def _normalised(team: Team) -> Resource:
    return with_values(
        team,
        team_alias=team.team_alias or None,
        models=team.models - {NO_DEFAULT_MODELS},
        model_aliases=team.model_aliases or None,
        metadata=without_nulls(team.metadata) or None,
    )


def _check(ref: Ref, before: Resource | None, after: Team, facts: Facts) -> Iterator[Finding]:
    yield from wildcards(ref, sorted(after.models))
    yield from soft_above_hard(ref, after)
    yield from reserved(ref, after.metadata)
    yield from first_limit(ref, before, after, facts)


TEAMS = Kind(
    Team,
    support=stored(
        "organization_id team_alias access_groups status models model_aliases credits_allocated max_budget_usd"
        " soft_budget_usd budget_duration tpm_limit rpm_limit metadata",
        notes={
            "budget_mode": "it knows budgets in USD only",
            "credits_per_dollar": "usd_per_credit says what a credit is worth here",
            "tokens_per_credit": "usd_per_credit says what a credit is worth here",
            "credits_allocated": NO_RATE,
            "top_ups": NO_RATE,
        },
    ),
    verbs=Verbs(create_team, update_team, delete_team, team_now),
    read=lambda desk: paged(desk.http, LIST),
    decode=_decoded,
    needed={
        "/v2/team/list": "get",
        "/team/new": "post",
        "/team/{team_id}": "patch",
        "/team/delete": "post",
    },
    runtime=lambda bodies: {body["team_id"]: picked(body, RUNTIME) for body in bodies},
    told=_told,
    normalise=_normalised,
    wished=Terms.wished,
    seen=Terms.seen,
    unkept=Terms.unkept,
    check=_check,
    lifetime=lambda known: known.teams,
    revoking=True,
    words="teams",
)
