"""Drift, watched: looked for again and again, told as Prometheus metrics and to a webhook when it changes."""

import asyncio
import hashlib
import json
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from reconciler.core.drift import Drift
from reconciler.core.findings import ReconcilerError
from reconciler.core.kinds import KINDS

WEBHOOK_SECONDS = 10.0


class Metrics:
    """What `/metrics` shows. Names follow Prometheus's conventions; every kind is always there, zero or not."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.objects = Gauge(
            "reconciler_drift_objects",
            "Objects that differ from what was last applied",
            ["kind"],
            registry=self.registry,
        )
        self.ahead = Gauge(
            "reconciler_pending_objects", "Objects that git changed since the last apply", registry=self.registry
        )
        self.success = Gauge(
            "reconciler_drift_last_success_timestamp_seconds", "When drift was last looked for", registry=self.registry
        )
        self.seconds = Gauge("reconciler_drift_seconds", "How long the last look took", registry=self.registry)
        self.errors = Counter("reconciler_drift_errors", "Looks that failed", registry=self.registry)

    def serve(self, port: int, host: str) -> Callable[[], None]:
        """Serve /metrics; returns what stops it. Raises OSError where the port is taken."""
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
            self.objects.labels(kind).set(counts[kind])
        self.ahead.set(len(found.ahead))
        self.success.set(time())
        self.seconds.set(seconds)


@dataclass(frozen=True)
class Watch:
    """`look` finds the drift now, `told` hears each result, `failed` each error; `tell` gets what changed as JSON."""

    look: Callable[[], Awaitable[Drift]]
    data: Callable[[Drift], dict[str, Any]]
    told: Callable[[Drift], None]
    failed: Callable[[ReconcilerError], None]
    interval: float
    webhook: str | None = None


async def watch(plan: Watch, metrics: Metrics, stop: asyncio.Event) -> None:
    """Look every `interval` seconds until `stop`. An error is counted and told, and does not end the watch."""
    last: str | None = None
    while not stop.is_set():
        started = monotonic()
        try:
            found = await plan.look()
            metrics.saw(found, monotonic() - started)
            last = await _tell(plan, found, last)
        except ReconcilerError as problem:
            metrics.errors.inc()
            plan.failed(problem)
        try:
            await asyncio.wait_for(stop.wait(), timeout=plan.interval)
        except TimeoutError:
            continue


async def _tell(plan: Watch, found: Drift, last: str | None) -> str:
    """Tell a drift that is not the one told last; a calm beginning is not worth telling."""
    data = plan.data(found)
    now = hashlib.sha256(json.dumps(data["objects"], sort_keys=True).encode()).hexdigest()
    if now != last and (found.objects or last is not None):
        plan.told(found)
        if plan.webhook:
            await _post(plan.webhook, data)
    return now


async def _post(url: str, data: dict[str, Any]) -> None:
    import httpx  # noqa: PLC0415  only where a webhook is set

    from reconciler.core.findings import error  # noqa: PLC0415  as above

    try:
        async with httpx.AsyncClient(timeout=WEBHOOK_SECONDS) as client:
            answer = await client.post(url, json=data)
            answer.raise_for_status()
    except httpx.HTTPError as problem:
        # The URL may hold a token: only the kind of the failure is told.
        raise ReconcilerError(error("webhook", f"the webhook did not take it: {type(problem).__name__}")) from None
