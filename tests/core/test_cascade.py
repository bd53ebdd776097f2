"""Keys that die with their team are said before they do."""

from reconciler.core.model.changes import Change
from reconciler.core.model.kinds import AccessGroup, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import Safety
from reconciler.core.model.state import State
from reconciler.core.plan.plan import Impact
from reconciler.core.plan.safety import refusals, standing

TEAM = Ref("team", "acme")
LIVE = State({TEAM: Team(), Ref("access_group", "g"): AccessGroup()})


def found(change, safety=None, **runtime):
    all_ = refusals([change], LIVE, LIVE, Impact(), safety or Safety(), {TEAM: runtime})
    return [(each.code, each.message) for each in all_]


def test_a_team_with_keys_is_not_deleted_unasked():
    gone = Change(TEAM, Team(), None)
    assert found(gone, keys_count=14) == [("cascade", "team/acme: 14 keys die with this team")]
    assert found(gone, keys_count=1) == [("cascade", "team/acme: 1 key dies with this team")]


def test_no_keys_no_question():
    assert found(Change(TEAM, Team(), None), keys_count=0) == []
    assert found(Change(TEAM, Team(), None)) == []
    assert found(Change(TEAM, Team(), Team(tpm_limit=1)), keys_count=14) == []


def test_settings_and_the_flag_allow_it():
    gone = Change(TEAM, Team(), None)
    assert found(gone, Safety(allow_cascade=True), keys_count=14) == []
    refused = refusals([gone], LIVE, LIVE, Impact(), Safety(), {TEAM: {"keys_count": 14}})
    assert standing(refused, {"cascade"}) == ()
