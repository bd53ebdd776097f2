"""URLs of settings: odd ones are findings, what passes is read alike by every library, and hosts can be limited."""

import asyncio
from collections import UserDict
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from reconciler.core.model.settings import GatewaySettings
from reconciler.core.model.urls import ALLOWED_HOSTS, allows, gateway_url, ledger_url, place
from reconciler.files.settings import load_settings
from reconciler.gateways import connect
from reconciler.gateways.base import GatewayError

WORDS = "a evil.example A.b _x 1 127.0.0.1 [::1] [:: %41 ä xn--4ca : :80 :8003 :0 :99999 :00080 @ / // \\ ? # . .. -"
PIECES = st.sampled_from(
    [*WORDS.split(" "), " ", "\t", "\n", "\r", "\x00", "%00", "%0a", "%2f", "%40", ";", "&", "="]
)
SCHEMES = st.sampled_from(
    ["http://", "https://", "http:", "https:/", "HTTP://", "ftp://", "//", "", "http:///"]
)
USUAL = st.sampled_from(["http://", "https://"])
URLS = st.builds(
    lambda scheme, parts: scheme + "".join(parts), USUAL | SCHEMES, st.lists(PIECES, max_size=7)
)


@settings(max_examples=500, deadline=None)
@given(URLS)
def test_a_url_that_passes_leads_to_one_place_whoever_reads_it(url):
    try:
        gateway_url(url)
    except ValueError as refused:
        assert not (len(url) > 8 and url in str(refused))
        return
    there = place(url)
    by_aiohttp, by_httpx, by_python = yarl.URL(url), httpx.URL(url), urlsplit(url)
    hosts = (by_aiohttp.raw_host, by_httpx.raw_host.decode(), by_python.hostname)
    for parts, host in zip((by_aiohttp, by_httpx, by_python), hosts, strict=True):
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        assert f"[{host}]:{port}" == there if ":" in host else f"{host.lower()}:{port}" == there
        assert not getattr(parts, "username", None)
        assert not getattr(parts, "user", None)


LEDGERS = st.builds(
    lambda parts: "postgresql://" + "".join(parts),
    st.lists(
        PIECES | st.sampled_from(["?host=evil", "&hostaddr=1.1.1.1", "?sslmode=require", "db"]),
        max_size=6,
    ),
)


@settings(max_examples=500, deadline=None)
@given(LEDGERS)
def test_a_ledgers_url_that_passes_leads_to_one_place_without_a_password(url):
    try:
        ledger_url(url)
    except ValueError as refused:
        assert not (len(url) > 13 and url in str(refused))
        return
    read = make_url(url)
    assert read.password is None
    assert not {"host", "hostaddr", "port", "service", "passfile", "password"} & read.query.keys()
    assert place(url) == (
        f"{read.host.lower()}:{read.port or 5432}" if ":" not in (read.host or ":") else place(url)
    )
    assert (read.host is None) == (place(url) is None) or ":" in (read.host or "")


ODD = [
    *("http://hunter2@h", "http://hunter2@h:80/", "http://hunter2:@h", "http://hunter2:x@h/", "http://:hunter2@h", "http://@h"),
    *("http://hunter2%40x@h", "http://h@hunter2@evil", "http://u:hunter2/x@h", "http://h:hunter2", "http://h:hunter2@x:1"),
    *("http://h/?key=hunter2", "http://h?hunter2", "http://h#hunter2", "http://h/#hunter2", "http://h/a?x=hunter2#y"),
    *("http://h:0", "http://h:65536", "http://h:-1", "http://h:", "http://h:8 0", "http://h:٣", "http://h:99999999999"),
    *("http://h\n", "http://h\r\nX-Admin-Key: hunter2", "http://h/\t", "http://\nh", "http://h/a\x00b", " http://h", "http://h "),
    *("http://", "http:///x", "http://[::1", "http://[]", "http://[::1]x", "http://[1.2.3.4]", "http://h\\@evil", "http://é.example"),
    *("http://.h", "http://-h", "http://h..", "https:/h", "https:h", "javascript://h", "http://h/ä", "http://h/a b", "http://h\u2028"),
]  # fmt: skip


@pytest.mark.parametrize("url", ODD)
def test_an_odd_url_is_a_finding_at_its_place_that_does_not_repeat_it(url: str, tmp_path: Path):
    quoted = "".join(
        f"\\u{ord(char):04x}" if not char.isascii() or ord(char) < 33 else char for char in url
    )
    text = quoted.replace("\\", "\\\\").replace("\\\\u", "\\u")
    (tmp_path / "reconciler.yaml").write_text(
        f'gateways:\n  embedded: {{backend: litellm, url: "{text}"}}\n'
    )
    (finding,) = load_settings(tmp_path)[1]
    assert finding.code in ("bad-value", "bad-format", "secret-in-settings")
    assert finding.origin.line == 2
    assert finding.origin.column in (32, 37)
    assert "hunter2" not in str(finding)


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://h.example/",
        "http://my_service:4000/base/v1",
        "http://[::1]:8003",
        "http://h:65535/a%20b",
    ],
)
def test_an_ordinary_url_passes(url: str):
    assert gateway_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["postgresql://db/x", "postgresql://me@db:5433/x?sslmode=require", "postgresql:///x", "sqlite:///a b/l.db", "sqlite:////abs#1"],
)  # fmt: skip
def test_an_ordinary_ledger_passes(url: str):
    assert ledger_url(url) == url


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        ("", "http://evil", True),
        (" , ", "http://evil", True),
        ("h", "https://h/base", True),
        ("h", "http://h", True),
        ("H.example", "https://h.EXAMPLE", True),
        ("a, h:8003\nb", "http://h:8003", True),
        ("h:443", "https://h", True),
        ("h", "https://h:8443", False),
        ("h:8003", "http://h", False),
        ("h", "http://h.evil", False),
        ("h", "http://evil/h", False),
        ("h.example", "http://xh.example", False),
        ("example", "http://h.example", False),
        ("[::1]:8003", "http://[::1]:8003", True),
        ("[::1]", "https://[::1]", True),
        ("db", "postgresql://me@db/x", True),
        ("h", "postgresql://db/x", False),
        ("h", "sqlite:///x", True),
    ],
)
def test_hosts_that_are_allowed(hosts: str, url: str, allowed: bool):
    assert allows(hosts, url) is allowed


class Watched(UserDict):
    """An environment that remembers what was looked up."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)


@pytest.mark.parametrize("backend", ["embedded", "saas-litellm", "litellm"])
def test_no_key_is_even_read_for_a_host_that_is_not_allowed(backend: str, tmp_path: Path):
    chosen = GatewaySettings(backend=backend, url="http://127.0.0.1:1/base", admin_key_env="KEY")
    environ = Watched(KEY="sk-hunter2", **{ALLOWED_HOSTS: "gateway.example.com, 127.0.0.1"})

    async def opened() -> None:
        async with connect("prod", chosen, directory=tmp_path, environ=environ, read_only=True):
            pass

    with pytest.raises(GatewayError) as refused:
        asyncio.run(opened())
    assert (
        str(refused.value) == f"gateway prod: 127.0.0.1:1 is not among the hosts of {ALLOWED_HOSTS}"
    )
    assert (
        refused.value.hint
        == f"where it is meant, add it there: {ALLOWED_HOSTS}=gateway.example.com, 127.0.0.1,127.0.0.1:1"
    )
    assert "KEY" not in environ.read
    environ[ALLOWED_HOSTS] = "127.0.0.1:1"
    with pytest.raises(GatewayError, match="no connection"):
        asyncio.run(opened())
