"""A real LiteLLM Proxy behind a front that notes every request and breaks those that it is told to break."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from saas_litellm_front import Front

URL, KEY = "RECONCILER_TEST_LITELLM_URL", "RECONCILER_TEST_LITELLM_KEY"
HOP = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


@dataclass
class Forwarding:
    """ASGI application that passes everything on to a URL and keeps the JSON bodies of writes."""

    url: str
    sent: list[tuple[str, str, Any]] = field(default_factory=list)
    client: httpx.AsyncClient | None = None

    async def __call__(self, scope, receive, send) -> None:
        if self.client is None:
            self.client = httpx.AsyncClient(base_url=self.url, timeout=90, trust_env=False)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["raw_path"].decode() + (
            "?" + scope["query_string"].decode() if scope["query_string"] else ""
        )
        headers = {
            k.decode(): v.decode() for k, v in scope["headers"] if k.decode().lower() not in HOP
        }
        request = self.client.build_request(
            scope["method"], path, content=body or None, headers=headers
        )
        if body and scope["method"] != "GET":
            self.sent.append((scope["method"], scope["path"], json.loads(body)))
        answer = await self.client.send(request)
        kept = [
            (k.encode(), v.encode())
            for k, v in answer.headers.items()
            if k in {"content-type", "retry-after"}
        ]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": answer.content})


@dataclass
class Proxy:
    """What a test holds of the proxy: `url` goes through the front, `direct` does not."""

    url: str
    front: Front
    forwarding: Forwarding
    direct: httpx.Client
    admin_key: str

    @property
    def requests(self) -> list[Any]:
        return list(self.front.requests)

    @property
    def sent(self) -> list[tuple[str, str, Any]]:
        """(method, path, JSON body) of every write that got through."""
        return self.forwarding.sent

    def fail(self, method: str, path_regex: str, mode: Any, *, times: int | None = 1) -> None:
        self.front.add_fault(method, path_regex, mode, times)

    def heal(self) -> None:
        self.front.faults.clear()

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """What another hand does, or looks up: the JSON answer, which must be a success."""
        answer = self.direct.request(method, path, json=body, params=params)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def team(self, name: str) -> Any:
        return self.call("GET", "/team/info", team_id=name)["team_info"]

    def group(self, name: str) -> Any:
        return next(
            g for g in self.call("GET", "/v1/access_group") if g["access_group_name"] == name
        )

    def rows(self, name: str) -> list[Any]:
        return self.call("GET", "/v2/model/info", model=name, search=name, size="1000")["data"]

    def chat(self, key: str, model: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        headers = {"Authorization": f"Bearer {key}"}
        return self.direct.post("/v1/chat/completions", json=body, headers=headers)

    def team_key(self, team: str) -> str:
        return str(self.call("POST", "/key/generate", {"team_id": team, "models": []})["key"])

    def clear(self, prefix: str) -> None:
        """Deletes what the tests of this process made."""
        teams = [
            t["team_id"] for t in self.call("GET", "/team/list") if t["team_id"].startswith(prefix)
        ]
        for each in teams:
            self.call("POST", "/team/delete", {"team_ids": [each]})
        for group in self.call("GET", "/v1/access_group"):
            if group["access_group_name"].startswith(prefix):
                self.call("DELETE", f"/v1/access_group/{group['access_group_id']}")
        for row in self.call("GET", "/v2/model/info", size="5000", search="_")["data"]:
            if row["model_name"].startswith(prefix):
                self.call("POST", "/model/delete", {"id": row["model_info"]["id"]})


async def _serve(server: uvicorn.Server, listener: socket.socket, forwarding: Forwarding) -> None:
    await server.serve(sockets=[listener])
    if forwarding.client is not None:
        await forwarding.client.aclose()


@contextmanager
def litellm_proxy(prefix: str) -> Iterator[Proxy]:
    url, key = os.environ.get(URL), os.environ.get(KEY)
    if not (url and key):
        pytest.skip(f"needs a real LiteLLM Proxy: {URL} and {KEY}")
    forwarding = Forwarding(url)
    front = Front(forwarding, max_concurrency=64, request_seconds=0)
    options = {
        "log_config": None,
        "log_level": "critical",
        "lifespan": "off",
        "http": "h11",
        "loop": "asyncio",
    }
    server = uvicorn.Server(
        uvicorn.Config(front, access_log=False, ws="none", timeout_graceful_shutdown=1, **options)
    )
    headers = {"Authorization": f"Bearer {key}"}
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        httpx.Client(base_url=url, headers=headers, timeout=90) as c,
    ):
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(server, listener, forwarding)), daemon=True
        )
        thread.start()
        proxy = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}", front, forwarding, c, key)
        yield proxy
        proxy.clear(prefix)
        server.should_exit = True
        thread.join(timeout=10)
