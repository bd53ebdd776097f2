import json

import pytest

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.findings import Finding, ReconcilerError
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.make import Inputs, fingerprints, make_plan
from reconciler.core.plan.plan import Target
from reconciler.core.plan.saved import against, content_of, sealed, unsealed
from reconciler.core.plan.scope import parse_scope
from reconciler.core.plan.support import Support, everything

KINDS = {kind: everything(kind) for kind in ("organization", "model_alias", "access_group", "team")}
SUPPORT = Support("test", KINDS, GroupRules())
HERE, THERE = (
    Target("here", "test http://here", "test"),
    Target("there", "test http://there", "test"),
)


def world(**groups):
    found = {Ref("organization", "o"): Organization(name="O")}
    found |= {
        Ref("model_alias", m): ModelAlias(litellm_model=f"openai/{m}") for m in ("a", "b", "c")
    }
    found |= {
        Ref("access_group", g): AccessGroup(model_aliases=m, labels={"tier": g})
        for g, m in groups.items()
    }
    return State(
        {
            **found,
            **{Ref("team", f"t-{g}"): Team(organization_id="o", access_groups=[g]) for g in groups},
        }
    )


LIVE = world(x=["a"], y=["a"])
WISH = world(x=["a", "b"], y=["a", "c"])
OURS = Known({ref: Record(record_of(res)) for ref, res in LIVE.resources.items()})


def plan(desired=WISH, live=LIVE, target=HERE, only=()):
    return make_plan(Inputs(target, desired, live, OURS, SUPPORT, scope=parse_scope(only)))


def saved(of=None, live=LIVE):
    content = content_of(
        of or plan(), {}, fingerprints(live, live), created="now", tool_version="1"
    )
    return json.loads(json.dumps(sealed(content)))


def codes(document, fresh, live=LIVE, **options):
    return [f.code for f in against(unsealed(document), fresh, fingerprints(live, live), **options)]


def test_a_saved_plan_holds_as_long_as_nothing_moved():
    assert codes(saved(), plan()) == []


def test_another_gateway_is_refused():
    assert codes(saved(), plan(target=THERE)) == ["plan-gateway"]


def test_what_moved_on_the_gateway_is_named():
    moved = LIVE.updated({Ref("access_group", "x"): AccessGroup(model_aliases=["c"])})
    stands = against(unsealed(saved()), plan(live=moved), fingerprints(moved, moved))
    assert [(f.code, f.ref) for f in stands] == [("plan-stale", Ref("access_group", "x"))]


def test_rebase_goes_on_where_the_plan_does_not_touch_what_moved():
    moved = LIVE.updated({Ref("team", "t-x"): Team(organization_id="o", access_groups=["x", "y"])})
    only_y = saved(plan(only=["access_group/y"]))
    fresh = plan(live=moved)
    assert codes(only_y, fresh, moved) == ["plan-stale", "plan-config"]
    assert codes(only_y, fresh, moved, rebase=True) == []


def test_another_config_is_refused():
    assert codes(saved(), plan(world(x=["a", "c"], y=["a", "c"]))) == ["plan-config"]


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda d: d | {"order": "revoke-first"}, "plan-tampered"),
        (lambda d: d | {"digests": {}}, "plan-tampered"),
        (lambda d: {k: v for k, v in d.items() if k != "sha256"}, "plan-tampered"),
        (lambda d: d | {"format": "reconciler.plan/9"}, "plan-format"),
        (lambda _: [], "plan-file"),
        (lambda _: {"format": 3}, "plan-file"),
    ],
)
def test_a_changed_file_is_refused(break_it, code):
    found = unsealed(break_it(saved()))
    assert isinstance(found, Finding)
    assert found.code == code


@pytest.mark.parametrize(
    ("only", "refs"),
    [
        (["access_group/x"], {"access_group/x"}),
        (["access_group/*"], {"access_group/x", "access_group/y"}),
        (["access_groups"], {"access_group/x", "access_group/y"}),
        (["label:tier=y"], {"access_group/y"}),
        (["team"], set()),
        (["organization=o"], set()),
    ],
)
def test_a_scope_cuts_the_plan(only, refs):
    assert {str(change.ref) for change in plan(only=only).changes} == refs


def test_prune_never_reaches_beyond_the_scope():
    gone = State(
        {
            ref: res
            for ref, res in LIVE.resources.items()
            if ref.name not in {"t-x", "t-y", "x", "y"}
        }
    )
    assert {str(c.ref) for c in plan(gone, only=["team/t-x"]).changes} == {"team/t-x"}


def test_what_the_scope_leaves_out_but_is_needed_is_an_error():
    wish = WISH.updated(
        {
            Ref("access_group", "z"): AccessGroup(),
            Ref("team", "t-x"): Team(organization_id="o", access_groups=["z"]),
        }
    )
    assert [f.code for f in plan(wish, only=["team"]).findings] == ["out-of-scope"]
    gone = State({ref: res for ref, res in LIVE.resources.items() if ref.name not in {"t-x", "x"}})
    assert [f.code for f in plan(gone, only=["access_groups"]).findings] == ["out-of-scope"]


def test_a_scope_that_can_fit_nothing_is_a_mistake():
    with pytest.raises(ReconcilerError):
        parse_scope(["tem/x"])


def test_a_scope_counts_only_its_own_money():
    priced = {
        ref: res.model_copy(update={"price_usd_per_month": 5.0}) if ref.kind == "team" else res
        for ref, res in WISH.resources.items()
    }
    found = plan(State(priced), only=["access_group/x"])
    assert (found.impact.revenue_before, found.impact.revenue_after) == (0, 0)
    assert [team.team for team in found.impact.teams] == ["t-x"]
