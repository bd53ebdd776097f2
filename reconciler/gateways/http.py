"""One HTTP client for every gateway: bounded, patient with reads, and with one clear line per failure.

Reads are sent again here. A write is not, but by whoever knows the whole step (`request.Again` has the exceptions);
what a failure means for it (`GatewayError`):

    connection refused, DNS, TLS     nothing was sent; safe to repeat
    timeout, cut connection, 5xx     unknown: the write may have happened all the same
    429                              refused; safe to repeat after Retry-After
    other 4xx, 3xx                   refused for good
    2xx that cannot be read          unknown: what it says may be anything
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from reconciler.core.model.secrets.literal import revealed, secret_values
from reconciler.gateways.answers import detail, quoted, retry_after
from reconciler.gateways.base import GatewayError
from reconciler.gateways.bodies import ENCODINGS, Bounds, UnreadableError, body_of, parsed
from reconciler.gateways.request import SAFE, Again, Request

# Shorter than the whole request may take, so that it is known that nothing was sent.
CONNECT_SECONDS = 10.0
LOWEST_FINAL, TOO_MANY_REQUESTS, SERVER_ERROR = 200, 429, 500
# What httpx and aiohttp raise for a connection or an answer, translated or not: among them a status line that is none,
# headers that are too large (HttpProcessingError) and reasons that are no text (ValueError).
NETWORK = (
    httpx.HTTPError,
    httpx.StreamError,
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,
    ValueError,
    EOFError,
)


# They describe the body as it was sent, not as it was read.
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class WriteRefusedError(RuntimeError):
    """A write on a read-only client: a bug of ours, so not a GatewayError."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a safe request is repeated, and how long is waited in between (exponential, full jitter, seconds).

    `most_in_all` bounds the sum of the waits for one request, those that the gateway asks for included.
    """

    attempts: int = 5
    first_seconds: float = 0.2
    most_seconds: float = 15.0
    most_in_all: float = 180.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: the JSON value (None for an empty body) and the headers."""

    body: Any
    headers: Mapping[str, str]


class _VetoedError(Exception):
    """Carries what a `before_send` hook raised past everything that judges failures of the network."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__()
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Http:
    """Requests to one gateway. `key_env` names the variable of the admin key, for the hint where it is refused.

    `lost` collects writes that got no answer: they may still be on their way, also when they were repeated since.
    `secrets` are all that were sent so far, so that no error shows one that the gateway says back.
    `before_send` is called right before each write leaves, repetitions included, when it no longer waits for anything;
    what it raises reaches the caller as it is, and the write is not sent.
    """

    client: httpx.AsyncClient
    slots: asyncio.Semaphore
    seconds: float
    key_env: str | None = None
    patience: Patience = field(default_factory=Patience)
    lost: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    before_send: list[Callable[[], None]] = field(default_factory=list)
    bounds: Bounds = field(default_factory=Bounds)

    async def get(
        self, path: str, *, bearer: SecretStr | None = None, params: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON answer of a GET. Raises GatewayError after the last attempt."""
        return await self.send(Request("GET", path, bearer=bearer, params=params))

    async def send(self, request: Request) -> Any:
        """The JSON answer of a request; see `exchange`."""
        return (await self.exchange(request)).body

    async def exchange(self, request: Request) -> Answer:
        """The answer of a request, with its headers, after as many attempts as it allows (`Again`).

        Raises GatewayError; its `unknown` is set where a write may have happened. After the last of several attempts
        `retry` is not set any more: no caller's patience multiplies with the one here.
        """
        self.secrets.update(secret_values((request.body, request.bearer)))
        prepared = self.client.build_request(
            request.method,
            request.path,
            json=revealed(request.body),
            params=request.params,
            headers={**(request.headers or {}), **_bearer(request.bearer)},
        )
        safe = request.reads or request.again is Again.ALWAYS
        patient = safe or request.again is Again.REFUSED
        try:
            async for attempt in self._attempts(safe=safe, patient=patient):
                with attempt:
                    return await self._once(request, prepared)
        except _VetoedError as veto:
            raise veto.reason from None
        except GatewayError as error:
            error.retry = error.retry and not patient
            raise
        raise AssertionError("tenacity re-raises the last error")

    def _attempts(self, *, safe: bool, patient: bool) -> AsyncRetrying:
        jitter = wait_random_exponential(
            multiplier=self.patience.first_seconds, max=self.patience.most_seconds
        )

        def again(error: BaseException) -> bool:
            return isinstance(error, GatewayError) and (
                (patient and error.retry) or (safe and error.unknown)
            )

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.after if isinstance(error, GatewayError) else None
            return jitter(state) + (asked or 0)

        def enough(state: RetryCallState) -> bool:
            waits = state.idle_for + state.upcoming_sleep
            return (
                state.attempt_number >= self.patience.attempts or waits > self.patience.most_in_all
            )

        return AsyncRetrying(retry=retry_if_exception(again), wait=wait, stop=enough, reraise=True)

    async def _once(self, asked: Request, request: httpx.Request) -> Answer:
        what = asked.what
        async with self.slots:
            self._permitted(request)
            response = await self._answered(what, request)
        if not response.is_success:
            raise self._refused(what, request, response, as_admin=asked.bearer is None)
        try:
            return Answer(parsed(response.content, self.bounds), response.headers)
        except UnreadableError as error:
            raise _unreadable(
                what, request, f"{error}: {self._detail(response)}", response.status_code
            ) from error

    def _permitted(self, request: httpx.Request) -> None:
        if request.method in SAFE:
            return
        for permit in self.before_send:
            try:
                permit()
            except BaseException as reason:
                raise _VetoedError(reason) from reason

    async def _answered(self, what: str, request: httpx.Request) -> httpx.Response:
        """The whole answer, its body decompressed and within bounds."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._whole(request)
        except UnreadableError as error:
            raise _unreadable(what, request, str(error)) from error
        except NETWORK as error:
            problem = _not_answered(what, request, error, self.seconds)
            if problem.unknown:
                self.lost.append(what)
            raise problem from error

    async def _whole(self, request: httpx.Request) -> httpx.Response:
        streamed = await self.client.send(request, stream=True)
        try:
            body = await self._body(request, streamed)
        finally:
            await streamed.aclose()
        headers = [
            (name, value)
            for name, value in streamed.headers.multi_items()
            if name not in _OF_THE_BODY
        ]
        return httpx.Response(streamed.status_code, headers=headers, content=body, request=request)

    async def _body(self, request: httpx.Request, streamed: httpx.Response) -> bytes:
        if streamed.is_success:
            read = request.method in SAFE
            return await body_of(
                streamed, self.bounds.read_bytes if read else self.bounds.write_bytes
            )
        try:
            return await body_of(streamed, self.bounds.error_bytes, cut=True)
        except UnreadableError:
            # The status says enough.
            return b""

    def _refused(
        self, what: str, request: httpx.Request, response: httpx.Response, *, as_admin: bool
    ) -> GatewayError:
        status = response.status_code
        broken = status >= SERVER_ERROR or status < LOWEST_FINAL
        return GatewayError(
            f"{what} answered {status}: {self._detail(response)}",
            hint=self._hint(response, as_admin=as_admin),
            status=status,
            unknown=broken and request.method not in SAFE,
            retry=status == TOO_MANY_REQUESTS or (broken and request.method in SAFE),
            after=retry_after(response),
        )

    def _hint(self, response: httpx.Response, *, as_admin: bool) -> str | None:
        if response.status_code in (401, 403) and as_admin:
            if self.key_env is None:
                return "name the environment variable that holds the admin key in the settings: admin_key_env"
            return f"the admin key in ${self.key_env} is missing or wrong"
        if response.is_redirect:
            where = quoted(response.headers.get("location", "?"), self.secrets)
            return f"the gateway redirects to {where}: correct the url in the settings"
        return None

    def _detail(self, response: httpx.Response) -> str:
        return detail(response, self.secrets)


def _bearer(token: SecretStr | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}


def _unreadable(
    what: str, request: httpx.Request, how: str, status: int | None = None
) -> GatewayError:
    said = f"{what} answered {status or ''}".rstrip()
    return GatewayError(f"{said} {how}", unknown=request.method not in SAFE)


def _not_answered(
    what: str, request: httpx.Request, error: Exception, seconds: float
) -> GatewayError:
    unsent = never_sent(error)
    reason = _reason(error, seconds)
    where = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
    read = request.method in SAFE
    hint = f"is the gateway running at {where}?" if unsent else None
    return GatewayError(
        f"{what}: {reason}", hint=hint, unknown=not (read or unsent), retry=read or unsent
    )


def _reason(error: Exception, seconds: float) -> str:
    cause = _root(error)
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"the host name {cause.host} is not known"
    if never_sent(error):
        return "no connection: " + (" ".join(str(cause).split()) or type(cause).__name__)
    if isinstance(cause, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(cause, (aiohttp.ClientResponseError, HttpProcessingError, ValueError)):
        return "what it answered is not HTTP"
    return "the connection was cut before the answer was complete"


def never_sent(error: BaseException) -> bool:
    """Whether the request cannot have reached the gateway.

    httpx-aiohttp turns refused and cut connections alike into ConnectTimeout, so the cause decides: aiohttp raises
    ClientConnectorError (refused, DNS, TLS) and ConnectionTimeoutError only before it has a connection.
    """
    before = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    return isinstance(_root(error), before)


def _root(error: BaseException) -> BaseException:
    """What httpx-aiohttp translated, or the error itself."""
    return error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error


async def _refuse_writes(request: httpx.Request) -> None:
    if request.method not in SAFE:
        raise WriteRefusedError(
            f"{request.method} {request.url.path} on a connection that was opened to read"
        )


@asynccontextmanager
async def open_http(
    url: str,
    *,
    headers: Mapping[str, SecretStr],
    concurrency: int,
    seconds: float,
    key_env: str | None = None,
    read_only: bool = False,
    patience: Patience | None = None,
    bounds: Bounds | None = None,
    app: Any = None,
) -> AsyncIterator[Http]:
    """A client for one base URL, closed on exit; proxies and SSL_CERT_FILE come from the environment, as in httpx.

    `app` is an ASGI application to call in process instead of a server. With `read_only` every method but GET and HEAD
    raises WriteRefusedError before a connection is even taken.
    """
    options: dict[str, Any] = {
        "base_url": url,
        "headers": {
            "Accept-Encoding": ENCODINGS,
            **{name: value.get_secret_value() for name, value in headers.items()},
        },
        "timeout": httpx.Timeout(seconds, connect=min(seconds / 2, CONNECT_SECONDS), pool=None),
        "limits": httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        "event_hooks": {"request": [_refuse_writes] if read_only else []},
    }
    client = (
        httpx.AsyncClient(transport=_in_process(app), **options)
        if app
        else _over_network(url, options)
    )
    async with client:
        slots = asyncio.Semaphore(concurrency)
        secrets = set(secret_values(headers))
        yield Http(
            client,
            slots,
            seconds,
            key_env,
            patience or Patience(),
            secrets=secrets,
            bounds=bounds or Bounds(),
        )


def _over_network(url: str, options: dict[str, Any]) -> httpx.AsyncClient:
    """Loading the trusted certificates takes 30 ms; plain http without proxies gets a context that trusts nobody."""
    plain = url.startswith("http://") and not getproxies()
    return HttpxAiohttpClient(
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True, **options
    )


def _in_process(app: Any) -> httpx.ASGITransport:
    return httpx.ASGITransport(app=app, raise_app_exceptions=False)
