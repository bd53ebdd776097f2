"""Where the ledger is, and whether that place fits the gateway that it remembers."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.core.model.findings import Finding, ReconcilerError, error, warning
from reconciler.core.model.settings import LedgerSettings
from reconciler.core.model.urls import refusal
from reconciler.system.disk import HOME


def ledger_place(settings: LedgerSettings, directory: Path, variables: Mapping[str, str]) -> str:
    """The ledger's URL; by default SQLite beside the config. `variables` is the process's environment.

    Raises ReconcilerError where its environment variable is not set or holds none. RECONCILER_ALLOWED_HOSTS is for the
    url of the settings; one in the environment is the machine's own.
    """
    if settings.url_env:
        url = variables.get(settings.url_env)
        if not url:
            message = f"the ledger's environment variable {settings.url_env} is not set"
            raise ReconcilerError(
                error("ledger", message, hint=f"export {settings.url_env} with the ledger's URL")
            )
        if not url.startswith(
            ("sqlite", "postgres")
        ):  # a word that is no URL may be a secret of another kind
            message = (
                f"the environment variable {settings.url_env} does not hold the URL of a ledger"
            )
            raise ReconcilerError(
                error("ledger", message, hint="sqlite:///FILE or postgresql://HOST/DATABASE")
            )
        return url
    if settings.url and not settings.url.startswith("sqlite:///"):
        refused = refusal("the ledger", settings.url, variables)
        if refused is not None:
            raise ReconcilerError(error("ledger", refused[0], hint=refused[1]))
        return settings.url
    file = settings.url.removeprefix("sqlite:///") if settings.url else f"{HOME}/ledger.db"
    return f"sqlite:///{(directory / file).resolve()}"


def lone_ledger(gateway: str, place: str, *, local: bool) -> tuple[Finding, ...]:
    """A ledger in a file beside the config is one person's; a gateway on another machine is applied to by many."""
    if local or not place.startswith("sqlite"):
        return ()
    message = (
        f"{gateway} is on another machine, and what is known of it is kept in a file on this one"
    )
    hint = "name a PostgreSQL database that all who apply can reach: ledger.url_env in the settings"
    return (warning("ledger-local", message, hint=hint),)
