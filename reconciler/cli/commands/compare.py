"""`reconciler compare`: what differs between two environments."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completers import environments_and_base
from reconciler.cli.failures import DONE, PENDING
from reconciler.cli.options import as_of_option, config_option, gateway_option, loaded
from reconciler.cli.output import color, say, width

if TYPE_CHECKING:
    from reconciler.core.explain.compare import EnvironmentComparison
    from reconciler.core.explain.routes import Asked

BASE = "base"

EPILOG = """\b
Examples:
  reconciler compare --from staging --to prod                what prod lacks, or has beyond it
  reconciler compare --from base --to prod                   what the overlay of prod changes
  reconciler compare --from staging --to prod --format markdown --exit-code

`base` is the manifests without any overlay. Nothing is written: take over what you want into environments/TO.

Exit codes: 0 done, 1 the config has errors, 2 with --exit-code: they differ."""


@click.command(epilog=EPILOG)
@config_option
@gateway_option
@as_of_option
@click.option(
    "--from",
    "source",
    required=True,
    metavar="ENV",
    shell_complete=environments_and_base,
    help="The environment to take from, or `base`.",
)
@click.option(
    "--to",
    "target",
    required=True,
    metavar="ENV",
    shell_complete=environments_and_base,
    help="The environment to bring up to it, or `base`.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
)
@click.option("--exit-code", is_flag=True, help="Exit with 2 where they differ.")
def command(
    config: Path,
    gateway: str | None,
    as_of: datetime | None,
    source: str,
    target: str,
    form: str,
    exit_code: bool,
) -> int:
    """Show what differs between two environments: objects and their fields, and which team can call what in only one.

    The effective desired states are compared, plans, selections and grants resolved. No gateway is asked.
    """
    from reconciler.core.explain.compare import compare_environments  # noqa: PLC0415  not needed for --help

    here, there = (_asked(config, name, gateway, as_of) for name in (source, target))
    found = compare_environments((source, here.desired), (target, there.desired), there.rules)
    say(_rendered(found, form))
    return PENDING if exit_code and found.differs else DONE


def _asked(config: Path, environment: str, gateway: str | None, as_of: datetime | None) -> "Asked":
    from reconciler.asking import offline  # noqa: PLC0415  not needed for --help

    return offline(loaded(config, None if environment == BASE else environment, as_of), gateway)


def _rendered(found: "EnvironmentComparison", form: str) -> str:
    from reconciler.render.compare import comparison_json, comparison_markdown, render_comparison  # noqa: PLC0415  as above

    if form == "json":
        return comparison_json(found)
    return (
        comparison_markdown(found)
        if form == "markdown"
        else render_comparison(found, color=color(), width=width())
    )
