"""drift --watch tells a webhook and /metrics; foreign objects can be named."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import httpx
import pytest
from e2e_world import Place, company, process

LOCAL = (
    "organizations:\n  o: {name: O}\nteams:\n  mine: {organization_id: o, credits_allocated: 10}\n"
)
THEIRS = (
    LOCAL.replace("mine", "theirs")
    .replace("o:", "p:", 1)
    .replace("organization_id: o", "organization_id: p")
)


@contextmanager
def webhook() -> Iterator[tuple[str, Queue]]:
    taken: Queue = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def shared(tmp_path) -> Place:
    """A gateway with an organization and a team of ours, and one of each of somebody else's."""
    place = company(tmp_path, teams=LOCAL)
    place.applied()
    settings = (
        f"default_gateway: g\ngateways:\n  g: {{backend: embedded, database: {place.database}}}\n"
    )
    company(tmp_path / "other", settings, teams=THEIRS).applied()
    return place


def test_foreign_objects_are_named_where_they_are_asked_for(shared: Place):
    foreign = ["organization/p", "team/theirs"]
    for command in ("plan", "drift"):
        counted = shared.reconciler(command).out
        assert "2 foreign" in counted
        assert "theirs" not in counted
        assert all(f"\n    {ref}\n" in shared.reconciler(command, "--full").out for ref in foreign)
    assert (
        json.loads(shared.reconciler("drift", "--format", "json").out)["foreign_objects"] == foreign
    )
    assert json.loads(shared.reconciler("plan", "--format", "json").out)["foreign"] == foreign


def test_a_watch_tells_a_webhook_in_words_and_metrics_by_gateway(shared: Place):
    with socket.socket() as free, webhook() as (url, taken):
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        arguments = (
            "drift",
            "--watch",
            "0.2",
            "--metrics-port",
            port,
            "--webhook-env",
            "HOOK",
            "--quiet",
        )
        watching = process(*arguments, cwd=shared.directory, environ={"HOOK": url})
        try:
            other = company(
                shared.directory / "third", "", teams=LOCAL.replace("10", "10, status: suspended")
            )
            assert watching.stderr.readline().startswith("metrics on")
            hand_edit(shared, other)
            told = taken.get(timeout=30)
            assert told["text"] == "Drift of embedded: 1 object changed: team/mine (status)"
            assert [each["ref"] for each in told["objects"]] == ["team/mine"]
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        finally:
            watching.send_signal(signal.SIGTERM)
            watching.communicate(timeout=20)
    assert 'reconciler_drift_objects{gateway="embedded",kind="team"} 1.0' in metrics
    assert 'reconciler_foreign_objects{gateway="embedded"} 2.0' in metrics
    assert 'reconciler_drift_errors_total{gateway="embedded"} 0.0' in metrics


def hand_edit(place: Place, other: Place) -> None:
    """Somebody with a ledger of their own writes to the same gateway."""
    settings = f"default_gateway: g\nprune: never\ngateways:\n  g: {{backend: embedded, database: {place.database}}}\n"
    other.write("reconciler.yaml", settings)
    other.applied("--allow-loss")
