"""Gateways: one row a backend (`BACKENDS`), opened by `connect`. A backend loads when it is used.

To add a backend, in this package or in one of your own:

1. A module with `opened(opening)`, an async context manager that yields a `base.Gateway`: what `read` and `perform`
   do is the whole of the work, and `base.verdict` decides what became of a step. An API of plain REST objects needs
   rows only: `endpoints.Endpoint` for each kind, in a `saas.gateway.Dialect`, opened as `saas.backend` does.
2. A `Backend` row that names the module: here in `BACKENDS`, or in your package, named by an entry point:

       [project.entry-points."reconciler.backends"]
       portkey = "reconciler_portkey:BACKEND"

Nothing else knows backends by name. What a gateway cannot do is said by its `Support`, so that no plan promises it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from reconciler.core.access.rules import AccessRules, GroupRules
from reconciler.core.explain.routes import Facts
from reconciler.core.model.findings import ReconcilerError, did_you_mean, error
from reconciler.core.model.prices import NO_PRICES, PriceMap
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.model.urls import refusal
from reconciler.gateways.base import Gateway, GatewayError
from reconciler.system import plugins


@dataclass(frozen=True, slots=True)
class Opening:
    """What a backend is opened with: the settings of one gateway, and what they point at outside of the file.

    `prices` tell LiteLLM's backend which provider LiteLLM reads out of a model's name.
    """

    settings: GatewaySettings
    directory: Path
    admin_key: SecretStr | None
    read_only: bool
    prices: PriceMap = NO_PRICES


Open = Callable[[Opening], AbstractAsyncContextManager[Gateway]]


def _group_rules(_prices: PriceMap) -> AccessRules:
    return GroupRules()


@dataclass(frozen=True, slots=True)
class Backend:
    """What the product knows of a backend without connecting to a gateway.

    module     where its `opened(opening)` is
    rules      makes its rules of access, as far as they are known without asking, from the prices in force
    caveat     what those rules cannot know, in a sentence; None where they know everything
    facts      what it does besides checking access, for explain
    needs      the settings that it cannot do without
    database   whether it runs in process, on the SQLite file of the settings, where they have no url
    undeclared whether it may serve names that no manifest can declare, so that only a plan can tell
    """

    module: str
    rules: Callable[[PriceMap], AccessRules] = _group_rules
    caveat: str | None = None
    facts: Facts = field(default_factory=Facts)
    needs: frozenset[str] = frozenset({"url"})
    database: bool = False
    undeclared: bool = False


def _litellm_rules(prices: PriceMap) -> AccessRules:
    from reconciler.core.access.litellm.providers import inference  # noqa: PLC0415  loaded when used
    from reconciler.core.access.litellm.rules import LiteLLMRules  # noqa: PLC0415  as above

    return LiteLLMRules(infer=inference(prices))


# Backend name in the settings -> its row. Sources of the facts: the embedded gateway's admission;
# SaaS LiteLLM's src/auth/dependencies.py: credits are not asked for; its LiteLLM keeps a copy of the models.
BACKENDS: Mapping[str, Backend] = {
    "embedded": Backend(
        "reconciler.gateways.embedded",
        facts=Facts(credits=True),
        needs=frozenset(),
        database=True,
    ),
    "saas-litellm": Backend(
        "reconciler.gateways.saas.backend",
        facts=Facts(
            credits=False,
            providers=frozenset({"anthropic", "fireworks", "gemini", "openai"}),
            copies=True,
        ),
    ),
    "litellm": Backend(
        "reconciler.gateways.litellm.backend",
        rules=_litellm_rules,
        caveat="the proxy was not asked: its legacy groups, router aliases and undeclared models "
        "may grant more (access --live)",
        undeclared=True,
    ),
}

LOOPBACK = "127.0.0.1"
DEFAULT_PORTS = {"http": 80, "https": 443}
EMBEDDED_DATABASE = ".reconciler/gateway.db"
UNKNOWN_BACKEND = "unknown-backend"


def backend_names() -> tuple[str, ...]:
    """What settings may call a backend: the built-in ones, then those of plug-ins."""
    return (*BACKENDS, *plugins.plugins(plugins.BACKENDS, BACKENDS))


def backend_of(name: str) -> Backend:
    """The row of a backend. Raises ReconcilerError where there is none, or its plug-in cannot be loaded."""
    if name in BACKENDS:
        return BACKENDS[name]
    added = plugins.plugins(plugins.BACKENDS, BACKENDS)
    if name not in added:
        known = (*BACKENDS, *added)
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        raise ReconcilerError(error(UNKNOWN_BACKEND, f"there is no backend {name!r}", hint=hint))
    return added[name].loaded(Backend)


@asynccontextmanager
async def connect(
    name: str,
    settings: GatewaySettings,
    *,
    directory: Path,
    environ: Mapping[str, str],
    read_only: bool,
    prices: PriceMap = NO_PRICES,
) -> AsyncIterator[Gateway]:
    """The gateway called `name` in the settings, until the context ends.

    `directory` is the config directory, which relative files start from; `read_only` makes every write impossible.
    Raises GatewayError where it cannot be reached, is not what the settings say, its admin key is not set, or
    RECONCILER_ALLOWED_HOSTS does not have its host: this comes before any key is read.
    """
    from reconciler.gateways.shapes import UNEXPECTED, odd  # noqa: PLC0415  loads the HTTP client

    require_allowed(name, settings, environ)
    admin_key = _admin_key(name, settings, environ)
    opening = Opening(settings, directory, admin_key, read_only, prices)
    open_backend: Open = import_module(backend_of(settings.backend).module).opened
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
    if settings.url is None and not backend_of(settings.backend).database:
        return settings.backend
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
