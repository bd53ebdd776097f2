"""`reconciler gateway serve`: the embedded gateway over HTTP."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from reconciler.cli.failures import DONE
from reconciler.cli.options import config_option
from reconciler.cli.output import note

ADMIN_KEY = "RECONCILER_ADMIN_KEY"


EPILOG = """\b
Examples:
  reconciler gateway serve                              on http://127.0.0.1:8003, no key asked for
  LOCAL_ADMIN_KEY=choose-one reconciler gateway serve --admin-key-env LOCAL_ADMIN_KEY
  reconciler gateway serve --port 0 --database gw.db    on a free port, with its own database
  reconciler gateway serve --allow-env OPENAI_API_KEY   for os.environ/OPENAI_API_KEY in aliases
  reconciler gateway serve --allow-local localhost:11434   for aliases of a model on this machine"""


def _locals(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    from reconciler.embedded.egress import Local  # noqa: PLC0415  not needed for --help

    try:
        for value in values:
            Local.parse(value)
    except ValueError as problem:
        raise click.BadParameter(
            f"{problem}: HOST or HOST:PORT, of localhost or an IP address"
        ) from None
    return values


@click.group()
def command() -> None:
    """The gateway that ships with the product."""


@command.command(epilog=EPILOG)
@config_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    default=8003,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 chooses a free one.",
)
@click.option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file  [default: DIR/.reconciler/gateway.db]",
)
@click.option(
    "--admin-key-env",
    metavar="NAME",
    help=f"Environment variable with the admin key  [default: {ADMIN_KEY} if set]",
)
@click.option(
    "--insecure-no-key", is_flag=True, help="Ask for no admin key, whoever reaches the port."
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Another name that it may be asked for by (Host).",
)
@click.option(
    "--allow-env",
    multiple=True,
    metavar="NAME",
    help="Variable that litellm_params may name: os.environ/NAME.",
)
@click.option(
    "--allow-local",
    multiple=True,
    metavar="HOST[:PORT]",
    callback=_locals,
    help="Address of this machine or link that aliases may call.",
)
def serve(config: Path, host: str, port: int, database: Path | None, **options: Any) -> int:
    """Serve the embedded gateway: management under /api, calls under /v1, documentation at /docs.

    On 127.0.0.1 it asks for no admin key unless it is given one. Where other machines reach it and it is given none, it
    makes one, shows it once, and keeps it beside its database.
    """
    from pydantic import SecretStr  # noqa: PLC0415  not needed for --help

    from reconciler.system.extras import require  # noqa: PLC0415  as above

    require("gateway", "fastapi", "uvicorn", "litellm")
    from reconciler.embedded.app import close, create_app, unusable  # noqa: PLC0415  as above
    from reconciler.embedded.server import serve as run  # noqa: PLC0415  as above

    file = database or config / ".reconciler" / "gateway.db"
    key, guard = _admin_key(
        host, file, options["admin_key_env"], insecure=options["insecure_no_key"]
    )
    allow_env = _allowed(options["allow_env"], options["admin_key_env"])
    app = create_app(
        file,
        admin_key=SecretStr(key) if key else None,
        allow_env=allow_env,
        allow_local=options["allow_local"],
    )
    hosts, insecure = options["allow_host"], options["insecure_no_key"]

    def announce(url: str) -> None:
        note(f"Embedded gateway on {url} ({file}); {guard}. ^C stops it.")
        for reason in unusable(app):
            note(f"Calls of {reason}")

    try:
        run(app, host, port, announce=announce, allow_hosts=hosts, insecure=insecure)
    finally:
        close(app)
    return DONE


def _admin_key(
    host: str, database: Path, variable: str | None, *, insecure: bool
) -> tuple[str | None, str]:
    """The key, None for none, and what to say of it."""
    from reconciler.embedded.server import beyond_loopback  # noqa: PLC0415  not needed for --help

    name = variable or ADMIN_KEY
    key = os.environ.get(name)
    if key is not None and not key.strip():
        raise click.UsageError(
            f"the environment variable {name} is empty: unset it, or give it a key"
        )
    if variable and key is None:
        raise click.UsageError(f"the environment variable {name} is not set")
    if key and insecure:
        raise click.UsageError(f"--insecure-no-key, but {name} holds a key")
    if key:
        return key, "an admin key is asked for"
    if insecure or not beyond_loopback(host):
        return None, "no admin key is asked for"
    return _kept_key(database.with_suffix(".key"))


def _kept_key(file: Path) -> tuple[str, str]:
    """The key of an earlier run, or a new one, which is shown this once and only on a terminal."""
    from reconciler.embedded.admin_key import kept_or_made  # noqa: PLC0415  not needed for --help

    key, made = kept_or_made(file)
    if made and sys.stderr.isatty():
        note(f"Admin key, shown once: {key}")
    return key, f"the admin key in {file} is asked for"


def _allowed(names: tuple[str, ...], admin_key_env: str | None) -> tuple[str, ...]:
    for name in names:
        if name in (ADMIN_KEY, admin_key_env):
            raise click.UsageError(f"--allow-env {name}: that is the gateway's own key")
    return names
