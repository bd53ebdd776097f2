"""URLs in settings: what may stand in one, and whether a connection may go there.

The grammar is narrower than RFC 3986 on purpose. Libraries disagree about the rest (user names with an @, backslashes,
line breaks), and a check that reads another host than the client connects to is no check.
"""

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv6Address

_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
_GATEWAY = re.compile(
    rf"(?P<scheme>https?)://{_HOST}(?P<port>:[0-9]*)?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)
_POSTGRESQL = re.compile(
    r"(?P<scheme>postgres(?:ql)?(?:\+psycopg)?)://(?P<user>[A-Za-z0-9._~%-]+@)?"
    rf"(?:{_HOST}(?P<port>:[0-9]*)?)?/(?P<path>[A-Za-z0-9._~%-]*)(?:\?(?P<query>[^\s#]*))?"
)
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///[^?\x00-\x1f\x7f]+")
_PORTS = {"http": 80, "https": 443}
_POSTGRESQL_PORT, _LARGEST_PORT = 5432, 65_535
# Of the parameters of libpq those that lead nowhere else, read no file with a password and are none.
_PARAMETERS = frozenset(
    {"sslmode", "sslrootcert", "channel_binding", "connect_timeout", "target_session_attrs"}
)

_IN_THE_ENVIRONMENT = "put the whole url into an environment variable and name it in url_env"


def gateway_url(url: str) -> str:
    """The url. Raises ValueError, which never repeats it, for what is more than scheme, host, port and path."""
    rest = url.partition("://")[2]
    if "@" in re.split(r"[/?#\\]", rest, maxsplit=1)[0]:
        raise ValueError(
            "url has a user name: leave it out; admin_key_env names the key's variable"
        )
    if "?" in rest or "#" in rest:
        raise ValueError("url has a query or a fragment (? or #): leave it out")
    parts = _GATEWAY.fullmatch(url)
    if parts is None:
        raise ValueError(
            "url is no http(s)://HOST:PORT/PATH in plain ASCII (an international host is written xn--...)"
        )
    _require_place(parts)
    return url


def ledger_url(url: str) -> str:
    """The url. Raises ValueError, which never repeats it, for what does not lead to one database without a password."""
    if url.startswith("sqlite"):
        if not _SQLITE.fullmatch(url):
            raise ValueError("url is no sqlite:///FILE")
        return url
    parts = _POSTGRESQL.fullmatch(url)
    if parts is None:
        raise ValueError(
            f"url is no postgresql://USER@HOST:PORT/DATABASE without a password; {_IN_THE_ENVIRONMENT}"
        )
    names = {pair.partition("=")[0] for pair in (parts["query"] or "").split("&") if pair}
    if not names <= _PARAMETERS:
        known = ", ".join(sorted(_PARAMETERS))
        raise ValueError(f"url has a parameter other than {known}; {_IN_THE_ENVIRONMENT}")
    _require_place(parts)
    return url


ALLOWED_HOSTS = "RECONCILER_ALLOWED_HOSTS"


def _require_place(parts: re.Match[str]) -> None:
    """A port from 1 to 65535 if any, and a whole IPv6 address. Raises ValueError."""
    port = parts["port"]
    if port is not None and not (
        port[1:] and len(port) <= len(":65535") and 0 < int(port[1:]) <= _LARGEST_PORT
    ):
        raise ValueError("url needs a port from 1 to 65535, or none")
    host = parts["host"] or ""
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except AddressValueError:
            raise ValueError("url has half an IPv6 address in its brackets") from None


def place(url: str) -> str | None:
    """`host:port` of a valid url, in lower case and with the scheme's own port; None for a file or a local socket."""
    parts = _GATEWAY.fullmatch(url) or _POSTGRESQL.fullmatch(url)
    if parts is None or not parts["host"]:
        return None
    port = (parts["port"] or "")[1:] or _PORTS.get(parts["scheme"], _POSTGRESQL_PORT)
    return f"{parts['host'].lower()}:{int(port)}"


def refusal(what: str, url: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Why nothing connects to a url of the settings, and what to do; None where the machine's list of hosts has it."""
    hosts = environ.get(ALLOWED_HOSTS, "")
    if allows(hosts, url):
        return None
    says = f"{what}: {place(url)} is not among the hosts of {ALLOWED_HOSTS}"
    return says, f"where it is meant, add it there: {ALLOWED_HOSTS}={hosts.strip()},{place(url)}"


def allows(hosts: str, url: str) -> bool:
    """Whether a list of `host` and `host:port`, separated by commas or blanks, has the url's place.

    A host without a port stands for the port that the url's scheme has by itself. An empty list allows everything.
    """
    allowed = {name.lower() for name in re.split(r"[,\s]+", hosts) if name}
    there = place(url)
    if not allowed or there is None:
        return True
    host, _, port = there.rpartition(":")
    own = str(_PORTS.get(url.partition("://")[0], _POSTGRESQL_PORT))
    return there in allowed or (port == own and host in allowed)
