"""What goes by a date that was applied before is announced, and nothing else: an independent computation over dates.

The other side knows nothing of records: it asks what the manifest of the last apply itself says of the later day.
"""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_impact_law import NOW, SUPPORT, TODAY, manifest, reach, state_of

from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import Safety, Settings
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.meaning.announced import recorded
from reconciler.core.plan.plan import Target
from reconciler.core.plan.resolve import resolve

SEEDS = st.integers(0, 2**32)
LATER = 40


def dated(rng: random.Random) -> dict:
    """A manifest with many dates around the two days of the law: TODAY, when it is applied, and LATER days after."""
    said = manifest(rng)
    days = [TODAY + timedelta(days=n) for n in (-30, 1, 20, LATER, LATER + 1, 400)]
    for spec in said["model_aliases"].values():
        spec.pop("sunset", None)
        spec.update(rng.choice([{}, {"sunset": rng.choice(days)}]))
    for spec in said["teams"].values():
        groups = list(said["access_groups"])
        spec["grants"] = (
            [] if not groups else [period(rng, groups, days) for _ in range(rng.randint(0, 2))]
        )
    return said


def period(rng, groups, days):
    since, until = sorted(rng.sample(days, 2))
    spec = {
        "access_groups": rng.sample(groups, rng.randint(1, min(2, len(groups)))),
        "until": until,
    }
    return spec | rng.choice([{}, {"since": since}])


def edited(rng, said):
    """The same company later: as it was, or with some dates moved, or quite another one."""
    if rng.random() < 0.3:
        return said
    other = dated(rng)
    if rng.random() < 0.3:
        return other
    copy = {
        section: {name: dict(spec) for name, spec in specs.items()}
        for section, specs in said.items()
    }
    for spec in copy["model_aliases"].values():
        if rng.random() < 0.4:
            spec["sunset"] = TODAY + timedelta(days=rng.choice([-1, 5, LATER, 300]))
    for spec in copy["teams"].values():
        if rng.random() < 0.4:
            spec["grants"] = []
    return copy


def on(said, name, day):
    """What the manifest lets a team call on a day, by the brute force of the impact law."""
    shift = day - TODAY
    if not shift:
        return reach(said, name)
    moved = {
        section: {key: dict(spec) for key, spec in specs.items()} for section, specs in said.items()
    }
    for spec in moved["model_aliases"].values():
        if "sunset" in spec:
            spec["sunset"] -= shift
    for spec in moved["teams"].values():
        spec["grants"] = [
            {
                key: value - shift if key in ("since", "until") else value
                for key, value in grant.items()
            }
            for grant in spec.get("grants", [])
        ]
    return reach(moved, name)


def applied_today(said):
    """(live, inventory) after a complete apply of the manifest today."""
    state = resolve(state_of(said), NOW, NO_PRICES).state
    records = {
        ref: Record(recorded(record_of(wish), wish, None, NOW))
        for ref, wish in state.resources.items()
    }
    return State(dict(state.resources)), records


def planned(before, after, day):
    live, records = applied_today(before)
    moment = NOW + (day - TODAY)
    wish = resolve(state_of(after), moment, NO_PRICES)
    strict = Settings(safety=Safety(max_update_percent=0, max_delete_percent=100, min_objects=0))
    granted = {
        name: frozenset(top["id"] for top in spec["top_ups"])
        for name, spec in before["teams"].items()
    }
    known = Known(records, granted)
    return make_plan(
        Inputs(
            Target("t", "t", "test"),
            wish.state,
            live,
            known,
            SUPPORT,
            strict,
            plans=wish.plans,
            now=moment,
        )
    )


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_the_announced_losses_are_those_that_dates_alone_bring(seed):
    rng = random.Random(seed)
    before = dated(rng)
    after = edited(rng, before)
    day = TODAY + timedelta(days=LATER)
    plan = planned(before, after, day)
    told = {team.team: team for team in plan.impact.teams}
    for name in before["teams"]:
        lost = on(before, name, TODAY) - on(after, name, day)
        by_dates = lost - on(before, name, day)
        found = told.get(name)
        assert (set(found.lost) if found else set()) == lost, name
        assert (set(found.announced) if found else set()) == by_dates, name
    refused = [finding for finding in plan.refusals if finding.code == "loss"]
    assert bool(refused) == any(team.unannounced for team in plan.impact.teams)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_day_on_which_only_dates_come_is_never_refused(seed):
    """Not for its losses, and not for how many objects it changes."""
    said = dated(random.Random(seed))
    plan = planned(said, said, TODAY + timedelta(days=LATER))
    assert plan.refusals == ()
    assert plan.impact.risk.value != "high"


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_date_moved_into_the_past_announces_nothing(seed):
    """Nor one that is written down only after it has passed: an edit is an edit."""
    rng = random.Random(seed)
    before = dated(rng)
    for spec in (*before["model_aliases"].values(), *before["teams"].values()):
        spec.pop("sunset", None)
        spec.pop("grants", None)
    after = {
        section: {name: dict(spec) for name, spec in specs.items()}
        for section, specs in before.items()
    }
    for spec in after["model_aliases"].values():
        spec["sunset"] = TODAY - timedelta(days=1)
    plan = planned(before, after, TODAY)
    assert all(not team.announced for team in plan.impact.teams)
    live, _ = applied_today(before)
    state = resolve(state_of(after), NOW, NO_PRICES).state
    late = {
        ref: Record(recorded(record_of(wish), wish, None, NOW))
        for ref, wish in state.resources.items()
    }
    again = make_plan(Inputs(Target("t", "t", "test"), state, live, Known(late), SUPPORT, now=NOW))
    assert all(not team.announced for team in again.impact.teams)


def test_the_worlds_are_worth_something():
    day = TODAY + timedelta(days=LATER)
    plans = [
        planned(before, edited(rng, before), day)
        for rng in map(random.Random, range(60))
        for before in [dated(rng)]
    ]
    assert sum(any(team.announced for team in plan.impact.teams) for plan in plans) > 15
    assert sum(any(team.unannounced for team in plan.impact.teams) for plan in plans) > 15
    assert (
        sum(
            any(team.announced and team.unannounced for team in plan.impact.teams) for plan in plans
        )
        > 3
    )


@pytest.mark.parametrize(
    "moment", [datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 30, 23, tzinfo=UTC)]
)
def test_a_promise_is_kept_as_long_as_its_date_stands(moment):
    wish = state_of({"model_aliases": {"m": {"litellm_model": "openai/a", "sunset": TODAY}}})[
        Ref("model_alias", "m")
    ]
    first = recorded(record_of(wish), wish, None, datetime(2026, 5, 1, tzinfo=UTC))
    assert recorded(record_of(wish), wish, first, moment) == first
    other = wish.model_copy(update={"sunset": TODAY - timedelta(days=60)})
    assert "announced" not in recorded(record_of(other), other, first, moment)
