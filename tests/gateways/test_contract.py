"""The contract of a gateway, the same for every backend: what is written is read, repeated safely, and found out about."""

import asyncio

import pytest
from gateway_company import (
    build,
    change,
    company,
    creation,
    deletion,
    granting,
    other,
    readable,
    together,
)

from reconciler.core.model.changes import Action, Step
from reconciler.core.model.kinds import Status
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways.base import Gateway, GatewayError, Landed
from reconciler.gateways.http import WriteRefusedError


@pytest.fixture
def resources(world):
    found = company(world.prefix).items()
    return {ref: resource for ref, resource in found if ref.kind not in world.without}


@pytest.fixture
def built(world, resources):
    world.run(lambda gateway: build(gateway, resources))
    return resources


def only(resources, kind, ending=""):
    return next(
        (ref, res)
        for ref, res in resources.items()
        if ref.kind == kind and ref.name.endswith(ending)
    )


def test_what_is_created_is_read_back_as_normalised(world, resources):
    async def work(gateway: Gateway) -> None:
        for ref, resource in resources.items():
            step = creation(gateway, ref, resource)
            assert await gateway.landed(step) is Landed.ABSENT
            receipt = await gateway.perform(step)
            assert (receipt.secret is not None) == (ref.kind == "team" and world.team_keys)
            assert "sk-" not in repr(receipt)
            assert await gateway.landed(step) is Landed.APPLIED
        live = await gateway.read()
        for ref, resource in resources.items():
            assert readable(gateway, ref, live.state[ref]) == readable(
                gateway, ref, gateway.support.normalise(ref, resource)
            )

    world.run(work)


def test_normalise_is_idempotent_and_keeps_what_was_declared(world, resources):
    async def work(gateway: Gateway) -> None:
        for ref, resource in resources.items():
            once = gateway.support.normalise(ref, resource)
            assert gateway.support.normalise(ref, once) == once
            assert once.model_fields_set == resource.model_fields_set

    world.run(work)


@pytest.mark.parametrize("kind", ["organization", "model_alias", "access_group", "team"])
def test_every_updatable_field_changes_and_alone(world, built, kind):
    if kind in world.without:
        pytest.skip(f"this gateway has no {kind}s")
    ref, resource = only(built, kind)

    async def work(gateway: Gateway) -> None:
        support = gateway.support.kinds[kind]
        for name in sorted(support.updatable - {"credits_allocated"}):
            before = (
                (await gateway.read())
                .state[ref]
                .model_copy(
                    update={
                        hidden: getattr(resource, hidden)
                        for hidden in support.stored - support.readable
                    }
                )
            )
            step = change(
                gateway,
                ref,
                before,
                **{name: other(world.prefix, ref, name), **together(gateway, name)},
            )
            assert getattr(step.before, name) != getattr(step.after, name), name
            assert await gateway.landed(step) is Landed.ABSENT, name
            await gateway.perform(step)
            assert await gateway.landed(step) is Landed.APPLIED, name
            live = (await gateway.read()).state[ref]
            assert readable(gateway, ref, live) == readable(gateway, ref, step.after), name
            await gateway.perform(Step(ref, Action.CONTRACT, step.after, step.before))

    world.run(work)


def test_expand_then_contract_passes_through_the_union(world, built):
    ref, resource = only(built, "team")
    basic, pro = f"{world.prefix}-basic", f"{world.prefix}-pro"

    async def work(gateway: Gateway) -> None:
        grow = change(gateway, ref, resource, access_groups=frozenset({basic, pro}))
        await gateway.perform(grow)
        assert (await gateway.read()).state[ref].access_groups == {basic, pro}
        await gateway.perform(change(gateway, ref, grow.after, access_groups=frozenset({pro})))
        assert (await gateway.read()).state[ref].access_groups == {pro}

    world.run(work)


def test_a_group_grows_and_shrinks(world, built):
    ref, resource = only(built, "access_group", "basic")
    gpt, mini = f"{world.prefix}-gpt", f"{world.prefix}-mini"

    async def work(gateway: Gateway) -> None:
        grow = change(gateway, ref, resource, model_aliases=frozenset({gpt, mini}))
        await gateway.perform(grow)
        await gateway.perform(grow)
        assert (await gateway.read()).state[ref].model_aliases == {gpt, mini}
        await gateway.perform(change(gateway, ref, grow.after, model_aliases=frozenset({gpt})))
        assert (await gateway.read()).state[ref].model_aliases == {gpt}

    world.run(work)


def test_a_suspended_team_is_created_suspended(world, built):
    ref, resource = only(built, "team")
    twin = Ref("team", f"{ref.name}-2")

    async def work(gateway: Gateway) -> None:
        step = creation(gateway, twin, resource.model_copy(update={"status": Status.SUSPENDED}))
        await gateway.perform(step)
        assert (await gateway.read()).state[twin].status is Status.SUSPENDED
        assert await gateway.landed(step) is Landed.APPLIED

    world.run(work)


def test_deleting_twice_is_deleted(world, built):
    async def work(gateway: Gateway) -> None:
        for ref, resource in reversed(built.items()):
            if not gateway.support.kinds[ref.kind].delete:
                continue
            step = deletion(ref, resource)
            assert await gateway.landed(step) is Landed.ABSENT
            await gateway.perform(step)
            assert await gateway.landed(step) is Landed.APPLIED
            assert (await gateway.perform(step)).note == "was already gone"
            assert ref not in (await gateway.read()).state

    world.run(work)


def test_a_grant_counts_once_however_often_it_is_sent(world, built):
    ref, resource = only(built, "team")

    async def work(gateway: Gateway) -> None:
        steps = [
            granting(ref, resource, 500, f"{world.prefix}:promo", "promo"),
            granting(ref, resource, 7, f"{world.prefix}:promo-2", "promo-2", reason="r" * 600),
        ]
        for step in steps:
            assert await gateway.landed(step) is Landed.ABSENT
            for _ in range(3):
                await gateway.perform(step)
            assert await gateway.landed(step) is Landed.APPLIED
        assert (await gateway.read()).state[ref].credits_allocated == 1507

    world.run(work)


def test_credits_are_taken_back_once(world, built):
    ref, resource = only(built, "team")

    async def work(gateway: Gateway) -> None:
        step = granting(ref, resource, -100, f"{world.prefix}:less")
        assert await gateway.landed(step) is Landed.ABSENT
        for _ in range(3):
            await gateway.perform(step)
        assert await gateway.landed(step) is Landed.APPLIED
        assert (await gateway.read()).state[ref].credits_allocated == 900

    world.run(work)


def test_grants_at_the_same_time_add_up(world, built):
    ref, resource = only(built, "team")

    async def work(gateway: Gateway) -> None:
        steps = [
            granting(ref, resource, 10, f"{world.prefix}:{each}", f"g{each}") for each in range(6)
        ]
        await asyncio.gather(*map(gateway.perform, steps))
        assert (await gateway.read()).state[ref].credits_allocated == 1060

    world.run(work)


def test_granting_to_nobody_is_refused_and_makes_nobody(world, built):
    nobody = Ref("team", f"{world.prefix}-nobody")

    async def work(gateway: Gateway) -> None:
        with pytest.raises(GatewayError, match="404") as caught:
            await gateway.perform(granting(nobody, only(built, "team")[1], 5, "op"))
        assert not caught.value.unknown
        assert nobody not in (await gateway.read()).state

    world.run(work)


def test_what_another_hand_changed_since_the_plan_is_not_overwritten(world, built):
    ref, resource = only(built, "team")
    basic, pro = f"{world.prefix}-basic", f"{world.prefix}-pro"

    async def another_hand(gateway: Gateway) -> None:
        await gateway.perform(change(gateway, ref, resource, access_groups=frozenset({basic, pro})))

    async def work(gateway: Gateway) -> None:
        stale = resource.model_copy(update={"access_groups": frozenset({pro})})
        with pytest.raises(GatewayError, match="moved since the plan") as caught:
            await gateway.perform(change(gateway, ref, stale, access_groups=frozenset({basic})))
        assert not caught.value.unknown
        assert (await gateway.read()).state[ref].access_groups == {basic, pro}

    world.run(another_hand)
    world.run(work)


def test_what_another_hand_changes_between_the_plan_and_its_step_is_not_overwritten(world, built):
    ref, resource = only(built, "team")
    basic, pro = f"{world.prefix}-basic", f"{world.prefix}-pro"

    async def planned(gateway: Gateway) -> None:
        read = (await gateway.read()).state[ref]

        async def another_hand(other: Gateway) -> None:
            await other.perform(change(other, ref, resource, access_groups=frozenset({basic, pro})))

        await asyncio.to_thread(world.run, another_hand)
        with pytest.raises(GatewayError, match="moved since the plan"):
            await gateway.perform(change(gateway, ref, read, access_groups=frozenset({pro})))
        assert (await gateway.read()).state[ref].access_groups == {basic, pro}

    world.run(planned)


def test_what_another_hand_changes_beside_a_step_stays_and_hinders_nothing(world, built):
    ref, _ = only(built, "access_group", "-pro")
    mini = frozenset({f"{world.prefix}-mini"})

    async def planned(gateway: Gateway) -> None:
        read = (await gateway.read()).state[ref]

        async def another_hand(other: Gateway) -> None:
            await other.perform(change(other, ref, read, description="theirs"))

        await asyncio.to_thread(world.run, another_hand)
        await gateway.perform(change(gateway, ref, read, model_aliases=mini))
        after = (await gateway.read()).state[ref]
        assert (after.description, after.model_aliases) == ("theirs", mini)

    world.run(planned)


def test_creating_what_exists_is_a_definite_refusal(world, built):
    ref, resource = only(built, "model_alias")

    async def work(gateway: Gateway) -> None:
        with pytest.raises(GatewayError, match="already exists") as caught:
            await gateway.perform(creation(gateway, ref, resource))
        assert not caught.value.unknown

    world.run(work)


def test_a_reference_to_nothing_is_a_definite_refusal(world, built):
    ref, resource = only(built, "access_group")

    async def work(gateway: Gateway) -> None:
        if gateway.support.serving is not None:
            pytest.skip(
                "it takes any name, which a wildcard may serve; the plan says which names grant nothing"
            )
        with pytest.raises(GatewayError, match="nothing-like-it") as caught:
            await gateway.perform(
                change(gateway, ref, resource, model_aliases=frozenset({"nothing-like-it"}))
            )
        assert not caught.value.unknown
        assert (await gateway.read()).state[ref].model_aliases == resource.model_aliases

    world.run(work)


def test_a_read_only_connection_refuses_writes_before_a_byte_is_sent(world, built):
    ref, resource = only(built, "model_alias")
    count = len(world.server.requests) if hasattr(world.server, "requests") else None

    async def work(gateway: Gateway) -> None:
        before = await gateway.read()
        for step in (
            deletion(ref, resource),
            creation(gateway, Ref("model_alias", f"{world.prefix}-new"), resource),
            granting(*only(built, "team"), 5, f"{world.prefix}:read-only"),
        ):
            with pytest.raises(WriteRefusedError):
                await gateway.perform(step)
        # others may be at work on a gateway that is shared
        now = (await gateway.read()).state
        ours = {ref for ref in {*before.state, *now} if ref.name.startswith(world.prefix)}
        assert {ref: now.get(ref) for ref in ours} == {ref: before.state.get(ref) for ref in ours}

    world.run(work, read_only=True)
    if count is not None:
        assert {request.method for request in world.server.requests[count:]} == {"GET"}


def test_a_missing_key_is_one_clear_line(world):
    if world.settings.url is None:
        pytest.skip("the embedded gateway in process has no admin key")
    with pytest.raises(GatewayError) as caught:
        world.environ = {}
        world.run(lambda gateway: gateway.read())
    assert (
        str(caught.value) == "gateway test: the environment variable RECONCILER_TEST_KEY is not set"
    )


def test_nothing_running_is_one_clear_line(world):
    if world.settings.url is None:
        pytest.skip("the embedded gateway in process is always running")
    world.settings = GatewaySettings(**{**world.settings.model_dump(), "url": "http://127.0.0.1:1"})
    with pytest.raises(GatewayError, match=r"^GET /\S+: no connection: ") as caught:
        world.run(lambda gateway: gateway.read())
    assert caught.value.hint == "is the gateway running at http://127.0.0.1:1?"
    assert not caught.value.unknown
