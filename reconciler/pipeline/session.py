"""Session: a loaded config with its gateway and its ledger open, and what the ledger remembers of the gateway."""

from collections.abc import AsyncIterator, Collection
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.model.findings import ReconcilerError, did_you_mean, error
from reconciler.core.model.inventory import Known
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.plan.order.holding import remembered_for
from reconciler.core.plan.plan import Target
from reconciler.gateways import connect, identity
from reconciler.gateways.base import Gateway
from reconciler.ledger import LedgerError
from reconciler.ledger.place import ledger_place
from reconciler.ledger.remembered import remembered
from reconciler.pipeline.loading import Loaded, utc_now
from reconciler.system.disk import readable_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.ledger import Ledger

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Session:
    """A loaded config with its gateway and ledger open."""

    loaded: Loaded
    target: Target
    gateway: Gateway
    ledger: "Ledger"


def gateway_settings(loaded: Loaded, name: str | None) -> tuple[str, GatewaySettings]:
    """The chosen gateway of the settings. Raises ReconcilerError where it is not among them."""
    chosen = name or loaded.settings.default_gateway
    known = loaded.settings.gateways
    if chosen not in known:
        hint = did_you_mean(chosen, known) or f"the settings name: {', '.join(sorted(known))}"
        raise ReconcilerError(
            error("unknown-gateway", f"there is no gateway {chosen!r} in the settings", hint=hint)
        )
    return chosen, known[chosen]


def gateway_identity(ledger: "Ledger", settings: GatewaySettings, directory: Path) -> str:
    """What names a gateway in the ledger, without connecting to it."""
    return ledger.known_as(identity(settings, directory))


@asynccontextmanager
async def opened(
    loaded: Loaded, gateway: str | None = None, *, read_only: bool = True
) -> AsyncIterator[Session]:
    """Gateway and ledger, open. With `read_only` the transport refuses every write."""
    name, settings = gateway_settings(loaded, gateway)
    with ledger_of(loaded, read_only=read_only) as ledger:
        connection = connect(
            name,
            settings,
            directory=loaded.directory,
            environ=loaded.variables,
            read_only=read_only,
            prices=loaded.prices,
        )
        async with connection as connected:
            others = [
                name for name in connected.called if ledger.known_as(name) != connected.identity
            ]
            if others:
                ledger.unite(connected.identity, others)
            yield Session(
                loaded, Target(name, connected.identity, settings.backend), connected, ledger
            )


@contextmanager
def ledger_of(loaded: Loaded, *, read_only: bool = False) -> "Iterator[Ledger]":
    """The ledger that the settings name; by default SQLite beside the config. LedgerErrors become findings.

    One that is only read may lie on a read-only file system.
    """
    from reconciler.ledger import open_ledger  # noqa: PLC0415  loads SQLAlchemy, which validate needs none of

    url = ledger_place(loaded.settings.ledger, loaded.directory, loaded.variables)
    try:
        with ExitStack() as stack:
            if read_only and url.startswith(SQLITE):
                database = Path(url.removeprefix(SQLITE))
                url = f"{SQLITE}{stack.enter_context(readable_database(database))}"
            yield stack.enter_context(open_ledger(url))
    except LedgerError as problem:
        raise ReconcilerError(
            error("ledger", problem.message, hint=problem.hint or None)
        ) from problem


def known_of(
    session: Session,
    fixed: Collection[Ref] = frozenset(),
    undecided: Collection[str] = frozenset(),
) -> Known:
    """All that the ledger remembers of the gateway, read now; `fixed` and `undecided` as in `Known`.

    Under the lock nobody else writes: an apply reads it once before its requests, and once to verify them.
    """
    seconds = remembered_for(session.gateway.support)
    since = utc_now() - timedelta(seconds=seconds) if seconds else None
    return remembered(
        session.ledger,
        session.target.identity,
        expanded_since=since,
        fixed=frozenset(fixed),
        undecided=frozenset(undecided),
    )
