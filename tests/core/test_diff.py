from dataclasses import replace

import pytest

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.credits.allocation import allocation
from reconciler.core.plan.diff import diff
from reconciler.core.plan.support import KindSupport, Support, everything

ORG, ALIAS, GROUP, TEAM = (
    Ref("organization", "o"),
    Ref("model_alias", "m"),
    Ref("access_group", "g"),
    Ref("team", "t"),
)
KINDS = {kind: everything(kind) for kind in ("organization", "model_alias", "access_group", "team")}
SUPPORT = Support("test", KINDS, GroupRules())
BASE = {
    ORG: Organization(name="O"),
    ALIAS: ModelAlias(litellm_model="openai/m"),
    GROUP: AccessGroup(model_aliases=["m"]),
    TEAM: Team(organization_id="o", access_groups=["g"]),
}


def state(**changes):
    refs = {"org": ORG, "alias": ALIAS, "group": GROUP, "team": TEAM}
    return State(
        {
            ref: res
            for ref, res in {**BASE, **{refs[k]: v for k, v in changes.items()}}.items()
            if res is not None
        }
    )


def known(desired, **more):
    return Known(
        {ref: Record(record_of(resource)) for ref, resource in desired.resources.items()}, **more
    )


def fields(found, ref):
    return {
        f.name: (f.before, f.after)
        for change in found.changes
        if change.ref == ref
        for f in change.fields
    }


def test_an_undeclared_field_keeps_the_gateways_value_and_a_declared_null_clears_it():
    live = state(team=Team(organization_id="o", access_groups=["g"], rpm_limit=5))
    assert diff(state(), live, known(state()), SUPPORT).changes == ()
    cleared = state(team=Team(organization_id="o", access_groups=["g"], rpm_limit=None))
    assert fields(diff(cleared, live, known(state()), SUPPORT), TEAM) == {"rpm_limit": (5, None)}


def test_a_field_that_left_the_manifest_is_cleared_once_it_was_ours():
    before = state(team=Team(organization_id="o", access_groups=["g"], rpm_limit=5))
    assert fields(diff(state(), before, known(before), SUPPORT), TEAM) == {"rpm_limit": (5, None)}


def test_declaring_what_exists_adopts_it_and_says_so():
    found = diff(state(), state(), Known(), SUPPORT)
    assert {change.verb for change in found.changes} == {"adopt"}
    assert all(change.adopt for change in found.changes)


def test_what_is_not_ours_is_foreign_and_never_changed():
    live = State(
        {**state().resources, Ref("team", "other"): Team(organization_id="o", access_groups=["g"])}
    )
    found = diff(state(), live, known(state()), SUPPORT)
    assert (found.changes, found.foreign) == ((), (Ref("team", "other"),))


@pytest.mark.parametrize(
    ("prune", "deleted"),
    [("owned", {TEAM}), ("never", set()), ("all", {TEAM, Ref("team", "other")})],
)
def test_prune_says_what_may_be_deleted(prune, deleted):
    live = State({**state().resources, Ref("team", "other"): Team(organization_id="o")})
    found = diff(state(team=None), live, known(state()), SUPPORT, prune)
    assert {change.ref for change in found.changes if change.verb == "delete"} == deleted


def test_what_others_still_use_is_not_deleted():
    live = State(
        {**state().resources, Ref("team", "other"): Team(organization_id="o", access_groups=["g"])}
    )
    found = diff(state(group=None, team=None, alias=None), live, known(state()), SUPPORT)
    assert {change.ref for change in found.changes} == {TEAM}
    assert {finding.ref for finding in found.findings if finding.code == "still-referenced"} == {
        GROUP,
        ALIAS,
    }


def test_a_protected_object_is_refused_not_forgotten():
    protected = state(team=Team(organization_id="o", access_groups=["g"], protect=True))
    found = diff(state(team=None), state(), known(protected), SUPPORT)
    assert [finding.code for finding in found.refused] == ["protected"]


def limited(**kinds):
    return Support("limited", {**KINDS, **kinds}, GroupRules())


FIXED_ALIAS = KindSupport(
    stored=KINDS["team"].stored,
    updatable=KINDS["team"].stored - {"team_alias"},
    readable=KINDS["team"].stored - {"team_alias", "tokens_per_credit"},
)


def test_what_cannot_be_changed_is_a_finding_again_and_again_and_never_a_change():
    wish = state(team=Team(organization_id="o", access_groups=["g"], team_alias="New"))
    before = state(team=Team(organization_id="o", access_groups=["g"], team_alias="Old"))
    found = diff(wish, state(), known(before), limited(team=FIXED_ALIAS))
    assert (found.changes, [f.code for f in found.findings]) == ((), ["cannot-change"])
    assert found.held == {TEAM: frozenset({"team_alias"})}


def test_a_hidden_field_is_sent_where_it_is_declared_and_was_never_applied():
    wish = state(team=Team(organization_id="o", access_groups=["g"], tokens_per_credit=7))
    assert fields(diff(wish, state(), known(state()), limited(team=FIXED_ALIAS)), TEAM) == {
        "tokens_per_credit": (None, 7)
    }
    assert diff(wish, state(), known(wish), limited(team=FIXED_ALIAS)).changes == ()


def test_a_kind_or_field_that_a_gateway_lacks_is_said_once():
    few = KindSupport(
        frozenset({"access_groups"}), frozenset({"access_groups"}), frozenset({"access_groups"})
    )
    support = Support(
        "few",
        {"team": few, "access_group": KINDS["access_group"], "model_alias": KINDS["model_alias"]},
        GroupRules(),
    )
    many = {
        Ref("team", f"t{n}"): Team(organization_id="o", access_groups=["g"], rpm_limit=1)
        for n in range(50)
    }
    found = diff(State({**state(team=None).resources, **many}), State(), Known(), support)
    codes = [(finding.code, finding.path) for finding in found.findings]
    assert sorted(codes) == [
        ("kind-not-supported", ()),
        ("not-stored", ("organization_id",)),
        ("not-stored", ("rpm_limit",)),
    ]


@pytest.mark.parametrize(
    ("mode", "declared", "live", "last", "amount"),
    [
        (None, 5000, 1000, 1000, 4000),
        (None, 5000, 1700, 1000, 4000),  # a customer's top-up of 700 survives
        (None, 500, 1700, 1000, -500),
        (None, 1000, 1300, 1000, 0),  # nor is what somebody added by hand ours to undo
        (None, 1000, 300, 1000, 700),  # but no top-up takes away what we gave: that is given back
        (None, 1500, 300, 1000, 1200),
        (None, 500, 300, 1000, 200),
        (None, 1000, 300, None, 700),  # adoption raises
        (None, 1000, 3000, None, 0),  # and never lowers
        (None, None, 3000, 1000, 0),
        ("initial", 5000, 10, 1000, 0),
        ("minimum", 5000, 10, 1000, 4990),
        ("minimum", 5000, 6000, 7000, 0),
        ("exact", 5000, 6000, 5000, -1000),
    ],
)
def test_credits_are_a_three_way_merge(mode, declared, live, last, amount):
    assert allocation(Team(credits_allocated=declared, credits_mode=mode), live, last) == amount


def test_top_ups_come_once_and_with_an_operation_id_of_their_own():
    team = Team(
        organization_id="o",
        access_groups=["g"],
        credits_allocated=5,
        top_ups=[{"id": "promo", "amount": 3}],
    )
    first = diff(state(team=team), state(team=None), Known(), SUPPORT).changes[-1]
    assert [(grant.grant_id, grant.amount, grant.operation_id) for grant in first.credits] == [
        ("promo", 3, "reconciler:top-up:t:promo")
    ]
    live = state(team=Team(organization_id="o", access_groups=["g"], credits_allocated=8))
    assert (
        diff(
            state(team=team),
            live,
            known(state(team=team), granted={"t": frozenset({"promo"})}),
            SUPPORT,
        ).changes
        == ()
    )


def test_new_top_ups_of_a_suspended_team_wait_where_nobody_could_see_that_they_were_granted():
    team = Team(
        organization_id="o",
        status="suspended",
        top_ups=[{"id": "old", "amount": 1}, {"id": "new", "amount": 2}],
    )
    desired, quiet = state(team=team), replace(SUPPORT, top_ups_when_active=True)
    live = state(team=Team(organization_id="o", status="suspended"))
    for there, granted in ((live, {"t": frozenset({"old"})}), (state(team=None), {})):
        found = diff(desired, there, known(there, granted=granted), quiet)
        assert [change.credits for change in found.changes if change.credits] == []
        assert [(f.code, f.path) for f in found.findings] == [("top-up-waits", ("top_ups",))]
    (change,) = diff(desired, live, known(live, granted={"t": frozenset({"old"})}), SUPPORT).changes
    assert [grant.grant_id for grant in change.credits] == ["new"]
    awake = state(team=team.model_copy(update={"status": Status.ACTIVE}))
    (change,) = diff(awake, live, known(live, granted={"t": frozenset({"old"})}), quiet).changes
    assert [grant.grant_id for grant in change.credits] == ["new"]


def test_an_undecided_team_gets_no_credits():
    wish = state(team=Team(organization_id="o", access_groups=["g"], credits_allocated=9))
    live = state(team=Team(organization_id="o", access_groups=["g"], credits_allocated=5))
    remembered = known(live)
    assert [c.ref for c in diff(wish, live, remembered, SUPPORT).changes] == [TEAM]
    undecided = Known(remembered.inventory, undecided=frozenset({"t"}))
    assert diff(wish, live, undecided, SUPPORT).changes == ()


def test_a_team_that_comes_back_is_told_that_its_top_ups_were_granted():
    team = Team(organization_id="o", access_groups=["g"], top_ups=[{"id": "promo", "amount": 3}])
    found = diff(
        state(team=team), state(team=None), Known(granted={"t": frozenset({"promo"})}), SUPPORT
    )
    assert [(f.code, f.path) for f in found.findings] == [("top-up-granted", ("top_ups",))]
    assert found.changes[-1].credits == ()
