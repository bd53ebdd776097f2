"""What `renamed_from` comes to, and what a plan says of it."""

import pytest

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Action
from reconciler.core.model.findings import Level
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Team, TopUp
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.order.schedule import schedule
from reconciler.core.plan.plan import Risk, Target
from reconciler.core.plan.renaming import Renaming
from reconciler.core.plan.scope import parse_scope
from reconciler.core.plan.support import Support, everything

KINDS = ("organization", "model_alias", "access_group", "team")
STAYS = Support("plain", {kind: everything(kind) for kind in KINDS}, GroupRules())
RENAMES = Support(
    "able", {kind: everything(kind) for kind in KINDS}, GroupRules(), renames=frozenset(KINDS)
)
ORG, GPT, PRO, ACME = (
    Ref("organization", "o"),
    Ref("model_alias", "gpt"),
    Ref("access_group", "pro"),
    Ref("team", "acme"),
)
LIVE = State(
    {
        ORG: Organization(name="O"),
        GPT: ModelAlias(litellm_model="openai/gpt-4"),
        PRO: AccessGroup(model_aliases=frozenset({"gpt"})),
        ACME: Team(organization_id="o", access_groups=frozenset({"pro"}), credits_allocated=100),
    }
)


def renamed(ref: Ref, name: str, live: State = LIVE, **more) -> State:
    """Live, but for one object under another name that says so."""
    found = Renaming({ref: Ref(ref.kind, name)}).state(live)
    new = Ref(ref.kind, name)
    return found.updated({new: found[new].model_copy(update={"renamed_from": ref.name, **more})})


def plan(desired, live=LIVE, support=RENAMES, known=None, only=()):
    known = known or Known({ref: Record(record_of(each)) for ref, each in live.resources.items()})
    return make_plan(
        Inputs(Target("t", "t", "test"), desired, live, known, support, scope=parse_scope(only))
    )


def codes(found):
    return {finding.code for finding in found.findings}


def said(found):
    return [(str(change.ref), change.verb, change.renamed_from) for change in found.changes]


def test_in_place_a_rename_is_one_change_without_any_loss():
    found = plan(renamed(ACME, "acme-2"))
    assert said(found) == [("team/acme-2", "update", "acme")]
    assert found.impact.teams == ()
    assert found.refusals == ()
    assert found.unchanged == 3
    [step] = schedule(found.changes, found.renames.in_place.state(LIVE), RENAMES)
    assert (step.action, step.renamed_from, step.id) == (
        Action.RENAME,
        "acme",
        "rename team/acme-2",
    )


def test_all_else_of_a_renamed_object_waits_for_the_rename():
    found = plan(renamed(PRO, "premium", model_aliases=frozenset(), description="none"))
    needs = schedule(found.changes, found.renames.in_place.state(LIVE), RENAMES)
    assert [(step.id, sorted(each.id for each in need)) for step, need in needs.items()] == [
        ("rename access_group/premium", []),
        ("expand access_group/premium", ["rename access_group/premium"]),
        ("contract access_group/premium", ["expand access_group/premium"]),
    ]


def test_where_the_gateway_cannot_a_group_is_replaced_even_a_protected_one_that_is_not_ours():
    records = {ref: Record(record_of(each)) for ref, each in LIVE.resources.items()}
    protected = Known({**records, PRO: Record({"model_aliases": ["gpt"], "protect": True})})
    foreign = Known({ref: record for ref, record in records.items() if ref != PRO})
    for known in (protected, foreign):
        found = plan(renamed(PRO, "premium"), support=STAYS, known=known)
        assert said(found) == [
            ("access_group/premium", "create", "pro"),
            ("access_group/pro", "delete", None),
            ("team/acme", "update", None),
        ]
        assert found.refusals == ()
        assert found.impact.teams == ()
        assert "looks-like-rename" not in codes(found)


def test_a_replaced_object_keeps_what_nobody_declared():
    live = LIVE.updated({PRO: LIVE[PRO].model_copy(update={"display_name": "Professional"})})
    wish = State({**renamed(PRO, "premium").resources})
    known = Known({ref: Record(record_of(each)) for ref, each in LIVE.resources.items()})
    [new] = [change for change in plan(wish, live, STAYS, known).changes if change.verb == "create"]
    assert new.after.display_name == "Professional"


def test_a_team_that_cannot_be_renamed_is_an_error_and_stays_as_it_is():
    found = plan(renamed(ACME, "acme-2"), support=STAYS)
    [finding] = [each for each in found.findings if each.code == "cannot-rename"]
    assert finding.level is Level.ERROR
    assert "virtual key and credits would be lost" in finding.message
    assert finding.hint
    assert found.changes == ()


@pytest.mark.parametrize("support", [RENAMES, STAYS])
def test_an_alias_under_another_name_is_a_loss_of_the_old_one(support):
    found = plan(renamed(GPT, "gpt-next"), support=support)
    [team] = found.impact.teams
    assert (set(team.lost), set(team.gained), team.left_with_nothing) == (
        {"gpt"},
        {"gpt-next"},
        False,
    )
    assert found.impact.risk is Risk.HIGH
    assert "alias-renamed" in codes(found)
    assert {refusal.code for refusal in found.refusals} == {"loss"}


def test_what_is_done_or_never_was_is_only_mentioned():
    done = Renaming({ACME: Ref("team", "acme-2")}).state(LIVE)
    found = plan(renamed(ACME, "acme-2"), live=done)
    assert found.changes == ()
    assert codes(found) == {"rename-done"}
    nowhere = plan(renamed(ACME, "acme-2"), live=LIVE.updated({ACME: None}))
    assert said(nowhere) == [("team/acme-2", "create", None)]


def test_an_old_name_that_only_the_ledger_knows_brings_its_top_ups_along():
    known = Known({ACME: Record({"credits_allocated": 100})}, {"acme": frozenset({"welcome"})})
    wish = renamed(
        ACME, "acme-2", top_ups=(TopUp(id="welcome", amount=7), TopUp(id="promo", amount=9))
    )
    there = Renaming({ACME: Ref("team", "acme-2")}).state(LIVE)
    for live in (there, LIVE.updated({ACME: None})):
        [team] = [
            change
            for change in plan(wish, live=live, known=known).changes
            if change.ref.kind == "team"
        ]
        assert [grant.grant_id for grant in team.credits] == ["promo"]


def test_both_names_on_the_gateway_leave_the_old_one_alone_unless_it_is_ours():
    both = LIVE.updated({Ref("access_group", "premium"): LIVE[PRO]})
    foreign = Known(
        {ref: Record(record_of(each)) for ref, each in both.resources.items() if ref != PRO}
    )
    found = plan(renamed(PRO, "premium"), live=both, known=foreign)
    assert PRO not in {change.ref for change in found.changes}
    assert [each.level for each in found.findings if each.code == "rename-done"] == [Level.WARNING]
    ours = plan(renamed(PRO, "premium"), live=both)
    assert (str(PRO), "delete", None) in said(ours)


def test_an_undecided_grant_stands_against_a_rename():
    known = Known(
        {ref: Record(record_of(each)) for ref, each in LIVE.resources.items()},
        undecided=frozenset({"acme"}),
    )
    found = plan(renamed(ACME, "acme-2"), known=known)
    assert "cannot-rename" in codes(found)
    assert found.changes == ()


def test_scope_takes_a_rename_in_by_either_name_or_leaves_both_alone():
    wish = renamed(ACME, "acme-2")
    assert said(plan(wish, only=("team/acme",))) == said(plan(wish, only=("team/acme-2",))) != []
    assert plan(wish, only=("team/other",)).changes == ()


@pytest.mark.parametrize(
    ("ref", "name"), [(ORG, "o2"), (GPT, "gpt-next"), (PRO, "premium"), (ACME, "acme-2")]
)
def test_a_deletion_and_a_creation_of_the_same_look_like_a_rename(ref, name):
    wish = renamed(ref, name, renamed_from=None)
    [finding] = [each for each in plan(wish).findings if each.code == "looks-like-rename"]
    assert finding.ref == Ref(ref.kind, name)
    assert f"renamed_from: {ref.name}" in finding.hint


def test_customers_that_come_and_go_in_one_tier_look_like_nothing():
    team = LIVE[ACME]
    live = LIVE.updated({Ref("team", f"old-{n}"): team for n in range(30)})
    wish = LIVE.updated({Ref("team", f"fresh-{n}"): team for n in range(30)})
    assert "looks-like-rename" not in codes(plan(wish, live=live))
