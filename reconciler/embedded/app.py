"""The embedded gateway as an ASGI app: served by `reconciler gateway serve`, or called in process."""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fastapi import APIRouter, FastAPI
from pydantic import SecretStr
from starlette.routing import BaseRoute

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.embedded import documentation
from reconciler.embedded.calls import api as calls
from reconciler.embedded.calls import probes
from reconciler.embedded.context import Context
from reconciler.embedded.egress import Local
from reconciler.embedded.http import refusals
from reconciler.embedded.parameters import Allowed, NotUsable
from reconciler.embedded.resources import (
    about,
    access_groups,
    model_aliases,
    organizations,
    teams,
    voiding,
)
from reconciler.embedded.resources import credits as team_credits
from reconciler.embedded.store import Store

TITLE = "Reconciler embedded gateway"
DESCRIPTION = """
An LLM gateway: **teams** call **model aliases** that their **access groups** hold, and pay with **credits**.

* Management under `/api`: where the gateway was started with an admin key, send it as `X-Admin-Key`.
* Calls under `/v1`, compatible with OpenAI, also in their errors: send the team's virtual key as
  `Authorization: Bearer sk-...`.
* Bodies are JSON: from programs whatever their Content-Type says, from pages only as application/json.
* Every request is one transaction: a refused one changed nothing.
* A write with an `Idempotency-Key` takes effect once ever; one with `If-Match` only on that generation of its object.
* Lists come by id; `limit` and `after` (the last id of the page before) page through them.
"""
TAGS = (
    {"name": "organizations", "description": "Customers; teams belong to them."},
    {
        "name": "model aliases",
        "description": "The names that teams call, and the LiteLLM model behind each.",
    },
    {
        "name": "model access groups",
        "description": "Named sets of aliases, granted to teams as one.",
    },
    {"name": "teams", "description": "Who calls: one virtual key, groups, credits."},
    {
        "name": "credits",
        "description": "Granting credits, exactly once where the operation has an id, and their trace.",
    },
    {
        "name": "operations",
        "description": "Writes by the caller's own ids: each takes effect once, or never.",
    },
    {
        "name": "calls",
        "description": "The team's side: checked by group, status, credits and alias, in this order.",
    },
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_token() -> str:
    """What makes a virtual key unguessable: 256 random bits."""
    return secrets.token_urlsafe(32)


def create_app(
    database: str | Path,
    *,
    admin_key: SecretStr | None = None,
    allow_env: Iterable[str] | None = None,
    allow_local: Iterable[str] | None = None,
    now: Callable[[], datetime] = utc_now,
    tokens: Callable[[], str] = new_token,
) -> FastAPI:
    """A gateway on the SQLite file at `database` (made when absent), or `":memory:"`.

    With an `admin_key` every management call must send it. `allow_env` are the variables that aliases may refer to,
    `allow_local` the addresses (localhost, 127.0.0.1:11434) of this machine and link that their calls may reach; where
    they are not given, as in a plan, any may be written, and calls can use none. `now` and `tokens` are the clock and
    the source of virtual keys. Raises ReconcilerError where the database cannot be opened or the key is no key.
    """
    allowed = Allowed(
        None if allow_env is None else frozenset(allow_env),
        None if allow_local is None else tuple(Local.parse(text) for text in allow_local),
        _usable(admin_key),
    )
    app = FastAPI(
        title=TITLE,
        version="1",
        description=DESCRIPTION,
        openapi_tags=list(TAGS),
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = Context(Store(database), now, tokens, admin_key, allowed)
    app.router.routes.extend(_routes())
    documentation.install(app)
    refusals.install(app)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """The routes of every app in this process: they hold no state, and to build them takes longer than to plan."""
    router = APIRouter()
    for part in (
        organizations,
        model_aliases,
        access_groups,
        teams,
        probes,
        team_credits,
        voiding,
        about,
        calls,
    ):
        router.include_router(part.router)
    router.include_router(about.health)
    return tuple(router.routes)


def _usable(admin_key: SecretStr | None) -> SecretStr | None:
    """A key that a header can carry."""
    if admin_key is None:
        return None
    text = admin_key.get_secret_value()
    if not text or text != text.strip() or not text.isprintable():
        raise ReconcilerError(
            error("gateway", "the admin key is empty, or begins or ends with white space")
        )
    return admin_key


def unusable(app: FastAPI) -> list[str]:
    """The aliases whose calls this gateway would refuse, each with the reason: what they refer to is not allowed."""
    context: Context = app.state.context

    def reasons(db: sqlite3.Connection) -> list[str]:
        found = []
        for row in db.execute(
            "SELECT alias, litellm_model, litellm_params FROM model_aliases ORDER BY alias"
        ):
            try:
                context.allowed.check(row["litellm_model"], json.loads(row["litellm_params"]))
            except NotUsable as reason:
                found.append(f"{row['alias']}: {reason}")
        return found

    return asyncio.run(context.store.read(reasons))


def close(app: FastAPI) -> None:
    """Closes the app's database; a request after that opens it again."""
    context: Context = app.state.context
    context.store.close()
