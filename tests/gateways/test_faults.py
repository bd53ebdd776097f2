"""Requests whose outcome is unknown: a look at the gateway tells what happened, and nothing happens twice."""

import asyncio
from dataclasses import replace

import pytest
from gateway_company import build, change, company, creation, deletion, granting

from reconciler.apply.attempt import attempt
from reconciler.apply.means import Means, Pace
from reconciler.core.model.changes import Action, Result, Step
from reconciler.core.model.kinds import Status
from reconciler.core.model.refs import Ref
from reconciler.gateways.base import Gateway, GatewayError, Landed

LOST = ["500-after-commit", "drop-after-commit"]
NEVER_DONE = ["500-before", "drop-before"]


@pytest.fixture
def built(faulty_world):
    resources = company(faulty_world.prefix)
    faulty_world.run(lambda gateway: build(gateway, resources))
    return resources


class Paper:
    """A journal of a lock that nobody takes."""

    def check(self):
        return None


async def settle(gateway: Gateway, step: Step, expected: Landed) -> bool:
    """Does what an executor does; whether the first request failed with an unknown outcome."""
    try:
        await gateway.perform(step)
    except GatewayError as failure:
        assert failure.unknown, failure
        assert await gateway.landed(step) is expected
        if expected is Landed.ABSENT:
            await gateway.perform(step)
        return True
    assert await gateway.landed(step) is Landed.APPLIED
    return False


@pytest.mark.parametrize("mode", LOST + NEVER_DONE)
@pytest.mark.parametrize("kind", ["organization", "model_alias", "access_group"])
def test_a_creation_of_unknown_outcome_is_found_out_about(faulty_world, built, kind, mode):
    first, resource = next((ref, res) for ref, res in built.items() if ref.kind == kind)
    ref = Ref(kind, f"{first.name}-new")

    async def work(gateway: Gateway) -> None:
        faulty_world.fail("POST", "/create$", mode)
        expected = Landed.APPLIED if mode in LOST else Landed.ABSENT
        assert await settle(gateway, creation(gateway, ref, resource), expected)
        assert ref in (await gateway.read()).state

    faulty_world.run(work)


@pytest.mark.parametrize("mode", LOST + NEVER_DONE)
def test_a_team_of_unknown_outcome_is_found_out_about(faulty_world, built, mode):
    first, resource = next((ref, res) for ref, res in built.items() if ref.kind == "team")
    ref = Ref("team", f"{first.name}-new")

    async def work(gateway: Gateway) -> None:
        faulty_world.fail("POST", "/api/teams/create$", mode)
        expected = Landed.APPLIED if mode in LOST else Landed.ABSENT
        assert await settle(gateway, creation(gateway, ref, resource), expected)
        assert (await gateway.read()).state[ref].credits_allocated == 1000

    faulty_world.run(work)


@pytest.mark.parametrize("mode", LOST + NEVER_DONE)
@pytest.mark.parametrize("amount", [250, -250])
def test_a_grant_of_unknown_outcome_counts_once(faulty_world, built, mode, amount):
    ref, team = next((ref, res) for ref, res in built.items() if ref.kind == "team")

    async def work(gateway: Gateway) -> None:
        faulty_world.fail("POST", "/add$", mode)
        await settle(
            gateway,
            granting(ref, team, amount, f"{ref.name}:op-1"),
            Landed.APPLIED if mode in LOST else Landed.ABSENT,
        )
        assert (await gateway.read()).state[ref].credits_allocated == 1000 + amount

    faulty_world.run(work)


@pytest.mark.parametrize("mode", LOST + NEVER_DONE)
def test_updates_and_deletions_are_repeated_until_they_are_done(faulty_world, built, mode):
    refs = {ref.name.removeprefix(faulty_world.prefix): ref for ref in built}
    team, group, alias = refs["-prod"], refs["-pro"], refs["-gpt"]
    ref_prefix = f"step {faulty_world.prefix}"

    async def work(gateway: Gateway) -> None:
        faulty_world.fail("PUT", ".", mode)
        faulty_world.fail("POST", "-models$", mode)
        faulty_world.fail("DELETE", ".", mode)
        steps = [
            change(
                gateway,
                team,
                built[team],
                access_groups=frozenset({group.name}),
                status=Status.SUSPENDED,
            ),
            change(
                gateway,
                group,
                built[group],
                model_aliases=frozenset({f"{faulty_world.prefix}-mini"}),
            ),
            change(gateway, alias, built[alias], description="new"),
            deletion(alias, built[alias]),
        ]
        means = Means(gateway, Paper(), None, asyncio.Event(), Pace(first=0, longest=0))
        for number, step in enumerate(steps):
            tried = await attempt(replace(step, operation=f"{ref_prefix}:{number}"), means)
            assert tried.result is Result.APPLIED, tried
            assert await gateway.landed(step) is Landed.APPLIED

    faulty_world.run(work)


def test_an_update_that_stays_broken_is_unknown_and_found_absent(faulty_world, built):
    ref, resource = next((ref, res) for ref, res in built.items() if ref.kind == "model_alias")
    step = change_of(faulty_world, ref, resource)

    async def work(gateway: Gateway) -> None:
        faulty_world.fail("PUT", ".", "500-before", times=None)
        with pytest.raises(GatewayError, match="answered 500") as caught:
            await gateway.perform(step(gateway))
        assert caught.value.unknown
        faulty_world.server.heal()
        assert await gateway.landed(step(gateway)) is Landed.ABSENT

    faulty_world.run(work)


def change_of(world, ref, resource):
    return lambda gateway: change(gateway, ref, resource, description="new")


def test_an_object_in_a_third_state_is_unknown(faulty_world, built):
    ref, resource = next((ref, res) for ref, res in built.items() if ref.kind == "model_alias")

    async def work(gateway: Gateway) -> None:
        await gateway.perform(change(gateway, ref, resource, description="somebody else's"))
        assert (
            await gateway.landed(change(gateway, ref, resource, description="new"))
            is Landed.UNKNOWN
        )
        different = resource.model_copy(update={"description": "new"})
        assert await gateway.landed(creation(gateway, ref, different)) is Landed.UNKNOWN
        gone = Ref("model_alias", f"{ref.name}-gone")
        assert (
            await gateway.landed(Step(gone, Action.EXPAND, resource, different)) is Landed.UNKNOWN
        )

    faulty_world.run(work)


def test_reading_is_patient_and_then_says_what_failed(faulty_world, built):
    async def work(gateway: Gateway) -> None:
        whole = (await gateway.read()).state.resources
        faulty_world.fail("GET", "/api/teams$", "500-before", times=2)
        faulty_world.fail("GET", "access-groups$", "drop-before")
        assert (await gateway.read()).state.resources == whole
        faulty_world.fail("GET", "/api/teams$", "500-before", times=None)
        with pytest.raises(
            GatewayError, match=r"GET /api/teams answered 500: Internal Server Error"
        ):
            await gateway.read()

    faulty_world.run(work)
