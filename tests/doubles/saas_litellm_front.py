"""What stands before the application: the count of requests in flight, the overload, and faults on demand."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

FaultMode = Literal["500-before", "500-after-commit", "drop-before", "drop-after-commit"]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class InternalServerError(Exception):
    """Raised once the 500 is sent: uvicorn then drops the connection unannounced, as it does for the real server."""


@dataclass
class Fault:
    method: str
    path: re.Pattern[str]
    mode: FaultMode
    times: int | None

    def hits(self, method: str, path: str) -> bool:
        return (
            self.times != 0 and self.method in ("*", method) and self.path.search(path) is not None
        )


@dataclass
class RecordedRequest:
    """One request in order of arrival; `status` is what the client was sent, None for a dropped connection."""

    method: str
    path: str
    with_admin_key: bool
    status: int | None = None


@dataclass
class Front:
    """ASGI application around the server; more than `max_concurrency` requests at once exhaust its pool: 500 each."""

    app: App
    max_concurrency: int
    request_seconds: float
    in_flight: int = 0
    max_in_flight: int = 0
    requests: list[RecordedRequest] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def add_fault(self, method: str, path_regex: str, mode: FaultMode, times: int | None) -> None:
        if mode not in get_args(FaultMode):
            raise ValueError(f"unknown fault mode {mode!r}")
        self.faults.append(Fault(method.upper(), re.compile(path_regex), mode, times))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        overloaded = self.in_flight > self.max_concurrency
        record = self._record(scope)
        try:
            await self.gate.wait()
            await asyncio.sleep(self.request_seconds)
            await self._answer(
                "500-before" if overloaded else self._mode(record), record, (scope, receive, send)
            )
        finally:
            self.in_flight -= 1

    def _record(self, scope: MutableMapping[str, Any]) -> RecordedRequest:
        names = {name for name, _ in scope["headers"]}
        record = RecordedRequest(scope["method"], scope["path"], b"x-admin-key" in names)
        self.requests.append(record)
        return record

    def _mode(self, record: RecordedRequest) -> FaultMode | None:
        fault = next(
            (fault for fault in self.faults if fault.hits(record.method, record.path)), None
        )
        if fault is None:
            return None
        if fault.times is not None:
            fault.times -= 1
        return fault.mode

    async def _answer(
        self,
        mode: FaultMode | None,
        record: RecordedRequest,
        request: tuple[MutableMapping[str, Any], Receive, Send],
    ) -> None:
        scope, receive, send = request
        if mode is None:
            await self.app(scope, receive, _noting_status(record, send))
            return
        if mode.endswith("after-commit"):
            await _run_silently(self.app, scope, receive)
        if mode.startswith("500"):
            await _send_500(_noting_status(record, send))
        await _drop(send)


def _noting_status(record: RecordedRequest, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.status = message["status"]
        await send(message)

    return noting


async def _run_silently(app: App, scope: MutableMapping[str, Any], receive: Receive) -> None:
    async def swallow(_: Message) -> None:
        return

    try:
        await app(scope, receive, swallow)
    except Exception:  # noqa: BLE001  an error of the application is a 500, which nobody hears either
        return


async def _send_500(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21")]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": b"Internal Server Error"})
    raise InternalServerError


async def _drop(send: Send) -> None:
    """Closes the socket without an answer; ASGI has no word for it, so this reaches for uvicorn's own transport."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)
