"""Extras: the packages that only some commands need, and what to install where one is missing.

`pip install llm-reconciler` brings what most commands need. Whatever imports one of the others asks here first, so
that a command which lacks it says so in one line, and every other command works without it.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from reconciler.core.model.findings import Finding, ReconcilerError, error

DISTRIBUTION = "llm-reconciler"
MISSING = "missing-extra"
# Extra of the distribution -> what it is there for.
EXTRAS: Mapping[str, str] = {
    "gateway": "the embedded gateway",
    "policies": "the language of policies",
    "watch": "metrics for Prometheus",
    "postgresql": "a driver for PostgreSQL",
}


def lacking(extra: str, *modules: str) -> Finding | None:
    """The error that says which extra to install, where one of its modules is not there; nothing is imported."""
    if all(_is_there(module) for module in modules):
        return None
    return error(MISSING, f"this needs {EXTRAS[extra]}: pip install '{DISTRIBUTION}[{extra}]'")


def require(extra: str, *modules: str) -> None:
    """Raises ReconcilerError with what `lacking` says."""
    finding = lacking(extra, *modules)
    if finding is not None:
        raise ReconcilerError(finding)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
