"""Model aliases on LiteLLM Proxy: the deployments of a name, written so that it is backed all the time.

Source: LiteLLM 1.106.2, proxy/management_endpoints/model_management_endpoints.py.
Models come from the router of the process that answers; rows that it
does not serve are found by a search.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.model.findings import Finding, error, warning
from reconciler.core.model.kinds import ModelAlias, Resource
from reconciler.core.model.refs import Ref
from reconciler.gateways.answers import oddity
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.checks import wildcards
from reconciler.gateways.litellm.connection import (
    BAD_REQUEST,
    Desk,
    exists,
    gone,
    segment,
    unmoved,
)
from reconciler.gateways.litellm.deployments import (
    TARGETS,
    Content,
    Row,
    alias_of,
    canonical,
    contents_of,
    row_of,
    words_of,
)
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.kind import Kind, Verbs, stored
from reconciler.gateways.litellm.operations import (
    SERVER_INFO,
    UNREADABLE,
    Create,
    creation,
    ids_for,
    operations,
    patch_of,
    without_losses,
)
from reconciler.gateways.litellm.paging import Paging, page, paged, together
from reconciler.gateways.litellm.secrets import owes_secret, replacing, with_secrets
from reconciler.gateways.litellm.team_codec import TeamCodec
from reconciler.gateways.request import Again, Request

MODELS = Paging("/v2/model/info", "data", "total_count", "size", 1000, "model_info")
# `_` is SQL's wildcard for one character in the proxy's search of model names: it finds every row of the database.
ANY = "_"
# No alias has as many deployments; a proxy that finds a row for whatever id it is asked about is broken.
MOST_IDS = 500


async def create_alias(desk: Desk, ref: Ref, after: ModelAlias) -> Receipt:
    rows = await deployments_of(desk.http, ref.name)
    if rows:
        raise exists(ref, "" if any(row.db for row in rows) else " in the proxy's config.yaml")
    used: set[str] = set()
    for content in contents_of(after):
        await _create(desk, ref, after, Create(content), used)
    return Receipt()


async def update_alias(desk: Desk, ref: Ref, before: ModelAlias, after: ModelAlias) -> Receipt:
    """Creations before deletions: the name is backed all the time, and no access group drops it.

    Raises GatewayError where a deployment cannot be replaced because of its secrets; what a PATCH can do is done then.
    """
    rows = tuple(row for row in await deployments_of(desk.http, ref.name) if row.db)
    if not rows:
        raise gone(ref)
    moving = [name for name in TARGETS if getattr(before, name) != getattr(after, name)]
    unmoved(ref, moving, before, after, alias_of(rows))
    todo = operations(rows, contents_of(after), words_of(after))
    used = {row.id for row in rows}
    kept: dict[str, GatewayError] = {}
    for each in todo.creations:
        try:
            await _create(desk, ref, after, each, used)
        except SecretError as problem:
            kept[each.instead_of.id if each.instead_of else ""] = problem
            await _patch_instead(desk, after, each)
    for patch in todo.patches:
        await desk.http.send(Request("PATCH", f"/model/{segment(patch.row.id)}/update", patch.body))
    for row in todo.deletions:
        if row.id not in kept:
            await _delete_row(desk, row.id)
    if kept:
        raise next(iter(kept.values()))
    return Receipt()


class SecretError(GatewayError):
    """A deployment holds a secret that cannot be read, so it cannot be replaced by another one."""


async def _patch_instead(desk: Desk, after: ModelAlias, each: Create) -> None:
    row = each.instead_of
    body = (
        patch_of(row, without_losses(row.content, each.content), words_of(after)) if row else None
    )
    if row and body:
        await desk.http.send(Request("PATCH", f"/model/{segment(row.id)}/update", body))


async def _create(desk: Desk, ref: Ref, after: ModelAlias, each: Create, used: set[str]) -> None:
    foreign = await _foreign(desk, ref, each.instead_of, each.content) if each.instead_of else {}
    new_id = await _free_id(desk, ref.name, used)
    body = creation(ref.name, new_id, each.content, words_of(after), foreign)
    await desk.http.send(
        Request("POST", "/model/new", body, again=Again.REFUSED if len(used) > 1 else Again.NEVER)
    )


async def _free_id(desk: Desk, name: str, used: set[str]) -> str:
    """The first id of the alias that no row has; a row may have been renamed by hand and keep its id."""
    for number in range(MOST_IDS):
        new_id = f"{ids_for(name)}{number}"
        if new_id not in used and not await deployment_exists(desk.http, new_id):
            used.add(new_id)
            return new_id
    raise GatewayError(
        f"model_alias/{name}: the gateway says that it has {MOST_IDS} deployments of this alias"
    )


async def _foreign(desk: Desk, ref: Ref, row: Row, content: Content) -> Mapping[str, Any]:
    """What others keep in `model_info` of a deployment, as stored: only the answer to a write shows it unmixed.

    Raises SecretError where it holds a secret that was not written by us: it cannot be read, so it would be lost.
    """
    body = {"model_info": {"id": row.id}}
    stored = await desk.http.send(Request("PATCH", f"/model/{segment(row.id)}/update", body))
    known = (content.params.keys() | row.content.params.keys()) - content.unreadable
    secrets = ((set(stored["litellm_params"]) & UNREADABLE) | content.unreadable) - known
    if secrets:
        raise SecretError(
            f"{ref}: a parameter can only be taken away by replacing deployment {row.id}, and its "
            f"{', '.join(sorted(secrets))} cannot be read to be carried over",
            hint="declare it as os.environ/NAME, or use litellm_credential_name",
        )
    return {name: value for name, value in stored["model_info"].items() if name not in SERVER_INFO}


async def delete_alias(desk: Desk, ref: Ref) -> Receipt:
    rows = [row for row in await deployments_of(desk.http, ref.name) if row.db]
    deleted = [await _delete_row(desk, row.id) for row in rows]
    return Receipt() if any(deleted) else Receipt(note="was already gone")


async def _delete_row(desk: Desk, row_id: str) -> bool:
    try:
        await desk.http.send(Request("POST", "/model/delete", {"id": row_id}))
    except GatewayError as error:
        if error.status == BAD_REQUEST and "not found in db" in str(error):
            return False
        raise
    return True


async def find_alias(desk: Desk, ref: Ref) -> ModelAlias | None:
    rows = await deployments_of(desk.http, ref.name)
    return alias_of(rows) if rows else None


async def rename_alias(desk: Desk, old: str, new: str) -> Receipt:
    """Groups, teams and keys follow: the proxy writes the new name where the old one stood (observed on 1.106.2)."""
    for row in await deployments_of(desk.http, old):
        if row.db:
            body = {"model_name": new, "model_info": {"id": row.id}}
            await desk.http.send(Request("PATCH", f"/model/{segment(row.id)}/update", body))
    return Receipt()


# ---- reading


@dataclass(frozen=True, slots=True)
class Deployments:
    """What one read found. `zombies` are in the database, but not served by the process that answered."""

    rows: tuple[Row, ...] = ()
    zombies: tuple[Row, ...] = ()
    router_aliases: Mapping[str, str] = field(default_factory=dict)


async def read_deployments(desk: Desk) -> Deployments:
    """All deployments. Raises GatewayError; never a part of them."""
    bodies, stored_bodies, router = await together(
        paged(desk.http, MODELS), paged(desk.http, MODELS, search=ANY), router_aliases(desk.http)
    )
    rows = rows_of(bodies, router)
    served = {row.id for row in rows}
    zombies = (row for row in rows_of(stored_bodies, router) if row.id not in served and row.db)
    return Deployments(rows, tuple(zombies), router)


def rows_of(bodies: Sequence[Body], router: Mapping[str, str]) -> tuple[Row, ...]:
    """Each deployment once, under its own name; those of one team only are not for everybody and left out."""
    try:
        rows = [row_of(body) for body in bodies]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GatewayError(
            f"GET {MODELS.path} answered a deployment in an unknown shape ({oddity(error)})"
        ) from error
    own = {
        row.id: row for row in sorted(rows, key=lambda row: row.name not in router, reverse=False)
    }
    return tuple(row for row in own.values() if row.team_id is None)


async def router_aliases(http: Http) -> Mapping[str, str]:
    """The router's `model_group_alias`: name -> target. A target may be an object (a hidden alias)."""
    answer = await http.get("/router/settings")
    values = answer.get("current_values") if isinstance(answer, Mapping) else None
    found = (values or {}).get("model_group_alias") or {}
    named = {
        name: target.get("model") if isinstance(target, Mapping) else target
        for name, target in found.items()
    }
    return {name: str(target) for name, target in named.items() if target}


async def deployments_of(http: Http, name: str) -> tuple[Row, ...]:
    """The deployments of one name, also those that are not served."""
    bodies = await paged(http, MODELS, model=name, search=name)
    return tuple(row for row in rows_of(bodies, {}) if row.name == name)


async def deployment_exists(http: Http, row_id: str) -> bool:
    answer = await page(http, MODELS, {"modelId": row_id}, 1)
    return bool(answer[MODELS.items])


def _decoded(found: Deployments, _codec: TeamCodec) -> Mapping[str, ModelAlias]:
    names: dict[str, list[Row]] = {}
    for row in (*found.rows, *found.zombies):
        names.setdefault(row.name, []).append(row)
    return {name: alias_of(rows) for name, rows in names.items()}


def _fixed(found: Deployments) -> Iterator[str]:
    """What config.yaml defines; a name that it shares with rows of the database counts as its own."""
    return (row.name for row in found.rows if not row.db)


def _zombies(found: Deployments, _codec: TeamCodec) -> Iterator[Finding]:
    for name in sorted({row.name for row in found.zombies}):
        ids = ", ".join(row.id for row in found.zombies if row.name == name)
        yield warning(
            "not-served",
            f"model_alias/{name} is stored, but the proxy that answered does not serve deployment {ids}",
            hint="its log says why (an unknown provider?); another process may serve it",
            ref=Ref("model_alias", name),
        )


def _check(ref: Ref, before: Resource | None, after: ModelAlias, facts: Facts) -> Iterator[Finding]:
    yield from wildcards(ref, (ref.name,))
    yield from replacing(ref, before, after, facts.by_others)
    if before is None and ref.name in facts.in_config:
        message = f"{ref} is defined in the proxy's config.yaml, which the API cannot change"
        yield error("in-config-yaml", message, ref=ref)


ALIASES = Kind(
    ModelAlias,
    support=stored(
        "litellm_model deployments description display_name status pricing_input pricing_output litellm_params"
    ),
    verbs=Verbs(create_alias, update_alias, delete_alias, find_alias, rename_alias),
    read=read_deployments,
    decode=_decoded,
    needed={
        "/v2/model/info": "get",
        "/model/new": "post",
        "/model/{model_id}/update": "patch",
        "/model/delete": "post",
    },
    fixed=_fixed,
    told=_zombies,
    normalise=canonical,
    wished=lambda _terms, _ref, wish, live, record: with_secrets(wish, live, record),
    owes=owes_secret,
    check=_check,
    lifetime=lambda known: known.models,
    words="models",
)
