"""Where a call may go: not to this machine nor to its link (cloud metadata is there), but for addresses allowed.

An alias's URL is looked at when it is written. What counts is the connection: names may resolve to anything, and
answers redirect. So every connection that is opened for a call is checked at the socket, whoever opens it.
"""

import ipaddress
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Metadata services at addresses that are not link-local: AWS over IPv6, Alibaba Cloud.
_METADATA = frozenset(
    {ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")}
)
_LOCAL_NAME = re.compile(r"(.*\.)?localhost|localhost\.localdomain|ip6-(localhost|loopback)")
_URL_NAME = re.compile(r"api_base|base_url|endpoint|proxy|host|(^|_)ur[il]$", re.IGNORECASE)


class LocalAddress(PermissionError):  # noqa: N818 - its name says what it met
    """A connection of a call to an address of this machine or link that is not allowed."""


@dataclass(frozen=True, slots=True)
class Local:
    """An address of this machine or link that calls may reach, at one port or at any."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """HOST or HOST:PORT, where HOST is localhost or an IP address. Raises ValueError."""
        is_bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
        parts = urlsplit(f"//[{text}]" if is_bare_ipv6 else f"//{text}")
        if parts.netloc != parts.netloc.strip() or parts.path or not parts.hostname:
            raise ValueError(f"'{text}' is no HOST or HOST:PORT")
        if parts.hostname != "localhost":
            ipaddress.ip_address(parts.hostname)
        return cls(parts.hostname, parts.port)

    def covers(self, address: Address, port: int | None) -> bool:
        """At a port that is not known, only an address that is allowed at any."""
        if self.port not in (None, port):
            return False
        return (
            address.is_loopback
            if self.host == "localhost"
            else address == ipaddress.ip_address(self.host)
        )


Locals = tuple[Local, ...]
_guarded: ContextVar[Locals | None] = ContextVar(
    "addresses that this call may reach here", default=None
)


@contextmanager
def guarded(allowed: Locals) -> Iterator[None]:
    """Within it, a connection to an address of this machine or link that is not among them raises LocalAddress."""
    _install()
    token = _guarded.set(allowed)
    try:
        yield
    finally:
        _guarded.reset(token)


@cache
def _install() -> None:
    """Once a process: an audit hook cannot be taken back. It sees every connection, of any library and thread."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or (allowed := _guarded.get()) is None:
        return
    target = arguments[1]
    if isinstance(target, tuple):
        _check(str(target[0]), target[1], allowed)


def _check(host: str, port: int, allowed: Locals) -> None:
    address = _address(host)
    if address is None:
        raise LocalAddress(f"{host} is a name: it must be resolved first")
    if local(address) and not any(one.covers(address, port) for one in allowed):
        raise LocalAddress(f"{host} is an address of the gateway's own machine or link")


def local(address: Address) -> bool:
    """Whether it is of this machine or link, or a cloud's metadata service."""
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address in _METADATA
    )


def refused_url(parameters: Mapping[str, Any], allowed: Locals) -> str | None:
    """The first parameter whose URL names an address that calls may not reach, as far as its text tells."""
    for path, url in _urls(parameters):
        host, port = _host_and_port(url)
        address = _address("127.0.0.1" if _LOCAL_NAME.fullmatch(host) else host)
        if address and local(address) and not any(one.covers(address, port) for one in allowed):
            return path
    return None


def redirects(parameters: Mapping[str, Any]) -> bool:
    """Whether the call goes to an address of the alias's own choice."""
    return any(True for _ in _urls(parameters))


def _urls(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, inner in value.items():
                if (path or name) != "mock_response":
                    yield from _urls(inner, f"{path}.{name}" if path else name)
        case list():
            for inner in value:
                yield from _urls(inner, path)
        case str() if "://" in value or _URL_NAME.search(path.rpartition(".")[2]):
            yield path, value


def _host_and_port(url: str) -> tuple[str, int | None]:
    scheme, separator, rest = url.strip().rpartition("://")
    try:
        parts = urlsplit(f"//{rest if separator else url.strip()}")
        port = parts.port or {"https": 443, "http": 80}.get(scheme.lower())
    except ValueError:
        return "", None
    return (parts.hostname or "").rstrip("."), port


def _address(host: str) -> Address | None:
    """The address as it is written, also in the short, octal and hexadecimal ways that resolvers take."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address
