"""A gateway that says back what it was sent: the embedded one on a socket, with errors that quote their requests."""

import asyncio
import base64
import html
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from reconciler.embedded.app import close, create_app

Quote = Callable[[str, dict[str, str], str], tuple[int, str, bytes]]


def _json(status: int, value: object) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value).encode()


# (path, headers, body) -> status, content type, body of the answer.
QUOTES: dict[str, Quote] = {
    "headers in a detail": lambda _path, headers, _body: _json(
        401, {"detail": f"bad request headers: {headers}"}
    ),
    "body in a detail": lambda _path, _headers, body: _json(422, {"detail": f"cannot take {body}"}),
    "validation": lambda path, headers, body: _json(
        422,
        {
            "detail": [
                {"loc": ["body"], "msg": f"not {body}", "input": body, "ctx": headers, "url": path}
            ]
        },
    ),
    "message": lambda _path, headers, body: _json(
        400, {"error": {"message": json.dumps([headers, body]), "body": body}}
    ),
    "plain text": lambda path, headers, body: (
        400,
        "text/plain",
        f"{path}\n{headers}\n{body}".encode(),
    ),
    "html": lambda _path, headers, body: (
        403,
        "text/html",
        html.escape(f"<p>{headers} {body}").encode(),
    ),
    "encoded": lambda _path, headers, body: _json(
        400, {"message": base64.b64encode(json.dumps([headers, body]).encode()).decode()[:300]}
    ),
    "cut short": lambda _path, headers, body: _json(
        400, {"error": [value[:12] for value in (*headers.values(), body)]}
    ),
    "not json": lambda _path, headers, body: (
        200,
        "application/json",
        f"{headers} {body}".encode(),
    ),
}


@dataclass
class Echo:
    """ASGI application: what `wrong` says of a method and path is answered by `quote`, everything else as it should."""

    app: Any
    wrong: Callable[[str, str], bool] = lambda _method, _path: False
    quote: Quote = QUOTES["headers in a detail"]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not self.wrong(scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        status, kind, answer = self.quote(scope["path"], headers, body.decode("utf-8", "replace"))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", kind.encode())],
            }
        )
        await send({"type": "http.response.body", "body": answer})


@contextmanager
def echoing(database: Path, admin_key: str) -> Iterator[tuple[str, Echo]]:
    """The base URL, and the front whose faults can be changed meanwhile."""
    app = create_app(database, admin_key=SecretStr(admin_key))
    front = Echo(app)
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
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", front
        server.should_exit = True
        thread.join(timeout=10)
    close(app)
