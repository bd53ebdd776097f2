"""`reconciler access`: which teams or plans reach which models."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.completers import models
from reconciler.cli.failures import DONE
from reconciler.cli.options import as_of_option, loaded, world
from reconciler.cli.output import color, note, say, width
from reconciler.cli.running import run

if TYPE_CHECKING:
    from reconciler.core.access.rules import Access
    from reconciler.core.explain.routes import Asked

EPILOG = """\b
Examples:
  reconciler access --by plan                          plans by models
  reconciler access --format csv > access.csv          for a spreadsheet
  reconciler access --model gpt-4                      who reaches it, and through what
  reconciler access --diff starter professional        two plans, or two teams"""


@click.command(epilog=EPILOG)
@world
@as_of_option
@click.option(
    "--by", type=click.Choice(["team", "plan"]), default="team", show_default=True, help="The rows."
)
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=models,
    help="Who can reach this model, through what.",
)
@click.option("--diff", nargs=2, metavar="A B", help="What two plans or two teams do not share.")
@click.option("--live", is_flag=True, help="As the gateway is now, instead of the config.")
@click.option("--full", is_flag=True, help="One row for each name, also where they are alike.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
)
def command(
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    by: str,
    model: str | None,
    diff: tuple[str, str] | None,
    live: bool,
    full: bool,
    form: str,
) -> int:
    """Show which teams or plans reach which models, by effective access."""
    if (model or diff) and form == "csv":
        raise click.UsageError("csv is for the whole matrix; use --format json here")
    if model and diff:
        raise click.UsageError("choose one of --model and --diff")
    asked = _asked(config, environment, gateway, as_of, live=live)
    if model:
        _model(asked, model, form)
    elif diff:
        _diff(asked, diff, form)
    else:
        _matrix(asked, by, form, full=full)
    return DONE


def _asked(
    config: Path,
    environment: str | None,
    gateway: str | None,
    as_of: datetime | None,
    *,
    live: bool,
) -> "Asked":
    """The question's world: with --live the gateway's state stands where the config's does."""
    from reconciler.asking import caveat, live_state, offline, online  # noqa: PLC0415  not needed for --help

    found = loaded(config, environment, as_of)
    if not live:
        without = offline(found, gateway)
        unknown = caveat(found, gateway)
        if unknown:
            note(unknown)
        return without
    asked = run(online(found, gateway))
    return replace(asked, desired=replace(asked.desired, state=live_state(asked)))


def _access(asked: "Asked") -> "Access":
    from reconciler.core.access.rules import access  # noqa: PLC0415  not needed for --help

    return access(asked.desired.state, asked.rules)


def _matrix(asked: "Asked", by: str, form: str, *, full: bool) -> None:
    from reconciler.core.explain.matrix import plan_matrix, team_matrix  # noqa: PLC0415  not needed for --help
    from reconciler.render.matrix import render, render_csv, render_json  # noqa: PLC0415  as above

    state = asked.desired.state
    found = (
        team_matrix(state, asked.rules)
        if by == "team"
        else plan_matrix(state, asked.desired.plans, asked.rules)
    )
    if form == "text":
        say(render(found, color=color(), width=width(), full=full))
    else:
        say(render_csv(found) if form == "csv" else render_json(found))


def _model(asked: "Asked", model: str, form: str) -> None:
    from reconciler.core.explain.matrix import callers, groups_with  # noqa: PLC0415  as above
    from reconciler.core.model.kinds import ModelAlias  # noqa: PLC0415  not needed for --help
    from reconciler.render.matrix import callers_json, render_callers  # noqa: PLC0415  as above

    found = _access(replace(asked, rules=asked.rules.asking(model)))
    if model not in found.callers:
        _require(model, asked.desired.state.of(ModelAlias), "model alias")
    who, groups = callers(found, model), groups_with(asked.desired.state, model)
    if form == "json":
        say(callers_json(model, who, groups))
    else:
        say(render_callers(model, who, groups, color=color(), width=width()))


def _diff(asked: "Asked", names: tuple[str, str], form: str) -> None:
    """Two plans where both are plans, else two teams."""
    from reconciler.core.explain.matrix import difference, plan_access  # noqa: PLC0415  not needed for --help
    from reconciler.render.matrix import difference_json, render_difference  # noqa: PLC0415  as above

    plans = all(name in asked.desired.plans for name in names)
    known = (
        plan_access(asked.desired.state, asked.desired.plans, asked.rules)
        if plans
        else _access(asked)
    )
    for name in names:
        _require(name, known.teams, "team")
    found = difference((names[0], known.of(names[0])), (names[1], known.of(names[1])))
    say(
        difference_json(found)
        if form == "json"
        else render_difference(found, color=color(), width=width())
    )


def _require(name: str, known: Mapping[str, object], what: str) -> None:
    from reconciler.core.model.findings import ReconcilerError, did_you_mean, error  # noqa: PLC0415  only for a mistake

    if name not in known:
        raise ReconcilerError(
            error("unknown-name", f"there is no {what} {name}", hint=did_you_mean(name, known))
        )
