"""The documented dialect on the embedded gateway: unions, credits, what it does not take."""

import pytest
from conftest import World
from gateway_company import build, change, company, creation, granting

from reconciler.core.model.kinds import ModelAlias, Organization, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways.base import Gateway, GatewayError, Landed
from reconciler.gateways.saas import documented


@pytest.fixture
def world(tmp_path) -> World:
    return World(GatewaySettings(backend="embedded"), tmp_path)


@pytest.fixture
def built(world):
    resources = company(world.prefix)
    world.run(lambda gateway: build(gateway, resources))
    return resources


def named(resources, ending):
    return next((ref, res) for ref, res in resources.items() if ref.name.endswith(ending))


def test_the_database_is_beside_the_config(world, built):
    assert (world.directory / ".reconciler" / "gateway.db").exists()


def test_a_group_keeps_what_another_hand_added_meanwhile(world, built):
    ref, group = named(built, "-basic")
    gpt, mini, new = (f"{world.prefix}{name}" for name in ("-gpt", "-mini", "-new"))

    async def work(gateway: Gateway) -> None:
        await gateway.perform(
            creation(gateway, Ref("model_alias", new), ModelAlias(litellm_model="openai/x"))
        )
        await gateway.perform(change(gateway, ref, group, model_aliases=frozenset({mini, new})))
        await gateway.perform(change(gateway, ref, group, model_aliases=frozenset({gpt})))
        assert (await gateway.read()).state[ref].model_aliases == {gpt, new}

    world.run(work)


def test_more_credits_than_there_are_cannot_be_taken_back(world, built):
    ref, team = named(built, "-prod")

    async def work(gateway: Gateway) -> None:
        with pytest.raises(GatewayError) as caught:
            await gateway.perform(granting(ref, team, -1001, "op"))
        assert not caught.value.unknown
        assert (await gateway.read()).state[ref].credits_allocated == 1000

    world.run(work)


def test_an_operation_id_of_another_amount_is_refused(world, built):
    ref, team = named(built, "-prod")

    async def work(gateway: Gateway) -> None:
        await gateway.perform(granting(ref, team, 5, "op"))
        with pytest.raises(GatewayError, match="409") as caught:
            await gateway.perform(granting(ref, team, 6, "op"))
        assert not caught.value.unknown
        assert (await gateway.read()).state[ref].credits_allocated == 1005

    world.run(work)


def test_the_virtual_key_is_a_secret(world, built):
    ref, team = named(built, "-prod")

    async def work(gateway: Gateway) -> None:
        receipt = await gateway.perform(creation(gateway, Ref("team", f"{ref.name}-2"), team))
        assert receipt.secret.get_secret_value().startswith("sk-")
        assert receipt.secret.get_secret_value() not in repr(receipt) + repr(await gateway.read())

    world.run(work)


def test_two_connections_to_one_file(world, built):
    ref, resource = named(built, "-gpt")

    async def outer(gateway: Gateway) -> None:
        step = change(gateway, ref, resource, description="new")
        await gateway.perform(step)
        assert await gateway.landed(step) is Landed.APPLIED

    world.run(outer)
    assert world.run(lambda gateway: gateway.read(), read_only=True).state[ref].description == "new"


def test_the_real_server_is_not_an_embedded_gateway(double_world):
    double_world.settings = GatewaySettings(backend="embedded", url=double_world.server.url)
    with pytest.raises(GatewayError, match="not an embedded gateway") as caught:
        double_world.run(lambda gateway: gateway.read())
    assert caught.value.hint == "set backend: saas-litellm"


@pytest.mark.parametrize(
    ("ref", "after", "codes"),
    [
        (
            Ref("model_alias", "openai/gpt-4"),
            ModelAlias(litellm_model="openai/gpt-4"),
            ["id-not-allowed"],
        ),
        (
            Ref("model_alias", "a" * 201),
            ModelAlias(litellm_model="openai/gpt-4"),
            ["id-not-allowed"],
        ),
        (Ref("model_alias", "a"), ModelAlias(), ["model-required"]),
        (Ref("team", "t"), Team(), ["organization-required"]),
        (Ref("team", "t"), Team(organization_id="o"), []),
        (Ref("organization", "o.r-g_1:2"), Organization(name="O"), []),
    ],
)
def test_what_must_not_be_sent_is_refused_in_the_plan(ref, after, codes):
    assert [found.code for found in documented.DIALECT.support.check(ref, None, after)] == codes
