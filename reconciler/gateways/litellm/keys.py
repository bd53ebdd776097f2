"""Virtual keys on LiteLLM Proxy, by alias. Pure: rows of the API <-> Key, and what to send.

Source: contracts/litellm-proxy.md section 1.6. The caller may choose the secret, so it is made here: after an answer
that got lost it is still known. An alias is only unique as long as nobody creates two at once. A key whose own list is
empty may ask for anything that its team may; `all-team-models` says so explicitly.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from reconciler.core.model.kinds import Key, Status
from reconciler.gateways.endpoints import Body
from reconciler.gateways.litellm.aliases import MARK, VERSION
from reconciler.gateways.litellm.teams import user_metadata

ALL_OF_THE_TEAM = "all-team-models"
LIMITS = {
    "max_budget_usd": "max_budget",
    "budget_duration": "budget_duration",
    "tpm_limit": "tpm_limit",
    "rpm_limit": "rpm_limit",
}
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
