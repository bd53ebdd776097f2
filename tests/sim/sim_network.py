"""The network between a process and a gateway: late, doubled, reordered, cut, lost, or answered by nobody knows whom.

A request that left is on its own: it arrives when its fate says, whether its sender waits, gave up or is dead.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import unquote

import aiohttp
import httpx
from pydantic_core import from_json, to_json
from sim_loop import Loop
from sim_machine import Process

SAFE = ("GET", "HEAD")
PHRASES = {
    200: "OK",
    404: "Not Found",
    409: "Conflict",
    412: "Precondition Failed",
    429: "Too Many Requests",
}


@dataclass(frozen=True)
class Fate:
    """What becomes of one request; seconds are from when it leaves, None is never.

    out       until it arrives                        back     from its arrival until its answer is there
    again     until a second copy of it arrives       second   it is the second copy's answer that comes back
    cut       until its sender sees a cut connection  status   what is answered in place of the gateway's answer
    unsent    there is no connection: it never left   refused  the status comes from before the gateway
    dies      its sender is killed when it has left
    """

    name: str = ""
    out: float | None = 0.01
    back: float | None = 0.01
    again: float | None = None
    second: bool = False
    cut: float | None = None
    status: int | None = None
    after: float | None = None
    refused: bool = False
    garbage: bool = False
    unsent: bool = False
    dies: bool = False

    def __str__(self) -> str:
        changed = [
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in vars(self).items()
            if name != "name" and value not in (None, False) and value != getattr(NORMAL, name)
        ]
        return " ".join([self.name, *(["never arrives"] if self.out is None else []), *changed])


NORMAL = Fate()


@dataclass(frozen=True, slots=True)
class Url:
    path: str
    scheme: str = "http"
    netloc: bytes = b"gateway:8003"


@dataclass(slots=True)
class Request:
    """A request as it goes over the wire; `sender` is for the account, no gateway looks at it."""

    method: str
    url: Url
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    sender: str = ""
    sent: float = 0.0

    def __str__(self) -> str:
        sent = {name: value for name, value in self.headers.items() if name in SHOWN}
        query = (
            "?" + "&".join(f"{name}={value}" for name, value in self.params.items())
            if self.params
            else ""
        )
        parts = [
            f"{self.method} {self.url.path}{query}",
            *([_brief(self.body)] if self.body else []),
        ]
        return " ".join([*parts, *(f"{name}={value}" for name, value in sent.items())])


SHOWN = ("idempotency-key", "if-match")
DULL = (
    "description",
    "display_name",
    "metadata",
    "team_alias",
    "litellm_params",
    "pricing_input",
    "pricing_output",
)


def _brief(body: Any) -> str:
    if not isinstance(body, dict):
        return str(body)
    return (
        "{"
        + ", ".join(f"{name}: {value}" for name, value in body.items() if name not in DULL)
        + "}"
    )


class Response:
    """As much of httpx.Response as the product looks at."""

    def __init__(
        self, request: Request, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        self.request, self.status_code, self.headers = request, status, dict(headers or {})
        self.content = b"<html>who?" if body is GARBAGE else to_json(body)
        self.is_success, self.is_redirect = 200 <= status < 300, False
        self.reason_phrase = PHRASES.get(status, "Error")
        self.encoding = "utf-8"

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return from_json(self.content)

    async def aread(self) -> bytes:
        return self.content

    async def aclose(self) -> None:
        return None

    async def aiter_bytes(self, _size: int | None = None) -> Any:
        yield self.content


GARBAGE = object()
Serve = Callable[[Request], tuple[int, Any]]


@dataclass
class Network:
    """`flying` counts requests that have left and not arrived yet."""

    loop: Loop
    serve: Serve
    told: Callable[[str, str], None] | None = None
    flying: int = 0

    def leave(self, request: Request, fate: Fate, answered: asyncio.Future[Response]) -> None:
        copies = [] if fate.out is None or fate.refused else [(fate.out, not fate.second)]
        if fate.again is not None and not fate.refused:
            copies.append((fate.again, fate.second or fate.out is None))
        for delay, counts in copies:
            self.flying += 1
            self.loop.at(
                self.loop.now + delay, self._arrived, (request, fate, answered if counts else None)
            )
        if fate.cut is not None:
            self.loop.at(self.loop.now + fate.cut, _cut, (answered,))
        if fate.refused:
            self.loop.at(self.loop.now + 0.01, _answer, (answered, self._instead(request, fate)))

    def _arrived(
        self, request: Request, fate: Fate, answered: asyncio.Future[Response] | None
    ) -> None:
        self.flying -= 1
        status, body = self.serve(request)
        if self.told is not None:
            self.told("gateway", f"{request.sender}: {request} -> {status}" + _why(status, body))
        if answered is None or fate.back is None:
            return
        tag = (
            {"etag": f'"{body["generation"]}"'}
            if isinstance(body, dict) and "generation" in body
            else {}
        )
        response = Response(request, status, body, tag)
        if fate.garbage or fate.status is not None:
            response = self._instead(request, fate)
        self.loop.at(self.loop.now + fate.back, _answer, (answered, response))

    def _instead(self, request: Request, fate: Fate) -> Response:
        if fate.garbage:
            return Response(request, 200, GARBAGE)
        headers = {"retry-after": f"{fate.after:g}"} if fate.after is not None else {}
        return Response(request, fate.status or 500, {"detail": "try later"}, headers)


def _why(status: int, body: Any) -> str:
    return (
        f" ({body['detail']})"
        if status >= 400 and isinstance(body, dict) and "detail" in body
        else ""
    )


def _answer(answered: asyncio.Future[Response], response: Response) -> None:
    if not answered.done():
        answered.set_result(response)


def _cut(answered: asyncio.Future[Response]) -> None:
    if not answered.done():
        answered.set_exception(httpx.ReadError("the connection was cut"))


@dataclass
class Client:
    """In place of httpx.AsyncClient: one process's connection. `fates`: "w3" is its third write, "r3" its third read.

    `prompt`: for a gateway that counts what comes twice, and whose requests no client can take back. There the process
    is not stopped between its last look at the clock and the request, and no proxy repeats a grant: nothing that a
    client does could help.
    """

    network: Network
    process: Process
    rng: random.Random
    fates: Mapping[str, Fate]
    headers: Mapping[str, str] = field(default_factory=dict)
    prompt: bool = False
    writes: int = 0
    reads: int = 0

    def build_request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Any = None,
        headers: Any = None,
        **_more: Any,
    ) -> Request:
        sent = {name.lower(): value for name, value in {**self.headers, **(headers or {})}.items()}
        body = from_json(to_json(json)) if json is not None else None
        return Request(
            method, Url(unquote(path)), dict(params or {}), sent, body, self.process.name
        )

    async def send(self, request: Request, *, stream: bool = False) -> Response:
        """Raises httpx.ReadError for a cut connection, httpx.ConnectError where nothing was sent."""
        if not self.prompt:
            await asyncio.sleep(0)
        fate = self._fate(request)
        if self.prompt and request.url.path.endswith("/add"):
            fate = replace(fate, again=None)
        self.process.before(request)
        if fate is not NORMAL and fate.name and self.process.told:
            self.process.tell(f"sends {request}: {fate}")
        if fate.unsent:
            raise httpx.ConnectError("no route") from aiohttp.ConnectionTimeoutError()
        request.sent = self.network.loop.now
        answered: asyncio.Future[Response] = self.network.loop.create_future()
        self.network.leave(request, fate, answered)
        if fate.dies:
            self.process.die(request)
        self.process.after(request)
        return await answered

    def _fate(self, request: Request) -> Fate:
        if request.method in SAFE:
            self.reads += 1
            number = f"r{self.reads}"
        else:
            self.writes += 1
            number = f"w{self.writes}"
        if number in self.fates:
            return self.fates[number]
        return replace(NORMAL, out=0.01 + 0.03 * self.rng.random())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None
