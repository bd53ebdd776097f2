"""Drift says what it means for teams, in every format."""

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.drift import drift
from reconciler.core.plan.plan import Target
from reconciler.core.plan.support import Support, everything
from reconciler.render.drift import drift_data, drift_markdown, render_drift

SUPPORT = Support(
    "embedded",
    {kind: everything(kind) for kind in ("model_alias", "access_group", "team")},
    GroupRules(),
    balance="credits",
)
TARGET = Target("prod", "embedded x", "embedded")
APPLIED = State(
    {
        **{Ref("model_alias", name): ModelAlias(litellm_model="openai/a") for name in "abc"},
        Ref("access_group", "g"): AccessGroup(model_aliases={"a", "b"}),
        Ref("access_group", "h"): AccessGroup(model_aliases={"c"}),
        Ref("team", "one"): Team(access_groups={"g"}, credits_allocated=100),
        Ref("team", "two"): Team(access_groups={"g", "h"}, credits_allocated=100),
        Ref("team", "three"): Team(access_groups={"h"}, credits_allocated=100),
    }
)
KNOWN = Known({ref: Record(record_of(resource)) for ref, resource in APPLIED.resources.items()})


def drifted(**live):
    changed = {Ref(*name.split("__")): resource for name, resource in live.items()}
    runtime = {ref: {"credits_used": 40} for ref in APPLIED if ref.kind == "team"}
    return drift(APPLIED, APPLIED.updated(changed), KNOWN, SUPPORT, runtime)


def test_who_lost_and_gained_what_and_whose_calls_are_refused():
    found = drifted(
        access_group__g=AccessGroup(model_aliases={"a"}),
        team__one=Team(access_groups={"g", "h"}, credits_allocated=100),
        team__three=Team(access_groups={"h"}, credits_allocated=30),
    )
    assert [
        (each.team, set(each.lost), set(each.gained), each.refused) for each in found.teams
    ] == [
        ("one", {"b"}, {"c"}, None),
        ("three", {"c"}, set(), "no credits are left"),
        ("two", {"b"}, set(), None),
    ]
    text, markdown = render_drift(found, TARGET), drift_markdown(found, TARGET)
    for line in (
        ("one", "lost b; can call c"),
        ("three", "every call is refused: no credits are left"),
        ("two", "lost b"),
    ):
        assert f"team {line[0]}: {line[1]}" in text
        assert f"- team `{line[0]}`: {line[1]}" in markdown
    assert drift_data(found, TARGET)["teams"][0] == {
        "team": "one",
        "lost": ["b"],
        "gained": ["c"],
        "refused": None,
    }


def test_what_changes_nothing_for_a_team_is_said_to_mean_nothing():
    found = drifted(team__one=Team(access_groups={"g"}, credits_allocated=60))
    assert [each.ref.name for each in found.objects] == ["one"]
    assert not found.teams
    assert "What it means" not in render_drift(
        drifted(team__one=APPLIED[Ref("team", "one")]), TARGET
    )
