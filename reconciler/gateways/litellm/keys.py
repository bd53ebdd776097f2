"""Virtual keys on LiteLLM Proxy, by alias: rows of the API <-> Key, and what is sent.

Source: LiteLLM 1.106.2, proxy/management_endpoints/key_management_endpoints.py.
The caller may choose the secret, so it is made here: after an answer
that got lost it is still known. An alias is only unique as long as nobody creates two at once. A key whose own list is
empty may ask for anything that its team may; `all-team-models` says so explicitly.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from reconciler.core.model.findings import Finding, warning
from reconciler.core.model.kinds import Key, Resource, Status
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.endpoints import Body
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.budgets import our_metadata
from reconciler.gateways.litellm.checks import reserved, wildcards, with_values
from reconciler.gateways.litellm.connection import NOT_FOUND, Desk, exists, gone, unmoved
from reconciler.gateways.litellm.deployments import MARK, VERSION
from reconciler.gateways.litellm.facts import Facts
from reconciler.gateways.litellm.kind import Kind, Verbs, VirtualKeys, stored
from reconciler.gateways.litellm.paging import Paging, paged, picked
from reconciler.gateways.litellm.team_codec import TeamCodec, user_metadata, without_nulls
from reconciler.gateways.request import Request

ALL_OF_THE_TEAM = "all-team-models"
LIMITS = {
    "max_budget_usd": "max_budget",
    "budget_duration": "budget_duration",
    "tpm_limit": "tpm_limit",
    "rpm_limit": "rpm_limit",
}
LIST = Paging(
    "/key/list",
    "keys",
    "total_count",
    "size",
    100,
    "token",
    {"return_full_object": "true", "sort_by": "created_at", "sort_order": "asc"},
)
RUNTIME = ("spend", "max_budget", "budget_reset_at")


def is_ours(body: Body) -> bool:
    """Whether the key carries our mark; keys of others are foreign and never listed one by one."""
    return bool(body.get("key_alias")) and isinstance(
        (body.get("metadata") or {}).get(MARK), Mapping
    )


def key_of(body: Body) -> Key:
    """The key of a row."""
    limits: dict[str, Any] = {name: body.get(theirs) for name, theirs in LIMITS.items()}
    return Key.model_construct(
        None,
        team_id=body.get("team_id") or "",
        models=frozenset(body.get("models") or ()) - {ALL_OF_THE_TEAM},
        status=Status.SUSPENDED if body.get("blocked") else Status.ACTIVE,
        metadata=user_metadata(body.get("metadata")),
        **limits,
    )


def new_secret() -> str:
    """A virtual key as the proxy makes them: `sk-` and 22 random characters."""
    return f"sk-{secrets.token_urlsafe(24)}"


def token_of(secret: str) -> str:
    """What the proxy stores of a key, and its id in the API."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _listed(models: frozenset[str]) -> list[str]:
    return sorted(models) or [ALL_OF_THE_TEAM]


def creation(alias: str, secret: str, key: Key) -> dict[str, Any]:
    """The body of POST /key/generate."""
    limits = {theirs: getattr(key, name) for name, theirs in LIMITS.items()}
    return {
        "key": secret,
        "key_alias": alias,
        "team_id": key.team_id,
        "models": _listed(key.models),
        "blocked": key.status is Status.SUSPENDED,
        "metadata": {**(key.metadata or {}), MARK: {"v": VERSION}},
        **{name: value for name, value in limits.items() if value is not None},
    }


def update(before: Key, after: Key, found: Body) -> dict[str, Any]:
    """The body of POST /key/update: only what changed. `metadata` replaces, so others' keys are sent along."""
    body: dict[str, Any] = {"key": found["token"]}
    for name, theirs in LIMITS.items():
        if getattr(before, name) != getattr(after, name):
            body[theirs] = getattr(after, name)
    if before.models != after.models:
        body["models"] = _listed(after.models)
    if before.status is not after.status:
        body["blocked"] = after.status is Status.SUSPENDED
    if before.metadata != after.metadata:
        dropped = (before.metadata or {}).keys() - (after.metadata or {}).keys()
        kept = {
            name: value
            for name, value in (found.get("metadata") or {}).items()
            if name not in dropped
        }
        body["metadata"] = {**kept, **(after.metadata or {}), MARK: {"v": VERSION}}
    return body


# ---- writing


async def find_key(desk: Desk, ref: Ref) -> Body | None:
    """The key of that alias. Raises GatewayError where several have it: none of them is the one that is meant."""
    found = await key_bodies(desk.http, ref.name)
    if len(found) > 1:
        raise GatewayError(
            f"{ref}: {len(found)} keys have this alias", hint="rename or delete all but one"
        )
    return found[0] if found else None


async def create_key(desk: Desk, ref: Ref, after: Key, key: SecretStr | None = None) -> Receipt:
    """The secret is chosen by us, so that it is known even where the answer to its creation gets lost."""
    if await key_bodies(desk.http, ref.name):
        raise exists(ref)
    secret = key or SecretStr(new_secret())
    try:
        await desk.http.send(
            Request("POST", "/key/generate", creation(ref.name, secret.get_secret_value(), after))
        )
    except GatewayError as error:
        sent = error.unknown or error.status is not None
        if not sent or not await is_key(desk, ref, secret):
            raise
    return Receipt(secret=secret)


async def is_key(desk: Desk, ref: Ref, key: SecretStr) -> bool:
    """Whether a key of that alias has this secret."""
    token = token_of(key.get_secret_value())
    return any(body["token"] == token for body in await key_bodies(desk.http, ref.name))


async def update_key(desk: Desk, ref: Ref, before: Key, after: Key) -> Receipt:
    found = await find_key(desk, ref)
    if found is None:
        raise gone(ref)
    unmoved(ref, ("models",) if before.models != after.models else (), before, after, key_of(found))
    await desk.http.send(Request("POST", "/key/update", update(before, after, found)))
    return Receipt()


async def delete_key(desk: Desk, ref: Ref) -> Receipt:
    found = await find_key(desk, ref)
    if found is None:
        return Receipt(note="was already gone")
    if not is_ours(found):
        raise GatewayError(
            f"{ref} does not carry our mark: it is another key of that alias", hint="plan again"
        )
    try:
        await desk.http.send(Request("POST", "/key/delete", {"keys": [found["token"]]}))
    except GatewayError as error:
        if error.status != NOT_FOUND:
            raise
    return Receipt()


async def reissue_key(desk: Desk, ref: Ref, key: SecretStr | None) -> Receipt:
    """A new key in the place of one whose secret got lost. Raises GatewayError where somebody may be using it."""
    found = await find_key(desk, ref)
    if found is None:
        raise gone(ref)
    if not is_ours(found):
        return Receipt()
    if found.get("last_active") or found.get("spend"):
        raise GatewayError(f"{ref} is in use already, so it is not replaced")
    await delete_key(desk, ref)
    return await create_key(desk, ref, key_of(found), key)


async def key_now(desk: Desk, ref: Ref) -> Key | None:
    body = await find_key(desk, ref)
    return key_of(body) if body else None


async def rename_key(desk: Desk, old: str, new: str) -> Receipt:
    """The secret stays."""
    found = await find_key(desk, Ref(Key.kind, old))
    if found is not None:
        await desk.http.send(
            Request("POST", "/key/update", {"key": found["token"], "key_alias": new})
        )
    return Receipt()


# ---- reading


async def key_bodies(http: Http, alias: str) -> list[Body]:
    """The keys of an alias; nothing keeps two from having the same one (observed on 1.106.2)."""
    return [
        body for body in await paged(http, LIST, key_alias=alias) if body.get("key_alias") == alias
    ]


def _decoded(bodies: list[Body], _codec: TeamCodec) -> Mapping[str, Key]:
    return {body["key_alias"]: key_of(body) for body in bodies if is_ours(body)}


def _twin_keys(bodies: list[Body], _codec: TeamCodec) -> Iterator[Finding]:
    aliases = [str(body["key_alias"]) for body in bodies if is_ours(body)]
    for alias in sorted({alias for alias in aliases if aliases.count(alias) > 1}):
        yield warning(
            "key-alias-twice", f"several keys have the alias {alias}", ref=Ref("key", alias)
        )


def _normalised(key: Key) -> Resource:
    metadata = without_nulls(key.metadata) or None
    return with_values(key, models=key.models - {ALL_OF_THE_TEAM}, metadata=metadata)


def _check(ref: Ref, _before: Resource | None, after: Key, _facts: Facts) -> Iterator[Finding]:
    yield from wildcards(ref, sorted(after.models))
    yield from reserved(ref, after.metadata)


KEYS = Kind(
    Key,
    support=stored(
        "team_id models max_budget_usd budget_duration tpm_limit rpm_limit metadata status",
        fixed="team_id",
        notes={"team_id": "a key stays in its team"},
    ),
    verbs=Verbs(create_key, update_key, delete_key, key_now, rename_key),
    read=lambda desk: paged(desk.http, LIST),
    decode=_decoded,
    needed={"/key/list": "get"},
    runtime=lambda bodies: {
        body["key_alias"]: picked(body, RUNTIME) for body in bodies if is_ours(body)
    },
    told=_twin_keys,
    normalise=_normalised,
    seen=our_metadata,
    check=_check,
    lifetime=lambda known: known.teams,
    words="keys",
    keys=VirtualKeys(create_key, is_key, reissue_key),
)
