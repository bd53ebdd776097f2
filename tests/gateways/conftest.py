"""The worlds that the gateway contract is tested in: each a running gateway, with settings to connect to it."""

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler.core.model.settings import GatewaySettings
from reconciler.files.prices.loading import shipped_prices
from reconciler.gateways import connect
from reconciler.gateways.base import Gateway

sys.path.insert(0, str(Path(__file__).parent.parent / "doubles"))

from litellm_proxy import litellm_proxy
from saas_litellm import saas_double
from served import served_embedded

KEY = "RECONCILER_TEST_KEY"
T = TypeVar("T")


SESSION = f"t{uuid.uuid4().hex[:4]}"


def new_prefix() -> str:
    """Of this process: what it leaves on a gateway that others use too can be told from what is theirs."""
    return f"{SESSION}{uuid.uuid4().hex[:10]}"


@dataclass
class World:
    """A gateway to test. `fail(method, path_regex, mode)` breaks the next such request, where the world can.

    `without`: kinds that it does not have. `team_keys`: whether a new team comes with a virtual key.
    """

    settings: GatewaySettings
    directory: Path
    environ: dict[str, str] = field(default_factory=dict)
    server: Any = None
    prefix: str = field(default_factory=new_prefix)
    without: frozenset[str] = frozenset()
    team_keys: bool = True

    def run(self, work: Callable[[Gateway], Awaitable[T]], *, read_only: bool = False) -> T:
        async def connected() -> T:
            gateway = connect(
                "test",
                self.settings,
                directory=self.directory,
                environ=self.environ,
                read_only=read_only,
                prices=shipped_prices(),
            )
            async with gateway as opened:
                return await work(opened)

        return asyncio.run(connected())

    def fail(self, method: str, path: str, mode: str, times: int | None = 1) -> None:
        self.server.fail(method, path, mode, times=times)


def saas_world(directory: Path, server: Any) -> World:
    settings = GatewaySettings(
        backend="saas-litellm", url=server.url, admin_key_env=KEY, timeout_seconds=10
    )
    return World(settings, directory, {KEY: server.admin_key}, server)


def _saas_double(stack: ExitStack, directory: Path) -> World:
    return saas_world(directory, stack.enter_context(saas_double()))


def _saas_real(_stack: ExitStack, directory: Path) -> World:
    url, key = (
        os.environ.get("RECONCILER_TEST_SAAS_URL"),
        os.environ.get("RECONCILER_TEST_SAAS_KEY"),
    )
    if not (url and key):
        pytest.skip(
            "needs a real SaaS LiteLLM: RECONCILER_TEST_SAAS_URL and RECONCILER_TEST_SAAS_KEY"
        )
    return World(
        GatewaySettings(backend="saas-litellm", url=url, admin_key_env=KEY), directory, {KEY: key}
    )


def _embedded(_stack: ExitStack, directory: Path) -> World:
    return World(GatewaySettings(backend="embedded"), directory)


def _embedded_http(stack: ExitStack, directory: Path) -> World:
    server = stack.enter_context(served_embedded(directory / "served.db"))
    settings = GatewaySettings(
        backend="embedded", url=server.url, admin_key_env=KEY, timeout_seconds=10
    )
    return World(settings, directory, {KEY: server.admin_key}, server)


def _litellm(stack: ExitStack, directory: Path) -> World:
    proxy = stack.enter_context(litellm_proxy(SESSION))
    settings = GatewaySettings(
        backend="litellm",
        url=proxy.url,
        admin_key_env=KEY,
        timeout_seconds=60,
        usd_per_credit=0.1,
        processes=1,
    )
    without = frozenset({"organization"})
    return World(
        settings, directory, {KEY: proxy.admin_key}, proxy, without=without, team_keys=False
    )


WORLDS: dict[str, Callable[[ExitStack, Path], World]] = {
    "embedded": _embedded,
    "embedded-http": _embedded_http,
    "litellm": _litellm,
    "saas-double": _saas_double,
    "saas-real": _saas_real,
}


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Starts each world once; every test has names of its own in it."""
    started: dict[str, World] = {}
    with ExitStack() as stack:

        def world_of(name: str) -> World:
            if name not in started:
                started[name] = WORLDS[name](stack, tmp_path_factory.mktemp(name))
            return replace(started[name], prefix=new_prefix())

        yield world_of


MARKED = {"litellm": pytest.mark.litellm}
LITELLM = pytest.param("litellm", marks=pytest.mark.litellm)


@pytest.fixture(params=[pytest.param(name, marks=MARKED.get(name, ())) for name in sorted(WORLDS)])
def world(request: pytest.FixtureRequest, running: Callable[[str], World]) -> World:
    return running(request.param)


@pytest.fixture(
    params=[name for name in sorted(WORLDS) if name not in {"embedded", "saas-real", "litellm"}]
)
def faulty_world(
    request: pytest.FixtureRequest, running: Callable[[str], World]
) -> Iterator[World]:
    """A world over a real socket whose requests can be broken."""
    found = running(request.param)
    yield found
    found.server.heal()


@pytest.fixture
def double_world(tmp_path: Path) -> Iterator[World]:
    """A double of its own."""
    with ExitStack() as stack:
        yield _saas_double(stack, tmp_path)


@pytest.fixture(params=[LITELLM])
def litellm_world(
    request: pytest.FixtureRequest, running: Callable[[str], World]
) -> Iterator[World]:
    """A real LiteLLM Proxy, whose requests can be broken."""
    found = running(request.param)
    yield found
    found.server.heal()
