"""The quirks of the real SaaS LiteLLM server, one by one."""

import asyncio

import httpx
import pytest
from conftest import KEY, World, saas_world
from gateway_company import build, change, company, creation, deletion, granting
from hypothesis import given, settings
from hypothesis import strategies as st
from saas_litellm import saas_double

from reconciler.core.model.changes import Action, Step
from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import AccessGroup, ModelAlias, Organization, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways.base import Gateway, GatewayError, Landed
from reconciler.gateways.saas import documented
from reconciler.gateways.saas import real as saas
from reconciler.gateways.saas.backend import of_paths

ALIAS, GROUP, ORG, TEAM = (
    Ref("model_alias", "a"),
    Ref("access_group", "g"),
    Ref("organization", "o"),
    Ref("team", "t"),
)

# Odd, but taken by the server: told, and sent.
SENT_ALL_THE_SAME = {"provider-not-callable", "group-empty", "default-team-id"}


@pytest.fixture
def world(double_world: World) -> World:
    return double_world


@pytest.fixture
def built(world):
    resources = company(world.prefix)
    world.run(lambda gateway: build(gateway, resources))
    return resources


def named(resources, ending):
    return next((ref, res) for ref, res in resources.items() if ref.name.endswith(ending))


def post(world: World, path: str, **body):
    httpx.post(
        world.server.url + path, json=body, headers={"X-Admin-Key": world.server.admin_key}
    ).raise_for_status()


def test_a_model_is_split_at_its_first_slash(world):
    model = "fireworks/accounts/fireworks/models/llama"

    async def work(gateway: Gateway) -> None:
        await gateway.perform(creation(gateway, ALIAS, ModelAlias(litellm_model=model)))
        assert (await gateway.read()).state[ALIAS].litellm_model == model

    world.run(work)
    row = world.server.store.aliases["a"]
    assert (row.provider, row.actual_model) == ("fireworks", "accounts/fireworks/models/llama")


def test_prices_and_descriptions_are_cleared(world):
    priced = ModelAlias(
        litellm_model="openai/x", pricing_input=1.5, pricing_output=0, description="some"
    )

    async def work(gateway: Gateway) -> None:
        await gateway.perform(creation(gateway, ALIAS, priced))
        live = (await gateway.read()).state[ALIAS]
        assert (live.pricing_input, live.pricing_output) == (1.5, None)
        await gateway.perform(change(gateway, ALIAS, live, pricing_input=None, description=None))
        live = (await gateway.read()).state[ALIAS]
        assert (live.pricing_input, live.description) == (None, None)

    world.run(work)


def test_an_organization_comes_without_a_default_team(world):
    world.run(lambda gateway: gateway.perform(creation(gateway, ORG, Organization(name="O"))))
    assert world.server.store.teams == {}
    assert world.server.store.organizations["o"].metadata == {}


def test_what_the_api_cannot_reach_is_fixed(world):
    post(world, "/api/organizations/create", organization_id="o", name="O")
    post(
        world,
        "/api/models/create",
        model_alias="a/b",
        display_name="AB",
        provider="openai",
        actual_model="x",
    )
    live = world.run(lambda gateway: gateway.read())
    assert live.fixed == {Ref("team", "o_default"), Ref("model_alias", "a/b")}
    assert live.fixed <= set(live.state)


def test_an_organization_without_metadata_is_explained(world, built):
    world.server.sql("organizations", f"{world.prefix}-org", metadata=None)
    with pytest.raises(GatewayError, match="GET /api/organizations answered 500") as caught:
        world.run(lambda gateway: gateway.read())
    assert "UPDATE organizations SET metadata" in caught.value.hint


def test_names_given_twice_are_one(world):
    post(
        world,
        "/api/models/create",
        model_alias="a",
        display_name="A",
        provider="openai",
        actual_model="x",
    )
    twice = ["a", "a"]
    post(
        world,
        "/api/model-access-groups/create",
        group_name="g",
        display_name="G",
        model_aliases=twice,
    )
    assert world.run(lambda gateway: gateway.read()).state[GROUP].model_aliases == {"a"}


def test_a_status_that_nobody_knows_refuses_calls(world, built):
    world.server.sql("aliases", f"{world.prefix}-gpt", status="beta")
    world.server.sql("teams", f"{world.prefix}-prod", status="paused", credits_allocated=-5)
    state = world.run(lambda gateway: gateway.read()).state
    assert state[named(built, "-gpt")[0]].status is Status.INACTIVE
    team = state[named(built, "-prod")[0]]
    assert (team.status, team.credits_allocated) == (Status.SUSPENDED, -5)


def test_a_burnt_id_fails_for_good_with_the_cure(world, built):
    team = named(built, "-prod")[1]

    async def work(gateway: Gateway) -> None:
        step = creation(gateway, TEAM, team)
        world.server.litellm.fail_next("key/generate")
        with pytest.raises(GatewayError) as caught:
            await gateway.perform(step)
        assert caught.value.unknown
        assert await gateway.landed(step) is Landed.ABSENT
        with pytest.raises(GatewayError, match="LiteLLM has a team with this id") as caught:
            await gateway.perform(step)
        assert not caught.value.unknown
        assert "/team/delete" in caught.value.hint
        world.server.litellm.delete_team("t")
        assert (await gateway.perform(step)).secret.get_secret_value() == world.server.virtual_key(
            "t"
        )

    world.run(work)


def test_a_touch_tells_litellm_and_keeps_what_another_hand_changed(world, built):
    ref, team = named(built, "-prod")
    group = named(built, "-basic")
    both = sorted(f"{world.prefix}{name}" for name in ("-basic", "-pro"))

    async def work(gateway: Gateway) -> None:
        await gateway.perform(change(gateway, ref, team, access_groups=frozenset(both)))
        world.server.litellm.teams[ref.name].models = ["stale"]
        step = Step(ref, Action.TOUCH, team, team)
        await gateway.perform(step)
        assert await gateway.landed(step) is Landed.ABSENT

    world.run(work)
    assert group[0].name in world.server.store.groups_of_team(ref.name)
    assert world.server.store.groups_of_team(ref.name) == both
    assert world.server.litellm.teams[ref.name].models == sorted(
        f"{world.prefix}{name}" for name in ("-gpt", "-mini")
    )


def test_grants_to_a_suspended_team(world, built):
    ref, team = named(built, "-prod")

    async def work(gateway: Gateway) -> None:
        await gateway.perform(change(gateway, ref, team, status=Status.SUSPENDED))
        promo, allocation = granting(ref, team, 5, "op-1", "promo"), granting(ref, team, 7, "op-2")
        with pytest.raises(
            GatewayError, match="nobody can see whether promo was granted"
        ) as caught:
            await gateway.perform(promo)
        assert not caught.value.unknown
        await gateway.perform(allocation)
        assert await gateway.landed(allocation) is Landed.UNKNOWN
        assert (await gateway.read()).state[ref].credits_allocated == 1007

    world.run(work)


def test_one_operation_id_inside_another_is_not_found(world, built):
    ref, team = named(built, "-prod")

    async def work(gateway: Gateway) -> None:
        await gateway.perform(granting(ref, team, 5, "reconciler:top-up:t:promo-10"))
        assert (
            await gateway.landed(granting(ref, team, 5, "reconciler:top-up:t:promo-1"))
            is Landed.ABSENT
        )

    world.run(work)


def test_a_group_in_use_stays_and_the_server_says_why(world, built):
    ref, group = named(built, "-basic")

    async def work(gateway: Gateway) -> None:
        with pytest.raises(GatewayError, match="still in use by teams") as caught:
            await gateway.perform(deletion(ref, group))
        assert not caught.value.unknown

    world.run(work)


def test_what_litellm_is_not_told_is_noted(world, built):
    ref, team = named(built, "-prod")

    async def work(gateway: Gateway) -> None:
        suspended = change(gateway, ref, team, status=Status.SUSPENDED)
        assert "still works" in (await gateway.perform(suspended)).note
        assert (
            await gateway.perform(Step(ref, Action.CONTRACT, suspended.after, suspended.before))
        ).note is None
        assert "still works" in (await gateway.perform(deletion(ref, team))).note

    world.run(work)


@pytest.mark.parametrize(("asked", "given"), [(None, 4), (2, 2), (64, 8)])
def test_no_more_than_eight_requests_at_once(world, asked, given):
    world.settings = GatewaySettings(**{**world.settings.model_dump(), "concurrency": asked})

    async def work(gateway: Gateway) -> None:
        assert gateway.concurrency == given
        aliases = [Ref("model_alias", f"a{each}") for each in range(40)]
        model = ModelAlias(litellm_model="openai/x")
        await asyncio.gather(*(gateway.perform(creation(gateway, ref, model)) for ref in aliases))
        live = await gateway.read()
        assert set(aliases) == set(live.state)
        assert [finding.code for finding in live.findings] == ["concurrency-capped"] * (asked == 64)

    world.run(work)
    assert 1 < world.server.max_in_flight <= given


def test_the_world_is_read_in_five_requests(world, built):
    count = len(world.server.requests)
    world.run(lambda gateway: gateway.read())
    assert len(world.server.requests) - count == 5


def test_a_wrong_and_an_absent_key_are_one_clear_line(tmp_path):
    with saas_double(require_admin_everywhere=True) as server:
        world = saas_world(tmp_path, server)
        world.environ = {KEY: "sk-wrong-0123456789"}
        with pytest.raises(
            GatewayError, match=r"^GET /api/\S+ answered 401: Authentication required"
        ) as caught:
            world.run(lambda gateway: gateway.read())
        assert caught.value.hint == f"the admin key in ${KEY} is missing or wrong"
        assert "sk-wrong" not in str(caught.value) + repr(caught.value.findings)
        world.settings = GatewaySettings(backend="saas-litellm", url=server.url)
        with pytest.raises(GatewayError, match="401") as caught:
            world.run(lambda gateway: gateway.read())
        assert "admin_key_env" in caught.value.hint


def test_nothing_read_shows_a_virtual_key(world, built):
    live = world.run(lambda gateway: gateway.read())
    assert world.server.virtual_key(f"{world.prefix}-prod") not in repr(live)
    assert live.runtime[named(built, "-prod")[0]] == {"credits_used": 0, "credits_remaining": 1000}


@pytest.mark.parametrize(
    ("ref", "after", "code"),
    [
        (ALIAS, ModelAlias(litellm_model="gpt-4"), "provider-required"),
        (ALIAS, ModelAlias(), "provider-required"),
        (ALIAS, ModelAlias(litellm_model="mistral/x"), "provider-not-callable"),
        (ALIAS, ModelAlias(litellm_model="openai/x", pricing_input=10_000), "price-too-high"),
        (Ref("model_alias", "a/b"), ModelAlias(litellm_model="openai/x"), "id-unreachable"),
        (Ref("model_alias", "a" * 201), ModelAlias(litellm_model="openai/x"), "id-too-long"),
        (Ref("organization", "o" * 256), Organization(name="O"), "id-too-long"),
        (GROUP, AccessGroup(), "group-empty"),
        (TEAM, Team(organization_id="o"), "group-required"),
        (TEAM, Team(access_groups={"g"}), "organization-required"),
        (
            Ref("team", "o_default"),
            Team(organization_id="o", access_groups={"g"}),
            "default-team-id",
        ),
        (
            TEAM,
            Team(organization_id="o", access_groups={"g"}, credits_allocated=2**31),
            "number-too-large",
        ),
        (
            TEAM,
            Team(organization_id="o", access_groups={"g"}, credits_per_dollar=1e8),
            "number-too-large",
        ),
        (
            TEAM,
            Team(organization_id="o", access_groups={"g"}, tokens_per_credit=0),
            "number-too-small",
        ),
    ],
)
def test_what_must_not_be_sent_is_refused_in_the_plan(ref, after, code):
    level = Level.WARNING if code in SENT_ALL_THE_SAME else Level.ERROR
    findings = saas.DIALECT.support.check(ref, None, after)
    assert [(finding.level, finding.code, finding.ref) for finding in findings] == [
        (level, code, ref)
    ]


@pytest.mark.parametrize(
    ("ref", "after", "codes"),
    [
        (ALIAS, ModelAlias(litellm_model="openai/x", pricing_input=9_999.5), []),
        (TEAM, Team(organization_id="o", access_groups={"g"}, credits_allocated=2**31 - 1), []),
        (ALIAS, None, []),
    ],
)
def test_what_can_be_sent_is_not_refused(ref, after, codes):
    assert [found.code for found in saas.DIALECT.support.check(ref, None, after)] == codes


def test_support_says_what_cannot_change():
    kinds = saas.DIALECT.support.kinds
    assert (kinds["organization"].updatable, kinds["organization"].delete) == (frozenset(), False)
    team = kinds["team"]
    assert {"team_alias", "metadata", "organization_id"} <= team.stored - team.updatable
    assert team.stored - team.readable == {"team_alias", "metadata", "tokens_per_credit"}
    assert {"team_alias", "metadata", "organization_id"} <= team.notes.keys()
    assert "max_budget_usd" not in team.stored
    assert "litellm_params" not in kinds["model_alias"].stored


def test_the_dialect_is_known_by_its_paths():
    assert of_paths({"/api/model-aliases": {}, "/api/models": {}}) is documented.DIALECT
    assert of_paths({"/api/models": {}, "/api/model-access-groups": {}}) is saas.DIALECT
    assert of_paths({"/team/new": {}}) is None


texts = st.none() | st.text(max_size=20)
prices = st.none() | st.floats(0, 9_000)
aliases = st.builds(
    ModelAlias,
    litellm_model=st.from_regex(r"[a-z]{1,8}/[a-z/.-]{1,12}", fullmatch=True),
    description=texts,
    display_name=texts,
    pricing_input=prices,
    pricing_output=prices,
)
teams = st.builds(
    Team,
    organization_id=st.just("o"),
    access_groups=st.frozensets(st.sampled_from("abc")),
    credits_allocated=st.none() | st.integers(0, 10**6),
    credits_per_dollar=prices,
    tokens_per_credit=st.none() | st.integers(1, 10**6),
    status=st.sampled_from([Status.ACTIVE, Status.SUSPENDED]),
)


@pytest.mark.parametrize("dialect", [saas.DIALECT, documented.DIALECT], ids=["real", "documented"])
@settings(max_examples=40, deadline=None)
@given(resource=aliases | teams)
def test_normalise_is_the_fixed_point_of_an_echo(dialect, resource):
    ref = Ref(resource.kind, "name")
    once = dialect.support.normalise(ref, resource)
    assert dialect.support.normalise(ref, once) == once
    endpoint = dialect.endpoints[ref.kind]
    assert list(endpoint.updating("name", once, once)) == []
