"""A watch ends with a signal, not with its webhook: bad URLs are refused at the start, failing ones are told."""

import asyncio
import signal
import socket
import threading
from contextlib import contextmanager

import pytest
from e2e_world import example

from reconciler.cli.signals import stoppable
from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.plan.drift import Drift
from reconciler.ledger import LedgerError
from reconciler.watch import Metrics, Watch, require_webhook, watch

UNFIT = (
    "http://host:99999/x",
    "http://host:x/",
    "http://host:0/",
    "http://ho st/",
    "http://host/a\nb",
    "http://host/\r\nX: y",
    "ftp://host/",
    "host/path",
    "http://",
    "http://[::1/",
    "https://\u00e4.example/",
    "",
    "x" * 10_000,
)


@pytest.mark.parametrize("url", UNFIT)
def test_a_url_that_nothing_can_be_posted_to_is_refused_and_not_told(url):
    with pytest.raises(ReconcilerError) as caught:
        require_webhook(url)
    assert "the webhook's URL" in str(caught.value)
    assert len(url) < 8 or url not in str(caught.value)


@pytest.mark.parametrize("url", UNFIT[:4])
def test_it_is_refused_before_anything_is_looked_at(tmp_path, url):
    done = example(tmp_path, HOOK=url).reconciler(
        "drift", "--watch", "5", "--webhook-env", "HOOK", code=1
    )
    assert "error webhook" in done.err


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = example(tmp_path).reconciler("drift", "--watch", "5", "--metrics-port", port, code=1)
    assert f"cannot serve metrics on 127.0.0.1:{port}" in done.err


@contextmanager
def answering(said: bytes):
    """A server that says just that to whoever comes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                link.recv(65_536)
                link.sendall(said)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/token"
    finally:
        server.close()


def watched(look, *, webhook: str | None, looks: int) -> list[str]:
    """What a watch said of its failures until that many looks were over."""
    said: list[str] = []
    count = 0

    async def work() -> None:
        stop = asyncio.Event()

        async def counted():
            nonlocal count
            count += 1
            if count > looks:
                stop.set()
            return await look(count)

        plan = Watch(
            look=counted,
            data=lambda _found: {"objects": [count], "moved": []},
            told=lambda _found: None,
            failed=lambda problem: said.append(str(problem)),
            interval=0.001,
            webhook=webhook,
        )
        await asyncio.wait_for(watch(plan, Metrics("g"), stop), 30)

    asyncio.run(work())
    return said


async def drifted(_count: int) -> Drift:
    return Drift((), (), (), 0, ())


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 500 No\r\n\r\n",
        b"HTTP/1.1 302 x\r\nlocation: http://x:99999/\r\n\r\n",
        b"SSH-2.0\r\n",
        b"\xff" * 99,
    ],
)
def test_a_webhook_that_fails_is_told_and_the_watch_goes_on(said):
    with answering(said) as url:
        told = watched(drifted, webhook=url, looks=3)
    assert len(told) >= 2
    assert all("the webhook did not take it" in each and "token" not in each for each in told)


@pytest.mark.parametrize(
    "problem",
    [
        ReconcilerError(error("x", "no")),
        LedgerError("no"),
        OSError(28, "no"),
        FileNotFoundError(2, "no"),
        TimeoutError("no"),
    ],
)
def test_a_look_that_fails_is_told_and_the_watch_goes_on(problem):
    async def failing(_count: int):
        raise problem

    assert len(watched(failing, webhook=None, looks=3)) >= 3


def test_a_stop_ends_a_look_that_would_never_end():
    async def work() -> None:
        stop = asyncio.Event()

        async def endless():
            asyncio.get_running_loop().call_later(0.01, stop.set)
            await asyncio.sleep(3600)

        plan = Watch(endless, lambda _found: {}, lambda _found: None, lambda _problem: None, 0.1)
        await asyncio.wait_for(watch(plan, Metrics("g"), stop), 30)

    asyncio.run(work())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_the_second_leaves(number):
    heard: list[str] = []

    async def work() -> None:
        stop = asyncio.Event()
        with stoppable(stop, heard.append):
            signal.raise_signal(number)
            await stop.wait()
            signal.raise_signal(number)
            await asyncio.sleep(3600)

    before = signal.getsignal(number)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    assert signal.getsignal(number) is before
    assert len(heard) == 1


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work() -> None:
        with stoppable(asyncio.Event(), lambda _text: None):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    try:
        asyncio.run(work())
    finally:
        signal.signal(signal.SIGHUP, before)
