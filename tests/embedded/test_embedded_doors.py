"""Who may not come in: pages of other sites, names that are not ours, bodies without end, requests that never finish."""

import http.client
import json
import socket
import threading
import time
from contextlib import closing

import httpx
import pytest
from embedded_world import served
from management_writes import WRITES, named
from pydantic import SecretStr

from reconciler.core.model.findings import ReconcilerError
from reconciler.embedded.app import create_app
from reconciler.embedded.http.guard import MAX_BODY, Hosts
from reconciler.embedded.server import beyond_loopback, running, serve

HOSTILE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://localhost"},
    {"Origin": "ftp://{own}"},
    {"Origin": "http://{own}.evil.example"},
    {"Origin": "http://evil.example/{own}"},
    {"Origin": "http://{own}, http://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://{own}"},
    {"Host": "evil.example"},
    {"Host": "evil.example:{port}"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost.evil.example"},
    {"Host": "evil-localhost"},
    {"Host": "10.0.0.1"},
    {"Host": "0.0.0.0:{port}"},
    {"Host": "evil.example@127.0.0.1:{port}"},
    {"Host": "127.0.0.1:{port}@evil.example"},
    {"Host": "[::1"},
    {"Host": "[::1]evil.example"},
    {"Host": "localhost:evil"},
    {"Host": ""},
    # A name of the page's own, which it points to this machine: to the browser everything is the page's own site.
    {
        "Host": "evil.example:{port}",
        "Origin": "http://evil.example:{port}",
        "Sec-Fetch-Site": "same-origin",
    },
]
FOREIGN_TYPES = [
    None,
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; application/json",
    "application/json, text/plain",
    "application/octet-stream",
]


def filled(gateway, headers):
    """The header texts, where `own` is the gateway's address."""
    own = gateway.url.removeprefix("http://")
    return {
        name: text.format(own=own, port=own.partition(":")[2]) for name, text in headers.items()
    }


def plain(gateway, method, path, headers, body=None):
    """A request with these headers, and no others than Host and Content-Length."""
    with closing(
        http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=30)
    ) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        content = b"" if body is None else json.dumps(body).encode()
        for name, text in {**headers, "Content-Length": str(len(content))}.items():
            connection.putheader(name, text)
        connection.endheaders(content)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("write", WRITES, ids=named)
def test_no_page_of_another_site_and_no_other_name_writes(full, write):
    method, path, body, _ = write
    before = full.dump()
    for headers in HOSTILE:
        for kind in ("application/json", "text/plain"):
            status, text = plain(
                full, method, path, {**filled(full, headers), "Content-Type": kind}, body
            )
            assert (status, "refused" in text or "not known" in text or "Invalid HTTP" in text) in (
                (403, True),
                (400, True),
            ), headers
    assert full.dump() == before


@pytest.mark.parametrize(
    "path", ["/api/teams", "/api/gateway", "/v1/models", "/openapi.json", "/health", "/docs"]
)
def test_no_page_of_another_site_and_no_other_name_reads(gateway, path):
    links = path in ("/openapi.json", "/health", "/docs")
    for headers in HOSTILE:
        status, _ = plain(gateway, "GET", path, filled(gateway, headers))
        is_link = links and headers.get("Sec-Fetch-Mode") == "navigate"
        assert (status == 200) is is_link, (headers, status)


@pytest.mark.parametrize("write", [write for write in WRITES if write[2]], ids=named)
def test_a_page_of_its_own_writes_json_only(full, write):
    method, path, body, _ = write
    own = filled(full, {"Origin": "http://{own}", "Sec-Fetch-Site": "same-origin"})
    before = full.dump()
    for kind in FOREIGN_TYPES:
        for marks in (own, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Mode": "cors"}):
            headers = {**marks, **({"Content-Type": kind} if kind else {})}
            assert plain(full, method, path, headers, body)[0] == 415, headers
    assert full.dump() == before
    status, text = plain(
        full, method, path, {**own, "Content-Type": "application/json; charset=utf-8"}, body
    )
    assert status == 200, text


@pytest.mark.parametrize("write", WRITES, ids=named)
def test_a_program_of_the_machine_may_call_its_json_anything(full, write):
    """As `curl -d` does, which the documentation's commands use without a Content-Type."""
    method, path, body, _ = write
    for kind in FOREIGN_TYPES:
        headers = {"Idempotency-Key": "one", **({"Content-Type": kind} if kind else {})}
        status, text = plain(full, method, path, headers, body)
        assert status == 200, text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:9", "localhost.", "127.0.0.1:{port}"]
)
def test_the_machine_s_own_names_are_known(gateway, host):
    assert plain(gateway, "GET", "/api/teams", filled(gateway, {"Host": host}))[0] == 200


@pytest.mark.parametrize(
    ("bound", "more", "known", "unknown"),
    [
        (
            "gateway.internal",
            (),
            ["gateway.internal:8003", "localhost"],
            ["10.0.0.1", "evil.example"],
        ),
        ("10.0.0.5", (), ["10.0.0.5:1"], ["10.0.0.6", "gateway.internal"]),
        (
            "0.0.0.0",
            ("Gateway.internal",),
            ["10.9.9.9", "[fd00::1]:80", "gateway.INTERNAL:1"],
            ["evil.example", ""],
        ),
        ("::", (), ["192.168.0.1"], ["localhost.evil.example", "1.2.3.4.evil.example"]),
    ],
)
def test_the_names_of_a_gateway_follow_where_it_listens(bound, more, known, unknown):
    hosts = Hosts.of(bound, more)
    assert [hosts.hold(host) for host in known] == [True] * len(known)
    assert [hosts.hold(host) for host in unknown] == [False] * len(unknown)


def test_every_answer_tells_a_browser_to_keep_it_to_itself(gateway):
    for path in ("/health", "/docs", "/api/teams", "/nowhere", "/v1/models"):
        headers = gateway.http.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == (
            "nosniff",
            "no-store",
        )
        assert "access-control-allow-origin" not in headers


def test_the_documentation_needs_nobody_else(gateway):
    text = gateway.http.get("/docs").text
    assert "<script" not in text
    assert text.count("<summary>") == sum(
        len(methods) for methods in gateway.get("/openapi.json")["paths"].values()
    )
    assert "add-models" in text
    assert [part for part in text.split('href="')[1:] if not part.startswith(("#", "/"))] == []


# --- sizes and times


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    with served(
        tmp_path_factory.mktemp("keyed") / "gateway.db", admin_key=SecretStr("the-key")
    ) as gateway:
        yield gateway


ENDPOINTS = [
    *sorted({(write[0], write[1]) for write in WRITES}),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/responses"),
    ("POST", "/api/jobs/j/llm-call"),
]


def half_sent(gateway, method, path, headers):
    """The answer to a request whose body never comes."""
    host = gateway.url.removeprefix("http://")
    name, _, port = host.partition(":")
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        *headers,
    ]
    with closing(socket.create_connection((name, int(port)), timeout=30)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "key", ["X-Nothing: x", "X-Admin-Key: wrong", "Authorization: Bearer sk-wrong"]
)
def test_a_stranger_is_refused_before_the_body_is_read(keyed, method, path, key):
    for length in ("Content-Length: 1000000", "Transfer-Encoding: chunked"):
        assert half_sent(keyed, method, path, [key, length])[0] == 401


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(keyed, method, path):
    status, text = half_sent(
        keyed, method, path, [f"Content-Length: {MAX_BODY + 1}", "X-Admin-Key: the-key"]
    )
    assert (status, "10 MB" in text) == (413, True)


@pytest.mark.parametrize("path", ["/api/teams/create", "/v1/chat/completions"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_turns_out_too_large_is_refused(gateway, path, announced):
    """Its sender gets to read the answer, and an ordinary one is as large as it may be."""
    gateway.organization()
    key = gateway.team("t")["virtual_key"]
    headers = {"Authorization": f"Bearer {key}"}

    def sent(size):
        filling = b" " * (size - 2)
        content = b"{" + filling + b"}" if announced else iter([b"{", filling, b"}"])
        return gateway.http.post(path, content=content, headers=headers)

    assert sent(MAX_BODY).status_code == 422
    refused = sent(MAX_BODY + 1)
    assert (refused.status_code, "10 MB" in refused.text) == (413, True)
    assert gateway.http.get("/health").status_code == 200


def dripped(gateway, beginning, drop):
    """What the gateway answers to a request that never ends, until it cuts the connection."""
    name, _, port = gateway.url.removeprefix("http://").partition(":")
    over = threading.Event()
    with closing(socket.create_connection((name, int(port)), timeout=60)) as connection:
        connection.sendall(beginning)

        def drip():
            while drop and not over.wait(0.02):
                try:
                    connection.sendall(drop)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        over.set()
        thread.join()
    return answer.decode()


HEAD = b"POST /api/teams/create HTTP/1.1\r\nHost: localhost\r\n"
LOREM = [
    (b"", b""),
    (b"POST", b""),
    (HEAD, b"X-A: b\r\n"),
    (HEAD + b"X-A: ", b"b"),
    (HEAD + b"Content-Length: 1000\r\n\r\n{", b""),
    (HEAD + b"Content-Length: 1000000\r\n\r\n{", b" "),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    # A whole request, and then half of the next one.
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD, b"X-A: b\r\n"),
    # Refused at once, and still sending.
    (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
        b" ",
    ),
]


@pytest.mark.parametrize(("beginning", "drop"), LOREM)
def test_a_request_that_never_ends_is_cut_off(gateway, monkeypatch, capfd, beginning, drop):
    monkeypatch.setattr("reconciler.embedded.http.patience.HEADER_SECONDS", 0.3)
    monkeypatch.setattr("reconciler.embedded.http.patience.REQUEST_SECONDS", 0.5)
    answer = dripped(gateway, beginning, drop)
    if beginning.startswith(b"GET"):
        assert answer.startswith("HTTP/1.1 200 ")
    assert " 408 Request Timeout" in answer or answer.startswith("HTTP/1.1 401 ")
    assert gateway.http.get("/health").status_code == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_connection_that_waits_for_its_next_request_is_kept(gateway, monkeypatch):
    """Longer than a request may take: its client need not know how long."""
    monkeypatch.setattr("reconciler.embedded.http.patience.HEADER_SECONDS", 0.1)
    monkeypatch.setattr("reconciler.embedded.http.patience.REQUEST_SECONDS", 0.1)
    with closing(
        http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=30)
    ) as connection:
        for _ in range(3):
            connection.request("GET", "/health")
            assert connection.getresponse().read()
            sock = connection.sock
            time.sleep(0.3)
            assert connection.sock is sock


def test_a_client_that_leaves_in_the_middle_leaves_no_trace(gateway, capfd):
    name, _, port = gateway.url.removeprefix("http://").partition(":")
    for beginning in (HEAD + b"Content-Length: 1000\r\n\r\n{", HEAD):
        with closing(socket.create_connection((name, int(port)))) as connection:
            connection.sendall(beginning)
    assert gateway.http.get("/health").status_code == 200
    assert capfd.readouterr().err == ""


# --- without a key


def test_beyond_this_machine_nothing_is_served_without_a_key():
    for start in (
        lambda: running(create_app(":memory:"), "0.0.0.0").__enter__(),
        lambda: serve(create_app(":memory:"), "0.0.0.0", 0),
    ):
        with pytest.raises(ReconcilerError, match="needs an admin key there"):
            start()
    with running(create_app(":memory:", admin_key=SecretStr("k")), "0.0.0.0") as url:
        port = url.rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/api/teams").status_code == 401
        assert (
            httpx.get(
                f"http://127.0.0.1:{port}/api/teams", headers={"X-Admin-Key": "k"}
            ).status_code
            == 200
        )


def test_which_hosts_reach_beyond_this_machine():
    assert [beyond_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9")] == [
        False
    ] * 4
    assert [
        beyond_loopback(host) for host in ("0.0.0.0", "::", "", "192.0.2.1", "no-such-host.invalid")
    ] == [True] * 5


@pytest.mark.parametrize("key", ["", " ", "key\n", "a\x00b"])
def test_a_key_that_is_none_is_an_error(key):
    with pytest.raises(ReconcilerError, match="admin key is empty"):
        create_app(":memory:", admin_key=SecretStr(key))
