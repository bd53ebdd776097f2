"""An object whose secret only the gateway had is not created anew without one, however it went."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from reconciler.apply.run import Options, apply
from reconciler.core.model.changes import Action, Step
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.kinds import ModelAlias
from reconciler.core.model.refs import Ref
from reconciler.core.plan.safety import FLAGS, SECRET_LOST
from reconciler.gateways.litellm.secrets import owes_secret
from reconciler.pipeline import load, opened

REF = Ref("model_alias", "theirs")
COMPANY = {
    "model_aliases": {
        "theirs": {"litellm_model": "openai/x"},
        "ours": {"litellm_model": "openai/y"},
    }
}


class Keeping:
    """The embedded gateway, of which some models have a secret that it does not show, as on a LiteLLM Proxy."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    @property
    def support(self):
        return replace(self._inner.support, owes_secret=lambda _ref, wish: owes_secret(wish))


class Place:
    def __init__(self, directory):
        self.directory = directory

    def write(self, *names, **fields):
        models = {name: COMPANY["model_aliases"][name] for name in names}
        models = {
            name: {**spec, **(fields if name == "theirs" else {})} for name, spec in models.items()
        }
        (self.directory / "all.yaml").write_text(json.dumps({"model_aliases": models}))

    @asynccontextmanager
    async def session(self):
        async with opened(load(self.directory, variables={}), read_only=False) as session:
            yield replace(session, gateway=Keeping(session.gateway))

    def apply(self, *allowed, prune="owned"):
        async def work():
            async with self.session() as session:
                settings = session.loaded.settings.model_copy(update={"prune": prune})
                pruning = replace(session, loaded=replace(session.loaded, settings=settings))
                flags = (frozenset(FLAGS) - {SECRET_LOST}) | {*allowed}
                return await apply(pruning, Options(actor="test", allowed=flags))

        report = asyncio.run(work())
        assert report.complete
        return report

    def by_hand(self, work):
        async def connected():
            async with self.session() as session:
                await work(session)

        asyncio.run(connected())


async def made_by_hand(session):
    """What another hand creates; what deletes it is the plan of somebody else's config."""
    wish = ModelAlias(litellm_model="openai/x")
    await session.gateway.perform(Step(REF, Action.CREATE, None, wish, operation="theirs"))


async def deleted_by_hand(session):
    live = (await session.gateway.read()).state[REF]
    await session.gateway.perform(Step(REF, Action.DELETE, live, None, operation="gone"))


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.write()
    place.apply()
    place.by_hand(made_by_hand)
    return place


def removed(place):
    place.write("theirs", "ours")
    place.apply()
    place.write("ours")
    place.apply()


def removed_by_hand_and_from_the_files(place):
    place.write("theirs", "ours")
    place.apply()
    place.by_hand(deleted_by_hand)
    place.write("ours")
    place.apply()


def removed_by_hand(place):
    place.write("theirs", "ours")
    place.apply()
    place.by_hand(deleted_by_hand)


def pruned_though_it_was_never_ours(place):
    place.write("ours")
    place.apply(prune="all")


WAYS = [
    removed,
    removed_by_hand_and_from_the_files,
    removed_by_hand,
    pruned_though_it_was_never_ours,
]


@pytest.mark.parametrize("way", WAYS)
def test_what_the_gateway_alone_had_a_secret_for_is_not_made_anew_without_one(place, way):
    way(place)
    place.write("theirs", "ours")
    for _ in range(2):  # a refusal is no answer: it is asked for again
        with pytest.raises(
            ReconcilerError, match="what secret it had was only on the gateway"
        ) as told:
            place.apply()
        assert [finding.flag for finding in told.value.findings] == ["--allow-secret-lost"]
    place.write("theirs", "ours", litellm_params={"api_key": "os.environ/KEY"})
    place.apply()


@pytest.mark.parametrize("way", [removed, pruned_though_it_was_never_ours])
def test_what_was_made_without_one_on_purpose_is_not_asked_for_it_again(place, way):
    way(place)
    place.write("theirs", "ours")
    place.apply(SECRET_LOST)
    place.write("ours")
    place.apply()
    place.write("theirs", "ours")
    place.apply()


def test_what_was_created_from_the_files_comes_back_as_it_was(place):
    place.write("theirs", "ours")
    place.apply()
    place.write("theirs")
    place.apply()
    place.write("theirs", "ours")
    assert [str(outcome.step.ref) for outcome in place.apply().outcomes] == ["model_alias/ours"]
