"""When facts that decide access count as known: after an apply of the whole that told them, and not before."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from reconciler.apply.run import Options, apply
from reconciler.core.access.litellm.facts import access_facts, facts_after, moved_facts
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.plan.scope import parse_scope
from reconciler.files.plan_file import read_plan_file, write_plan_file
from reconciler.pipeline import drift, load, make, opened
from reconciler.render.drift import drift_data, drift_markdown, drift_sentence, render_drift
from reconciler.render.plan.saved import plan_file_content

COMPANY = {
    "organizations": {"o": {"name": "O"}},
    "model_aliases": {name: {"litellm_model": "openai/x"} for name in ("cheap", "dear")},
    "access_groups": {"g": {"model_aliases": ["cheap"]}},
    "teams": {"t": {"organization_id": "o", "access_groups": ["g"]}},
}


class Routed:
    """The embedded gateway, with router aliases as a LiteLLM Proxy has them; `aliases` is what another hand edits."""

    def __init__(self, inner, aliases):
        self._inner, self._aliases, self._seen = inner, aliases, {}

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def read(self):
        self._seen = dict(self._aliases)
        return await self._inner.read()

    @property
    def support(self):
        rules = LiteLLMRules(router_aliases=self._seen)
        facts = access_facts({}, self._seen)
        moved = partial(moved_facts, rules, facts)
        return replace(
            self._inner.support, rules=rules, facts=facts, moved=moved, facts_after=facts_after
        )


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "config", {"best": "cheap"})
    place.directory.mkdir()
    place.write(COMPANY)
    return place


class Place:
    def __init__(self, directory, aliases):
        self.directory, self.aliases = directory, aliases

    def write(self, company):
        (self.directory / "all.yaml").write_text(json.dumps(company))

    @asynccontextmanager
    async def session(self, *, read_only=True):
        async with opened(load(self.directory, variables={}), read_only=read_only) as session:
            yield replace(session, gateway=Routed(session.gateway, self.aliases))

    def apply(self, meanwhile=None, **options):
        """`meanwhile` happens between the plan that is shown and its first step."""

        def approve(_plan):
            if meanwhile:
                meanwhile()
            return True

        async def work():
            async with self.session(read_only=False) as session:
                return await apply(session, Options(actor="test", approve=approve, **options))

        report = asyncio.run(work())
        assert report.complete
        return [
            finding.message for finding in report.plan.findings if finding.code == "access-moved"
        ]

    def drift(self):
        async def work():
            async with self.session() as session:
                return await drift(session), session.target

        return asyncio.run(work())

    def plan(self, file=None):
        """What the plan tells of facts that moved."""

        async def work():
            async with self.session() as session:
                plan, live = await make(session)
                if file:
                    write_plan_file(file, plan_file_content(plan, live.state, session.loaded.now))
                return plan

        plan = asyncio.run(work())
        return [finding.message for finding in plan.findings if finding.code == "access-moved"]


def test_the_first_sight_is_written_down_without_noise_and_what_moves_then_is_drift(place):
    assert place.plan() == []
    assert place.apply() == []
    assert not place.drift()[0].drifted
    place.aliases["smart"] = "cheap"
    del place.aliases["best"]
    told = [
        "router alias best of cheap was removed by another hand: team t no longer reaches best",
        "router alias smart was made for cheap by another hand: team t now reaches smart",
    ]
    assert place.plan() == told
    found, target = place.drift()
    assert found.drifted
    assert not found.objects
    for text in (render_drift(found, target), drift_markdown(found, target)):
        for words in ("2 facts changed on the gateway", "made for cheap", "now reaches smart"):
            assert words in text
        assert "No drift" not in text
    assert "2 facts changed: router alias best of cheap was removed" in drift_sentence(
        found, target
    )
    assert [fact["gained"] for fact in drift_data(found, target)["moved"]] == [{}, {"t": ["smart"]}]
    assert place.apply() == told
    assert place.plan() == []
    assert not place.drift()[0].drifted


def test_the_first_sight_counts_whatever_the_apply_is_about_and_comes_to(place):
    place.apply(scope=parse_scope(["organizations", "model_aliases", "access_groups", "teams"]))
    place.aliases["best"] = "dear"
    assert place.plan() != []


def test_an_apply_of_a_part_leaves_them_told(place):
    place.apply()
    place.aliases["best"] = "dear"
    assert place.apply(scope=parse_scope(["model_aliases"])) != []
    assert place.plan() != []


def test_what_another_hand_does_while_an_apply_runs_is_told_by_the_next_plan(place):
    place.apply()
    changed = json.loads(json.dumps(COMPANY))
    changed["access_groups"]["g"]["model_aliases"].append("dear")
    place.write(changed)
    place.aliases["seen"] = "cheap"
    assert place.apply(meanwhile=lambda: place.aliases.update(unseen="cheap")) == [
        "router alias seen was made for cheap by another hand: team t now reaches seen"
    ]
    assert place.plan() == [
        "router alias unseen was made for cheap by another hand: team t now reaches unseen"
    ]


def test_a_saved_plan_is_stale_where_they_moved_since_and_known_where_they_did_not(place, tmp_path):
    place.apply()
    place.aliases["best"] = "dear"
    file = tmp_path / "plan.json"
    assert place.plan(file) != []
    place.aliases["more"] = "cheap"
    with pytest.raises(ReconcilerError, match="what decides access beside the objects"):
        place.apply(saved=read_plan_file(file))
    place.apply(saved=read_plan_file(file), rebase=True)
    assert len(place.plan(file)) == 2
    place.apply(saved=read_plan_file(file))
    assert place.plan() == []
