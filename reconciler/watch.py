"""Drift, watched: looked for again and again, told as Prometheus metrics and to a webhook when it changes."""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reconciler.core.model.digest import digest
from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.model.kinds import KINDS
from reconciler.core.plan.drift import Drift
from reconciler.ledger.errors import LedgerError
from reconciler.system.extras import MISSING, require

if TYPE_CHECKING:
    from prometheus_client import Gauge

WEBHOOK_SECONDS = 10.0


class Unmeasured:
    """Where nobody asks for metrics, and nothing that makes them needs to be installed."""

    def saw(self, found: Drift, seconds: float) -> None:
        """A look that worked."""

    def failed(self) -> None:
        """A look that did not."""


class Metrics:
    """What `/metrics` shows, of one gateway. Names follow Prometheus's conventions; every kind is always there.

    Raises ReconcilerError where the package that makes them is not installed.
    """

    def __init__(self, gateway: str) -> None:
        require("watch", "prometheus_client")
        from prometheus_client import CollectorRegistry, Counter  # noqa: PLC0415  an extra

        self.gateway = gateway
        self.registry = CollectorRegistry()
        self.objects = self._gauge(
            "drift_objects", "Objects that differ from what was last applied", "kind"
        )
        self.facts = self._gauge(
            "drift_facts", "Facts that decide access and that another hand changed"
        )
        self.ahead = self._gauge("pending_objects", "Objects that git changed since the last apply")
        self.foreign = self._gauge("foreign_objects", "Live objects that are not ours")
        self.success = self._gauge(
            "drift_last_success_timestamp_seconds", "When drift was last looked for"
        )
        self.seconds = self._gauge("drift_seconds", "How long the last look took")
        self.errors = Counter(
            "reconciler_drift_errors", "Looks that failed", ["gateway"], registry=self.registry
        )
        self.errors.labels(gateway)  # zero until a look fails

    def _gauge(self, name: str, meaning: str, *labels: str) -> "Gauge":
        from prometheus_client import Gauge  # noqa: PLC0415  as above

        return Gauge(f"reconciler_{name}", meaning, ["gateway", *labels], registry=self.registry)

    def serve(self, port: int, host: str) -> Callable[[], None]:
        """Serve /metrics; returns what stops it. Raises OSError where the port is taken."""
        from prometheus_client import start_http_server  # noqa: PLC0415  as above

        server, thread = start_http_server(port, addr=host, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def saw(self, found: Drift, seconds: float) -> None:
        """A look that worked."""
        counts = Tally(each.ref.kind for each in found.objects)
        for kind in KINDS:
            self.objects.labels(self.gateway, kind).set(counts[kind])
        self.facts.labels(self.gateway).set(len(found.moved))
        self.ahead.labels(self.gateway).set(len(found.ahead))
        self.foreign.labels(self.gateway).set(len(found.foreign))
        self.success.labels(self.gateway).set(time())
        self.seconds.labels(self.gateway).set(seconds)

    def failed(self) -> None:
        """A look that did not."""
        self.errors.labels(self.gateway).inc()


@dataclass(frozen=True)
class Watch:
    """`look` finds the drift now, `told` hears each result, `failed` each error; `tell` gets what changed as JSON."""

    look: Callable[[], Awaitable[Drift]]
    data: Callable[[Drift], dict[str, Any]]
    told: Callable[[Drift], None]
    failed: Callable[[ReconcilerError], None]
    interval: float
    webhook: str | None = None


async def watch(plan: Watch, metrics: Metrics | Unmeasured, stop: asyncio.Event) -> None:
    """Look every `interval` seconds until `stop`, which also ends a look. An error is counted and told, no more.

    Raises ReconcilerError where a look needs what is not installed.
    """
    last: str | None = None
    stopped = asyncio.create_task(stop.wait())
    while not stop.is_set():
        look = asyncio.create_task(_look(plan, metrics, last))
        try:
            await asyncio.wait({look, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            look.cancel()
            await asyncio.wait({look})
        if look.cancelled():
            break
        last = look.result()
        await asyncio.wait({stopped}, timeout=plan.interval)
    stopped.cancel()


async def _look(plan: Watch, metrics: Metrics | Unmeasured, last: str | None) -> str | None:
    """What was told last, by now. What any look or post may run into is an error of that one."""
    started = monotonic()
    try:
        found = await plan.look()
        metrics.saw(found, monotonic() - started)
        return await _tell(plan, found, last)
    except ReconcilerError as problem:
        if any(finding.code == MISSING for finding in problem.findings):
            raise  # no later look will find it installed
        metrics.failed()
        plan.failed(problem)
    except LedgerError as problem:
        metrics.failed()
        plan.failed(ReconcilerError(error("ledger", problem.message, hint=problem.hint or None)))
    except OSError as problem:
        metrics.failed()
        plan.failed(
            ReconcilerError(error("file-system", problem.strerror or type(problem).__name__))
        )
    return last


async def _tell(plan: Watch, found: Drift, last: str | None) -> str:
    """Tell a drift that is not the one told last; a calm beginning is not worth telling."""
    data = plan.data(found)
    now = digest([data["objects"], data["moved"]])
    if now != last and (found.drifted or last is not None):
        plan.told(found)
        if plan.webhook:
            await _post(plan.webhook, data)
    return now


def require_webhook(url: str) -> None:
    """Raises ReconcilerError for a URL that nothing can be posted to; it may hold a token, so it is not told."""
    problem = _unfit(url)
    if problem is not None:
        hint = "https://HOST/PATH, without blanks and line breaks"
        raise ReconcilerError(error("webhook", f"the webhook's URL {problem}", hint=hint))


def _unfit(url: str) -> str | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds characters that no URL can hold"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has no valid host or port"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "is none of http:// or https:// with a host"
    return None


async def _post(url: str, data: dict[str, Any]) -> None:
    import httpx  # noqa: PLC0415  only where a webhook is set

    try:
        async with (
            asyncio.timeout(WEBHOOK_SECONDS),
            httpx.AsyncClient(timeout=WEBHOOK_SECONDS) as client,
            client.stream("POST", url, json=data) as answer,
        ):
            # Its body is not read: nobody asked for it, and it may be endless.
            answer.raise_for_status()
    except Exception as problem:  # noqa: BLE001  whatever a library raises, a watch does not end with its webhook
        # The URL may hold a token: only the kind of the failure is told.
        raise ReconcilerError(
            error("webhook", f"the webhook did not take it: {type(problem).__name__}")
        ) from None
