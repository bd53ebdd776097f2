"""Writing model aliases to LiteLLM Proxy: the deployments of a name, so that it is backed all the time.

Source: contracts/litellm-proxy.md section 1.1.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.core.model.kinds import ModelAlias
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.litellm.aliases import (
    TARGETS,
    Content,
    Row,
    alias_of,
    contents_of,
    words_of,
)
from reconciler.gateways.litellm.connection import (
    BAD_REQUEST,
    Desk,
    Verbs,
    exists,
    gone,
    segment,
    unmoved,
)
from reconciler.gateways.litellm.deployments import (
    SERVER_INFO,
    UNREADABLE,
    Create,
    creation,
    ids_for,
    operations,
    patch_of,
    without_losses,
)
from reconciler.gateways.litellm.reading import deployment_exists, deployments_of
from reconciler.gateways.request import Again, Request

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
    """Groups, teams and keys follow: the proxy writes the new name where the old one stood (contract 1.1)."""
    for row in await deployments_of(desk.http, old):
        if row.db:
            body = {"model_name": new, "model_info": {"id": row.id}}
            await desk.http.send(Request("PATCH", f"/model/{segment(row.id)}/update", body))
    return Receipt()


ALIASES = Verbs(create_alias, update_alias, delete_alias, find_alias, rename_alias)
