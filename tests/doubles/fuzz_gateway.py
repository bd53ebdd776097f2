"""A gateway that answers well until it is told not to: what a real one says, changed on the way by a list of damages.

It stands on a real socket in a thread of its own. What is behind it is the embedded gateway, the double of SaaS LiteLLM
or canned answers of a LiteLLM Proxy.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from reconciler.embedded.app import close, create_app
from reconciler.gateways.litellm.version import NEEDED

SMALL_HEADERS = (b"content-type: application/json", b"connection: close")
ABORTED = b"\0abort"
DEAF = b"\0deaf"


@dataclass(frozen=True)
class Said:
    """An answer before it is written: a damage may change any part."""

    status: int
    body: Any
    headers: tuple[bytes, ...] = SMALL_HEADERS


def written(said: Said) -> bytes:
    body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
    head = [b"HTTP/1.1 %d Said" % said.status, *said.headers, b"content-length: %d" % len(body)]
    return b"\r\n".join([*head, b"", body])


Damage = Callable[[Said], bytes]
Upstream = Callable[[str, str, dict[str, str], bytes], Awaitable[Said]]


@dataclass
class Gateway:
    """`damages` maps the number of a request (from 0, counted anew by `calm`) to what is done to its answer."""

    upstream: Upstream
    url: str = ""
    damages: dict[int, Damage] = field(default_factory=dict)
    only_writes: bool = False
    count: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)

    def calm(self) -> None:
        self.damages, self.count, self.seen = {}, 0, []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            method, path, _ = first.split(" ")
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            said = await self.upstream(method, path, headers, body)
            self.seen.append((method, path))
            damage = written
            if not (self.only_writes and method == "GET"):
                damage = self.damages.get(self.count, written)
                self.count += 1
            answer = damage(said)
            if answer == DEAF:
                await asyncio.sleep(30)
            if answer != ABORTED:
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def of_app(app: Any) -> Upstream:
    """What an ASGI application says."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream")

    async def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
        kept = {
            name: value
            for name, value in headers.items()
            if name in ("x-admin-key", "authorization")
        }
        answer = await client.request(method, path, content=body, headers=kept)
        return Said(answer.status_code, answer.json() if answer.content else b"")

    return ask


def of_url(url: str) -> Upstream:
    """What a server says."""
    client = httpx.AsyncClient(base_url=url, trust_env=False)

    async def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
        kept = {
            name: value
            for name, value in headers.items()
            if name in ("x-admin-key", "authorization")
        }
        answer = await client.request(
            method, path, content=body, headers={**kept, "content-type": "application/json"}
        )
        return Said(answer.status_code, answer.json() if answer.content else b"")

    return ask


TEAM = {
    "team_id": "a-prod",
    "team_alias": "A",
    "models": ["no-default-models"],
    "access_group_ids": ["ag-1"],
    "max_budget": 10.0,
    "spend": 1.5,
    "keys_count": 2,
    "blocked": False,
    "metadata": {
        "reconciler": {"v": 1, "usd_per_credit": 0.1, "top_ups": ["x"], "allocation": "y"},
        "cost": {"a": 1},
    },
    "litellm_model_table": {"model_aliases": {"gpt-4": "openai/gpt-4o"}},
}
KEY = {
    "token": "f" * 64,
    "key_alias": "a-key",
    "team_id": "a-prod",
    "models": ["gpt-4"],
    "spend": 0.5,
    "metadata": {"reconciler": {"v": 1}},
}
MODEL = {
    "model_name": "gpt-4",
    "litellm_params": {
        "model": "openai/gpt-4o",
        "rpm": "5",
        "input_cost_per_token": 1e-6,
        "tags": ["x"],
    },
    "model_info": {
        "id": "rec-gpt-4-0",
        "db_model": True,
        "reconciler": {"v": 1, "description": "d", "refs": {}},
    },
}
GROUP = {
    "access_group_id": "ag-1",
    "access_group_name": "pro-models",
    "access_model_names": ["gpt-4"],
}
CANNED: dict[str, Any] = {
    "/openapi.json": {
        "info": {"version": "1.106.2"},
        "paths": {path: {verb: {} for p, verb in NEEDED.items() if p == path} for path in NEEDED},
    },
    "/v2/model/info": {"data": [MODEL], "total_count": 1},
    "/v1/access_group": [GROUP],
    "/v1/access_group/ag-1": GROUP,
    "/v2/team/list": {"teams": [TEAM], "total": 1},
    "/team/info": {"team_info": TEAM},
    "/key/list": {"keys": [KEY], "total_count": 1},
    "/router/settings": {
        "current_values": {"model_group_alias": {"old": "gpt-4", "new": {"model": "gpt-4"}}}
    },
    "/config/list": [{"field_name": "proxy_config_reload_interval_seconds", "field_value": 30}],
}


async def canned_proxy(method: str, path: str, _headers: dict[str, str], _body: bytes) -> Said:
    """What a LiteLLM Proxy with one of everything says."""
    where, _, query = path.partition("?")
    if "modelId=" in query:
        return Said(200, {"data": [], "total_count": 0})
    if where == "/organization/list":
        return Said(403, {"error": {"message": "an Enterprise feature"}})
    if method == "GET":
        return Said(200, CANNED[where]) if where in CANNED else Said(404, {"detail": "not found"})
    return Said(200, TEAM if where == "/team/new" else {})


@contextmanager
def served(upstream: Upstream) -> Iterator[Gateway]:
    """The gateway on a free port, until the context ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    gateway = Gateway(upstream)

    async def start() -> asyncio.Server:
        return await asyncio.start_server(gateway.answer, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_stopped(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stopped() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def embedded(database: Path) -> Iterator[Upstream]:
    app = create_app(database)
    try:
        yield of_app(app)
    finally:
        close(app)
