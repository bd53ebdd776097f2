"""Records of another version, and of kinds that a gateway does not show now."""

import pytest

from reconciler.core.access.rules import GroupRules
from reconciler.core.model.inventory import (
    MASK,
    Known,
    Record,
    applied_value,
    record_of,
    resource_of,
)
from reconciler.core.model.kinds import ModelAlias, Organization, Team, TopUp
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.diff import diff
from reconciler.core.plan.drift import drift
from reconciler.core.plan.support import Support, everything
from reconciler.core.rules.check import check

SUPPORT = Support(
    "test", {kind: everything(kind) for kind in ("organization", "team")}, GroupRules()
)
TEAM = Ref("team", "t")


@pytest.mark.parametrize("name", ["field_of_a_newer_version", "rpm_limit"])
def test_what_a_record_holds_and_this_version_does_not_know_is_left_out(name):
    record = Record({"access_groups": ["g"], name: {"what": "ever"}})
    assert resource_of(TEAM, record) == Team(access_groups=frozenset("g"))
    assert applied_value(TEAM, record, "access_groups") == frozenset("g")


def test_drift_reads_records_of_other_versions():
    live = State({TEAM: Team(access_groups=frozenset("g"))})
    records = {
        TEAM: Record({"access_groups": ["g"], "newer": 1}),
        Ref("robot", "r"): Record({"newer": 1}),
    }
    found = drift(live, live, Known(records), SUPPORT, {})
    assert found.objects == ()


def test_a_kind_that_the_gateway_does_not_show_is_not_gone():
    records = {
        Ref("organization", "o"): Record({"name": "O"}),
        Ref("key", "k"): Record({"team_id": "t"}),
    }
    assert diff(State(), State(), Known(records), SUPPORT).gone == (Ref("organization", "o"),)


def test_no_record_holds_what_looks_like_a_secret():
    alias = ModelAlias.model_construct(litellm_params={"api_key": "anything", "temperature": 1})
    assert record_of(alias)["litellm_params"] == {"api_key": MASK, "temperature": 1}


def test_the_id_of_the_allocation_is_no_top_up():
    """Its grants are kept apart, so that a top-up of this name would be planned again and again."""
    team = Team(organization_id="o", top_ups=(TopUp(id="allocation", amount=5),))
    found = check(State({Ref("organization", "o"): Organization(name="O"), TEAM: team}))
    assert [finding.code for finding in found] == ["reserved-top-up"]
