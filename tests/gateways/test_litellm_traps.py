"""Each trap of LiteLLM Proxy's management API, sprung on the real one: what it would do, and that we do not fall in."""

import asyncio
import hashlib
import os

import psycopg
import pytest
from gateway_company import change, creation, deletion, granting
from pydantic import SecretStr

from reconciler.apply.keys import new_key
from reconciler.core.access.rules import access
from reconciler.core.model.changes import Action, Change, FieldChange, Step
from reconciler.core.model.inventory import Known, Record, record_of
from reconciler.core.model.kinds import AccessGroup, Deployment, Key, ModelAlias, Status, Team
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.model.state import State
from reconciler.core.plan.comparison import differences
from reconciler.core.plan.diff import diff
from reconciler.core.plan.make import Inputs, make_plan
from reconciler.core.plan.plan import Target
from reconciler.core.plan.safety import FLAGS
from reconciler.gateways.base import Gateway, GatewayError, Landed

MOCK = {"mock_response": "hello"}


@pytest.fixture
def names(litellm_world):
    p = litellm_world.prefix
    return {
        kind: Ref(full, f"{p}-{kind}")
        for kind, full in (("m", "model_alias"), ("g", "access_group"), ("t", "team"))
    }


def run(world, work, **options):
    return world.run(work, **options)


async def built(gateway: Gateway, names, *, alias=None, team=None):
    """One alias in one group, held by one team."""
    made = {
        names["m"]: alias or ModelAlias(litellm_model="openai/gpt-4o", litellm_params=MOCK),
        names["g"]: AccessGroup(model_aliases=frozenset({names["m"].name})),
        names["t"]: team or Team(access_groups=frozenset({names["g"].name})),
    }
    for ref, resource in made.items():
        await gateway.perform(creation(gateway, ref, resource))
    return made


async def settle(gateway: Gateway, ref: Ref, before, **values):
    step = change(gateway, ref, before, **values)
    await gateway.perform(step)
    assert await gateway.landed(step) is Landed.APPLIED
    live = (await gateway.read()).state[ref]
    assert differences(live, step.after, gateway.support.kinds[ref.kind]) == ()
    return step.after


# ---- deployments


def test_null_does_not_clear_a_parameter_so_the_deployment_is_replaced_and_its_name_stays_backed(
    litellm_world, names
):
    proxy, ref = litellm_world.server, names["m"]
    alias = ModelAlias(
        litellm_model="openai/gpt-4o", litellm_params={**MOCK, "rpm": 5, "timeout": 30}
    )

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, alias=alias)
        (row,) = proxy.rows(ref.name)
        body = {"litellm_params": {"rpm": None}, "model_info": {"id": row["model_info"]["id"]}}
        proxy.call("PATCH", f"/model/{row['model_info']['id']}/update", body)
        assert proxy.rows(ref.name)[0]["litellm_params"]["rpm"] == 5  # the trap
        proxy.call(
            "PATCH",
            f"/model/{row['model_info']['id']}/update",
            {"model_info": {**body["model_info"], "theirs": 7}},
        )
        sent = len(proxy.sent)
        await settle(gateway, ref, alias, litellm_params=MOCK)
        writes = [path for _, path, _ in proxy.sent[sent:]]
        assert writes.index("/model/new") < writes.index("/model/delete")
        (now,) = proxy.rows(ref.name)
        assert now["model_info"]["id"] != row["model_info"]["id"]
        assert now["model_info"]["theirs"] == 7
        assert proxy.group(names["g"].name)["access_model_names"] == [ref.name]

    run(litellm_world, work)


def test_deleting_the_last_deployment_strips_the_name_from_groups_of_others_too(
    litellm_world, names
):
    """Why a replacement creates first: this is what the other order does."""
    proxy, ref = litellm_world.server, names["m"]

    async def work(gateway: Gateway) -> None:
        await built(gateway, names)
        (row,) = proxy.rows(ref.name)
        proxy.call("POST", "/model/delete", {"id": row["model_info"]["id"]})
        assert proxy.group(names["g"].name)["access_model_names"] == []

    run(litellm_world, work)


def test_a_secret_of_another_hand_is_not_lost_by_a_replacement(litellm_world, names):
    proxy, ref = litellm_world.server, names["m"]
    theirs = {"model": "openai/gpt-4o", "api_key": "sk-theirs-theirs-theirs", "rpm": 5}
    proxy.call("POST", "/model/new", {"model_name": ref.name, "litellm_params": theirs})

    async def work(gateway: Gateway) -> None:
        before = (await gateway.read()).state[ref]
        with pytest.raises(GatewayError, match="api_key cannot be read"):
            await gateway.perform(change(gateway, ref, before, litellm_params=None))
        assert len(proxy.rows(ref.name)) == 1
        after = await settle(gateway, ref, before, litellm_params={"api_key": "os.environ/MINE"})
        assert after.litellm_params == {"api_key": "os.environ/MINE"}

    run(litellm_world, work)


def test_a_reference_cannot_be_read_back_and_is_seen_to_change(litellm_world, names):
    proxy, ref = litellm_world.server, names["m"]
    alias = ModelAlias(
        litellm_model="openai/gpt-4o", litellm_params={**MOCK, "api_key": "os.environ/ONE"}
    )

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, alias=alias)
        assert "api_key" not in proxy.rows(ref.name)[0]["litellm_params"]  # the trap
        assert (await gateway.read()).state[ref].litellm_params == {
            **MOCK,
            "api_key": "os.environ/ONE",
        }
        await settle(gateway, ref, alias, litellm_params={**MOCK, "api_key": "os.environ/TWO"})

    run(litellm_world, work)


def test_the_legacy_update_that_loses_parameters_is_never_used(litellm_world, names):
    proxy, ref = litellm_world.server, names["m"]
    alias = ModelAlias(litellm_model="openai/gpt-4o", litellm_params={**MOCK, "custom_x": "kept"})

    async def work(gateway: Gateway) -> None:
        sent = len(proxy.sent)
        await built(gateway, names, alias=alias)
        after = await settle(
            gateway, ref, alias, litellm_model="anthropic/claude-3-opus", pricing_input=2.5
        )
        assert after.litellm_params["custom_x"] == "kept"
        assert "/model/update" not in {path for _, path, _ in proxy.sent[sent:]}
        (row,) = proxy.rows(ref.name)
        body = {
            "litellm_params": {"model": "openai/o1"},
            "model_info": {"id": row["model_info"]["id"]},
        }
        proxy.call("POST", "/model/update", body)
        assert "custom_x" not in proxy.rows(ref.name)[0]["litellm_params"]  # the trap

    run(litellm_world, work)


def test_several_deployments_come_and_go_while_the_name_stays(litellm_world, names):
    proxy, ref = litellm_world.server, names["m"]
    one, two, three = (
        Deployment(
            litellm_model=f"openai/gpt-4o-{n}",
            rpm=n,
            api_key=f"os.environ/K{n}",
            litellm_params=MOCK,
        )
        for n in (1, 2, 3)
    )
    alias = ModelAlias(deployments=(one, two), pricing_input=1.5)

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, alias=alias)
        ids = {
            row["litellm_params"]["model"]: row["model_info"]["id"] for row in proxy.rows(ref.name)
        }
        swapped = await settle(gateway, ref, alias, deployments=(three, two))
        assert {r["model_info"]["id"] for r in proxy.rows(ref.name)} >= {ids["openai/gpt-4o-2"]}
        alone = await settle(gateway, ref, swapped, deployments=(two,))
        assert (alone.litellm_model, alone.deployments) == ("openai/gpt-4o-2", ())
        assert [row["model_info"]["id"] for row in proxy.rows(ref.name)] == [ids["openai/gpt-4o-2"]]
        assert proxy.group(names["g"].name)["access_model_names"] == [ref.name]

    run(litellm_world, work)


def test_one_blocked_deployment_of_two_is_neither_active_nor_inactive(litellm_world, names):
    proxy, ref = litellm_world.server, names["m"]
    alias = ModelAlias(
        deployments=tuple(
            Deployment(litellm_model=f"openai/gpt-4o-{n}", litellm_params=MOCK) for n in (1, 2)
        )
    )

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, alias=alias)
        first = proxy.rows(ref.name)[0]["model_info"]["id"]
        proxy.call(
            "PATCH", f"/model/{first}/update", {"model_info": {"id": first}, "blocked": True}
        )
        live = (await gateway.read()).state[ref]
        for status in (Status.ACTIVE, Status.INACTIVE):
            wish = gateway.support.normalise(ref, alias.model_copy(update={"status": status}))
            assert differences(live, wish, gateway.support.kinds[ref.kind])
        await settle(gateway, ref, live, deployments=alias.deployments)
        assert not any(row["model_info"]["blocked"] for row in proxy.rows(ref.name))

    run(litellm_world, work)


def test_a_deployment_that_nobody_serves_is_found_and_can_be_deleted(litellm_world, names):
    _proxy, ref = litellm_world.server, names["m"]

    async def work(gateway: Gateway) -> None:
        step = creation(gateway, ref, ModelAlias(litellm_model="nosuchprovider/foo"))
        with pytest.raises(GatewayError, match="saved to the database") as caught:
            await gateway.perform(step)
        assert caught.value.unknown
        assert await gateway.landed(step) is Landed.APPLIED
        live = await gateway.read()
        assert [f.code for f in live.findings if f.ref == ref] == ["not-served"]
        assert live.state[ref].litellm_model == "nosuchprovider/foo"
        await gateway.perform(deletion(ref, live.state[ref]))
        assert ref not in (await gateway.read()).state

    run(litellm_world, work)


@pytest.mark.parametrize("ending", ["a/b", "x:y@z", "v1.5_%_b", "q?#&=+"])
def test_odd_names_are_one_segment(litellm_world, ending):
    p = litellm_world.prefix
    # only an alias may have a slash in its name (core.check)
    alias, team = (
        Ref("model_alias", f"{p}-{ending}"),
        Ref("team", f"{p}-{ending}".replace("/", "-")),
    )

    async def work(gateway: Gateway) -> None:
        model = ModelAlias(litellm_model="openai/gpt-4o")
        await gateway.perform(creation(gateway, alias, model))
        await gateway.perform(creation(gateway, team, Team(models=frozenset({alias.name}))))
        await settle(gateway, alias, model, pricing_output=1.0)
        await settle(gateway, team, Team(models=frozenset({alias.name})), tpm_limit=5)
        for ref in (team, alias):
            await gateway.perform(deletion(ref, (await gateway.read()).state[ref]))
            assert ref not in (await gateway.read()).state

    run(litellm_world, work)


def test_a_rename_takes_groups_teams_and_keys_along(litellm_world, names):
    p, alias = litellm_world.prefix, names["m"]

    async def work(gateway: Gateway) -> None:
        several = ModelAlias(
            deployments=tuple(
                Deployment(litellm_model=f"openai/{n}", litellm_params=MOCK) for n in "ab"
            )
        )
        made = await built(gateway, names, alias=several, team=Team(models=frozenset({alias.name})))
        key = Ref("key", f"{p}-key")
        made[key] = Key(team_id=names["t"].name, models=frozenset({alias.name}))
        secret = (
            await gateway.perform(creation(gateway, key, made[key]))
        ).secret.get_secret_value()
        for old in (alias, names["g"], key):
            new = Ref(old.kind, f"{old.name}-new")
            step = Step(new, Action.RENAME, made[old], made[old], renamed_from=old.name)
            assert await gateway.landed(step) is Landed.ABSENT
            await gateway.perform(step)
            assert await gateway.landed(step) is Landed.APPLIED
        state = (await gateway.read()).state
        assert state[Ref("access_group", f"{names['g'].name}-new")].model_aliases == {
            f"{alias.name}-new"
        }
        assert state[names["t"]].models == {f"{alias.name}-new"}
        assert state[Ref("key", f"{key.name}-new")].models == {f"{alias.name}-new"}
        assert litellm_world.server.chat(secret, f"{alias.name}-new").status_code == 200
        assert alias not in state

    run(litellm_world, work)


# ---- teams


def test_a_team_without_models_of_its_own_is_never_sent_an_empty_list(litellm_world, names):
    """An empty list is every model to LiteLLM, whatever its groups say."""
    proxy, ref = litellm_world.server, names["t"]

    async def work(gateway: Gateway) -> None:
        sent = len(proxy.sent)
        made = await built(gateway, names)
        direct = await settle(gateway, ref, made[ref], models=frozenset({"gpt-4o"}))
        await settle(gateway, ref, direct, models=frozenset(), access_groups=frozenset())
        assert proxy.team(ref.name)["models"] == ["no-default-models"]
        assert all(body.get("models") != [] for _, _, body in proxy.sent[sent:])
        key = proxy.team_key(ref.name)
        assert proxy.chat(key, names["m"].name).status_code == 403
        proxy.call("PATCH", f"/team/{ref.name}", {"models": []})
        live = await gateway.read()
        assert gateway.support.rules.everything(live.state[ref])
        assert "open-team" in {finding.code for finding in live.findings}
        await asyncio.sleep(1.5)
        assert proxy.chat(key, names["m"].name).status_code == 200  # the trap

    run(litellm_world, work)


def test_only_changed_fields_are_sent_so_the_reset_date_does_not_move(litellm_world, names):
    proxy, ref = litellm_world.server, names["t"]
    team = Team(max_budget_usd=10, budget_duration="14d", soft_budget_usd=5)

    async def work(gateway: Gateway) -> None:
        sent = len(proxy.sent)
        await built(gateway, names, team=team)
        after = await settle(gateway, ref, team, tpm_limit=7, max_budget_usd=20)
        await settle(gateway, ref, after, max_budget_usd=None, soft_budget_usd=None)
        patches = [
            body
            for method, path, body in proxy.sent[sent:]
            if method == "PATCH" and path.startswith("/team/")
        ]
        assert patches
        assert not any("budget_duration" in body for body in patches)

    run(litellm_world, work)


def test_metadata_of_others_and_of_the_proxy_survives(litellm_world, names):
    proxy, ref = litellm_world.server, names["t"]
    team = Team(metadata={"owner": "ops", "nested": {"a": 1, "b": 2}})

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, team=team)
        theirs = {"metadata": {"theirs": {"k": [1]}}, "model_rpm_limit": {"gpt-4o": 5}}
        proxy.call("PATCH", f"/team/{ref.name}", theirs)
        await gateway.read()
        record = Record(record_of(team))
        wish = Team(metadata={"nested": {"a": 1, "c": 3}})
        found = diff(
            State({ref: wish}), (await gateway.read()).state, Known({ref: record}), gateway.support
        )
        change_ = next(change for change in found.changes if change.ref == ref)
        assert change_.before.metadata == {"owner": "ops", "nested": {"a": 1, "b": 2}}
        await gateway.perform(Step(ref, Action.EXPAND, change_.before, change_.after))
        now = proxy.team(ref.name)["metadata"]
        assert now["theirs"] == {"k": [1]}
        assert now["model_rpm_limit"] == {"gpt-4o": 5}
        assert now["nested"] == {"a": 1, "c": 3}
        assert "owner" not in now
        again = diff(
            State({ref: wish}),
            (await gateway.read()).state,
            Known({ref: Record(record_of(wish))}),
            gateway.support,
        )
        assert [change.ref for change in again.changes if change.ref == ref] == []

    run(litellm_world, work)


def test_ids_of_groups_that_do_not_exist_are_left_where_they_are(litellm_world, names):
    proxy, ref = litellm_world.server, names["t"]

    async def work(gateway: Gateway) -> None:
        made = await built(gateway, names)
        group = proxy.group(names["g"].name)["access_group_id"]
        proxy.call("PATCH", f"/team/{ref.name}", {"access_group_ids": [group, "nobody-knows"]})
        assert "dangling-group-id" in {finding.code for finding in (await gateway.read()).findings}
        await settle(gateway, ref, made[ref], access_groups=frozenset())
        assert proxy.team(ref.name)["access_group_ids"] == ["nobody-knows"]

    run(litellm_world, work)


def plan_of(gateway, live, desired, inventory):
    given = Inputs(
        Target("t", gateway.identity, "litellm"),
        State(desired),
        live.state,
        Known(inventory, fixed=live.fixed),
        gateway.support,
    )
    return make_plan(
        Inputs(
            **{f: getattr(given, f) for f in given.__dataclass_fields__} | {"runtime": live.runtime}
        )
    )


def test_deleting_a_team_says_how_many_keys_die_with_it(litellm_world, names):
    proxy, ref = litellm_world.server, names["t"]

    async def work(gateway: Gateway) -> None:
        made = await built(gateway, names)
        key = proxy.team_key(ref.name)
        proxy.team_key(ref.name)
        live = await gateway.read()
        plan = plan_of(gateway, live, {}, {ref: Record(record_of(made[ref]))})
        (refusal,) = [finding for finding in plan.refusals if finding.code == "cascade"]
        assert refusal.message == f"{ref}: 2 keys die with this team"
        assert refusal.hint == f"{FLAGS['cascade']} allows it"
        await gateway.perform(deletion(ref, live.state[ref]))
        token = hashlib.sha256(key.encode()).hexdigest()
        assert [
            k for k in proxy.call("GET", "/key/list", size="100")["keys"] if k == token
        ] == []  # the trap

    run(litellm_world, work)


def test_a_budget_below_what_is_spent_is_said_to_refuse_at_once(litellm_world, names):
    ref, database = names["t"], os.environ.get("RECONCILER_TEST_LITELLM_DB")
    if not database:
        pytest.skip(
            "needs the proxy's database, to have spent something: RECONCILER_TEST_LITELLM_DB"
        )

    async def work(gateway: Gateway) -> None:
        made = await built(gateway, names)
        with psycopg.connect(database) as connection:
            connection.execute(
                'update "LiteLLM_TeamTable" set spend = 12.5 where team_id = %s', [ref.name]
            )
        live = await gateway.read()
        assert live.runtime[ref]["spend"] == 12.5
        wish = made[ref].model_copy(update={"max_budget_usd": 10.0, "budget_duration": "30d"})
        plan = plan_of(
            gateway,
            live,
            {**made, ref: wish},
            {each: Record(record_of(res)) for each, res in made.items()},
        )
        assert [f.code for f in plan.refusals if f.ref == ref] == []
        assert [f.code for f in plan.refusals] == ["loss"]

    run(litellm_world, work)


# ---- credits as a budget


def test_credits_are_a_budget_and_another_worth_reprices_them(litellm_world, names):
    proxy, ref = litellm_world.server, names["t"]
    team = Team(credits_allocated=100, usd_per_credit=0.5)

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, team=team)
        assert proxy.team(ref.name)["max_budget"] == 50
        proxy.call(
            "PATCH", f"/team/{ref.name}", {"max_budget": 60}
        )  # a customer's own top-up of 20 credits
        record = {ref: Record(record_of(team))}
        wish = Team(credits_allocated=150, usd_per_credit=2.0)
        found = diff(
            State({ref: wish}), (await gateway.read()).state, Known(record), gateway.support
        )
        change_ = next(change for change in found.changes if change.ref == ref)
        assert (change_.before.credits_allocated, change_.after.credits_allocated) == (120, 170)
        assert {field.name: field.after for field in change_.fields} == {
            "credits_allocated": 170,
            "max_budget_usd": 240.0,
        }

    run(litellm_world, work)


def test_a_top_up_counts_once_even_with_a_lost_ledger(litellm_world, names):
    proxy, ref = litellm_world.server, names["t"]
    team = Team(credits_allocated=100)

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, team=team)
        for operation in ("first-run", "after-the-ledger-was-lost"):
            await gateway.perform(granting(ref, team, 50, operation, "promo"))
        assert proxy.team(ref.name)["max_budget"] == pytest.approx(15)
        assert proxy.team(ref.name)["metadata"]["reconciler"]["top_ups"] == ["promo"]

    run(litellm_world, work)


@pytest.mark.parametrize(
    "mode", ["500-after-commit", "drop-after-commit", "500-before", "drop-before"]
)
def test_a_grant_of_unknown_outcome_counts_once(litellm_world, names, mode):
    proxy, ref = litellm_world.server, names["t"]
    team = Team(credits_allocated=100)

    async def work(gateway: Gateway) -> None:
        await built(gateway, names, team=team)
        step = granting(ref, team, 50, f"{ref.name}:operation")
        proxy.fail("PATCH", "/team/", mode, times=1)
        with pytest.raises(GatewayError) as caught:
            await gateway.perform(step)
        assert caught.value.unknown
        assert await gateway.landed(step) is (
            Landed.APPLIED if mode.endswith("after-commit") else Landed.ABSENT
        )
        # Sent again in doubt, it is the same operation.
        await gateway.perform(step)
        assert await gateway.landed(step) is Landed.APPLIED
        assert proxy.team(ref.name)["max_budget"] == pytest.approx(15)

    run(litellm_world, work)


# ---- requests of unknown outcome


@pytest.mark.parametrize(
    "mode", ["500-after-commit", "drop-after-commit", "500-before", "drop-before"]
)
@pytest.mark.parametrize("kind", ["m", "g", "t"])
def test_a_creation_of_unknown_outcome_is_found_out_about(litellm_world, names, kind, mode):
    proxy, p = litellm_world.server, litellm_world.prefix

    async def work(gateway: Gateway) -> None:
        made = await built(gateway, names)
        twin = Ref(names[kind].kind, f"{p}-twin")
        step = creation(gateway, twin, made[names[kind]])
        proxy.fail("POST", "/(model/new|v1/access_group|team/new)$", mode)
        with pytest.raises(GatewayError) as caught:
            await gateway.perform(step)
        assert caught.value.unknown
        there = mode.endswith("after-commit")
        assert await gateway.landed(step) is (Landed.APPLIED if there else Landed.ABSENT)
        if not there:
            await gateway.perform(step)
        assert await gateway.landed(step) is Landed.APPLIED

    run(litellm_world, work)


# ---- keys


def test_a_key_is_made_once_and_its_limits_are_kept(litellm_world, names):
    proxy, ref = litellm_world.server, Ref("key", f"{litellm_world.prefix}-key")

    async def work(gateway: Gateway) -> None:
        await built(gateway, names)
        proxy.call(
            "POST", "/key/generate", {"key_alias": f"{ref.name}-theirs", "team_id": names["t"].name}
        )
        key = Key(
            team_id=names["t"].name, max_budget_usd=5, budget_duration="7d", metadata={"use": "ci"}
        )
        step = creation(gateway, ref, key)
        assert await gateway.landed(step) is Landed.ABSENT
        secret = (await gateway.perform(step)).secret.get_secret_value()
        assert await gateway.landed(step) is Landed.APPLIED
        assert proxy.chat(secret, names["m"].name).status_code == 200
        with pytest.raises(GatewayError, match="already exists"):
            await gateway.perform(step)
        live = await gateway.read()
        assert [
            each.name
            for each in live.state
            if each.kind == "key" and each.name.startswith(ref.name)
        ] == [ref.name]
        assert live.runtime[names["t"]]["keys_count"] == 2
        after = await settle(
            gateway, ref, key, max_budget_usd=None, budget_duration=None, tpm_limit=9
        )
        narrow = await settle(
            gateway, ref, after, models=frozenset({"other"}), metadata={"use": "cd"}
        )
        assert proxy.chat(secret, names["m"].name).status_code == 403
        await settle(gateway, ref, narrow, status=Status.SUSPENDED)
        assert proxy.chat(secret, names["m"].name).status_code == 401
        await gateway.perform(deletion(ref, narrow))
        assert (await gateway.perform(deletion(ref, narrow))).note == "was already gone"

    run(litellm_world, work)


@pytest.mark.parametrize("mode", ["500-after-commit", "drop-after-commit"])
def test_a_key_whose_answer_got_lost_is_delivered_all_the_same(litellm_world, names, mode):
    proxy, ref = litellm_world.server, Ref("key", f"{litellm_world.prefix}-key")

    async def work(gateway: Gateway) -> None:
        await built(gateway, names)
        proxy.fail("POST", "/key/generate$", mode)
        receipt = await gateway.perform(creation(gateway, ref, Key(team_id=names["t"].name)))
        assert proxy.chat(receipt.secret.get_secret_value(), names["m"].name).status_code == 200
        assert proxy.call("GET", "/key/list", key_alias=ref.name, size="10")["total_count"] == 1

    run(litellm_world, work)


def test_a_key_whose_secret_nobody_has_is_made_anew(litellm_world, names):
    proxy, ref = litellm_world.server, Ref("key", f"{litellm_world.prefix}-key")

    async def work(gateway: Gateway) -> None:
        await built(gateway, names)
        step = creation(gateway, ref, Key(team_id=names["t"].name))
        lost = (await gateway.perform(step)).secret.get_secret_value()
        fresh = (await gateway.reissue(step.ref, SecretStr(new_key()))).secret.get_secret_value()
        assert proxy.call("GET", "/key/list", key_alias=ref.name, size="10")["total_count"] == 1
        assert [proxy.chat(key, names["m"].name).status_code for key in (lost, fresh)] == [401, 200]

    run(litellm_world, work)


# ---- reading, roles, checks


def test_when_it_holds_everywhere_is_said_by_what_changed(litellm_world):
    models, team = ModelAlias(litellm_model="openai/a"), Team()
    updated = Change(Ref("team", "t"), team, team, (FieldChange("tpm_limit", 1, 2),))
    gone = Change(Ref("access_group", "g"), AccessGroup(), None)
    made = Change(Ref("model_alias", "m"), None, models)
    litellm_world.settings = litellm_world.settings.model_copy(update={"processes": None})

    async def work(gateway: Gateway) -> None:
        assert await gateway.holds_everywhere([made]) == (0, "holds everywhere at once")
        assert (await gateway.holds_everywhere([made, updated]))[0] == 60
        seconds, said = await gateway.holds_everywhere([updated, gone])
        assert (seconds, said) == (
            600,
            "holds in every process of the proxy within 600 s (access groups 600 s, teams 60 s)",
        )
        assert (await gateway.holds_everywhere([Change(Ref("model_alias", "m"), models, None)]))[
            0
        ] == 30

    run(litellm_world, work)


def test_a_viewer_key_is_enough_to_plan(litellm_world, names):
    proxy = litellm_world.server
    user = {"user_id": f"{litellm_world.prefix}-viewer", "user_role": "proxy_admin_viewer"}
    viewer = proxy.call("POST", "/user/new", user)["key"]
    made = run(litellm_world, lambda gateway: built(gateway, names))
    litellm_world.environ = {name: viewer for name in litellm_world.environ}

    async def work(gateway: Gateway) -> None:
        live = await gateway.read()
        for ref, resource in made.items():
            wish = gateway.support.normalise(ref, resource)
            assert differences(live.state[ref], wish, gateway.support.kinds[ref.kind]) == ()

    run(litellm_world, work, read_only=True)

    async def write(gateway: Gateway) -> None:
        with pytest.raises(GatewayError, match="proxy_admin_viewer"):
            await gateway.perform(change(gateway, names["t"], made[names["t"]], tpm_limit=5))

    run(litellm_world, write)


def test_all_pages_are_read(litellm_world):
    p = litellm_world.prefix
    refs = [Ref("team", f"{p}-{number:03}") for number in range(130)]

    async def work(gateway: Gateway) -> None:
        await asyncio.gather(*(gateway.perform(creation(gateway, ref, Team())) for ref in refs))
        assert set(refs) <= set((await gateway.read()).state)

    run(litellm_world, work)


def test_broken_patterns_and_reserved_names_are_refused(litellm_world):
    async def work(gateway: Gateway) -> None:
        def codes(ref, after, before=None):
            return [found.code for found in gateway.support.check(ref, before, after)]

        team = Ref("team", "t")
        assert codes(team, Team(models=frozenset({"foo[*"}))) == ["invalid-wildcard"]
        assert codes(team, Team(models=frozenset({"openai/*", "gpt.4o*"}))) == []
        assert codes(Ref("access_group", "g"), AccessGroup(model_aliases=frozenset({"(*"}))) == [
            "invalid-wildcard"
        ]
        assert codes(team, Team(metadata={"tags": ["x"]})) == ["reserved-metadata"]
        assert codes(team, Team(soft_budget_usd=10, credits_allocated=10, usd_per_credit=1.0)) == [
            "budget-order"
        ]

    run(litellm_world, work)


def test_the_wrong_key_and_the_wrong_server_are_one_clear_line(litellm_world):
    litellm_world.environ = {name: "sk-wrong-wrong-wrong" for name in litellm_world.environ}
    with pytest.raises(GatewayError, match="answered 401") as caught:
        run(litellm_world, lambda gateway: gateway.read())
    assert "sk-wrong-wrong-wrong" not in str(caught.value)
    url = f"{litellm_world.settings.url}/ui"
    litellm_world.settings = GatewaySettings(**{**litellm_world.settings.model_dump(), "url": url})
    with pytest.raises(GatewayError, match=r"GET /openapi\.json answered|lacks|not JSON"):
        run(litellm_world, lambda gateway: gateway.read())


# ---- what a proxy's config.yaml does; these need one with a model, a router alias, and default_team_params


@pytest.fixture
def in_config(litellm_world):
    """A model of config.yaml."""
    rows = litellm_world.server.call("GET", "/v2/model/info", size="1000")["data"]
    found = sorted(row["model_name"] for row in rows if not row["model_info"]["db_model"])
    if not found:
        pytest.skip("needs a proxy with a model in its config.yaml")
    return found[0]


def test_what_config_yaml_defines_can_be_used_and_not_changed(litellm_world, names, in_config):
    ref = Ref("model_alias", in_config)

    async def work(gateway: Gateway) -> None:
        live = await gateway.read()
        assert ref in live.fixed
        desired = {
            ref: ModelAlias(litellm_model="openai/other"),
            names["g"]: AccessGroup(model_aliases={in_config}),
        }
        plan = plan_of(gateway, live, desired, {})
        assert [(f.code, f.ref) for f in plan.findings if f.code == "read-only"] == [
            ("read-only", ref)
        ]
        assert not [f for f in plan.findings if f.level == "error"]
        assert [change.ref for change in plan.changes] == [names["g"]]
        with pytest.raises(GatewayError, match=r"already exists in the proxy's config\.yaml"):
            await gateway.perform(creation(gateway, ref, ModelAlias(litellm_model="openai/other")))
        await gateway.perform(creation(gateway, names["g"], desired[names["g"]]))
        await gateway.perform(creation(gateway, names["t"], Team(access_groups={names["g"].name})))
        live = await gateway.read()
        granted = access(live.state, gateway.support.rules).of(names["t"].name)
        key = litellm_world.server.team_key(names["t"].name)
        routed = {
            name
            for name, target in gateway.support.rules.router_aliases.items()
            if target == in_config
        }
        assert granted == {in_config, *routed}
        assert {litellm_world.server.chat(key, name).status_code for name in granted} == {200}

    run(litellm_world, work)


def test_limits_that_the_proxy_fills_in_are_taken_away(litellm_world, names, in_config):
    """`default_team_params` give a new team what its creator left out."""
    proxy, ref = litellm_world.server, names["t"]
    plain = Ref("team", f"{ref.name}-by-hand")
    proxy.call("POST", "/team/new", {"team_id": plain.name, "models": ["no-default-models"]})
    if proxy.team(plain.name)["max_budget"] is None:
        pytest.skip("needs a proxy with default_team_params")

    async def work(gateway: Gateway) -> None:
        await gateway.perform(creation(gateway, ref, Team(rpm_limit=5)))
        team = proxy.team(ref.name)
        assert [
            team[each] for each in ("max_budget", "budget_duration", "tpm_limit", "rpm_limit")
        ] == [
            None,
            None,
            None,
            5,
        ]

    run(litellm_world, work)
