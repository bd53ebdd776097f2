"""The HTTP client against a server whose every answer is written down byte by byte."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways import connect, identity
from reconciler.gateways.answers import detail, oddity, retry_after
from reconciler.gateways.base import GatewayError
from reconciler.gateways.http import Patience, open_http
from reconciler.gateways.request import Again, Request

HURRY = Patience(attempts=3, first_seconds=0.001, most_seconds=0.01, most_in_all=0.5)
SECRET = "sk-admin-0123456789abcdef"
HANG = b"hang"


def answer(status: str, body: str = "{}", *headers: str, kind: str = "application/json") -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        *headers,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


@dataclass
class Scripted:
    """Answers one request after the other; an empty answer cuts the connection."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ),
            0,
        )
        self.requests.append(head + await reader.readexactly(length))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.005)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.at_once -= 1
        if said == HANG:
            await asyncio.sleep(3600)
        writer.write(said)
        await writer.drain()
        return bool(said) and b"connection: close" not in said


@asynccontextmanager
async def scripted(*answers: bytes, seconds: float = 5, concurrency: int = 4, **options):
    script = Scripted(list(answers))
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {
        "headers": {"X-Admin-Key": SecretStr(SECRET)},
        "key_env": "KEY",
        "patience": HURRY,
        **options,
    }
    try:
        async with open_http(url, concurrency=concurrency, seconds=seconds, **settings) as http:
            yield http, script
    finally:
        server.close()


def failing(
    *answers: bytes, method="POST", body=None, how=Again.NEVER, **options
) -> tuple[GatewayError, int]:
    """The error that a request ends with, and how often it was sent."""

    async def work():
        async with scripted(*answers, **options) as (http, script):
            with pytest.raises(GatewayError) as caught:
                await http.send(Request(method, "/thing", body, again=how))
            assert SECRET not in str(caught.value) + repr(caught.value.findings)
            return caught.value, len(script.requests)

    return asyncio.run(work())


def succeeding(*answers: bytes, method="POST", how=Again.NEVER, **options):
    async def work():
        async with scripted(*answers, **options) as (http, script):
            request = Request(method, "/thing", {"a": 1}, again=how)
            return await http.send(request), len(script.requests)

    return asyncio.run(work())


OK = answer("200 OK", '{"fine": true}')
BUSY = answer("429 Too Many Requests", "{}", "retry-after: 0")
BROKEN = answer(
    "500 Internal Server Error", "Internal Server Error", "connection: close", kind="text/plain"
)


REPEATABLE, FOLLOWS = Again.ALWAYS, Again.REFUSED
READ = ("GET", Again.NEVER)
PATIENT = [READ, ("PUT", REPEATABLE), ("POST", FOLLOWS)]


@pytest.mark.parametrize(("method", "how"), PATIENT)
def test_too_many_requests_is_waited_out(method, how):
    assert succeeding(BUSY, BUSY, OK, method=method, how=how) == ({"fine": True}, 3)


def test_a_write_that_was_refused_for_now_is_for_the_caller_to_repeat():
    error, sent = failing(BUSY)
    assert (error.status, error.retry, error.unknown, error.after, sent) == (
        429,
        True,
        False,
        0.0,
        1,
    )


@pytest.mark.parametrize(("method", "how"), PATIENT)
def test_patience_ends(method, how):
    error, sent = failing(BUSY, method=method, how=how)
    # No retry: the caller's own attempts do not multiply with those made here.
    assert (error.status, error.retry, error.unknown, error.after, sent) == (
        429,
        False,
        False,
        0.0,
        3,
    )


FAR = ["86400", "1e308", "inf", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"]


@pytest.mark.parametrize("asked", FAR)
@pytest.mark.parametrize(("method", "how"), [*PATIENT, ("POST", Again.NEVER)])
def test_nobody_waits_as_long_as_an_answer_likes(method, how, asked):
    error, sent = failing(
        answer("429 Too Many Requests", '{"detail": "slow down"}', f"retry-after: {asked}"),
        method=method,
        how=how,
    )
    assert (error.after, error.retry, sent) == (90.0, (method, how) not in PATIENT, 1)
    assert str(error) == f"{method} /thing answered 429: slow down"


def test_a_broken_read_is_repeated_a_broken_write_is_not():
    assert succeeding(BROKEN, b"", OK, method="GET") == ({"fine": True}, 3)
    error, sent = failing(BROKEN, OK)
    assert (error.unknown, error.retry, error.status, sent) == (True, False, 500, 1)
    error, sent = failing(b"", OK)
    assert (error.unknown, error.retry, error.status, sent) == (True, False, None, 1)
    assert str(error) == "POST /thing: the connection was cut before the answer was complete"


def test_a_repeatable_write_is_repeated():
    assert succeeding(BROKEN, b"", OK, method="PUT", how=REPEATABLE)[0] == {"fine": True}
    error, _ = failing(BROKEN, method="DELETE", how=REPEATABLE)
    assert error.unknown


def test_what_follows_is_not_repeated_in_doubt():
    error, sent = failing(BROKEN, OK, how=FOLLOWS)
    assert (error.unknown, error.retry, sent) == (True, False, 1)


def test_each_write_is_permitted_right_before_it_leaves():
    async def work():
        async with scripted(BROKEN, OK, concurrency=1) as (http, script):
            seen: list[int] = []
            http.before_send.append(lambda: seen.append(len(script.requests)))
            await http.get("/thing")
            await asyncio.gather(
                *(http.send(Request("PUT", "/thing", {}, again=REPEATABLE)) for _ in range(3))
            )
            return seen, len(script.requests)

    seen, sent = asyncio.run(work())
    # Each was asked when it was its turn; the read (sent twice) and nothing else went before.
    assert (seen, sent) == ([2, 3, 4], 5)


@pytest.mark.parametrize(
    "reason", [GatewayError("not now", retry=True), TimeoutError(), OSError(), httpx.ReadError("")]
)
@pytest.mark.parametrize("how", list(Again))
def test_a_veto_reaches_the_caller_as_it_is_and_nothing_is_sent(reason, how):
    def veto():
        raise reason

    async def work():
        async with scripted(OK) as (http, script):
            http.before_send.append(veto)
            with pytest.raises(type(reason)) as caught:
                await http.send(Request("POST", "/thing", {}, again=how))
            return caught.value, len(script.requests), http.lost

    error, sent, lost = asyncio.run(work())
    assert error is reason
    assert (sent, lost) == (0, [])


def test_headers_of_a_request_and_of_its_answer():
    async def work():
        async with scripted(answer("200 OK", "[1]", 'etag: "7"')) as (http, script):
            found = await http.exchange(
                Request(
                    "PUT", "/thing", {}, headers={"If-Match": '"6"'}, bearer=SecretStr("sk-team")
                )
            )
            return found, script.requests[0].decode().lower()

    found, head = asyncio.run(work())
    assert (found.body, found.headers["ETag"]) == ([1], '"7"')
    assert 'if-match: "6"' in head
    assert "authorization: bearer sk-team" in head
    assert f"x-admin-key: {SECRET}" in head


def test_half_an_answer_is_unknown_for_a_write():
    half = answer("200 OK", "x" * 50)[:-25] + b""

    async def work():
        async with scripted(half, seconds=0.2) as (http, _):
            with pytest.raises(GatewayError) as caught:
                await http.send(Request("POST", "/thing", {}))
            return caught.value

    assert asyncio.run(work()).unknown


def test_no_answer_in_time_is_unknown_for_a_write_only():
    error, sent = failing(HANG, seconds=0.1)
    assert (error.unknown, sent) == (True, 1)
    assert str(error) == "POST /thing: no answer within 0.1 s"
    error, sent = failing(HANG, seconds=0.1, method="GET")
    assert (error.unknown, sent) == (False, 3)


def test_what_was_never_sent_is_known():
    async def work(url: str) -> GatewayError:
        async with open_http(url, headers={}, concurrency=1, seconds=2, patience=HURRY) as http:
            with pytest.raises(GatewayError) as caught:
                await http.send(Request("POST", "/thing", {}))
            return caught.value

    refused = asyncio.run(work("http://127.0.0.1:1"))
    assert (refused.unknown, refused.retry) == (False, True)
    assert refused.hint == "is the gateway running at http://127.0.0.1:1?"
    unknown_host = asyncio.run(work("http://no-such-host.invalid"))
    assert not unknown_host.unknown
    assert "no-such-host.invalid" in str(unknown_host)


def test_tls_against_a_server_without_it_was_never_sent():
    async def work():
        async with scripted(OK) as (http, _):
            url = str(http.client.base_url).replace("http://", "https://")
            async with open_http(
                url, headers={}, concurrency=1, seconds=0.4, patience=HURRY
            ) as secure:
                with pytest.raises(GatewayError) as caught:
                    await secure.send(Request("POST", "/thing", {}))
                return caught.value

    error = asyncio.run(work())
    assert not error.unknown
    assert "no connection" in str(error)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_refused_key_is_named_by_its_variable(status):
    error, sent = failing(answer(status, '{"detail": "no"}'))
    assert (error.hint, error.unknown, sent) == (
        "the admin key in $KEY is missing or wrong",
        False,
        1,
    )
    error, _ = failing(answer(status, '{"detail": "no"}'), key_env=None)
    assert "admin_key_env" in error.hint


def test_a_redirect_is_not_followed():
    error, sent = failing(answer("308 Permanent Redirect", "", "location: https://elsewhere/"))
    assert (error.unknown, sent) == (False, 1)
    assert "https://elsewhere/" in error.hint


def test_an_answer_that_is_not_json():
    page = answer("200 OK", "<html>sign in</html>", kind="text/html")
    error, sent = failing(page)
    assert (error.unknown, sent) == (True, 1)
    error, _ = failing(page, method="GET")
    assert "something that is not JSON" in str(error)
    assert not error.unknown


def test_requests_at_once_are_bounded():
    async def work():
        async with scripted(OK, concurrency=3) as (http, script):
            await asyncio.gather(*(http.get("/thing") for _ in range(20)))
            return script.most_at_once

    assert asyncio.run(work()) == 3


def test_the_key_is_sent_and_a_bearer_beside_it():
    async def work():
        async with scripted(OK) as (http, script):
            await http.get("/thing", bearer=SecretStr("sk-team"), params={"limit": "5"})
            return script.requests[0].decode().lower()

    head = asyncio.run(work())
    assert head.startswith("get /thing?limit=5 ")
    assert f"x-admin-key: {SECRET}" in head
    assert "authorization: bearer sk-team" in head


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"detail": "Team \'t\' not found"}', "Team 't' not found"),
        (
            '{"detail": [{"loc": ["body", "name"], "msg": "required", "input": "sk-1"}]}',
            "body.name: required",
        ),
        ('{"detail": {"error": "no such team"}}', "no such team"),
        ('{"error": {"message": "bad\\n  model", "type": "x", "code": "400"}}', "bad model"),
        ('{"error": "Model access denied", "message": "Team t may not"}', "Team t may not"),
        ("Internal Server Error", "Internal Server Error"),
        ("[]", "Bad Request"),
        ("", "Bad Request"),
        ('{"detail": "' + "x" * 1000 + '"}', "x" * 397 + "..."),
    ],
)
def test_every_envelope_is_one_line(body, said):
    assert detail(httpx.Response(400, text=body)) == said


def test_a_page_of_html_is_left_out():
    assert detail(httpx.Response(502, html="<h1>nginx</h1>")) == "Bad Gateway"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2.5", 2.5, 2.5),
        ("-1", 0, 0),
        ("-inf", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        *((far, 90, 90) for far in FAR),
    ],
)
def test_retry_after(text, low, high):
    assert low <= retry_after(httpx.Response(429, headers={"retry-after": text})) <= high


@pytest.mark.parametrize(
    "text",
    ["soon", "nan", "", "1 2", "Wed, 99 Foo 2015 07:28:00 GMT", "Wed, 21 Oct 10000 07:28:00"],
)
def test_retry_after_that_says_nothing(text):
    assert retry_after(httpx.Response(429, headers={"retry-after": text})) is None
    assert retry_after(httpx.Response(429)) is None


@pytest.mark.parametrize("key", ["sk-\u00e4", "a\x01b"])
def test_a_key_that_no_header_can_carry(tmp_path, key):
    settings = GatewaySettings(
        backend="saas-litellm", url="http://127.0.0.1:1", admin_key_env="KEY"
    )

    async def work():
        async with connect(
            "prod", settings, directory=tmp_path, environ={"KEY": key}, read_only=True
        ):
            pass

    with pytest.raises(GatewayError, match="gateway prod: the admin key in KEY holds") as caught:
        asyncio.run(work())
    assert key not in str(caught.value)


def test_a_server_that_is_something_else(tmp_path):
    async def work(paths: str) -> GatewayError:
        async with scripted(answer("200 OK", '{"paths": {' + paths + "}}")) as (http, _):
            settings = GatewaySettings(backend="saas-litellm", url=str(http.client.base_url))
            with pytest.raises(GatewayError) as caught:
                async with connect(
                    "prod", settings, directory=tmp_path, environ={}, read_only=True
                ):
                    pass
            return caught.value

    proxy = asyncio.run(work('"/team/new": {}'))
    assert "this is not SaaS LiteLLM" in str(proxy)
    assert proxy.hint == "it looks like LiteLLM Proxy: set backend: litellm"
    assert "port 8003" in asyncio.run(work("")).hint


def test_identity_is_the_same_however_the_host_is_written(tmp_path):
    settings = GatewaySettings(backend="saas-litellm", url="https://HOST:8003/")
    assert identity(settings, tmp_path) == "saas-litellm https://host:8003"
    assert (
        identity(GatewaySettings(backend="embedded"), tmp_path)
        == f"embedded {tmp_path}/.reconciler/gateway.db"
    )


def test_gateways_are_imported_lazily():
    code = "import sys, reconciler.gateways as g; print([m for m in ('httpx', 'fastapi', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PROVIDER_KEY, BEARER = "provider-key/0123+4567=89", "sk-team-0123456789"
ECHOES = {
    "header": lambda: answer(
        "401 Unauthorized", json.dumps({"detail": f"bad headers: x-admin-key={SECRET}"})
    ),
    "bearer": lambda: answer(
        "403 Forbidden", json.dumps({"error": {"message": f"Bearer {BEARER} may not"}})
    ),
    "body": lambda: answer(
        "422 Unprocessable Entity", json.dumps({"detail": f"got {{'api_key': '{PROVIDER_KEY}'}}"})
    ),
    "list": lambda: answer(
        "422 Unprocessable Entity",
        json.dumps({"detail": [{"loc": ["body"], "msg": PROVIDER_KEY, "input": SECRET}]}),
    ),
    "text": lambda: answer(
        "400 Bad Request", f"you said {PROVIDER_KEY} {SECRET}", kind="text/plain"
    ),
    "crash": lambda: answer(
        "500 Internal Server Error", f"Traceback\n  key = {SECRET!r}\n", kind="text/plain"
    ),
    "not json": lambda: answer("200 OK", f"welcome, {SECRET}", kind="text/plain"),
    "redirect": lambda: answer(
        "307 Temporary Redirect", "", f"location: https://elsewhere/?key={SECRET}"
    ),
    "phrase": lambda: answer(f"400 {SECRET}", ""),
    "urlencoded": lambda: answer(
        "400 Bad Request", json.dumps({"message": quote(PROVIDER_KEY, safe="")})
    ),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("bearer", [None, SecretStr(BEARER)])
def test_what_the_gateway_says_back_of_the_request_is_not_shown(echo, bearer):
    body = {"litellm_params": {"api_key": SecretStr(PROVIDER_KEY)}}
    error, _ = failing(ECHOES[echo](), body=body, how={"bearer": bearer or SecretStr(BEARER)})
    said = f"{error} {error.hint} {error.findings}"
    for secret in (SECRET, BEARER, PROVIDER_KEY, quote(PROVIDER_KEY, safe="")):
        assert secret not in said
        assert secret[-12:] not in said


def test_a_secret_of_an_earlier_request_is_not_shown_either():
    async def work():
        async with scripted(
            OK, answer("400 Bad Request", json.dumps({"detail": f"{PROVIDER_KEY} again"}))
        ) as (
            http,
            _,
        ):
            await http.send(Request("POST", "/thing", {"key": SecretStr(PROVIDER_KEY)}))
            with pytest.raises(GatewayError) as caught:
                await http.send(Request("POST", "/thing", {}))
            return str(caught.value)

    assert asyncio.run(work()) == "POST /thing answered 400: (secret) again"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "{\"detail\": \"1 error: [{'loc': ('body', 'a'), 'msg': 'no', 'input': 'priv'}]\"}",
            "1 error: [{'loc': ('body', 'a'), 'msg': 'no'...",
        ),
        ('{"detail": "a [type=int, input_value=priv, input_type=str]"}', "a [type=int..."),
        ('{"detail": "a\\u001b]0;priv\\u0007\\u202eb"}', "a\\x1b]0;priv\\x07\\u202eb"),
        ("x" * 1000, "x" * 157 + "..."),
    ],
)
def test_a_reason_is_quoted_briefly_and_printably(body, said):
    assert detail(httpx.Response(400, content=body.encode())) == said


def test_a_row_that_cannot_be_read_is_told_without_its_values():
    class Row(BaseModel):
        number: int

    with pytest.raises(ValidationError) as caught:
        Row.model_validate({"number": SECRET})
    told = [oddity(caught.value), oddity(KeyError("alias")), oddity(ValueError(SECRET))]
    assert told[:2] == [
        "number: Input should be a valid integer, unable to parse string as an integer",
        "lacks alias",
    ]
    assert SECRET not in str(told)
