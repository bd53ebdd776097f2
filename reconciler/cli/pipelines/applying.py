"""Applying in a pipeline: the approved plan where it still holds, else a new one, and what is said of either."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.apply.run import Options, Report
from reconciler.ci import texts
from reconciler.ci.approval import PLAN, outdated, refused_flags
from reconciler.ci.labels import allowance
from reconciler.ci.surroundings import Reviewed, reviewed
from reconciler.cli.actor import actor
from reconciler.cli.applying import (
    Manner,
    carried_out,
    closed,
    closing,
    emit_finished,
    left_at_once,
    show_plan,
    tell_probes,
)
from reconciler.cli.events import acting
from reconciler.cli.failures import BUG, EXPECTED, INTERRUPTED, as_expected
from reconciler.cli.options import loaded
from reconciler.cli.output import note
from reconciler.cli.pipelines.planning import made_and_saved
from reconciler.cli.running import run
from reconciler.core.model.findings import Finding, ReconcilerError, error, errors
from reconciler.core.plan.order.schedule import Order
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.scope import parse_scope
from reconciler.files.plan_file import parsed_plan
from reconciler.files.revisions import content_id
from reconciler.render import plan_view
from reconciler.render.findings.text import render_findings
from reconciler.render.outcomes import render_outcomes
from reconciler.render.plan.text import render as render_text

if TYPE_CHECKING:
    from reconciler.ci.surroundings import Surroundings
    from reconciler.cli.commands.ci import Request

MOST_REASONS = 3
PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class Wishes:
    """`replan`: without an approved plan that holds a new one is applied, with `only` and `order`."""

    replan: bool
    only: tuple[str, ...]
    order: str
    lock_wait: float
    wait: bool
    probe: bool


@dataclass
class Account:
    """What happened so far: why the approved plan was not used, what was printed, why it ended early."""

    reason: str = ""
    plan: str = ""
    outcome: str = ""
    findings: tuple[Finding, ...] = ()
    report: Report | None = None
    code: int = EXPECTED


def applied_in_pipeline(here: "Surroundings", request: "Request", wishes: Wishes) -> int:
    """Applies, and says on the pull request what came of it; the exit code of the apply.

    Raises ReconcilerError for what forbade it, after that was said, and where it cannot be said.
    """
    review = reviewed(here, content_id(request.config))
    note(f"no approved plan: {review.reason}" if review.reason else "the approved plan is found")
    acting(now=True)
    account = Account(review.reason)
    try:
        with as_expected():
            _apply(here, request, wishes, review, account)
    except ReconcilerError as problem:
        account.findings = problem.findings
    except asyncio.CancelledError:
        left_at_once()
        account.code = INTERRUPTED
    except BaseException:
        account.code = BUG
        with suppress(ReconcilerError):
            _say(here, review, account)
        raise
    counts = account.report.counts if account.report else {}
    result = {name: counts.get(name, 0) for name in ("applied", "failed", "blocked")}
    here.outputs.tell(exit_code=account.code, **result)
    here.outputs.write("apply.txt", f"{account.plan}\n{account.outcome}\n")
    _say(here, review, account)
    if account.findings:
        raise ReconcilerError(*account.findings)
    return account.code


def _apply(
    here: "Surroundings",
    request: "Request",
    wishes: Wishes,
    review: Reviewed,
    account: Account,
) -> None:
    """Carries out the approved plan or a new one. Raises ReconcilerError.

    | approved plan | carrying it out | on stale | then |
    |---|---|---|---|
    | there | done, or begun | any | that is it |
    | there | refused because it no longer holds | replan | a new plan is made and applied |
    | there | refused because it no longer holds | fail | an error |
    | there | refused for another reason | any | an error |
    | none | | replan | a new plan is made and applied |
    | none | | fail | an error |
    """
    if review.approved is not None:
        try:
            _carry_out(request, wishes, review.approved.plan, review, account)
        except ReconcilerError as problem:
            codes = tuple(finding.code for finding in errors(problem.findings))
            if outdated(codes):
                account.reason = f"the reviewed plan no longer holds: {_why(problem)}"
            if not (wishes.replan and outdated(codes)):
                raise
        else:
            return
    elif not wishes.replan:
        says = f"there is no approved plan: {account.reason}"
        raise ReconcilerError(error("plan-unapproved", says, hint="--on-stale replan plans anew"))
    note(f"planning again: {account.reason}")
    config = loaded(request.config, request.environment)
    made = made_and_saved(here, request, config, wishes.order, wishes.only)
    wrong = errors(made.plan.findings)
    if wrong:
        raise ReconcilerError(*wrong)
    plan = (here.outputs.directory / PLAN).read_bytes()
    _carry_out(request, wishes, plan, review, account)


def _why(problem: ReconcilerError) -> str:
    messages = dict.fromkeys(finding.message for finding in problem.findings)
    return "; ".join(list(messages)[:MOST_REASONS])


def _carry_out(
    request: "Request", wishes: Wishes, plan: bytes, review: Reviewed, account: Account
) -> None:
    """Just that plan, or nothing; of what it is refused for, labels allow their own. Raises ReconcilerError."""
    saved = parsed_plan(plan, PLAN)
    options = Options(
        actor=actor(),
        command=" ".join(["reconciler", *sys.argv[1:]]),
        allowed=allowance(refused_flags(plan), review.labels).codes,
        order=Order(saved.order),
        scope=parse_scope(saved.scope),
        saved=saved,
        rebase=True,
        lock_wait=wishes.lock_wait,
        shown=lambda made: _shown(made, account),
    )
    config = loaded(request.config, request.environment)
    patience = PROBE_SECONDS if wishes.probe else None
    manner = Manner(yes=True, probe=patience, wait=wishes.wait)
    report, probed = run(carried_out(config, request.gateway, options, manner))
    account.report = report
    account.outcome = closing(report, render_outcomes(report.outcomes))
    account.code = max(closed(report, quiet=False), tell_probes(probed))
    emit_finished(report, account.code)


def _shown(plan: Plan, account: Account) -> None:
    show_plan(plan, full=False, quiet=False)
    view = replace(plan_view(plan), next="")
    account.plan = render_text(view)


def _say(here: "Surroundings", review: Reviewed, account: Account) -> None:
    counts = account.report.counts if account.report else {}
    text = texts.post(
        "apply",
        here.place,
        here.job,
        texts.apply_heading(account.code, counts),
        texts.which_plan(account.reason),
        texts.folded("The plan", account.plan) if account.plan else "",
        texts.fenced(account.outcome) if account.outcome else "",
        texts.fenced(render_findings(account.findings)) if account.findings else "",
    )
    try:
        note(here.publish("apply.md", text, review.pull_request))
    except ReconcilerError as unsaid:
        raise ReconcilerError(*account.findings, *unsaid.findings) from unsaid
