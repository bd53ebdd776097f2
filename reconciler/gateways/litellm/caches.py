"""When a change holds everywhere: LiteLLM Proxy's processes and replicas keep what they read for a while.

Source: LiteLLM 1.106.2, measured with two replicas. Workers count as replicas. What it
shows is only how often it reloads models; the others are its defaults, which environment variables may change
(DEFAULT_ACCESS_GROUP_CACHE_TTL, DEFAULT_MANAGEMENT_OBJECT_IN_MEMORY_CACHE_TTL): the settings' `cache_seconds` says so.
How many processes there are it does not show; the one that is written through knows of the change at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.core.model.changes import Change
from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways.base import GatewayError
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.facts import Lifetimes
from reconciler.gateways.litellm.rows import KINDS


def holding(known: Lifetimes) -> Mapping[str, float]:
    """What a revoke has to wait for (`core.plan.order.holding`). No models: an unknown one is read at its first use."""
    return {kind: row.lifetime(known) for kind, row in KINDS.items() if row.revoking}


ONE_PROCESS = Lifetimes(0, 0, 0)


def lifetimes_of(settings: GatewaySettings) -> Lifetimes:
    """As the settings say, else LiteLLM's defaults."""
    if settings.processes == 1:
        return ONE_PROCESS
    seconds = settings.cache_seconds
    return Lifetimes(teams=seconds, groups=seconds) if seconds else Lifetimes()


# Nobody reloads models less often than once a day.
MOST_SECONDS = 86_400
RELOAD = "proxy_config_reload_interval_seconds"


async def lifetimes(http: Http, known: Lifetimes) -> Lifetimes:
    """The lifetimes as far as the proxy shows them: how often it reloads models; what is known for the others."""
    if known == ONE_PROCESS:
        return known
    try:
        shown = await http.get("/config/list", params={"config_type": "general_settings"})
        fields = {str(each["field_name"]): each for each in shown}
        reload = fields.get(RELOAD, {})
        seconds = reload.get("field_value") or reload.get("field_default_value")
    except (GatewayError, KeyError, TypeError, AttributeError):
        return known
    sensible = isinstance(seconds, (int, float)) and 0 <= seconds <= MOST_SECONDS
    return replace(known, models=int(seconds)) if sensible else known


def holds_everywhere(
    changes: Iterable[Change], lifetimes: Lifetimes | None = None
) -> tuple[int, str]:
    """(seconds, sentence): how long after an apply the last process may still decide as before.

    What was only created was known to nobody, so nobody goes on without it; nor does an adoption change anything.
    """
    known = lifetimes or Lifetimes()
    kinds = {change.ref.kind for change in changes if change.verb in ("update", "delete")}
    rows = (KINDS[kind] for kind in kinds if kind in KINDS)
    waits = sorted(
        ((row.lifetime(known), row.words) for row in rows if row.lifetime(known)), reverse=True
    )
    if not waits:
        return 0, "holds everywhere at once"
    each = ", ".join(f"{words} {seconds} s" for seconds, words in waits)
    return waits[0][0], f"holds in every process of the proxy within {waits[0][0]} s ({each})"
