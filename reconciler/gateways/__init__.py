"""Gateways: one backend per module, opened by `connect`. Backends load when used, so importing this is cheap."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from reconciler.core.model.settings import GatewaySettings
from reconciler.core.model.urls import refusal
from reconciler.gateways.base import Gateway, GatewayError


@dataclass(frozen=True, slots=True)
class Opening:
    """What a backend is opened with: the settings of one gateway, and what they point at outside of the file."""

    settings: GatewaySettings
    directory: Path
    admin_key: SecretStr | None
    read_only: bool


Open = Callable[[Opening], AbstractAsyncContextManager[Gateway]]

LOOPBACK = "127.0.0.1"
DEFAULT_PORTS = {"http": 80, "https": 443}
EMBEDDED_DATABASE = ".reconciler/gateway.db"

# Backend name in the settings -> the module with its `opened(opening)`.
GATEWAYS: Mapping[str, str] = {
    "embedded": "reconciler.gateways.embedded",
    "saas-litellm": "reconciler.gateways.saas.backend",
    "litellm": "reconciler.gateways.litellm.backend",
}


@asynccontextmanager
async def connect(
    name: str,
    settings: GatewaySettings,
    *,
    directory: Path,
    environ: Mapping[str, str],
    read_only: bool,
) -> AsyncIterator[Gateway]:
    """The gateway called `name` in the settings, until the context ends.

    `directory` is the config directory, which relative files start from; `read_only` makes every write impossible.
    Raises GatewayError where it cannot be reached, is not what the settings say, its admin key is not set, or
    RECONCILER_ALLOWED_HOSTS does not have its host: this comes before any key is read.
    """
    from reconciler.gateways.shapes import UNEXPECTED, odd  # noqa: PLC0415  loads the HTTP client

    require_allowed(name, settings, environ)
    opening = Opening(settings, directory, _admin_key(name, settings, environ), read_only)
    open_backend: Open = import_module(GATEWAYS[settings.backend]).opened
    async with AsyncExitStack() as stack:
        try:
            gateway = await stack.enter_async_context(open_backend(opening))
        except UNEXPECTED as problem:
            raise odd(problem) from problem
        yield gateway


def require_allowed(name: str, settings: GatewaySettings, environ: Mapping[str, str]) -> None:
    """Raises GatewayError where the machine's list of hosts does not have the gateway's."""
    refused = (
        refusal(f"gateway {name}", settings.url, environ) if settings.url is not None else None
    )
    if refused is not None:
        raise GatewayError(refused[0], hint=refused[1])


def identity(settings: GatewaySettings, directory: Path) -> str:
    """What names a gateway in the ledger and in plan files: backend and place, never a user or a password.

    One name for all spellings of a place: the host in lower case, every loopback name 127.0.0.1, no default port, no
    slash at the end. An embedded gateway in a file is named by the id in it, so that the file can be moved.
    """
    if settings.url is None:
        from reconciler.embedded.store import gateway_id  # noqa: PLC0415 - only this backend has files

        place = (directory / (settings.database or EMBEDDED_DATABASE)).resolve()
        return f"{settings.backend} {gateway_id(place) or place}"
    return f"{settings.backend} {_canonical(settings.url)}"


def former_identities(settings: GatewaySettings, directory: Path) -> tuple[str, ...]:
    """What earlier versions called the gateway, and what it is called until it can be asked itself."""
    if settings.url is None:
        return (
            f"{settings.backend} {(directory / (settings.database or EMBEDDED_DATABASE)).resolve()}",
        )
    parts = urlsplit(settings.url)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2].lower())).rstrip("/")
    return (f"{settings.backend} {plain}", f"{settings.backend} {_canonical(settings.url)}")


def is_local(settings: GatewaySettings) -> bool:
    """Whether the gateway is on this machine."""
    return settings.url is None or _host(urlsplit(settings.url).hostname) == LOOPBACK


def _canonical(url: str) -> str:
    parts = urlsplit(url)
    host = _host(parts.hostname)
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), parts.query, ""))


def _host(name: str | None) -> str:
    host = (name or "").lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return LOOPBACK
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_loopback or address.is_unspecified:
        return LOOPBACK
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004  IPv6


def _admin_key(
    name: str, settings: GatewaySettings, environ: Mapping[str, str]
) -> SecretStr | None:
    variable = settings.admin_key_env
    if variable is None or settings.url is None:  # in process there is nobody to keep out
        return None
    key = environ.get(variable, "").strip()
    if not key:
        raise GatewayError(
            f"gateway {name}: the environment variable {variable} is not set",
            hint=f"export {variable} with the gateway's admin key",
        )
    if not (key.isascii() and key.isprintable()):
        raise GatewayError(
            f"gateway {name}: the admin key in {variable} holds characters that no header can carry"
        )
    return SecretStr(key)
