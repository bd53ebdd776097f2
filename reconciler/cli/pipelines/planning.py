"""Planning in a pipeline: what becomes of a plan, or of the reason why there is none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.ci import texts
from reconciler.ci.approval import BINDING, PLAN, Binding, sha256
from reconciler.ci.job import Service
from reconciler.ci.labels import Allowance, allowance
from reconciler.ci.rest import ForgeError
from reconciler.cli.commands.plan import planned
from reconciler.cli.events import emit_plan
from reconciler.cli.failures import DONE, PENDING, as_expected
from reconciler.cli.options import loaded
from reconciler.cli.output import findings_as, note, say
from reconciler.cli.reports import Made, plan_as
from reconciler.cli.running import run
from reconciler.core.model.findings import Finding, ReconcilerError, error, errors
from reconciler.files.revisions import content_id
from reconciler.render.findings.text import render_findings

if TYPE_CHECKING:
    from reconciler.ci.surroundings import Surroundings
    from reconciler.cli.commands.ci import Request
    from reconciler.pipeline import Loaded


def planned_in_pipeline(
    here: "Surroundings",
    request: "Request",
    order: str,
    only: tuple[str, ...],
    settings_revision: str | None,
) -> bool:
    """The plan with its comment; whether changes are pending.

    Raises ReconcilerError where there is none that could be applied, or where labels are missing that allow it.
    """
    with _told_whatever_happens(here), as_expected():
        config = loaded(request.config, request.environment, settings_revision=settings_revision)
        _require_valid(here, request, config)
        made = made_and_saved(here, request, config, order, only)
        say(plan_as("text", made, request.config))
        body = plan_as("markdown", made, request.config)
        here.outputs.write("plan.md", body)
        wrong = errors(made.plan.findings)
        if wrong:
            _publish(here, texts.UNPLANNED, body, texts.fenced(render_findings(wrong)))
            raise ToldError(*wrong)
        _bind(here, request)
        allowed = _allowance(here, made)
        _publish(here, body, texts.about_labels(allowed))
    if allowed.refused:
        raise ReconcilerError(_missing(allowed))
    return made.plan.pending or bool(made.plan.owed)


class ToldError(ReconcilerError):
    """An error that the comment says already."""


@contextmanager
def _told_whatever_happens(here: "Surroundings") -> Iterator[None]:
    """The comment is never about an earlier commit: where there is no plan, it says so, and why."""
    try:
        yield
    except (ToldError, ForgeError):
        raise
    except ReconcilerError as problem:
        try:
            listed = texts.fenced(render_findings(problem.findings))
            _publish(here, texts.UNPLANNED, listed)
        except ReconcilerError as unsaid:
            raise ReconcilerError(*problem.findings, *unsaid.findings) from problem
        raise
    except BaseException:
        with suppress(ReconcilerError):
            _publish(here, texts.BROKEN)
        raise


def _publish(here: "Surroundings", *parts: str) -> None:
    text = texts.post("plan", here.place, here.job, *parts)
    note(here.publish("comment.md", text, here.job.pull_request))


def _require_valid(here: "Surroundings", request: "Request", config: "Loaded") -> None:
    form = "github" if here.job.service is Service.GITHUB else "text"
    if not config.valid:
        listed = texts.fenced(render_findings(config.findings))
        _publish(here, texts.INVALID, listed)
        raise ToldError(*config.findings)
    say(findings_as(form, config.findings, request.config))


def made_and_saved(
    here: "Surroundings",
    request: "Request",
    config: "Loaded",
    order: str,
    only: tuple[str, ...],
) -> Made:
    """The plan as of now, saved as a file, and as a report for a browser. Raises ReconcilerError."""
    made = run(planned(config, request.gateway, order, only, _file(here, PLAN)))
    emit_plan(made.plan)
    here.outputs.write("plan.html", plan_as("html", made, request.config))
    waiting = made.plan.pending or bool(made.plan.owed)
    code, pending = (PENDING if waiting else DONE), made.plan.pending
    here.outputs.tell(exit_code=code, pending=pending, **made.plan.counts)
    return made


def _file(here: "Surroundings", name: str) -> Path:
    return here.outputs.directory / name


def _bind(here: "Surroundings", request: "Request") -> None:
    """Writes down what the plan holds for (`ci.approval`)."""
    binding = Binding(
        config_tree=content_id(request.config) or "",
        head=here.job.head,
        commit=here.job.commit,
        plan_sha256=sha256(_file(here, PLAN).read_bytes()),
        place=here.place,
    )
    here.outputs.write(BINDING, json.dumps(binding.model_dump(), indent=1) + "\n")


def _allowance(here: "Surroundings", made: Made) -> Allowance:
    """Labels count in a pull request alone: elsewhere nobody could have set one."""
    if here.job.pull_request is None:
        return Allowance()
    flags = (refusal.flag for refusal in made.plan.refusals)
    return allowance(flags, here.job.pull_request.labels)


def _missing(allowed: Allowance) -> Finding:
    says = "apply would refuse this plan"
    if allowed.never:
        return error("labels-missing", says, hint="no label allows it")
    hint = f"if all of it is meant, set on the pull request: {' '.join(allowed.missing)}"
    return error("labels-missing", says, hint=hint)
