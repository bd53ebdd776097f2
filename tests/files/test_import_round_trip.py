"""What import writes, read again, plans nothing but adoptions: for any live state, through each dialect's own eyes."""

import random
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_worlds import SECRET, live_states

from reconciler.core.imports.export import Source, export, plain
from reconciler.core.imports.plans import with_plans
from reconciler.core.model.findings import errors, leveled
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, PricingPlan, Team
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import Level
from reconciler.core.model.state import State
from reconciler.core.plan.diff import diff
from reconciler.core.plan.resolve import resolve
from reconciler.core.rules.check import check
from reconciler.files.imports.write import Origins, manifests
from reconciler.files.manifests import load_manifests
from reconciler.files.variables import Variables
from reconciler.gateways.saas import documented
from reconciler.gateways.saas import real as saas

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SUPPORTS = {"documented": documented.DIALECT.support, "saas": saas.DIALECT.support}
dialects = st.sampled_from(sorted(SUPPORTS))


def seen_by(support, state: State) -> State:
    """The state as this gateway would show it."""
    shown = {}
    for ref, resource in state.resources.items():
        kind, cls = support.kinds[ref.kind], type(resource)
        echo = support.normalise(ref, resource)
        values = {
            n: getattr(echo, n) if n in kind.stored & kind.readable else f.get_default()
            for n, f in cls.model_fields.items()
        }
        shown[ref] = cls.model_construct(**values)
    return State(shown)


def written(found, directory: Path) -> dict[str, str]:
    texts = manifests(found, Origins("a test"))
    for name, text in texts.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(text.encode())
    return dict(texts)


def read_again(found, directory: Path) -> State:
    again = load_manifests(
        directory, variables=Variables({"HOME": "/root", "X": "filled"}, frozenset({"HOME", "X"}))
    )
    levels = {code: Level(level) for code, level in found.lint.items()}
    assert not errors(again.findings), again.findings
    assert not errors(leveled(check(again.state), levels))
    return again.state


@settings(max_examples=30, deadline=None)
@given(dialects, live_states(), st.booleans())
def test_a_plan_after_an_import_only_adopts(dialect, state, suggest):
    support = SUPPORTS[dialect]
    live = seen_by(support, state)
    found = with_plans(export(Source(live, support)), suggest=suggest)
    with tempfile.TemporaryDirectory() as folder:
        texts = written(found, Path(folder))
        if not found.objects:
            return
        again = read_again(found, Path(folder))
    assert again == found.state
    changes = diff(resolve(again, NOW, NO_PRICES).state, live, Known(), support).changes
    assert {change.verb for change in changes} <= {"adopt"}, changes
    assert {change.ref for change in changes} | found.skipped.keys() >= live.resources.keys()
    everything = "".join(texts.values())
    assert SECRET not in everything
    assert "sk-****" not in everything


@settings(max_examples=25, deadline=None)
@given(dialects, live_states(tidy=True), st.integers(0, 2**32))
def test_with_a_ledger_nothing_is_pending_and_what_git_alone_knows_comes_back(dialect, state, seed):
    support, rng = SUPPORTS[dialect], random.Random(seed)
    applied = {}
    for ref, resource in export(Source(seen_by(support, state), support)).state.resources.items():
        more = {"labels": {"env": "prod"}}
        if ref.kind == "team":
            more |= {
                "plan": rng.choice(["gold", "silver"]),
                "price_usd_per_month": rng.choice([99.0, 99.0, 10.0]),
            }
        applied[ref] = type(resource).model_validate({**record_of(resource), **more})
    live = seen_by(support, State(applied))
    topped_up = {
        ref: res.model_copy(update={"credits_allocated": res.credits_allocated + 250})
        if ref.kind == "team"
        else res
        for ref, res in live.resources.items()
    }
    known = Known({ref: Record(record_of(resource)) for ref, resource in applied.items()})
    source = Source(State(topped_up), support, known)
    found = with_plans(export(source))
    desired = resolve(found.state, NOW, NO_PRICES).state
    assert not diff(desired, source.live, known, support).changes
    for ref, resource in applied.items():
        assert desired[ref].labels == {"env": "prod"}
        if ref.kind == "team":
            assert (desired[ref].plan, desired[ref].price_usd_per_month) == (
                resource.plan,
                resource.price_usd_per_month,
            )


def team(**values):
    return Team(organization_id="o", **values)


def suggested(**teams) -> State:
    support = SUPPORTS["documented"]
    groups = {name for each in teams.values() for name in each.access_groups}
    live = {Ref("team", name.replace("_", "-")): each for name, each in teams.items()}
    live |= {Ref("access_group", name): AccessGroup() for name in groups}
    live[Ref("organization", "o")] = Organization(name="O")
    seen = seen_by(support, State(live))
    return with_plans(export(Source(seen, support))).state


def test_teams_with_the_same_groups_and_credits_share_a_suggested_plan():
    pro = {"access_groups": {"basic-models", "pro-models"}, "credits_allocated": 5000}
    found = suggested(
        a=team(**pro),
        b=team(**pro),
        dear=team(**{**pro, "credits_allocated": 9000}),
        alone=team(access_groups={"pro-models"}, credits_allocated=5000),
    )
    plans = found.of(PricingPlan)
    assert list(plans) == ["basic-pro"]
    assert plans["basic-pro"].credits_allocated == 5000
    assert plans["basic-pro"].description == "Suggested: what 3 teams have in common"
    teams = found.of(Team)
    assert {name: each.plan for name, each in teams.items()} == {
        "a": "basic-pro",
        "alone": None,
        "b": "basic-pro",
        "dear": "basic-pro",
    }
    assert (teams["dear"].credits_allocated, teams["a"].credits_allocated) == (9000, None)


def test_plans_that_share_groups_are_told_apart_by_their_credits():
    small, large = ({"access_groups": {"pro-models"}, "credits_allocated": n} for n in (100, 900))
    found = suggested(a=team(**small), b=team(**small), c=team(**large), d=team(**large))
    assert sorted(found.of(PricingPlan)) == ["pro-100", "pro-900"]


def test_what_cannot_be_declared_is_said_and_left_alone():
    support = SUPPORTS["documented"]
    live = seen_by(
        support,
        State(
            {
                Ref("team", "t"): team(access_groups={"gone"}),
                Ref("organization", "o"): Organization(name="O"),
            }
        ),
    )
    found = export(Source(live, support))
    assert Ref("team", "t") not in found.objects
    assert [f.message for f in found.findings] == [
        "team/t is not taken over: access_groups: there is no access group gone"
    ]
    text = manifests(found, Origins("a test"))
    assert "#   t: access_groups: there is no access group gone" in "".join(text.values())


@pytest.mark.parametrize("mark", ["sk-****1234", "•••••", SECRET])
def test_a_secret_that_stays_on_the_gateway_is_shown_as_a_reference_in_a_comment(mark):
    support = SUPPORTS["documented"]
    alias = ModelAlias(litellm_model="openai/gpt-4", litellm_params={"api_key": mark, "timeout": 5})
    live = State({Ref("model_alias", "gpt-4"): alias})
    texts = manifests(export(Source(live, support)), Origins("a test"))
    assert (
        "    # litellm_params: {api_key: os.environ/GPT_4_API_KEY, timeout: 5}\n"
        in texts["models.yaml"]
    )


@given(
    st.recursive(
        st.sampled_from([30.0, 0.5, 7, 1e16, -2.0, "x", None]),
        lambda v: st.dictionaries(st.text("ab"), v) | st.lists(v),
    )
)
def test_whole_numbers_are_written_as_people_write_them(value):
    """In free values too, and they mean the same."""
    told = plain(value)
    assert told == value
    assert re.search(r"(?<!\d)-?\d{1,15}\.0(?!\d)", repr(told)) is None
