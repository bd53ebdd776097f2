"""`reconciler apply`: plan, ask, execute, verify."""

import sys
from pathlib import Path
from typing import Any

import click

from reconciler.cli.events import log_format_option
from reconciler.cli.options import (
    as_of_option,
    loaded,
    only_option,
    revision_option,
    world,
)

ALLOWANCES = {
    "--allow-loss": ("loss", "Let teams lose access to models."),
    "--allow-updates": ("too-many-updates", "Let it update more of a kind than the safety limit."),
    "--allow-deletes": ("too-many-deletes", "Let it delete more of a kind than the safety limit."),
    "--allow-empty": ("config-empty", "Let an empty config delete everything that is owned."),
    "--allow-protected": (
        "protected",
        "Let it delete objects that were declared with protect: true.",
    ),
    "--allow-budget-cut": ("budget-cut", "Let it give a budget to teams that had no limit."),
    "--allow-secret-lost": (
        "secret-lost",
        "Let it create models anew without the secrets that only the gateway had.",
    ),
    "--allow-cascade": ("cascade", "Let it delete teams whose keys die with them."),
}


def _parameter(code: str) -> str:
    return "allow_" + code.replace("-", "_")


def _allowances(command: click.Command) -> click.Command:
    for flag, (code, text) in ALLOWANCES.items():
        command.params.append(click.Option([flag, _parameter(code)], is_flag=True, help=text))
    return command


EPILOG = """\b
Examples:
  reconciler apply                               show the plan, ask, apply
  reconciler apply --yes --quiet                 unattended
  reconciler plan --out plan.json                review it, then:
  reconciler apply plan.json --yes               just that plan, or nothing
  reconciler apply --only team/acme-*            one customer's teams
  reconciler apply --revision HEAD~1             back to an earlier commit
  reconciler apply --yes --log-format json       events for programs on standard error

Exit codes: 0 everything is applied, 1 refused or not complete, 130 interrupted (run it again to go on)."""


@_allowances
@click.command(epilog=EPILOG)
@click.argument(
    "plan_file",
    required=False,
    metavar="[PLAN]",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
)
@world
@as_of_option
@revision_option
@only_option
@click.option(
    "--rebase", is_flag=True, help="With PLAN: go on although objects moved that it does not touch."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed where no terminal is.")
@click.option(
    "--order",
    type=click.Choice(["grant-first", "revoke-first"]),
    default="grant-first",
    show_default=True,
    help="What comes first: no team misses a model, or no team has one too many.",
)
@click.option("--full", is_flag=True, help="Every name instead of counts and examples.")
@click.option(
    "--probe",
    is_flag=True,
    help="Afterwards ask the gateway: granted models answer, revoked ones are denied.",
)
@click.option(
    "--probe-seconds",
    type=click.FloatRange(min=0),
    default=10,
    show_default=True,
    help="How long a probe may take.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Return only when the changes hold everywhere, where the gateway has caches.",
)
@click.option(
    "--fast",
    is_flag=True,
    help="Wait for no caches of the gateway: kept models may be denied for up to minutes.",
)
@click.option("--quiet", "-q", is_flag=True, help="Only the closing lines, and errors.")
@log_format_option
@click.option(
    "--lock-wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait for another apply to end.",
)
def command(**given: Any) -> int:
    """Take the gateway to the declared state.

    Shows the plan and asks. With PLAN (from `plan --out`) just what that plan holds is carried out, or nothing.

    No team loses, at any instant, a model that it keeps: where the gateway's processes keep what they read, revokes
    that depend on it wait, and the plan says how long. A crash at any point is safe: run it again. Ctrl-C finishes
    what is in flight and stops.
    """
    from reconciler.apply.options import Options  # noqa: PLC0415  not needed for --help
    from reconciler.cli.actor import actor  # noqa: PLC0415  as above
    from reconciler.cli.applying import Manner, applied, show_plan  # noqa: PLC0415  as above
    from reconciler.core.plan.order.schedule import Order  # noqa: PLC0415  as above
    from reconciler.core.plan.scope import parse_scope  # noqa: PLC0415  as above
    from reconciler.files.plan_file import read_plan_file  # noqa: PLC0415  as above

    file: Path | None = given["plan_file"]
    saved = read_plan_file(file) if file else None
    config = loaded(given["config"], given["environment"], given["as_of"], given["revision"])
    full, quiet = given["full"], given["quiet"]
    options = Options(
        actor=actor(),
        command=" ".join(["reconciler", *sys.argv[1:]]),
        allowed=_allowed(given),
        order=Order(saved.order if saved else given["order"]),
        scope=parse_scope(given["only"] or (saved.scope if saved else ())),
        saved=saved,
        rebase=given["rebase"],
        fast=given["fast"],
        lock_wait=given["lock_wait"],
        shown=lambda plan: show_plan(plan, full=full, quiet=quiet),
    )
    manner = Manner(
        yes=given["yes"],
        quiet=quiet,
        probe=given["probe_seconds"] if given["probe"] else None,
        wait=given["wait"],
    )
    return applied(config, given["gateway"], options, manner)


def _allowed(given: dict[str, Any]) -> frozenset[str]:
    """The codes of the refusals that flags override."""
    codes = (code for code, _ in ALLOWANCES.values())
    return frozenset(code for code in codes if given[_parameter(code)])
