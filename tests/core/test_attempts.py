"""A credit grant that may still be on its way is never called refused: the next apply looks first."""

import asyncio

import pytest

from reconciler.apply.attempt import attempt
from reconciler.apply.keys import delivery
from reconciler.apply.means import Means, Pace
from reconciler.core.access.rules import GroupRules
from reconciler.core.model.changes import Action, CreditGrant, Result, Step
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.kinds import Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.plan.support import Support
from reconciler.gateways.base import GatewayError, Landed

STEP = Step(
    Ref("team", "t"), Action.GRANT, Team(), Team(), CreditGrant("allocation", 5, "credits", "op")
)
CUT = {"unknown": True}


class Slow:
    """A gateway that fails as it is told to, and on which nothing is seen yet."""

    support = Support("slow", {}, GroupRules(), repeatable_grants=True)

    def __init__(self, failures):
        self.failures = list(failures)

    async def perform(self, step, key=None):
        raise GatewayError("no answer", **self.failures.pop(0))

    async def landed(self, step):
        return Landed.ABSENT


class Paper:
    """A journal of a lock that nobody takes."""

    def check(self):
        return None


def tried(*failures, step=STEP):
    gateway = Slow(failures)
    pace = Pace(attempts=3, first=0, longest=0)
    return asyncio.run(attempt(step, Means(gateway, Paper(), None, asyncio.Event(), pace)))


@pytest.mark.parametrize(
    "failures", [(CUT, CUT, CUT), (CUT, {"status": 400}), (CUT, {"retry": True}, {"retry": True})]
)
def test_after_one_cut_connection_the_end_is_unknown(failures):
    found = tried(*failures)
    assert (found.result, found.unknown) == (Result.FAILED, True)


@pytest.mark.parametrize(
    "failures", [({"status": 400},), ({"retry": True}, {"retry": True}, {"retry": True})]
)
def test_a_plain_refusal_is_known(failures):
    found = tried(*failures)
    assert (found.result, found.unknown) == (Result.FAILED, False)


def test_a_key_that_cannot_be_written_is_an_error_with_a_hint(tmp_path):
    keys = delivery("g", GatewaySettings(backend="embedded", keys_out="."), tmp_path)
    with pytest.raises(ReconcilerError, match="cannot write to"):
        keys.prepare([STEP.ref])
