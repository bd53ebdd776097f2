"""The embedded gateway on a real socket, behind the double's front so that its requests can be broken."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr
from saas_litellm_front import Front

from reconciler.embedded.app import close, create_app

ADMIN_KEY = "test-admin-key-of-the-embedded-gateway"


@dataclass
class Served:
    url: str
    front: Front
    admin_key: str = ADMIN_KEY

    @property
    def requests(self) -> list[Any]:
        return list(self.front.requests)

    def fail(self, method: str, path_regex: str, mode: Any, *, times: int | None = 1) -> None:
        self.front.add_fault(method, path_regex, mode, times)

    def heal(self) -> None:
        self.front.faults.clear()


@contextmanager
def served_embedded(database: Path) -> Iterator[Served]:
    app = create_app(database, admin_key=SecretStr(ADMIN_KEY))
    front = Front(app, max_concurrency=64, request_seconds=0)
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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # no 40 ms wait per answer
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        thread.start()
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", front)
        server.should_exit = True
        thread.join(timeout=10)
    close(app)
