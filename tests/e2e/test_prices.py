"""`reconciler prices`: a newer version becomes a file in git, and everything that depends on it says which it used."""

import json
from importlib.metadata import version

import pytest
from e2e_world import Place, company
from git_repository import git

from reconciler.files.prices.document import parsed_prices, price_document
from reconciler.files.prices.loading import shipped_prices
from reconciler.files.revisions import current_commit

MANIFEST = """\
organizations: {o: {name: O}}
model_aliases:
  fast: {litellm_model: openai/fast-1, description: Fast}
  smart: {litellm_model: openai/smart-1, description: Smart}
access_groups:
  affordable: {description: By price, select: {max_price_output: 5}}
teams:
  t: {organization_id: o, access_groups: [affordable], credits_allocated: 10}
"""
POLICY = """\
policies:
  frugal: {match: 'team.id == "t"', rule: model.price_output <= 3.0, message: too dear}
"""


def litellm_map(**output_usd_per_million: float) -> str:
    rows = {
        name.replace("_", "-"): {
            "litellm_provider": "openai",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": usd / 1e6,
            "mode": "chat",
        }
        for name, usd in output_usd_per_million.items()
    }
    return json.dumps({"sample_spec": {"litellm_provider": "x"}, **rows})


@pytest.fixture
def place(tmp_path) -> Place:
    return company(tmp_path, all=MANIFEST)


def updated(place: Place, label: str, **prices: float) -> str:
    (place.directory / "map.json").write_text(litellm_map(**prices))
    return place.reconciler("prices", "update", "map.json", "--label", label).out


def test_the_shipped_prices_are_shown(place):
    done = place.reconciler("prices", "show").out
    assert done.startswith(f"litellm {version('litellm')}, ")
    assert f"sha256:{shipped_prices().digest}" in done
    facts = json.loads(place.reconciler("prices", "show", "--format", "json").out)
    assert facts["models"] == len(shipped_prices().prices)
    assert facts["file"] is None


def test_an_update_is_a_file_that_says_what_it_changed(place):
    updated(place, "map 1", fast_1=2, smart_1=40)
    assert "1 with another price (smart-1)" in updated(place, "map 2", fast_1=2, smart_1=4)
    out = updated(place, "map 3", fast_1=2, new_1=1)
    assert "config/prices.json: map 2 -> map 3" in out
    assert "1 new (new-1), 1 gone (smart-1)" in out
    file = place.config / "prices.json"
    assert parsed_prices(file.read_text()).version == "map 3"
    assert place.reconciler("prices", "show").out.startswith("map 3, 2 models, from config/prices")
    assert "the same prices" in updated(place, "map 3", fast_1=2, new_1=1)


def test_an_installed_litellm_is_read_where_it_is_asked_for(place):
    place.reconciler("prices", "update", "--from-litellm")
    text = (place.config / "prices.json").read_text()
    assert text == price_document(shipped_prices())


def test_a_file_of_ours_is_taken_as_it_is(place):
    updated(place, "map 1", fast_1=2)
    other = place.directory / "other.json"
    (place.config / "prices.json").rename(other)
    place.reconciler("prices", "update", "other.json")
    assert (place.config / "prices.json").read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"a": {"mode": "chat"}}', "[" * 100_000, '{"format": 9, "models": {}}']
)  # fmt: skip
def test_what_holds_no_prices_changes_nothing(place, text):
    (place.directory / "map.json").write_text(text)
    done = place.reconciler("prices", "update", "map.json", code=1)
    assert "error prices: map.json holds no prices" in done.err
    assert not (place.config / "prices.json").exists()


@pytest.mark.parametrize(
    "args", [(), ("map.json", "--from-litellm"), ("--from-litellm", "--label", "x")]
)
def test_one_source_is_named(place, args):
    assert "Usage" in place.reconciler("prices", "update", *args, code=1).err


def test_plans_policies_and_selections_name_the_prices(place):
    updated(place, "map 1", fast_1=2)
    place.write("policies.yaml", POLICY)
    said = place.reconciler("validate").out
    assert "no price is known (prices of map 1)" in said
    updated(place, "map 2", fast_1=4, smart_1=8)
    told = place.reconciler("validate", code=1).out
    assert "too dear (prices of map 2)" in told
    plan = place.reconciler("plan", "--format", "json", code=1).out
    digest = json.loads(place.reconciler("prices", "show", "--format", "json").out)["digest"]
    assert json.loads(plan)["prices"] == {"version": "map 2", "digest": digest}
    assert "\nPrices   map 2\n" in place.reconciler("plan", code=1).out
    place.reconciler("plan", "--out", "plan.json", code=1)
    saved = json.loads((place.directory / "plan.json").read_text())
    assert saved["prices"] == {"version": "map 2", "digest": digest}


def test_a_plan_that_depends_on_no_price_does_not_talk_of_them(place):
    place.write("all.yaml", "organizations: {o: {name: O}}\n")
    assert "Prices" not in place.reconciler("plan").out


# ---- since the last apply


def moved(place: Place, *args: str, command: str = "plan") -> list[str]:
    out = place.reconciler(command, "--format", "json", *args).out
    return [
        each["message"] for each in json.loads(out)["findings"] if "prices-moved" in each["code"]
    ]


def test_prices_that_moved_since_the_last_apply_are_said_until_one_is_complete(place):
    updated(place, "map 1", fast_1=2, smart_1=40)
    assert moved(place) == []  # nothing was ever written down
    place.applied()
    updated(place, "map 2", fast_1=2, smart_1=40, other_1=9)
    assert moved(place) == []  # no model of the config has another price
    updated(place, "map 3", fast_1=2, smart_1=4)
    assert moved(place) == moved(place) == ["prices moved from map 1 to map 3: 1 model"]
    text = place.reconciler("plan").out
    assert "\nPrices   map 1 -> map 3, 1 model moved\n" in text
    assert "+ smart" in text  # the selection follows
    place.applied("--only", "organization/o")
    assert moved(place) == ["prices moved from map 1 to map 3: 1 model"]  # a part is not the whole
    assert "Prices   map 1 -> map 3, 1 model moved" in place.applied().text
    assert moved(place) == []
    place.settled()


def test_an_apply_without_changes_writes_the_prices_down_too(place):
    place.write(
        "all.yaml", "model_aliases: {fast: {litellm_model: openai/fast-1, description: F}}\n"
    )
    updated(place, "map 1", fast_1=2)
    place.applied()
    (place.config / "prices.json").unlink()
    (told,) = moved(place)
    assert told == f"prices moved from map 1 to {shipped_prices().version}: 1 model"
    place.applied()
    assert moved(place) == []


def test_a_saved_plan_whose_prices_moved_says_so_and_is_still_what_was_approved(place):
    place.write(
        "all.yaml", "model_aliases: {fast: {litellm_model: openai/fast-1, description: F}}\n"
    )
    updated(place, "map 1", fast_1=2)
    place.reconciler("plan", "--out", "plan.json")
    updated(place, "map 2", fast_1=3)
    done = place.reconciler("apply", "plan.json", "--yes").text
    assert "Prices   map 1 -> map 2" in done
    place.settled()


def test_a_saved_plan_that_prices_turned_into_another_is_refused(place):
    updated(place, "map 1", fast_1=2, smart_1=40)
    place.reconciler("plan", "--out", "plan.json")
    updated(place, "map 2", fast_1=2, smart_1=4)
    assert "plan-config" in place.reconciler("apply", "plan.json", "--yes", code=1).err


# ---- in git


def version_planned(place: Place, *args: str) -> str:
    return str(
        json.loads(place.reconciler("plan", "--format", "json", *args).out)["prices"]["version"]
    )


def test_a_revision_is_planned_with_its_own_prices(place):
    updated(place, "map 1", fast_1=2, smart_1=40)
    for args in (["init", "-q"], ["add", "config"], ["commit", "-qm", "all"]):
        git(place.directory, *args)
    commit = current_commit(place.config)
    assert commit is not None
    assert not commit.endswith("-dirty")
    updated(place, "map 2", fast_1=2, smart_1=4)
    assert current_commit(place.config) == f"{commit}-dirty"
    assert (version_planned(place), version_planned(place, "--revision", "HEAD")) == (
        "map 2",
        "map 1",
    )
    (place.config / "prices.json").unlink()
    assert current_commit(place.config) == f"{commit}-dirty"
