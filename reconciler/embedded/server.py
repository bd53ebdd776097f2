"""The embedded gateway over real HTTP: in the foreground for people, in a thread for tests and demos."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import uvicorn
from fastapi import FastAPI

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.embedded.context import Context
from reconciler.embedded.http.guard import Guard, Hosts
from reconciler.embedded.http.patience import KEEP_ALIVE_SECONDS, PatientProtocol

PORT = 8003


def serve(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = PORT,
    announce: Callable[[str], None] = lambda _url: None,
    *,
    allow_hosts: Iterable[str] = (),
    insecure: bool = False,
) -> None:
    """Serves until ^C or SIGTERM, finishing what is in flight. `announce` gets the base URL once it accepts calls.

    Port 0 is any free port. `allow_hosts` are further names under which it may be asked for. Raises ReconcilerError
    where the address cannot be had, or reaches beyond this machine though the app has no admin key and this was not
    called `insecure`.
    """
    with _listening(host, port) as listener, suppress(KeyboardInterrupt):
        if not insecure:
            _require_key(app, listener)
        announce(_url(listener))
        _server(Guard(app, Hosts.of(host, allow_hosts))).run(sockets=[listener])


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The base URL of the app, served from a thread until the block ends."""
    with _listening(host, port) as listener:
        _require_key(app, listener)
        server = _server(Guard(app, Hosts.of(host)))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def beyond_loopback(host: str) -> bool:
    """Whether a gateway there is reached from other machines. A name that cannot be resolved is taken to be."""
    try:
        addresses = {
            str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        }
    except OSError:
        return True
    return not all(ip_address(address.partition("%")[0]).is_loopback for address in addresses)


def _require_key(app: FastAPI, listener: socket.socket) -> None:
    context: Context = app.state.context
    address = listener.getsockname()[0]
    if context.admin_key is None and not ip_address(address.partition("%")[0]).is_loopback:
        text = f"{address} is reached from other machines: the gateway needs an admin key there"
        raise ReconcilerError(error("gateway", text))


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


def _server(app: Guard) -> uvicorn.Server:
    # Without a log configuration uvicorn stays quiet but for warnings, and leaves the program's logging alone.
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        # The protocol that has time-outs; the loop whose connections an audit hook sees, uvloop's it does not.
        http=PatientProtocol,
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    return uvicorn.Server(config)
