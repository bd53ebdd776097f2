"""`reconciler schema`: the JSON Schemas."""

from pathlib import Path

import click

from reconciler.cli.failures import DONE, EXPECTED
from reconciler.cli.output import say

EPILOG = """\b
Examples:
  reconciler schema > manifest.schema.json     for an editor
  reconciler schema settings                   that of reconciler.yaml
  reconciler schema --write schemas            all of them
  reconciler schema --check schemas            in CI: exit 1 where a copy is stale"""


@click.command(epilog=EPILOG)
@click.argument("name", type=click.Choice(["manifest", "overlay", "settings"]), default="manifest")
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write all schemas there.",
)
@click.option(
    "--check",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Exit 1 where DIR is stale.",
)
def command(name: str, write: Path | None, check: Path | None) -> int:
    """Print the JSON Schema of manifests or settings; --write and --check keep committed copies fresh."""
    from reconciler.files.validate.schemas import rendered, stale_schemas, write_schemas  # noqa: PLC0415  not needed for --help

    if write:
        for file in write_schemas(write):
            say(str(file))
        return DONE
    if check:
        stale = stale_schemas(check)
        for each in stale:
            say(f"{check / each} is stale; reconciler schema --write {check} renews it")
        return EXPECTED if stale else DONE
    say(rendered(f"{name}.schema.json"))
    return DONE
