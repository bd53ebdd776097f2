"""The dialect that the SaaS LiteLLM documentation describes and the embedded gateway implements."""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from pydantic import SecretStr

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Step
from reconciler.core.model.findings import Finding, error
from reconciler.core.model.kinds import ModelAlias, Resource, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.plan.credits.allocation import operations_of
from reconciler.core.plan.support import Support
from reconciler.gateways.base import GatewayError, Receipt, credit_of
from reconciler.gateways.endpoints import (
    Body,
    Endpoint,
    Wire,
    echoed,
    names,
    never,
    optional,
    plain,
)
from reconciler.gateways.http import Http
from reconciler.gateways.request import Again, Request
from reconciler.gateways.saas.dialect import Dialect
from reconciler.gateways.saas.requests import Memory, granted_by_us

UNAUTHORIZED = 401
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


def check(ref: Ref, before: Resource | None, after: Resource | None) -> tuple[Finding, ...]:
    """A finding for each thing that the gateway would refuse."""
    return tuple(_refusals(ref, before, after))


def _refusals(ref: Ref, before: Resource | None, after: Resource | None) -> Iterator[Finding]:
    if before is None and after is not None and not ID.fullmatch(ref.name):
        hint = "up to 200 letters, digits and . _ : - after a letter or digit"
        yield error(
            "id-not-allowed", f"{ref}: the gateway does not take this id", hint=hint, ref=ref
        )
    if isinstance(after, ModelAlias) and after.litellm_model is None:
        yield error(
            "model-required",
            f"{ref}: the gateway needs litellm_model",
            hint="one alias has one model here",
            ref=ref,
        )
    if isinstance(after, Team) and after.organization_id is None:
        yield error(
            "organization-required", f"{ref}: the gateway needs an organization_id", ref=ref
        )


def _status(body: Body) -> Status:
    return Status(body["status"])


def _free(name: str) -> Wire:
    """Free JSON, where none and an empty object are the same."""
    return Wire(name, lambda _, value: {name: value or {}}, lambda body: body.get(name) or None)


def _add_and_remove(name: str, before: Any, after: Any) -> Iterable[Request]:
    """Unions and differences, so that what another hand changes at the same time stays."""
    if added := after - before:
        yield Request("POST", GROUPS.item(name, "add-models"), {"model_aliases": sorted(added)})
    if removed := before - after:
        yield Request(
            "POST", GROUPS.item(name, "remove-models"), {"model_aliases": sorted(removed)}
        )


def _wire_status() -> Wire:
    return Wire("status", lambda _, value: {"status": str(value)}, _status)


MODELS = Endpoint(
    "model_alias",
    id="alias",
    collection="/api/model-aliases",
    envelope="model_aliases",
    wires=(
        plain("litellm_model"),
        optional("description"),
        optional("display_name"),
        _wire_status(),
        plain("pricing_input"),
        plain("pricing_output"),
        _free("litellm_params"),
    ),
    notes={"deployments": "an alias has one model"},
)
GROUPS = Endpoint(
    "access_group",
    id="group_name",
    collection="/api/model-access-groups",
    envelope="access_groups",
    query={"include": "model_aliases"},
    wires=(
        optional("description"),
        optional("display_name"),
        names("model_aliases", "alias", change=_add_and_remove),
    ),
)
ORGANIZATIONS = Endpoint(
    "organization",
    id="organization_id",
    collection="/api/organizations",
    envelope="organizations",
    wires=(plain("name"), _free("metadata")),
)
TEAMS = Endpoint(
    "team",
    id="team_id",
    collection="/api/teams",
    envelope="teams",
    wires=(
        plain("organization_id"),
        optional("team_alias"),
        names("access_groups", whole=True),
        Wire(
            "credits_allocated",
            lambda _, value: {"credits_allocated": value or 0},
            lambda body: body["credits_allocated"],
            change=never,
        ),
        _wire_status(),
        _free("metadata"),
    ),
    runtime=("credits_used", "credits_remaining"),
    notes={"models": "teams get models through access groups only"},
)
ENDPOINTS: Mapping[str, Endpoint] = {
    each.kind: each for each in (ORGANIZATIONS, MODELS, GROUPS, TEAMS)
}


async def grant(http: Http, step: Step, memory: Memory) -> Receipt:
    """Adds the credits (negative: takes them back); the gateway keeps the operation id and never adds it twice.

    Where the team's operations were looked at, another one since then makes the gateway refuse.
    """
    credit = credit_of(step)
    body: dict[str, Any] = {
        "team_id": step.ref.name,
        "amount": credit.amount,
        "description": credit.reason,
        "operation_id": credit.operation_id,
    }
    if step.ref.name in memory.operations:
        body["previous_operation_id"] = memory.operations[step.ref.name]
    try:
        await http.send(Request("POST", "/api/credits/add", body))
    except GatewayError as error:
        if "voided" not in str(error):
            raise
        hint = "it was taken out of git before it had arrived, and is void for ever: give the top-up a new id"
        raise GatewayError(str(error), hint=hint, status=error.status) from error
    if step.ref.name in memory.operations:
        memory.operations[step.ref.name] = credit.operation_id
    return Receipt()


async def granted(http: Http, step: Step) -> bool | None:
    """Whether the operation id is among the team's transactions."""
    credit = credit_of(step)
    query = {"team_id": step.ref.name, "operation_id": str(credit.operation_id)}
    answer = await http.get("/api/credits/transactions", params=query)
    return any(each.get("operation_id") == credit.operation_id for each in answer["transactions"])


async def new_key(http: Http, team: str, key: SecretStr | None) -> Any:
    """Gives the team the virtual key; sent twice it counts once."""
    body = {"virtual_key": key} if key else {}
    headers = {"Idempotency-Key": key_operation(team, key)} if key else {}
    again = Again.ALWAYS if key else Again.NEVER
    path = f"{TEAMS.item(team)}/rotate-key"
    return await http.send(Request("POST", path, body, headers=headers, again=again))


def key_operation(team: str, key: SecretStr | None) -> str:
    """The operation id of the request that gives a team this key; nobody can tell the key from it.

    None: a key that the gateway chooses, whose request has a name of ours and no operation id.
    """
    if key is None:
        return f"reconciler:key:{team}"
    return f"reconciler:key:{team}:{sha256(key.get_secret_value().encode()).hexdigest()[:32]}"


async def accepts(http: Http, _team: str, key: SecretStr) -> bool | None:
    """Whether calls with the key are let in; a suspended team's are refused in another way."""
    try:
        await http.get("/v1/models", bearer=key)
    except GatewayError as error:
        return False if error.status == UNAUTHORIZED else None
    return True


async def probe(http: Http, team: str, model: str) -> bool:
    """The embedded gateway's own decision on a call of the team, without making the call."""
    path = f"{TEAMS.item(team)}/probe"
    answer = await http.send(Request("POST", path, {"model": model}, again=Again.ALWAYS))
    return bool(answer["access"])


def rename(step: Step) -> Iterable[Request]:
    """The embedded gateway's own: a team's operation ids follow, so that a top-up is known under the new name, too."""
    endpoint, former, name = ENDPOINTS[step.ref.kind], str(step.renamed_from), step.ref.name
    body: dict[str, Any] = {endpoint.id: name}
    if step.ref.kind == Team.kind:
        body["operation_ids"] = {"old": operations_of(former), "new": operations_of(name)}
    yield Request("POST", endpoint.item(former, "rename"), body)


def dialect(backend: str, renames: frozenset[str] = frozenset(), *, voids: bool = False) -> Dialect:
    """The dialect, by the name of the backend that speaks it.

    `renames` are the kinds that it renames in place. `voids`: it is the embedded gateway, which counts operation ids,
    keeps generations and takes virtual keys that we choose.
    """
    support = Support(
        backend=backend,
        kinds={kind: endpoint.support() for kind, endpoint in ENDPOINTS.items()},
        rules=GroupRules(),
        normalise=echoed(ENDPOINTS),
        check=check,
        repeatable_grants=True,
        voids=voids,
        keys=frozenset({Team.kind}),
        chosen_keys=frozenset({Team.kind}) if voids else frozenset(),
        renames=renames,
        balance="credits",
    )
    return Dialect(
        ENDPOINTS,
        support,
        grant,
        granted,
        granted_by_us,
        accepts,
        new_key,
        rename=rename,
        probe=probe,
        key_operation=key_operation,
    )


DIALECT = dialect("saas-litellm")
