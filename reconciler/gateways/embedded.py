"""Backend `embedded`: the gateway that ships with the product, in process on a SQLite file, or served at a url."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

from reconciler.gateways import EMBEDDED_DATABASE, Opening, former_identities, identity
from reconciler.gateways.base import Gateway, GatewayError
from reconciler.gateways.http import open_http
from reconciler.gateways.saas.backend import bounded, connection, detected
from reconciler.gateways.saas.documented import ENDPOINTS, dialect
from reconciler.gateways.saas.gateway import RestGateway
from reconciler.system.disk import readable_database
from reconciler.system.extras import require

CONCURRENCY, MOST_CONCURRENCY = 8, 32
DIALECT = dialect("embedded", renames=frozenset(ENDPOINTS), voids=True)
SECONDS = 30.0


@asynccontextmanager
async def opened(opening: Opening) -> AsyncIterator[Gateway]:
    """In process without a url, otherwise the server there, which must speak the documented dialect."""
    concurrency, capped = bounded(opening.settings.concurrency, CONCURRENCY, MOST_CONCURRENCY)
    seconds = opening.settings.timeout_seconds or SECONDS
    opens = _in_process if opening.settings.url is None else _served
    async with opens(opening, concurrency, seconds) as gateway:
        yield replace(gateway, findings=capped)


@asynccontextmanager
async def _in_process(
    opening: Opening, concurrency: int, seconds: float
) -> AsyncIterator[RestGateway]:
    require("gateway", "fastapi")
    from reconciler.embedded.app import close, create_app  # noqa: PLC0415  not needed for one at a url

    database = (opening.directory / (opening.settings.database or EMBEDDED_DATABASE)).resolve()
    with ExitStack() as stack:
        if opening.read_only:
            database = stack.enter_context(readable_database(database))
        app = create_app(database)
        stack.callback(close, app)
        async with open_http(
            "http://embedded",
            headers={},
            concurrency=concurrency,
            seconds=seconds,
            read_only=opening.read_only,
            app=app,
        ) as http:
            name = identity(opening.settings, opening.directory)
            called = former_identities(opening.settings, opening.directory)
            yield RestGateway(name, concurrency, http, DIALECT, called=called)


@asynccontextmanager
async def _served(opening: Opening, concurrency: int, seconds: float) -> AsyncIterator[RestGateway]:
    async with connection(opening, concurrency, seconds) as http:
        found = await detected(http)
        if found.endpoints is not ENDPOINTS:
            raise GatewayError(
                f"{opening.settings.url} is a SaaS LiteLLM server, not an embedded gateway",
                hint="set backend: saas-litellm",
            )
        told = await http.get("/health")
        if not isinstance(told["gateway_id"], str):
            raise TypeError("gateway_id")
        name = f"{opening.settings.backend} {told['gateway_id']}"
        called = former_identities(opening.settings, opening.directory)
        yield RestGateway(name, concurrency, http, DIALECT, called=called)
