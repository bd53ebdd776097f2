"""Backend `saas-litellm`: a server over HTTP that speaks the documented or the real dialect; it says itself which."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from reconciler.core.model.findings import Finding, warning
from reconciler.gateways import Opening, former_identities, identity
from reconciler.gateways.base import Gateway, GatewayError
from reconciler.gateways.http import Http, open_http
from reconciler.gateways.saas import documented
from reconciler.gateways.saas import real as saas
from reconciler.gateways.saas import real_rows as saas_rows
from reconciler.gateways.saas.dialect import Dialect
from reconciler.gateways.saas.gateway import RestGateway
from reconciler.gateways.shapes import understood

ADMIN_HEADER = "X-Admin-Key"


@asynccontextmanager
async def opened(opening: Opening) -> AsyncIterator[Gateway]:
    """The server at the settings' url. Raises GatewayError where nothing known answers there."""
    settings = opening.settings
    concurrency, capped = bounded(settings.concurrency, saas.CONCURRENCY, saas.MOST_CONCURRENCY)
    seconds = settings.timeout_seconds or saas.SECONDS
    async with connection(opening, concurrency, seconds) as http:
        name, called = (
            identity(settings, opening.directory),
            former_identities(settings, opening.directory),
        )
        yield RestGateway(name, concurrency, http, await detected(http), capped, called)


def bounded(asked: int | None, default: int, most: int) -> tuple[int, tuple[Finding, ...]]:
    """How many requests at once, and a warning where that is fewer than the settings ask for."""
    if asked is None or asked <= most:
        return asked or default, ()
    return most, (
        warning(
            "concurrency-capped",
            f"concurrency {asked} is more than this gateway bears: {most} is used",
        ),
    )


def connection(opening: Opening, concurrency: int, seconds: float) -> Any:
    """The HTTP client for the settings' url, with the admin key in its header."""
    key = opening.admin_key
    return open_http(
        str(opening.settings.url),
        headers={ADMIN_HEADER: key} if key else {},
        concurrency=concurrency,
        seconds=seconds,
        key_env=opening.settings.admin_key_env,
        read_only=opening.read_only,
    )


@understood(unknown=False)
async def detected(http: Http) -> Dialect:
    """The dialect of the server, by the paths in its /openapi.json, which is open to everybody."""
    answer = await http.get("/openapi.json")
    paths = answer.get("paths") if isinstance(answer, Mapping) else None
    dialect = of_paths(paths or {})
    if dialect is None:
        raise GatewayError(
            f"GET /openapi.json lists {len(paths or ()):,} paths, but neither {documented.MODELS.collection} "
            f"nor {saas_rows.MODELS.collection}: this is not SaaS LiteLLM",
            hint=_other(paths or {}),
        )
    return dialect


def of_paths(paths: Mapping[str, Any]) -> Dialect | None:
    """The documented dialect has /api/model-aliases, the real one /api/models."""
    if documented.MODELS.collection in paths:
        return documented.DIALECT
    if saas_rows.MODELS.collection in paths and saas_rows.GROUPS.collection in paths:
        return saas.DIALECT
    return None


def _other(paths: Mapping[str, Any]) -> str:
    if "/team/new" in paths:
        return "it looks like LiteLLM Proxy: set backend: litellm"
    return "is the url the one of the SaaS API (port 8003 by default)?"
