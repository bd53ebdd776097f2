"""A test double of SaaS LiteLLM 1.0.2 on a real socket: its paths, its shapes, its quirks; nothing is made nicer.

Written from what the running server was seen to do. `saas_double()` starts one in a thread on a free port.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from saas_litellm_catalog import groups, models
from saas_litellm_credits import credits_router, jobs
from saas_litellm_front import FaultMode, Front, RecordedRequest
from saas_litellm_organizations import organizations
from saas_litellm_proxy import LiteLLMStandIn
from saas_litellm_store import Store
from saas_litellm_teams import teams
from saas_litellm_world import World, admin_if_demanded, can_call

ADMIN_KEY = "test-master-key-of-the-saas-double"
T = TypeVar("T")

neighbours = APIRouter(tags=["neighbours"])


@neighbours.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}


@neighbours.get("/api/provider-credentials", dependencies=[Depends(admin_if_demanded)])
async def list_provider_credentials() -> list[dict[str, Any]]:
    """Its presence tells the server's generation apart; the double keeps no credentials."""
    return []


def create_app(world: World) -> FastAPI:
    app = FastAPI(title="SaaS LLM API", version="2.0.0")
    app.state.world = world
    for router in (models, groups, organizations, teams, credits_router, jobs, neighbours):
        app.include_router(router)
    return app


class SaasDouble:
    """A running double. State is read and changed on the server's own loop, so a test never sees half a request."""

    def __init__(self, world: World, front: Front, url: str) -> None:
        self.url = url
        self.admin_key = world.admin_key
        self._world = world
        self._front = front
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def litellm(self) -> LiteLLMStandIn:
        return self._world.litellm

    @property
    def store(self) -> Store:
        return self._world.store

    @property
    def max_in_flight(self) -> int:
        """The most requests ever being served at once."""
        return self._front.max_in_flight

    @property
    def requests(self) -> list[RecordedRequest]:
        return list(self._front.requests)

    @property
    def writes(self) -> list[RecordedRequest]:
        return [request for request in self.requests if request.method != "GET"]

    def dump(self) -> dict[str, Any]:
        """The whole state, LiteLLM's included, in heap order and with timestamps: equal dumps mean nothing was written."""
        return self._on_loop(lambda: {**self.store.dump(), "litellm": self.litellm.dump()})

    def can_call(self, virtual_key: str, alias: str) -> tuple[int, dict[str, Any]]:
        """What a team's call of an alias would be answered: (200, resolution) or the refusal's status and body."""
        return self._on_loop(lambda: can_call(self.store, virtual_key, alias))

    def virtual_key(self, team_id: str) -> str:
        key = self.store.teams[team_id].virtual_key
        if key is None:
            raise LookupError(f"team {team_id!r} has no virtual key")
        return key

    def sql(self, table: str, key: str, **values: Any) -> None:
        """Changes a row behind the API's back, as an operator would in SQL, e.g. `sql("teams", "t", status="paused")`."""
        self._on_loop(lambda: self.store.update(getattr(self.store, table), key, **values))

    def fail(self, method: str, path_regex: str, mode: FaultMode, *, times: int | None = 1) -> None:
        """Breaks the next `times` matching requests (None: all of them); `*` is any method, the regex is searched."""
        self._on_loop(lambda: self._front.add_fault(method, path_regex, mode, times))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Requests that arrive inside the block are recorded and in flight, but wait for its end to be served."""
        self._on_loop(self._front.gate.clear)
        try:
            yield
        finally:
            self._on_loop(self._front.gate.set)

    def heal(self) -> None:
        self._on_loop(self._front.faults.clear)

    def _on_loop(self, work: Callable[[], T]) -> T:
        if self._loop is None or not self._loop.is_running():
            return work()

        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=30)

    async def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        await server.serve(sockets=[listener])


@contextmanager
def saas_double(
    *,
    admin_key: str = ADMIN_KEY,
    require_admin_everywhere: bool = False,
    migrated_schema: bool = False,
    max_concurrency: int = 8,
    request_seconds: float = 0.002,
    litellm_seconds: float = 0.001,
) -> Iterator[SaasDouble]:
    """Serves one double until the block ends; each request takes `request_seconds` besides its LiteLLM calls."""
    world = World(
        admin_key=admin_key,
        require_admin_everywhere=require_admin_everywhere,
        store=Store(migrated_schema=migrated_schema),
        litellm=LiteLLMStandIn(seconds=litellm_seconds),
    )
    front = Front(create_app(world), max_concurrency, request_seconds)
    listener = _listener()
    double = SaasDouble(world, front, f"http://127.0.0.1:{listener.getsockname()[1]}")
    server = _server(front)
    thread = threading.Thread(
        target=lambda: asyncio.run(double._serve(server, listener)), daemon=True
    )
    thread.start()
    try:
        yield double
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


class _PromptServer(uvicorn.Server):
    """Notices the end of a test ten times sooner than uvicorn's own loop would."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(0.01)


def _listener() -> socket.socket:
    """Names TCP outright: asyncio turns Nagle's delay (40 ms per answer) off only for such a socket."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def _server(front: Front) -> uvicorn.Server:
    config = uvicorn.Config(
        front,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
    return _PromptServer(config)
