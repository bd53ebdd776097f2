"""Writing virtual keys to LiteLLM Proxy. Source: contracts/litellm-proxy.md section 1.6."""

from pydantic import SecretStr

from reconciler.core.model.kinds import Key
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import GatewayError, Receipt
from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm import keys
from reconciler.gateways.litellm.connection import NOT_FOUND, Desk, Verbs, exists, gone, unmoved
from reconciler.gateways.litellm.reading import key_bodies
from reconciler.gateways.request import Request


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
    secret = key or SecretStr(keys.new_secret())
    try:
        await desk.http.send(
            Request(
                "POST", "/key/generate", keys.creation(ref.name, secret.get_secret_value(), after)
            )
        )
    except GatewayError as error:
        sent = error.unknown or error.status is not None
        if not sent or not await is_key(desk, ref, secret):
            raise
    return Receipt(secret=secret)


async def is_key(desk: Desk, ref: Ref, key: SecretStr) -> bool:
    """Whether a key of that alias has this secret."""
    token = keys.token_of(key.get_secret_value())
    return any(body["token"] == token for body in await key_bodies(desk.http, ref.name))


async def update_key(desk: Desk, ref: Ref, before: Key, after: Key) -> Receipt:
    found = await find_key(desk, ref)
    if found is None:
        raise gone(ref)
    unmoved(
        ref, ("models",) if before.models != after.models else (), before, after, keys.key_of(found)
    )
    await desk.http.send(Request("POST", "/key/update", keys.update(before, after, found)))
    return Receipt()


async def delete_key(desk: Desk, ref: Ref) -> Receipt:
    found = await find_key(desk, ref)
    if found is None:
        return Receipt(note="was already gone")
    if not keys.is_ours(found):
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
    if not keys.is_ours(found):
        return Receipt()
    if found.get("last_active") or found.get("spend"):
        raise GatewayError(f"{ref} is in use already, so it is not replaced")
    await delete_key(desk, ref)
    return await create_key(desk, ref, keys.key_of(found), key)


async def key_now(desk: Desk, ref: Ref) -> Key | None:
    body = await find_key(desk, ref)
    return keys.key_of(body) if body else None


async def rename_key(desk: Desk, old: str, new: str) -> Receipt:
    """The secret stays."""
    found = await find_key(desk, Ref(Key.kind, old))
    if found is not None:
        await desk.http.send(
            Request("POST", "/key/update", {"key": found["token"], "key_alias": new})
        )
    return Receipt()


KEYS = Verbs(create_key, update_key, delete_key, key_now, rename_key)
