"""A request that takes effect after its sender has given up or died: the next apply must not grant a second time."""

import threading
import time

import pytest
from driver import APPLY, KILLED
from fault_company import Company, TeamWish
from fault_world import GATEWAYS, settle_strangers, world

ALONE = Company(
    aliases={"m0": "openai/gpt-4"},
    groups={"g0": frozenset({"m0"})},
    plans={"starter": (frozenset({"g0"}), 100), "pro": (frozenset({"g0"}), 1000)},
    teams={"t0": TeamWish("starter")},
)
UPGRADED = Company(ALONE.aliases, ALONE.groups, ALONE.plans, {"t0": TeamWish("pro")})
TOPPED_UP = Company(
    ALONE.aliases, ALONE.groups, ALONE.plans, {"t0": TeamWish("starter", top_ups=(("promo", 500),))}
)


def begun(here):
    settle_strangers(here.gateway)
    here.declare(ALONE)
    assert here.apply().code == 0, here.last.said
    here.account.applied(ALONE)
    return here.strangers()


SLOWLY = pytest.mark.slow


@pytest.mark.parametrize(
    "company", [UPGRADED, pytest.param(TOPPED_UP, marks=SLOWLY)], ids=["allocation", "top-up"]
)
@pytest.mark.parametrize("kind", [pytest.param("embedded", marks=SLOWLY), "saas"])
def test_a_grant_that_arrives_after_its_sender_was_killed_counts_once(kind, company, tmp_path):
    """The process dies with its request on the way; the next apply starts before the gateway has it."""
    with world(kind, tmp_path, 0, timeout=2.0) as here:
        before = begun(here)
        here.declare(company)
        process = here.driver.start(*APPLY)
        on_the_way = threading.Event()

        def hold(stage: str, _number: int) -> bool:
            if stage == "arrived" and not on_the_way.is_set():
                process.kill()
                on_the_way.set()
                here.proxy.hold = 1.6
            return False

        here.proxy.watch = hold
        assert on_the_way.wait(30)
        assert process.wait().code == KILLED
        here.unlock()
        while here.apply().code != 0:
            time.sleep(0.1)
        here.settle()
        here.account.applied(company)
        here.verify(company, before)


@SLOWLY
@pytest.mark.parametrize("company", [UPGRADED, TOPPED_UP], ids=["allocation", "top-up"])
@pytest.mark.parametrize("kind", sorted(GATEWAYS))
def test_a_grant_that_arrives_after_the_timeout_counts_once(kind, company, tmp_path):
    with world(kind, tmp_path, 0) as here:
        before = begun(here)
        here.declare(company)
        here.proxy.rates = {"late": 1.0}
        first = here.apply()
        here.proxy.heal()
        rounds = 0
        while here.apply().code != 0:
            rounds += 1
            assert rounds < 10, (first, here.last)
        here.settle()
        here.account.applied(company)
        here.verify(company, before)
