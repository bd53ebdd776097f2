"""The embedded gateway over real HTTP: in the foreground for people, in a thread for tests and demos."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from reconciler.core.findings import ReconcilerError, error

PORT = 8003


def serve(
    app: FastAPI, host: str = "127.0.0.1", port: int = PORT, announce: Callable[[str], None] = lambda _url: None
) -> None:
    """Serves until ^C or SIGTERM, finishing what is in flight. `announce` gets the base URL once it accepts calls.

    Port 0 is any free port. Raises ReconcilerError where the address cannot be had.
    """
    with _listening(host, port) as listener, suppress(KeyboardInterrupt):
        announce(_url(listener))
        _server(app).run(sockets=[listener])


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The base URL of the app, served from a thread until the block ends."""
    with _listening(host, port) as listener:
        server = _server(app)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
        # asyncio only does it for sockets that it made itself; without it every answer waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as failure:
        hint = "choose another with --port" if port else None
        raise ReconcilerError(
            error("gateway", f"cannot listen on {host}:{port}: {failure.strerror}", hint=hint)
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(app: FastAPI) -> uvicorn.Server:
    # Without a log configuration uvicorn stays quiet but for warnings, and leaves the program's logging alone.
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)
