"""The closing table of an apply, and progress on a terminal, in a log, and quiet."""

import io
from collections import Counter
from itertools import count

from plan_cases import update
from test_render_golden import GOLDEN, agree

from reconciler.core.model.changes import Action, Outcome, Result, Step
from reconciler.core.model.kinds import AccessGroup, Team
from reconciler.core.model.refs import Ref
from reconciler.render.outcomes import render_outcomes
from reconciler.render.progress import Progress


def outcomes() -> list[Outcome]:
    group = Step(Ref("access_group", "pro-models"), Action.CREATE, None, AccessGroup())
    change = update(Ref("team", "t"), Team(), Team(access_groups=frozenset(["pro-models"])))
    steps = [
        Step(Ref("team", f"t-{n:04}"), Action.EXPAND, change.before, change.after)
        for n in range(1200)
    ]
    return [
        Outcome(
            group,
            Result.FAILED,
            "500 from POST /api/access-groups: \x1b[31mboom",
            "look at the gateway's log",
            0.2,
        ),
        *(Outcome(step, Result.BLOCKED, blocked_by=group.id) for step in steps[:400]),
        *(Outcome(step, Result.FAILED, "429 Too Many Requests") for step in steps[400:405]),
        *(Outcome(step, Result.APPLIED, recovered=n == 0) for n, step in enumerate(steps[405:])),
    ]


def test_golden_outcomes():
    agree(GOLDEN / "outcomes" / "apply.txt", render_outcomes(outcomes()))


def test_counts_are_those_of_the_outcomes():
    text = render_outcomes(outcomes())
    counts = Counter(outcome.result for outcome in outcomes())
    assert (
        f"{counts['applied']:,} applied, {counts['failed']:,} failed, {counts['blocked']:,} blocked of 1,201 steps"
        in text
    )
    assert len(text.splitlines()) < 20
    assert len(render_outcomes(outcomes(), full=True)) > len(text)
    assert "t-0399" in render_outcomes(outcomes(), full=True)


def test_all_applied_asks_for_nothing():
    done = [outcome for outcome in outcomes() if outcome.result is Result.APPLIED]
    assert "go on" not in render_outcomes(done)
    assert render_outcomes([]) == "Nothing to do: the gateway is as declared.\n"


def test_a_run_that_was_stopped_has_no_cause_to_remove():
    done = [outcome for outcome in outcomes() if outcome.result is Result.APPLIED]
    blocked = (outcome.step for outcome in outcomes() if outcome.result is Result.BLOCKED)
    stopped = [
        *done,
        *(Outcome(step, Result.BLOCKED, "not started before the stop") for step in blocked),
    ]
    assert "What was applied stays. Go on with: reconciler apply\n" in render_outcomes(stopped)
    assert "Remove the cause, then go on with: reconciler apply\n" in render_outcomes(outcomes())


def test_brief_says_the_counts_and_what_is_wrong():
    text = render_outcomes(outcomes(), brief=True)
    assert "Failed" in text
    assert "Applied" not in text


def logged(total: int, seconds_each: float, **options) -> list[str]:
    out, clock = io.StringIO(), count(0, seconds_each)
    times = iter(range(10**9))
    now = [0.0]
    with Progress("Applying", total, out=out, clock=lambda: now[0], **options) as progress:
        for _ in range(total):
            now[0] = next(clock) + next(times) * 0.0
            progress.advance()
    return out.getvalue().splitlines()


def test_a_log_gets_a_line_per_tenth():
    lines = logged(1000, 0.01)
    assert len(lines) == 10
    assert lines[0].startswith("Applying: 100 of 1,000 steps (10 %)")
    assert lines[-1].startswith("Applying: 1,000 of 1,000 steps (100 %)")


def test_slow_work_gets_a_line_per_half_minute():
    lines = logged(20, 40)
    assert len(lines) >= 19
    assert "left" in lines[5]


def test_quiet_says_nothing():
    assert logged(1000, 1, quiet=True) == []
    assert logged(1000, 1, quiet=True, terminal=True) == []


def test_a_terminal_gets_a_bar_and_is_left_as_it_was():
    out = io.StringIO()
    with Progress("Applying", 3, out=out, terminal=True) as progress:
        for outcome in outcomes()[:3]:
            progress.outcome(outcome)
    assert "Applying" in out.getvalue()
    assert "3/3" in out.getvalue()
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1
