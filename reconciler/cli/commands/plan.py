"""`reconciler plan`: what apply would do, and what it means."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.events import as_json, emit_failure, emit_plan, log_format_option, quiet_option
from reconciler.cli.failures import DONE, EXPECTED, PENDING
from reconciler.cli.formats import BUILT_IN, listed, names
from reconciler.cli.options import as_of_option, loaded, only_option, revision_option, world
from reconciler.cli.output import color, note, say
from reconciler.cli.reports import Made, plan_as, report_option, write_failure, write_reports
from reconciler.cli.running import run

if TYPE_CHECKING:
    from reconciler.core.model.findings import Finding
    from reconciler.pipeline import Loaded


EPILOG = """\b
Examples:
  reconciler plan                                what would change on the default gateway
  reconciler plan --gateway prod --exit-code     in CI: exit 2 where changes are pending
  reconciler plan --format markdown              for a pull request's comment
  reconciler plan --report plan.html             for a browser: search it by team and model
  reconciler plan --out plan.json                save it, for `reconciler apply plan.json`
  reconciler plan --only organization=org_acme   one customer's part
  reconciler plan --as-of 2030-01-01             what grants and sunsets will have changed

Exit codes: 0 done, 1 the config or the plan has errors, 2 with --exit-code: changes are pending."""


@click.command(epilog=EPILOG)
@world
@as_of_option
@revision_option
@click.option(
    "--format", "form", default="text", show_default=True, help=f"{listed(list(BUILT_IN))}."
)
@report_option
@click.option(
    "--full", is_flag=True, help="Every name instead of counts and examples, foreign objects too."
)
@click.option("--exit-code", is_flag=True, help="Exit with 2 where changes are pending.")
@only_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan for apply.",
)
@quiet_option
@log_format_option
@click.option(
    "--order",
    type=click.Choice(["grant-first", "revoke-first"]),
    default="grant-first",
    show_default=True,
    help="What comes first: no team misses a model, or no team has one too many.",
)
def command(
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    revision: str | None,
    form: str,
    full: bool,
    exit_code: bool,
    order: str,
    only: tuple[str, ...],
    out: Path | None,
    quiet: bool,
    reports: tuple[Path, ...],
) -> int:
    """Show what apply would change: creates, updates, deletions, and who gains or loses which model.

    Plan only reads: its connection to the gateway refuses every write.
    """
    from reconciler.core.model.findings import ReconcilerError, errors  # noqa: PLC0415  not needed for --help

    if form not in names():
        raise click.BadParameter(f"one of {', '.join(names())}", param_hint="--format")
    try:
        made = run(planned(loaded(config, environment, as_of, revision), gateway, order, only, out))
    except ReconcilerError as problem:
        write_failure(reports, problem.findings, config)
        raise
    emit_plan(made.plan)
    if not quiet:
        say(plan_as(form, made, config, full=full))
    write_reports(reports, made, config, full=full)
    wrong = errors(made.plan.findings)
    if wrong:
        _say_errors(wrong, quiet=quiet)
        return EXPECTED
    waiting = made.plan.pending or bool(made.plan.owed)
    return PENDING if exit_code and waiting else DONE


def _say_errors(wrong: "tuple[Finding, ...]", *, quiet: bool) -> None:
    """On standard error, where the plan on standard output does not say them, or a program listens."""
    from reconciler.render.findings.text import render_findings  # noqa: PLC0415  not needed for --help

    if as_json():
        emit_failure(wrong, EXPECTED)
    elif quiet:
        note(render_findings(wrong, color=color(sys.stderr)))


async def planned(
    config: "Loaded", gateway: str | None, order: str, only: tuple[str, ...], out: Path | None
) -> Made:
    """The plan as of now; with `out` it is saved there. Raises ReconcilerError where there is none."""
    from reconciler.core.plan.order.schedule import Order  # noqa: PLC0415  not needed for --help
    from reconciler.core.plan.scope import parse_scope  # noqa: PLC0415  as above
    from reconciler.files.plan_file import write_plan_file  # noqa: PLC0415  as above
    from reconciler.pipeline import make, opened, require_valid  # noqa: PLC0415  as above
    from reconciler.render.plan.saved import plan_file_content  # noqa: PLC0415  as above

    require_valid(config)
    async with opened(config, gateway) as session:
        plan, live = await make(session, order=Order(order), scope=parse_scope(only))
    if out:
        write_plan_file(out, plan_file_content(plan, live.state, config.now))
    return Made(plan, live.state, session.gateway.support, config.now)
