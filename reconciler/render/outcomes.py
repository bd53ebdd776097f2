"""The end of an apply as text: what was applied, what failed and why, what waits for it, and what to run next."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.core.model.changes import Action, Outcome, Result, Step
from reconciler.core.model.printable import safe
from reconciler.render.layout import WIDTH, column, printed, rows, text
from reconciler.render.plan.groups import grouped
from reconciler.render.words import count, some

if TYPE_CHECKING:
    from rich.text import Text

EXAMPLES = 3
DEEDS = {
    Action.EXPAND: "change or add to",
    Action.CONTRACT: "take from",
    Action.GRANT: "grant credits to",
    Action.TOUCH: "send again",
}
TONES = {Result.APPLIED: "+", Result.FAILED: "error", Result.BLOCKED: "warning"}


def render_outcomes(
    outcomes: Sequence[Outcome],
    *,
    color: bool = False,
    width: int | None = None,
    full: bool = False,
    brief: bool = False,
) -> str:
    """The closing table. Steps that failed alike are one row with examples, unless `full` asks for every name.

    With `brief` what was applied is only counted.
    """
    wide = width or WIDTH
    applied = [] if brief else list(_applied(outcomes))
    blocks = [applied, list(_failed(outcomes, wide, full)), list(_blocked(outcomes, wide, full))]
    lines = [
        line for block in [*blocks, list(_foot(outcomes))] if block for line in (text(), *block)
    ]
    return printed(lines[1:], color=color)


def _of(outcomes: Sequence[Outcome], result: Result) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.result is result]


def _applied(outcomes: Sequence[Outcome]) -> Iterator["Text"]:
    done = _of(outcomes, Result.APPLIED)
    if not done:
        return
    yield text(("Applied", "title"))
    made = Counter((outcome.step.ref.kind, _deed(outcome.step)) for outcome in done)
    for (kind, deed), number in sorted(made.items()):
        yield text("  ", (f"{number:>7,} ", "+"), f"{deed} {kind.replace('_', ' ')}")
    recovered = sum(outcome.recovered for outcome in done)
    if recovered:
        yield text(
            (
                f"  {count(recovered, 'step')} of these had reached the gateway before an interruption",
                "dim",
            )
        )


def _deed(step: Step) -> str:
    """What a step did, in words of its own: `grant credits to`."""
    if step.credit is not None and step.credit.amount < 0:
        return "take credits from"
    return DEEDS.get(step.action, step.action.value)


def _failed(outcomes: Sequence[Outcome], width: int, full: bool) -> Iterator["Text"]:
    groups = grouped(_of(outcomes, Result.FAILED), _alike)
    if groups:
        yield text(("Failed", "error"))
    labels = [text("  ", (_steps(group, full), "error")) for _, group in groups]
    start = column(labels)
    for ((_, error, hint), _group), label in zip(groups, labels, strict=True):
        said = [
            text(safe(error or "no reason given")),
            *([text((safe(hint), "dim"))] if hint else []),
        ]
        yield from rows(label, said, column=start, width=width)


def _alike(outcome: Outcome) -> tuple[str, str | None, str | None]:
    return outcome.step.action.value, outcome.error, outcome.hint


def _blocked(outcomes: Sequence[Outcome], width: int, full: bool) -> Iterator["Text"]:
    groups = grouped(
        _of(outcomes, Result.BLOCKED), lambda each: (each.step.action, each.blocked_by, each.error)
    )
    if groups:
        yield text(("Blocked (never sent)", "warning"))
    labels = [text("  ", (_steps(group, full), "warning")) for _, group in groups]
    start = column(labels)
    for ((_, cause, error), _group), label in zip(groups, labels, strict=True):
        reason = f"needs {safe(cause)}" if cause else safe(error or "the run ended before it")
        yield from rows(label, [text(reason)], column=start, width=width)


def _steps(group: Sequence[Outcome], full: bool) -> str:
    names = some([str(outcome.step.ref) for outcome in group], None if full else EXAMPLES)
    number = f"{len(group):,} x " if len(group) > 1 else ""
    return f"{number}{group[0].step.action} {names}"


def _foot(outcomes: Sequence[Outcome]) -> Iterator["Text"]:
    counts = Counter(outcome.result for outcome in outcomes)
    if not outcomes:
        yield text(("Nothing to do: the gateway is as declared.", "title"))
        return
    said = [
        (f"{counts[result]:,} {result.value}", TONES[result]) for result in Result if counts[result]
    ]
    parts = [part for each in said for part in ((", ", ""), each)][1:]
    yield text(*parts, f" of {count(len(outcomes), 'step')}.")
    if counts[Result.FAILED] or counts[Result.BLOCKED]:
        # Steps of a run that was stopped wait for nothing but the next run.
        cause = counts[Result.FAILED] or any(outcome.blocked_by for outcome in outcomes)
        says = "Remove the cause, then go on with: " if cause else "Go on with: "
        yield text(f"What was applied stays. {says}", ("reconciler apply", "title"))
