"""Answers that are no HTTP, too large, too deep or compressed without end are errors like any other, told in one line."""

import asyncio
import gzip
import tracemalloc
import zlib
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from reconciler.gateways.base import GatewayError
from reconciler.gateways.bodies import Bounds
from reconciler.gateways.http import Patience, open_http
from reconciler.gateways.request import Request

ONCE = Patience(attempts=1)
SMALL = Bounds(read_bytes=50_000, write_bytes=20_000, error_bytes=1_000, values=1_000)
METHODS = ["GET", "POST", "PUT", "DELETE"]


def with_body(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def raw_deflate(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(body) + packing.flush()


NO_HTTP = {
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "tls alert": b"\x15\x03\x01\x00\x02\x02\x50",
    "smtp": b"220 mail.example ESMTP\r\n",
    "noise": bytes(range(256)) * 3,
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status of letters": b"HTTP/1.1 2OO OK\r\n\r\n",
    "version": b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
    "endless header": b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000 + b"\r\n\r\n",
    "endless reason": b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n"
    + b"".join(b"x%d: y\r\n" % n for n in range(50_000))
    + b"\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n{}\r\n0\r\n\r\n",
    "chunk that ends early": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\n{}",
    "nothing": b"",
}
UNREADABLE = {
    "html": b"<html>sign in</html>",
    "deep lists": b"[" * 5_000 + b"]" * 5_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "more than a float": b'{"a": 1e999}',
    "digits": b"1" * 10_000,
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate and a huge exponent": b'{"a": "\\ud800", "b": 1e100}',
    "latin-1": '{"a": "\xe4"}'.encode("latin-1"),
    "half": b'{"a": [1, 2',
    "many values": b"[" + b"0," * 2_000 + b"0]",
    "many objects": b"[" + b"{}," * 2_000 + b"{}]",
}
ENCODED = {
    "gzip that is none": ("gzip", b"{}"),
    "half a gzip": ("gzip", gzip.compress(b'{"a": "' + b"x" * 500 + b'"}')[:-20]),
    "gzip of gzip": ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    "unasked": ("br", b"{}"),
    "unknown": ("rot13", b"{}"),
    "raw deflate": ("deflate", raw_deflate(b"{}")),
    "bomb": ("gzip", gzip.compress(b" " * 50_000_000 + b"{}")),
    "zlib bomb": ("deflate", zlib.compress(b" " * 50_000_000 + b"{}")),
}
FINE = {
    "gzip": with_body(gzip.compress(b'{"a": 1}'), "content-encoding: gzip"),
    "deflate": with_body(zlib.compress(b'{"a": 1}'), "content-encoding: deflate"),
    "identity": with_body(b'{"a": 1}', "content-encoding: identity"),
    "chunks": b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n',
    "until closed": b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}',
}


@asynccontextmanager
async def serving(
    said: bytes,
    *,
    endless: bytes = b"",
    bounds: Bounds = SMALL,
    pause: float = 0,
    seconds: float = 5,
):
    open_ones: set[asyncio.Task] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            while endless:
                writer.write(endless)
                await writer.drain()
                await asyncio.sleep(pause)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    options = {
        "headers": {"X-Admin-Key": SecretStr("sk-secret")},
        "patience": ONCE,
        "bounds": bounds,
    }
    try:
        async with open_http(url, concurrency=2, seconds=seconds, **options) as http:
            yield http
    finally:
        server.close()
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)


def error_of(said: bytes, method: str, **options) -> GatewayError:
    async def work() -> GatewayError:
        async with serving(said, **options) as http:
            with pytest.raises(GatewayError) as caught:
                await http.send(Request(method, "/thing", {} if method != "GET" else None))
            return caught.value

    error = asyncio.run(work())
    told = str(error)
    assert told.startswith(f"{method} /thing"), told
    assert len(told) < 600
    assert "\n" not in told
    return error


def value_of(said: bytes, method: str = "GET"):
    async def work():
        async with serving(said) as http:
            return await http.send(Request(method, "/thing"))

    return asyncio.run(work())


@pytest.mark.parametrize("said", NO_HTTP.values(), ids=NO_HTTP)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_http_is_an_error_and_a_write_unknown(said, method):
    assert error_of(said, method).unknown is (method != "GET")


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_json_is_an_error_and_a_write_unknown(body, method):
    assert error_of(with_body(body), method).unknown is (method != "GET")


@pytest.mark.parametrize(("encoding", "body"), ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_unpacked_within_bounds_is_an_error(encoding, body, method):
    error = error_of(with_body(body, f"content-encoding: {encoding}"), method)
    assert error.unknown is (method != "GET")


@pytest.mark.parametrize("said", FINE.values(), ids=FINE)
def test_what_is_said_by_the_rules_is_read(said):
    assert value_of(said) == {"a": 1}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n[", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n["],
)
def test_an_endless_answer_ends_at_the_bound(method, head):
    error = error_of(head, method, endless=b" " * 10_000)
    assert "answered with more than" in str(error)
    assert error.unknown is (method != "GET")


@pytest.mark.parametrize(
    "status", ["500 Oops", "404 Not Found", "429 Too Many Requests", "302 Found", "999 ?"]
)
def test_an_endless_error_is_told_by_its_beginning(status):
    error = error_of(
        f"HTTP/1.1 {status}\r\nretry-after: inf\r\n\r\n".encode(), "POST", endless=b"no. " * 2_500
    )
    assert error.status == int(status.partition(" ")[0])
    assert "no. no. " in str(error)


@pytest.mark.parametrize(("encoding", "body"), ENCODED.values(), ids=ENCODED)
def test_an_error_that_cannot_be_unpacked_keeps_its_status(encoding, body):
    assert (
        error_of(with_body(body, f"content-encoding: {encoding}", status="404 Gone"), "POST").status
        == 404
    )


ODD_ENVELOPES = (
    b'{"detail": [{"loc": 5, "msg": 7}]}',
    b'{"detail": {"loc": ["a", 1], "msg": null}}',
    b'{"error": {"error": 1}}',
    b"7",
)


@pytest.mark.parametrize("body", [*ODD_ENVELOPES, *UNREADABLE.values()])
def test_an_error_in_any_shape_is_told(body):
    error = error_of(with_body(body, status="422 No"), "POST")
    assert (error.status, error.unknown) == (422, False)


def test_a_reason_that_is_no_text():
    error_of(b"HTTP/1.1 404 \xff\xfe\r\ncontent-length: 0\r\n\r\n", "GET")


def test_a_bomb_takes_no_more_memory_than_the_bound():
    bomb = with_body(gzip.compress(b" " * 200_000_000), "content-encoding: gzip")
    tracemalloc.start()
    try:
        error = error_of(bomb, "GET", bounds=Bounds(read_bytes=4 << 20))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(error) == "GET /thing answered with more than 4 MB"
    assert most < 40 << 20


def test_an_answer_that_drips_ends_with_the_time():
    async def work():
        async with serving(
            b"HTTP/1.1 200 OK\r\n\r\n", endless=b" ", pause=0.02, seconds=0.3
        ) as http:
            with pytest.raises(GatewayError, match=r"no answer within 0\.3 s"):
                await http.get("/thing")

    asyncio.run(asyncio.wait_for(work(), 30))
