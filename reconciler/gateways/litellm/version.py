"""Which LiteLLM Proxy answers, and whether it has what we need."""

from collections.abc import Mapping
from typing import Any

from reconciler.gateways.base import GatewayError
from reconciler.gateways.http import Http
from reconciler.gateways.litellm.rows import KINDS
from reconciler.gateways.shapes import understood

# What each kind needs, and what the rules of access do: the router's aliases.
NEEDED: Mapping[str, str] = {
    path: method for row in KINDS.values() for path, method in row.needed.items()
} | {"/router/settings": "get"}


@understood(unknown=False)
async def require_endpoints(http: Http) -> str:
    """The version. Raises GatewayError where what answers is not LiteLLM Proxy, or too old to be managed."""
    answer = await http.get("/openapi.json")
    paths = answer.get("paths") if isinstance(answer, Mapping) else None
    version = (
        str((answer.get("info") or {}).get("version", "?")) if isinstance(answer, Mapping) else "?"
    )
    missing = missing_endpoints(paths or {})
    if missing:
        shown = ", ".join(missing)
        raise GatewayError(
            f"LiteLLM Proxy {version} lacks {shown}", hint=_hint(paths or {}, missing)
        )
    return version


def missing_endpoints(paths: Mapping[str, Any]) -> tuple[str, ...]:
    """What of `NEEDED` the paths of an /openapi.json lack, as `METHOD path`."""
    return tuple(
        f"{verb.upper()} {path}"
        for path, verb in NEEDED.items()
        if verb not in (paths.get(path) or {})
    )


def _hint(paths: Mapping[str, Any], missing: tuple[str, ...]) -> str:
    if len(missing) == len(NEEDED):
        other = "/api/models" in paths or "/api/model-aliases" in paths
        return (
            "it looks like SaaS LiteLLM: set backend: saas-litellm"
            if other
            else "is the url the one of the proxy?"
        )
    return "this was observed on LiteLLM 1.106.2: upgrade the proxy"
