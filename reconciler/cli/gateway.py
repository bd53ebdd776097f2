"""`reconciler gateway serve`: the embedded gateway over HTTP."""

import os
from pathlib import Path

import click

from reconciler.cli.failures import DONE
from reconciler.cli.options import config_option
from reconciler.cli.output import note

ADMIN_KEY = "RECONCILER_ADMIN_KEY"


EPILOG = """\b
Examples:
  reconciler gateway serve                              on http://127.0.0.1:8003, no key asked for
  LOCAL_ADMIN_KEY=choose-one reconciler gateway serve --admin-key-env LOCAL_ADMIN_KEY
  reconciler gateway serve --port 0 --database gw.db    on a free port, with its own database"""


@click.group()
def command() -> None:
    """The gateway that ships with the product."""


@command.command(epilog=EPILOG)
@config_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8003, show_default=True, type=click.IntRange(0, 65535), help="0 chooses a free one.")
@click.option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file  [default: DIR/.reconciler/gateway.db]",
)
@click.option(
    "--admin-key-env", metavar="NAME", help=f"Environment variable with the admin key  [default: {ADMIN_KEY} if set]"
)
def serve(config: Path, host: str, port: int, database: Path | None, admin_key_env: str | None) -> int:
    """Serve the embedded gateway: management under /api, calls under /v1, documentation at /docs.

    Without an admin key everybody who reaches the port may manage it; keep it on 127.0.0.1 then.
    """
    from pydantic import SecretStr  # noqa: PLC0415  not needed for --help

    from reconciler.embedded.app import close, create_app  # noqa: PLC0415  as above
    from reconciler.embedded.server import serve as run  # noqa: PLC0415  as above

    key = os.environ.get(admin_key_env or ADMIN_KEY)
    if admin_key_env and not key:
        raise click.UsageError(f"the environment variable {admin_key_env} is not set")
    file = database or config / ".reconciler" / "gateway.db"
    app = create_app(file, admin_key=SecretStr(key) if key else None)
    guard = "an admin key is asked for" if key else "no admin key is asked for"
    try:
        run(app, host, port, announce=lambda url: note(f"Embedded gateway on {url} ({file}); {guard}. ^C stops it."))
    finally:
        close(app)
    return DONE
