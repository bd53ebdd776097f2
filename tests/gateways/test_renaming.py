"""Renames over a connected gateway: done once, found out about, refused where the gateway has none."""

import pytest
from conftest import World
from gateway_company import build, company

from reconciler.core.model.changes import Action, Step
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways.base import Gateway, GatewayError, Landed


@pytest.fixture
def world(tmp_path) -> World:
    return World(GatewaySettings(backend="embedded"), tmp_path)


def renaming(ref: Ref, resource) -> Step:
    return Step(
        Ref(ref.kind, f"{ref.name}-renamed"),
        Action.RENAME,
        resource,
        resource,
        renamed_from=ref.name,
    )


def test_every_kind_is_renamed_once_and_looked_up(world):
    resources = company(world.prefix)

    async def work(gateway: Gateway) -> None:
        await build(gateway, resources)
        assert set(gateway.support.renames) == {ref.kind for ref in resources}
        for ref, resource in resources.items():
            step = renaming(ref, resource)
            assert await gateway.landed(step) is Landed.ABSENT
            await gateway.perform(step)
            assert await gateway.landed(step) is Landed.APPLIED
            with pytest.raises(GatewayError) as refused:
                await gateway.perform(step)
            assert not refused.value.unknown
        live = (await gateway.read()).state
        assert {ref.name for ref in live} == {f"{ref.name}-renamed" for ref in resources}

    world.run(work)


def test_where_both_or_neither_name_is_there_nobody_can_tell(world):
    resources = company(world.prefix)
    ref, resource = next((ref, each) for ref, each in resources.items() if ref.kind == "team")

    async def work(gateway: Gateway) -> None:
        assert await gateway.landed(renaming(ref, resource)) is Landed.UNKNOWN
        await build(gateway, resources)
        await gateway.perform(
            Step(Ref("team", f"{ref.name}-renamed"), Action.CREATE, None, resource)
        )
        assert await gateway.landed(renaming(ref, resource)) is Landed.UNKNOWN

    world.run(work)


def test_saas_litellm_has_no_rename(double_world):
    async def renames(gateway: Gateway) -> frozenset[str]:
        return gateway.support.renames

    assert double_world.run(renames) == frozenset()
