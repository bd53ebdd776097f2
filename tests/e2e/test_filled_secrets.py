"""Values that `${}` put into free JSON: they reach the gateway, and are shown, planned and remembered nowhere."""

import json
import sqlite3
from contextlib import closing

import pytest
from e2e_world import Place, company, content

FIRST, SECOND, THIRD = (
    "first-value-of-the-vault",
    "second-value-of-the-vault",
    "third, left by hand",
)
NOTE = "${RECONCILER_VAR_NOTE}"
ALIASES = (
    "model_aliases:\n  gpt:\n    litellm_model: openai/gpt-4o\n"
    f"    litellm_params: {{region: '{NOTE}', extra_headers: {{x-tenant: 'id {NOTE}'}}}}\n"
)
GROUPS = "organizations:\n  o: {name: O}\naccess_groups:\n  g: {model_aliases: [gpt]}\n"
TEAMS = f"teams:\n  t: {{organization_id: o, access_groups: [g], metadata: {{note: '{NOTE}', list: [a, '{NOTE}'], plain: shown-to-all}}}}\n"
FORMS = ("text", "json", "markdown", "html")


@pytest.fixture
def place(tmp_path) -> Place:
    place = company(tmp_path, model_aliases=ALIASES, access_groups=GROUPS, teams=TEAMS)
    place.environ["RECONCILER_VAR_NOTE"] = FIRST
    return place


def metadata(place: Place) -> dict:
    with closing(sqlite3.connect(place.database)) as db:
        return json.loads(db.execute("SELECT metadata FROM teams").fetchone()[0])


def everything_said(place: Place, code: int = 2) -> str:
    """Of every command that shows objects, in every format; what a plan file and the ledger hold."""
    said = [
        place.reconciler("plan", "--full", "--format", form, "--exit-code", code=code).text
        for form in FORMS
    ]
    said += [
        place.reconciler("plan", "--out", "p.json", "--full").text,
        (place.directory / "p.json").read_text(),
    ]
    said += [
        place.reconciler("show", kind, name).text
        for kind, name in (("team", "t"), ("model_alias", "gpt"))
    ]
    said += [content(place.config / ".reconciler" / "ledger.db")]
    return "\n".join(said)


def kept_by_nobody(said: str) -> None:
    for value in (FIRST, SECOND, THIRD):
        assert value not in said
        assert json.dumps(value)[1:-1] not in said


def test_they_reach_the_gateway_and_nothing_else(place):
    said = everything_said(place)
    assert "(secret)" in said
    assert "shown-to-all" in said
    said += place.applied("--log-format", "json").text
    assert metadata(place) == {"note": FIRST, "list": ["a", FIRST], "plain": "shown-to-all"}
    place.settled()
    said += place.reconciler("drift").text + place.reconciler("history").text
    said += place.reconciler("drift", "--format", "json").text + everything_said(place, code=0)
    kept_by_nobody(said)


def test_a_new_value_is_a_change_that_shows_neither(place):
    place.applied()
    place.environ["RECONCILER_VAR_NOTE"] = SECOND
    said = everything_said(place)
    assert "(secret) -> (secret)" in said
    said += place.applied().text
    assert metadata(place)["note"] == SECOND
    place.settled()
    kept_by_nobody(said)


def test_a_value_that_leaves_the_manifests_is_not_shown_on_its_way_out(place):
    place.applied()
    place.edit("teams.yaml", f"note: '{NOTE}', list: [a, '{NOTE}']", "note: public")
    said = everything_said(place)
    assert "public" in said
    said += place.applied().text
    assert metadata(place) == {"note": "public", "plain": "shown-to-all"}
    kept_by_nobody(said)


def test_nor_is_one_of_an_object_that_is_deleted(place):
    place.applied()
    place.write("teams.yaml", "teams: {}\n")
    said = everything_said(place)
    kept_by_nobody(said + place.applied("--allow-deletes", "--allow-loss").text)


def test_a_value_from_another_hand_is_put_right_and_not_shown(place):
    place.applied()
    with closing(sqlite3.connect(place.database)) as db:
        changed = {**metadata(place), "note": THIRD}
        db.execute("UPDATE teams SET metadata = ?", [json.dumps(changed)])
        db.commit()
    said = everything_said(place) + place.reconciler("drift").text
    said += place.applied().text
    assert metadata(place)["note"] == FIRST
    kept_by_nobody(said)


def test_drift_in_what_lies_beside_is_told_without_it(place):
    place.applied()
    with closing(sqlite3.connect(place.database)) as db:
        db.execute(
            "UPDATE teams SET metadata = ?", [json.dumps({**metadata(place), "plain": "moved"})]
        )
        db.commit()
    said = "".join(
        place.reconciler("drift", "--format", form, code=2).text
        for form in ("text", "json", "markdown")
    )
    assert "moved" in said
    kept_by_nobody(said)


def test_a_default_is_in_git_and_shown(place):
    place.write(
        "teams.yaml",
        "teams:\n  t: {organization_id: o, access_groups: [g], metadata: {note: '${RECONCILER_VAR_X:-everyday}'}}\n",
    )
    assert "everyday" in place.pending("--full")


def test_the_value_of_another_hand_is_not_written_into_the_manifests_either(place):
    place.applied()
    with closing(sqlite3.connect(place.database)) as db:
        db.execute(
            "UPDATE teams SET metadata = ?",
            [json.dumps({**metadata(place), "note": THIRD, "plain": "moved"})],
        )
        db.commit()
    said = (
        place.reconciler("import", "--update").text
        + place.reconciler("drift", "--adopt", code=None).text
    )
    said += place.reconciler("import", "--out", "again", code=None).text
    written = "".join(file.read_text() for file in place.directory.rglob("*.yaml"))
    assert NOTE in written
    kept_by_nobody(said + written)
