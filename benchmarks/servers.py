"""Servers that a benchmark talks to, each in a process of its own on a free port."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

__all__ = ["AbstractContextManager", "embedded_gateway", "litellm_stand_in", "slow_network"]
PATIENCE_SECONDS = 60.0
KEY = "sk-benchmark"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def _running(command: Sequence[str | Path], port: int) -> Iterator[str]:
    server = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"no server on port {port}: {server.args}")


@contextmanager
def embedded_gateway(database: Path) -> Iterator[str]:
    port = free_port()
    serve = [sys.executable, "-m", "reconciler", "gateway", "serve"]
    with _running([*serve, "--port", str(port), "--database", database], port) as url:
        yield url


@contextmanager
def litellm_stand_in(teams: int = 0) -> Iterator[str]:
    port = free_port()
    serve = [sys.executable, "-m", "benchmarks.litellm_stand_in", str(port), str(teams)]
    with _running(serve, port) as url:
        yield url


@contextmanager
def slow_network(url: str, milliseconds: float) -> Iterator[str]:
    port, target = free_port(), url.rpartition(":")[2]
    serve = [sys.executable, "-m", "benchmarks.latency", str(port), target, str(milliseconds)]
    with _running(serve, port) as slow:
        yield slow
