"""What every request over the network passes first: is it meant for this gateway, is it no other site's, is it small.

A page in the machine's own browser reaches a gateway on loopback, and one that gives its own name the address of the
gateway (DNS rebinding) even reads the answers. Browsers say so: in Origin, Sec-Fetch-Site and Host.
"""

import asyncio
import ipaddress
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.embedded.http.refusals import refusal

MAX_BODY = 10_000_000  # bytes
LINGER_BYTES, LINGER_SECONDS = (
    64_000_000,
    2.0,
)  # of a body that is refused, so that its sender reads the answer

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGES = frozenset(
    {"/", "/docs", "/health", "/openapi.json"}
)  # what a link on another site may lead to
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which a gateway may be asked for; where it listens everywhere, any IP address is one too.

    An address cannot be rebound: whoever has a page at it has the machine.
    """

    names: frozenset[str]
    any_address: bool

    @classmethod
    def of(cls, bound: str, more: Iterable[str] = ()) -> "Hosts":
        everywhere = bound in ("", "0.0.0.0", "::")  # noqa: S104  compared, not bound
        names = {name.lower().strip("[]").rstrip(".") for name in (bound, *more) if name}
        return cls(_LOOPBACK | names, everywhere)

    def hold(self, host: str) -> bool:
        """Whether a Host header, with or without its port, names this gateway."""
        name = _name(host)
        if name in self.names:
            return True
        return self.any_address and _is_address(name)


@dataclass(frozen=True, slots=True)
class Guard:
    """The app behind these checks."""

    app: ASGIApp
    hosts: Hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("the gateway speaks HTTP only")
        exchange = _Exchange(receive, send)
        refused = _refused(scope, self.hosts)
        if refused:
            await refusal(scope["path"], *refused)(scope, receive, exchange.send)
        else:
            await self.app(scope, exchange.receive, exchange.send)


@dataclass(slots=True)
class _Exchange:
    """One request and its answer: counts the body, and gives the answer its headers."""

    _receive: Receive
    _send: Send
    _bytes: int = 0
    _more: bool = True
    _too_large: bool = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._count(message)
        if self._bytes > MAX_BODY:
            self._too_large = True
            raise HTTPException(413, _TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._too_large = self._too_large or message["status"] == 413  # noqa: PLR2004
            _secure(message, close=self._too_large)
        if (
            message["type"] == "http.response.body"
            and self._too_large
            and not message.get("more_body")
        ):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Reads on for a little: a connection that is closed on unread data takes its answer with it."""
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while self._more and self._bytes < LINGER_BYTES:
                    self._count(await self._receive())
        except TimeoutError:
            pass

    def _count(self, message: Message) -> None:
        self._bytes += len(message.get("body", b""))
        self._more = message.get("more_body", False)


_TOO_LARGE = f"the body is larger than {MAX_BODY // 1_000_000} MB"


def _refused(scope: Scope, hosts: Hosts) -> tuple[int, str, str] | None:
    """The status, the reason and its code; None where the request may go on."""
    headers = Headers(scope=scope)
    if (
        not (host := headers.get("host"))
        or len(headers.getlist("host")) > 1
        or not hosts.hold(host)
    ):
        return 403, "this gateway is not known by that Host (--allow-host)", "host-refused"
    if _from_elsewhere(scope, headers, host):
        return 403, "requests from pages of other sites are refused", "cross-site-refused"
    if _from_a_page(headers) and _has_body(headers) and not _is_json(headers):
        return 415, "a page must send its body as application/json", "content-type-refused"
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY:
        return 413, _TOO_LARGE, "body-too-large"
    return None


def _from_elsewhere(scope: Scope, headers: Headers, host: str) -> bool:
    own = {f"{scheme}://{host.lower()}" for scheme in ("http", "https")}
    if any(origin.lower() not in own for origin in headers.getlist("origin")):
        return True
    if all(site in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
        return False
    is_link = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
    return not (is_link and scope["path"] in _PAGES)


def _from_a_page(headers: Headers) -> bool:
    return "origin" in headers or any(name.startswith("sec-fetch-") for name in headers)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_json(headers: Headers) -> bool:
    types = headers.getlist("content-type")
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"


def _secure(message: MutableMapping[str, Any], *, close: bool) -> None:
    headers = MutableHeaders(raw=message.setdefault("headers", []))
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    if close:
        headers["Connection"] = "close"


def _name(host: str) -> str:
    """The name in a Host header: lower case, without port, brackets and final dot; "" where it is none."""
    name = host.strip().lower()
    if name.startswith("["):
        inner, bracket, port = name[1:].partition("]")
        name = inner if bracket and (not port or (port[:1] == ":" and port[1:].isdecimal())) else ""
    elif name.count(":") == 1:
        name, _, port = name.partition(":")
        name = name if port.isdecimal() else ""
    return name.removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
