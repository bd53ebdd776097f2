"""What goes on meanwhile, for people or (`--log-format json`) for programs: one JSON object a line on standard error.

Every event has `time` (UTC), `event` and `level`. In order: `plan`, `apply-started`, one `step` per outcome,
`finished`; `drift`; `note` for what a person would be told; `failed` with findings where the command ends with an
error. Errors and findings never hold secrets, and nothing else of an object is in an event but its name.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.core.model.printable import json_text

if TYPE_CHECKING:
    from reconciler.core.model.changes import Outcome
    from reconciler.core.model.findings import Finding
    from reconciler.core.plan.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])
_AS_JSON: ContextVar[bool] = ContextVar("reconciler-log-as-json", default=False)
_ANSWERED: ContextVar[bool] = ContextVar("reconciler-answered", default=False)
_ACTING: ContextVar[bool] = ContextVar("reconciler-acting", default=False)


def log_format_option(command: F) -> F:
    """--log-format, which takes effect at once: the command's own function need not know of it."""
    return click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        envvar="RECONCILER_LOG_FORMAT",
        expose_value=False,
        is_eager=True,
        callback=lambda _ctx, _param, value: log_as(value),
        help="What goes on, to standard error: for people, or one JSON object a line.",
    )(command)


def quiet_option(command: F) -> F:
    """--quiet of commands that only read."""
    return click.option(
        "--quiet", "-q", is_flag=True, help="Print only errors; the exit code says the rest."
    )(command)


def log_as(form: str) -> None:
    _AS_JSON.set(form == "json")


def as_json() -> bool:
    """Whether standard error is for programs."""
    return _AS_JSON.get()


def answered(*, now: bool = False) -> bool:
    """Whether something stands on standard output already; `now` says that it does."""
    if now:
        _ANSWERED.set(True)
    return _ANSWERED.get()


def begin() -> None:
    """A command begins."""
    _ANSWERED.set(False)
    _ACTING.set(False)


def acting(*, now: bool = False) -> bool:
    """Whether the command changes something, so that its exit code tells what was done and not what was printed."""
    if now:
        _ACTING.set(True)
    return _ACTING.get()


def emit(event: str, level: str = "info", **facts: Any) -> None:
    """One event; nothing where standard error is for people."""
    if as_json():
        head = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "level": level,
        }
        with suppress(OSError):
            sys.stderr.write(json_text({**head, **facts}, indent=None) + "\n")
            sys.stderr.flush()


def emit_plan(plan: "Plan") -> None:
    """`plan`: for which gateway, how many changes of each verb, at what risk."""
    emit(
        "plan",
        gateway=plan.target.name,
        identity=plan.target.identity,
        revision=plan.revision,
        pending=plan.pending,
        counts=dict(plan.counts),
        unchanged=plan.unchanged,
        risk=plan.impact.risk.value,
    )


def emit_outcome(outcome: "Outcome") -> None:
    """`step`: what became of one request; `level` is error for a failed one, warning for one that was never sent."""
    emit(
        "step",
        {"applied": "info", "failed": "error", "blocked": "warning"}[outcome.result.value],
        step=outcome.step.id,
        ref=str(outcome.step.ref),
        action=outcome.step.action.value,
        result=outcome.result.value,
        seconds=round(outcome.seconds, 4),
        error=outcome.error,
        hint=outcome.hint,
        blocked_by=outcome.blocked_by,
    )


def emit_failure(findings: "Iterable[Finding]", code: int) -> None:
    """`failed`: the findings that the command ends with."""
    emit(
        "failed", "error", exit_code=code, findings=[finding_facts(finding) for finding in findings]
    )


def finding_facts(finding: "Finding") -> dict[str, Any]:
    """A finding for programs; `file`, `line` and `column` are null where it has no place."""
    place = finding.origin
    return {
        "level": finding.level.value,
        "code": finding.code,
        "message": finding.message,
        "hint": finding.hint,
        "ref": str(finding.ref) if finding.ref else None,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
