"""A fault-injecting HTTP proxy on a real socket, between the reconciler and a gateway.

What happens to a request follows from the seed, its method, its path and how often that pair came before, so a run
can be repeated whatever the interleaving. Only writes are faulted unless told otherwise. What was sent is never taken
back: a request that the proxy holds is forwarded even when its client is long gone.

    refuse        nothing is forwarded; the port is closed for a moment, so that new connections are refused
    drop-before   nothing is forwarded; the connection is cut
    drop-after    forwarded; the connection is cut instead of an answer
    saved-500     forwarded; answered 500 although it saved
    throttle      nothing is forwarded; 429 with Retry-After
    slow          forwarded, answered late, within the client's patience
    slow-answer   forwarded; the answer comes after the client has given up
    late          forwarded only after the client has given up
    half          forwarded; half of the answer, then cut
    reorder       held back until later requests have passed, or for a moment
    double        forwarded twice, as a proxy does that repeats by itself; the second answer is given
    double-drop   forwarded twice; the connection is cut instead of an answer
"""

import asyncio
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

KINDS = (
    "refuse",
    "drop-before",
    "drop-after",
    "saved-500",
    "throttle",
    "slow",
    "slow-answer",
    "late",
    "half",
    "reorder",
)
READS = ("GET", "HEAD")
NEVER_FORWARDED = ("refuse", "drop-before", "throttle")
NO_FAULTS: Mapping[str, float] = {}
CLOSED_SECONDS = 0.15
HELD_SECONDS = 0.25
STAGES = ("arrived", "sent", "committed", "answered")


def evenly(rate: float, *without: str) -> Mapping[str, float]:
    """Each kind of fault equally often, `rate` of all writes together."""
    kinds = [kind for kind in KINDS if kind not in without]
    return {kind: rate / len(kinds) for kind in kinds}


@dataclass(frozen=True)
class Exchange:
    """One request and its answer: `fault` is None where it passed, `status` what the gateway answered."""

    method: str
    target: str
    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def write(self) -> bool:
        return self.method not in READS


@dataclass
class Entry:
    """A line of the log."""

    number: int
    method: str
    path: str
    fault: str | None
    status: int | None = None


@dataclass
class FaultProxy:
    """Settings may change at any time. `patience` is the client's timeout in seconds: what `late` must exceed.

    `watch(stage, number)` hears of every write, before it is forwarded (arrived), when the gateway has it (sent), when
    it answered (committed) and when the client has the answer (answered). When it returns True at `arrived`, the
    request is dropped; at `committed`, its answer. `hold`: seconds that the next write is kept before it is forwarded.
    """

    upstream: str
    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    reads: bool = False
    patience: float = 1.0
    log: list[Entry] = field(default_factory=list)
    watch: Callable[[str, int], bool] = lambda _stage, _number: False
    hold: float = 0.0
    url: str = ""
    in_flight: int = 0
    writes: int = 0
    _seen: Counter[str] = field(default_factory=Counter)
    _passed: int = 0
    _port: int = 0
    _server: asyncio.Server | None = None
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def heal(self) -> None:
        """From now on everything passes."""
        self.rates = NO_FAULTS

    def counts(self) -> Counter[str]:
        """Fault -> how often."""
        return Counter(entry.fault for entry in self.log if entry.fault)

    # ---- serving

    async def open(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._server = await asyncio.start_server(self._client, sock=listener)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._clients):
            writer.transport.abort()

    async def _close_for_a_moment(self) -> None:
        await self.close()
        await asyncio.sleep(CLOSED_SECONDS)
        await self.open()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while (exchange := await _read_request(reader)) is not None:
                # Shielded: the client going away does not take back what it sent.
                if not await asyncio.shield(self._spawn(self._serve(exchange, writer))):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(writer)
            with suppress(Exception):
                writer.close()

    def _spawn(self, work):
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, exchange: Exchange, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on."""
        self.in_flight += 1
        try:
            return await self._handled(exchange, writer)
        except OSError:
            writer.transport.abort()
            return False
        finally:
            self.in_flight -= 1
            self._passed += 1

    async def _handled(self, exchange: Exchange, writer: asyncio.StreamWriter) -> bool:
        entry, rng = self._noted(exchange)
        if exchange.write and self.watch("arrived", entry.number):
            entry.fault = "watch"
            return _cut(writer)
        if entry.fault in NEVER_FORWARDED:
            return await self._refused(entry, rng, writer)
        if exchange.write:
            held, self.hold = self.hold, 0.0
            await asyncio.sleep(held)
        await self._held_back(entry.fault, rng)
        if entry.fault in ("double", "double-drop"):
            await self._forwarded(exchange, entry)
        answer = await self._forwarded(exchange, entry)
        entry.status = int(answer.split(b" ", 2)[1])
        if exchange.write and self.watch("committed", entry.number):
            return _cut(writer)
        return await self._answered(exchange, entry, answer, rng, writer)

    def _noted(self, exchange: Exchange) -> tuple[Entry, random.Random]:
        name = f"{exchange.method} {exchange.path}"
        self._seen[name] += 1
        rng = random.Random(f"{self.seed} {name} {self._seen[name]}")
        fault = self._fault(exchange, rng)
        self.writes += exchange.write
        entry = Entry(self.writes, exchange.method, exchange.path, fault)
        self.log.append(entry)
        return entry, rng

    def _fault(self, exchange: Exchange, rng: random.Random) -> str | None:
        if not (exchange.write or self.reads) or not self.rates:
            return None
        roll = rng.random()
        for kind, rate in self.rates.items():
            roll -= rate
            if roll < 0:
                return kind
        return None

    async def _refused(
        self, entry: Entry, rng: random.Random, writer: asyncio.StreamWriter
    ) -> bool:
        if entry.fault == "throttle":
            entry.status = 429
            writer.write(
                _answer(
                    429, b'{"detail": "slow down"}', retry_after=rng.choice(("0", "0.05", "0.2"))
                )
            )
            await writer.drain()
            return True
        if entry.fault == "refuse":
            await self._close_for_a_moment()
        return _cut(writer)

    async def _held_back(self, fault: str | None, rng: random.Random) -> None:
        if fault == "late":
            await asyncio.sleep(self.patience * rng.uniform(1.1, 1.6))
        elif fault == "reorder":
            until = asyncio.get_running_loop().time() + HELD_SECONDS
            target = self._passed + rng.randint(1, 3)
            while self._passed < target and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(0.005)

    async def _forwarded(self, exchange: Exchange, entry: Entry) -> bytes:
        parts = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(exchange.head + exchange.body)
            await writer.drain()
            if exchange.write:
                self.watch("sent", entry.number)
            return await _read_answer(reader)
        finally:
            writer.close()

    async def _answered(
        self,
        exchange: Exchange,
        entry: Entry,
        answer: bytes,
        rng: random.Random,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if entry.fault in ("drop-after", "double-drop"):
            return _cut(writer)
        if entry.fault == "half":
            writer.write(answer[: max(1, len(answer) * rng.randint(20, 90) // 100)])
            await writer.drain()
            return _cut(writer, politely=True)
        if entry.fault == "saved-500":
            answer = _answer(500, b"Internal Server Error")
        if entry.fault in ("slow", "slow-answer"):
            await asyncio.sleep(self.patience * (0.1 if entry.fault == "slow" else 1.3))
        writer.write(answer)
        await writer.drain()
        if exchange.write:
            self.watch("answered", entry.number)
        return True


def _cut(writer: asyncio.StreamWriter, *, politely: bool = False) -> bool:
    if politely:
        writer.close()
    else:
        writer.transport.abort()
    return False


def _answer(status: int, body: bytes, *, retry_after: str | None = None) -> bytes:
    head = [
        f"HTTP/1.1 {status} Fault",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    head += [f"retry-after: {retry_after}"] if retry_after is not None else []
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def _read_request(reader: asyncio.StreamReader) -> Exchange | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    length = next(
        (int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0
    )
    body = await reader.readexactly(length) if length else b""
    kept = [line for line in lines[:-2] if not line.lower().startswith("connection:")]
    return Exchange(
        method,
        target,
        "\r\n".join([*kept, "Connection: close"]).encode("latin-1") + b"\r\n\r\n",
        body,
    )


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """The whole answer, in a form that keeps the client's connection open."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    lines = head.decode("latin-1").split("\r\n")[:-2]
    if any(line.lower().startswith("transfer-encoding:") for line in lines):
        raise ConnectionError("the gateways of the tests answer with a length")
    kept = [line for line in lines if not line.lower().startswith("connection:")]
    return "\r\n".join(kept).encode("latin-1") + b"\r\n\r\n" + body


@contextmanager
def fault_proxy(upstream: str, **settings) -> Iterator[FaultProxy]:
    """A proxy in a thread of its own, until the block ends."""
    proxy = FaultProxy(upstream, **settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(proxy.open(), loop).result(timeout=10)
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_ended(proxy), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


async def _ended(proxy: FaultProxy) -> None:
    await proxy.close()
    for task in list(proxy._tasks):
        task.cancel()
    await asyncio.sleep(0.01)
