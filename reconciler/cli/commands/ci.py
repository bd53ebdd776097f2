"""`reconciler ci`: the commands in a pipeline of GitHub or GitLab, with comments, issues and approved plans."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.events import log_format_option
from reconciler.cli.failures import DONE, EXPECTED, PENDING
from reconciler.cli.options import loaded, only_option, world
from reconciler.cli.output import findings_as, note, say
from reconciler.cli.running import run

if TYPE_CHECKING:
    from reconciler.ci.job import Job
    from reconciler.ci.surroundings import Surroundings
    from reconciler.core.model.findings import Finding, ReconcilerError
    from reconciler.pipeline import Loaded

F = TypeVar("F", bound=Callable[..., Any])

EPILOG = """\b
Examples:
  reconciler ci validate                       annotations on the lines of a pull request
  reconciler ci plan                           the plan as the one comment of its pull request
  reconciler ci apply                          at the merge: just what was approved there
  reconciler ci drift                          one issue, open while there is drift

The job's own variables say where it runs. Comments and issues need GITHUB_TOKEN, on GitLab REPORT_TOKEN
with the scope api."""

SHARED_EPILOG = "Exit codes: 0 done, 1 an error{more}."


@click.group(epilog=EPILOG)
def command() -> None:
    """In GitHub Actions and GitLab CI: a plan for each pull request, applied as approved when it is merged.

    The token is taken out of the environment before any file is read. In a pull request the settings are those of
    its base: RECONCILER_SETTINGS_REVISION, or the first parent of the merge that is checked out.
    """


def order_option(function: F) -> F:
    return click.option(
        "--order",
        type=click.Choice(["grant-first", "revoke-first"]),
        default="grant-first",
        show_default=True,
        help="What comes first: no team misses a model, or no team has one too many.",
    )(function)


def out_option(function: F) -> F:
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where plan and reports go  [default: $RUNNER_TEMP/reconciler, or reconciler-report]",
    )(function)


def report_option(function: F) -> F:
    """--no-report and --bot."""
    silent = click.option(
        "--no-report",
        is_flag=True,
        envvar="RECONCILER_NO_REPORT",
        help="Post no comment and no issue; $RECONCILER_NO_REPORT.",
    )
    bot = click.option(
        "--bot",
        metavar="LOGIN",
        default="github-actions[bot]",
        show_default=True,
        envvar="RECONCILER_BOT",
        help="On GitHub: whom the token writes as; only its posts are updated.",
    )
    return silent(bot(function))


@dataclass(frozen=True)
class Request:
    """What all of the commands are told."""

    config: Path
    environment: str | None
    gateway: str | None
    out: Path | None
    no_report: bool
    bot: str
    workflow: str = ""
    plan_job: str = ""


# ---- the commands


@command.command(epilog=SHARED_EPILOG.format(more=""), short_help="Check settings and manifests.")
@world
@out_option
def validate(config: Path, environment: str | None, gateway: str | None, out: Path | None) -> int:
    """Check settings and manifests, as `reconciler validate` does; with --gateway, that the settings have it.

    It needs no token and no secret, and connects to nothing: forks may run it.
    """
    from reconciler.ci import texts  # noqa: PLC0415  not needed for --help
    from reconciler.ci.outputs import outputs  # noqa: PLC0415  as above
    from reconciler.ci.surroundings import TOKENS, job_of  # noqa: PLC0415  as above
    from reconciler.cli.failures import taken  # noqa: PLC0415  as above
    from reconciler.core.model.findings import errors  # noqa: PLC0415  as above
    from reconciler.files.discovery import shown  # noqa: PLC0415  as above

    job = job_of(os.environ)
    taken(TOKENS[job.service])
    writing = outputs(os.environ, out)
    checked = loaded(config, environment, settings_revision=_base(job, config, required=False))
    findings = (
        checked.findings if gateway is None else (*checked.findings, *_unknown(checked, gateway))
    )
    _annotate(job, findings, config)
    code = EXPECTED if errors(findings) else DONE
    writing.tell(exit_code=code)
    if code:
        where = texts.place(shown(config), gateway, environment)
        listed = texts.fenced(findings_as("text", findings, config))
        writing.show(texts.post("plan", where, job, texts.INVALID, listed))
    return code


@command.command(
    epilog=SHARED_EPILOG.format(more=", 2 with --exit-code: changes are pending"),
    short_help="Plan, and say so on the pull request.",
)
@world
@only_option
@order_option
@click.option("--exit-code", is_flag=True, help="Exit with 2 where changes are pending.")
@out_option
@report_option
@log_format_option
def plan(order: str, only: tuple[str, ...], exit_code: bool, **shared: Any) -> int:
    """Validate and plan: annotations, the one comment of the pull request, the plan as a file for `ci apply`.

    In a pull request it fails where apply would refuse the plan, until a reviewer has set the label for just that:
    reconciler:allow-loss and so on. Nothing is planned for a fork.
    """
    from reconciler.ci.job import require_own_branch  # noqa: PLC0415  not needed for --help
    from reconciler.cli.pipelines.planning import planned_in_pipeline  # noqa: PLC0415  as above

    request = Request(**shared)
    with surroundings(request, require_own_branch) as here:
        revision = _base(here.job, request.config)
        pending = planned_in_pipeline(here, request, order, only, revision)
    return PENDING if exit_code and pending else DONE


@command.command(
    epilog=SHARED_EPILOG.format(more=", 130 interrupted"),
    short_help="Apply what was merged, as approved.",
)
@world
@only_option
@order_option
@click.option(
    "--on-stale",
    type=click.Choice(["replan", "fail"]),
    default="replan",
    show_default=True,
    envvar="RECONCILER_ON_STALE",
    help="What to do without an approved plan that holds; $RECONCILER_ON_STALE.",
)
@click.option(
    "--plan-workflow",
    "workflow",
    metavar="FILE",
    default=".github/workflows/reconciler-plan.yml",
    show_default=True,
    envvar="RECONCILER_PLAN_WORKFLOW",
    help="On GitHub: the workflow that plans; the plans of others are not trusted.",
)
@click.option(
    "--plan-job",
    metavar="NAME",
    default="plan",
    show_default=True,
    help="On GitLab: the job that plans.",
)
@click.option(
    "--lock-wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait for another apply to end.",
)
@click.option("--wait", is_flag=True, help="Return only when the changes hold everywhere.")
@click.option(
    "--probe",
    is_flag=True,
    help="Afterwards ask the gateway: granted models answer, revoked ones are denied.",
)
@out_option
@report_option
@log_format_option
def apply(
    on_stale: str,
    only: tuple[str, ...],
    order: str,
    lock_wait: float,
    wait: bool,
    probe: bool,
    **shared: Any,
) -> int:
    """Apply what was merged: the plan that was approved in its pull request, where it still holds.

    Where it does not, or where the job runs by a schedule or by hand, it plans again and applies just that plan. What
    apply refuses needs its label on the pull request; a schedule has none.
    """
    from reconciler.ci.job import require_default_branch  # noqa: PLC0415  not needed for --help
    from reconciler.cli.pipelines.applying import Wishes, applied_in_pipeline  # noqa: PLC0415  as above

    wishes = Wishes(on_stale == "replan", only, order, lock_wait, wait=wait, probe=probe)
    with surroundings(request := Request(**shared), require_default_branch) as here:
        return applied_in_pipeline(here, request, wishes)


@command.command(
    epilog=SHARED_EPILOG.format(more=", 2 with --exit-code: there is drift"),
    short_help="Look for drift, and keep its issue.",
)
@world
@click.option("--exit-code", is_flag=True, help="Exit with 2 where there is drift.")
@out_option
@report_option
@log_format_option
def drift(exit_code: bool, **shared: Any) -> int:
    """Look for drift: one issue, opened or updated while there is any, closed when it is gone."""
    from reconciler.ci import texts  # noqa: PLC0415  not needed for --help
    from reconciler.cli.commands.drift import look_once, tell  # noqa: PLC0415  as above
    from reconciler.render.drift import drift_markdown  # noqa: PLC0415  as above

    request = Request(**shared)
    with surroundings(request, lambda _job: None) as here:
        config = loaded(request.config, request.environment)
        seen, target = run(look_once(config, request.gateway))
        tell(seen, target, "text", quiet=False, full=False)
        drifted = seen.drifted
        here.outputs.tell(exit_code=PENDING if drifted else DONE, drifted=drifted)
        parts = (drift_markdown(seen, target), texts.HEAL if drifted else "")
        text = texts.post("drift", here.place, here.job, *parts)
        note(here.publish_drift(text, drifted=drifted))
    return PENDING if exit_code and drifted else DONE


# ---- what they share


@contextmanager
def surroundings(request: Request, permitted: "Callable[[Job], None]") -> "Iterator[Surroundings]":
    """The job with its forge; an error that ends the command is an annotation, too. `permitted` may refuse the job."""
    from reconciler.ci import texts  # noqa: PLC0415  not needed for --help
    from reconciler.ci.outputs import outputs  # noqa: PLC0415  as above
    from reconciler.ci.surroundings import TOKENS, Surroundings, Trust, connected, job_of  # noqa: PLC0415  as above
    from reconciler.cli.failures import taken  # noqa: PLC0415  as above
    from reconciler.core.model.findings import ReconcilerError  # noqa: PLC0415  as above
    from reconciler.files.discovery import shown  # noqa: PLC0415  as above

    job = job_of(os.environ)
    token = taken(TOKENS[job.service])
    writing = outputs(os.environ, request.out)
    where = texts.place(shown(request.config), request.gateway, request.environment)
    trust = Trust(request.bot, request.workflow, request.plan_job)
    try:
        permitted(job)
        writing.begin()
        with connected(job, os.environ, token, trust) as forge:
            yield Surroundings(job, where, writing, forge, report=not request.no_report)
    except ReconcilerError as problem:
        writing.tell(exit_code=EXPECTED)
        _annotate_error(job, problem, request.config)
        raise


def _unknown(checked: "Loaded", gateway: str) -> "tuple[Finding, ...]":
    """What is wrong with the name of a gateway."""
    from reconciler.core.model.findings import ReconcilerError  # noqa: PLC0415  not needed for --help
    from reconciler.pipeline import gateway_settings  # noqa: PLC0415  as above

    try:
        gateway_settings(checked, gateway)
    except ReconcilerError as problem:
        return problem.findings
    return ()


def _annotate(job: "Job", findings: "tuple[Finding, ...]", config: Path) -> None:
    """Findings on standard output: on GitHub as annotations of the lines."""
    from reconciler.ci.job import Service  # noqa: PLC0415  not needed for --help

    say(findings_as("github" if job.service is Service.GITHUB else "text", findings, config))


def _annotate_error(job: "Job", problem: "ReconcilerError", config: Path) -> None:
    from reconciler.ci.job import Service  # noqa: PLC0415  not needed for --help

    if job.service is Service.GITHUB:
        _annotate(job, problem.findings, config)


def _base(job: "Job", config: Path, *, required: bool = True) -> str | None:
    """The revision whose settings are in force: of a pull request its base, so that it cannot say where keys go.

    | pull request | RECONCILER_SETTINGS_REVISION | checked out | settings |
    |---|---|---|---|
    | no | any | any | as the variable says, else those that are checked out |
    | yes | set | any | as the variable says |
    | yes | not set | the merge of its head into the base | those of the merge's first parent |
    | yes | not set | anything else | an error where they are `required` |
    """
    from reconciler.core.model.findings import ReconcilerError, error  # noqa: PLC0415  not needed for --help
    from reconciler.files.base_settings import REVISION  # noqa: PLC0415  as above
    from reconciler.files.revisions import merged_head  # noqa: PLC0415  as above

    given = os.environ.get(REVISION) or None
    if job.pull_request is None or given is not None:
        return given
    if merged_head(config) == job.pull_request.head:
        return "HEAD^1"
    if not required:
        return None
    says = f"in a pull request the settings are those of its base, and {REVISION} is not set"
    hint = (
        "fetch two commits of the merge that GitHub checks out, or name the target branch's commit"
    )
    raise ReconcilerError(error("settings-revision", says, hint=hint))
