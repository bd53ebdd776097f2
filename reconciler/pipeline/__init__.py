"""The whole product as functions: load, open, plan, drift, show. The command line is a thin layer over these.

    loaded = load(Path("config"), variables=os.environ)       files -> desired state and findings
    async with opened(loaded, gateway=None) as session:       ledger and gateway, read-only unless asked
        plan, live = await make(session)                      read the gateway, compare, say what it means
        report = await apply(session, options)                `reconciler.apply.run`: lock, plan, ask, execute, verify

Everything that depends on the world is a parameter: `now`, the environment, who is applying.
"""

from reconciler.pipeline.loading import (
    Loaded,
    load,
    located,
    require_readable,
    require_valid,
    utc_now,
)
from reconciler.pipeline.planning import Planned, Terms, make, plan_against, plan_now
from reconciler.pipeline.session import (
    Session,
    gateway_identity,
    gateway_settings,
    known_of,
    ledger_of,
    opened,
)
from reconciler.pipeline.sides import drift, show

__all__ = [
    "Loaded",
    "Planned",
    "Session",
    "Terms",
    "drift",
    "gateway_identity",
    "gateway_settings",
    "known_of",
    "ledger_of",
    "load",
    "located",
    "make",
    "opened",
    "plan_against",
    "plan_now",
    "require_readable",
    "require_valid",
    "show",
    "utc_now",
]
