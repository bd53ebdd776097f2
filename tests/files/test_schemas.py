import json
from pathlib import Path

import jsonschema_rs
import pytest
from files_company import COMPANY
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.core.model.kinds import KINDS, Resource, Team
from reconciler.files.validate.schemas import (
    SCHEMAS,
    manifest_schema,
    overlay_schema,
    schemas_directory,
    settings_schema,
    spec_schema,
    stale_schemas,
    write_schemas,
)
from reconciler.files.validate.typed import typed
from reconciler.files.yaml.read import read_yaml

(DOCUMENT,) = read_yaml(COMPANY.encode(), "company.yaml").documents


def test_the_committed_schemas_say_what_the_models_say():
    assert stale_schemas(schemas_directory()) == ()


def test_an_old_or_missing_schema_is_stale(tmp_path):
    written = write_schemas(tmp_path)
    assert [file.name for file in written] == list(SCHEMAS)
    assert stale_schemas(tmp_path) == ()
    written[0].write_text("{}")
    written[1].unlink()
    assert stale_schemas(tmp_path) == (written[0].name, written[1].name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_itself_valid(name):
    Draft202012Validator.check_schema(SCHEMAS[name]())


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_editor_says_of_every_field_what_it_is_for(name):
    silent = [path for path, field in fields_of(SCHEMAS[name]()) if "description" not in field]
    assert silent == []


def fields_of(schema, path=()):
    """(path, field) of every property, wherever it is defined."""
    if isinstance(schema, dict):
        for field_name, field in (schema.get("properties") or {}).items():
            if isinstance(field, dict):
                yield (*path, field_name), field
        for key, value in schema.items():
            yield from fields_of(value, (*path, key))
    elif isinstance(schema, list):
        for value in schema:
            yield from fields_of(value, path)


def test_the_company_fits_the_manifest_schema_and_not_a_typo_in_it():
    validator = Draft202012Validator(manifest_schema())
    assert validator.is_valid(DOCUMENT)
    assert not validator.is_valid(DOCUMENT | {"tems": {}})
    assert not validator.is_valid({"teams": {"a": {"plann": "x"}}})


def test_an_overlay_needs_no_key_and_may_remove():
    overlay = {
        "organizations": {"a": None, "b": {"metadata": None}},
        "keys": {"k": {"rpm_limit": 1}},
    }
    assert Draft202012Validator(overlay_schema()).is_valid(overlay)
    assert not Draft202012Validator(manifest_schema()).is_valid(overlay)


def test_an_editor_learns_titles_descriptions_and_defaults():
    status = manifest_schema()["$defs"]["Team"]["properties"]["status"]
    assert (status["default"], status["enum"]) == ("active", ["active", "suspended"])
    assert settings_schema()["properties"]["prune"]["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_other_key_is_allowed(name):
    schema = SCHEMAS[name]()
    mappings = [each for each in (schema, *schema["$defs"].values()) if "properties" in each]
    assert all(each["additionalProperties"] is False for each in mappings)


def test_every_schema_has_an_id_of_its_own():
    assert len({SCHEMAS[name]()["$id"] for name in SCHEMAS}) == len(SCHEMAS)


def test_a_key_for_anchors_fits_every_schema():
    for name in SCHEMAS:
        validator = Draft202012Validator(SCHEMAS[name]())
        assert validator.is_valid({"x-base": {"a": [1]}})
        assert not validator.is_valid({"xbase": {}})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**31)
    | st.floats(-10, 10).filter(lambda number: not number.is_integer())
    | st.sampled_from(
        ["", "active", "a", "gpt-4", "2026-01-01", "2026-02-30", "7d", "manged", "os.environ/A"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "amount", "until", "since", "access_groups", "tag", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@st.composite
def mutated_specs(draw) -> tuple[type[Resource], object]:
    """A spec of the company with a few of its fields, or fields it never had, set to anything."""
    cls = draw(st.sampled_from(list(KINDS.values())))
    spec = draw(st.sampled_from(list(DOCUMENT[cls.section].values())))
    fields = [*cls.model_fields, "unknown"]
    return cls, spec | draw(st.dictionaries(st.sampled_from(fields), VALUES, max_size=3))


@settings(max_examples=100, deadline=None)
@given(mutated_specs())
def test_law_both_validators_agree_and_a_refusal_always_says_why(mutated):
    cls, spec = mutated
    schema = spec_schema(cls)
    by_rust = jsonschema_rs.validator_for(schema).is_valid(spec)
    assert by_rust == Draft202012Validator(schema).is_valid(spec)
    result = typed(cls, spec)
    if isinstance(result, Resource):
        assert by_rust
    else:
        assert result
        assert all(problem.message and problem.code for problem in result)


def test_every_mistake_of_a_spec_is_told_at_once():
    spec = {
        "status": "x",
        "plann": "a",
        "sunset": 1,
        "grants": [{"access_groups": ["a"], "until": "2026-02-30"}],
    }
    codes = sorted(problem.code for problem in typed(Team, spec))
    assert codes == ["bad-format", "not-allowed", "unknown-key", "unknown-key"]


def test_a_message_never_shows_what_may_be_a_secret():
    spec = {"litellm_model": "x/y", "deployments": [{"litellm_model": "x/y", "api_key": "sk-1234"}]}
    assert "sk-1234" not in str(typed(KINDS["model_alias"], spec))


def test_a_schema_file_ends_as_text_files_do():
    text = (Path(schemas_directory()) / "manifest.schema.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text)["$schema"].startswith("https://json-schema.org/draft/2020-12")
