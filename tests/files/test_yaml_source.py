import json

import pytest
import yaml
from files_company import COMPANY
from hypothesis import given
from hypothesis import strategies as st

from reconciler.files.yaml import read as yaml_source
from reconciler.files.yaml.read import read_yaml
from reconciler.files.yaml.tree import Place, tree


def value(text: str) -> object:
    read = read_yaml(text.encode(), "f.yaml")
    assert read.findings == ()
    return read.documents[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"),
        ("''", ""),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("'no'", "no"),
        ('"010"', "010"),
        ("-12", -12),
        ("0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("1.2.3", "1.2.3"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("gpt-4", "gpt-4"),
        ("-", [None]),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("nope", "nope"),
        ("{no: 1, on: 2, n: 3}", {"no": 1, "on": 2, "n": 3}),
        ("{a: &x [1], b: *x}", {"a": [1], "b": [1]}),
        ("{a: &x 1, *x : 2}", None),
        ("{<<: {a: 1, b: 2}, b: 3}", {"a": 1, "b": 3}),
        ("{<<: [{a: 1}, {a: 2, b: 2}], c: 3}", {"a": 1, "b": 2, "c": 3}),
        ("{'<<': 1}", {"<<": 1}),
        ("{a: &x <<, *x : {b: 1}}", {"a": "<<", "<<": {"b": 1}}),
    ],
)
def test_values(text, expected):
    if expected is None and "*x" in text:
        assert [f.code for f in read_yaml(text.encode(), "f").findings] == ["yaml-key"]
    else:
        result = value(text)
        assert (result, type(result)) == (expected, type(expected))


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def test_an_alias_bomb_is_refused_without_being_walked():
    (finding,) = read_yaml(bomb(30).encode(), "f").findings
    assert finding.code == "yaml-alias"
    assert "expand" in finding.message


def test_a_mapping_bomb_is_refused_too():
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}, r: *a{i - 1}}}" for i in range(1, 40)]
    assert [f.code for f in read_yaml("\n".join(lines).encode(), "f").findings] == ["yaml-alias"]


def test_a_few_aliases_are_fine():
    assert len(value(bomb(3))["a2"]) == 10


def test_a_file_beyond_the_size_limit_is_refused(monkeypatch):
    monkeypatch.setattr(yaml_source, "MAX_BYTES", 10)
    assert [f.code for f in read_yaml(b"a: " + b"x" * 10, "f").findings] == ["yaml-size"]


def test_a_duplicate_names_the_first_place_too():
    (finding,) = read_yaml(b"a: 1\nb: 2\na: 3\n", "f.yaml").findings
    assert str(finding.origin) == "f.yaml:3:1"
    assert "line 1" in finding.message


def test_what_precedes_a_syntax_error_is_still_located():
    assert tree("a:\n  b: 1\n  c: [\n").find(("a", "b")) == Place(2, 2, 6)


def test_columns_count_characters():
    assert tree("{ä: 1, b: 2}").find(("b",)) == Place(1, 1, 11)


def test_the_pure_parser_reads_the_same(monkeypatch):
    by_libyaml = read_yaml(COMPANY.encode(), "f")
    places = tree(COMPANY).find(("teams", "acme-prod", "plan"))
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert read_yaml(COMPANY.encode(), "f") == by_libyaml
    assert tree(COMPANY).find(("teams", "acme-prod", "plan")) == places


# JSON writes characters beyond the first plane as two \\u escapes, which YAML does not put together.
TEXT = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_characters="\x7f", exclude_categories=["Cs"]),
    max_size=8,
)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(TREES)
def test_law_what_json_says_is_read_as_it_is(tree):
    assert read_yaml(json.dumps(tree, ensure_ascii=True).encode(), "f").documents == (tree,)


def paths(value, path=()):
    """Every path in a value, and what stands there."""
    yield path, value
    if isinstance(value, list):
        value = dict(enumerate(value))
    for step, inner in value.items() if isinstance(value, dict) else ():
        yield from paths(inner, (*path, step))


@given(TREES)
def test_law_every_value_has_its_place(written):
    text = json.dumps(written)
    for path, value in paths(written):
        place = tree(text).find(path)
        assert place.steps == len(path)
        if not isinstance(value, (dict, list)):
            assert text[place.column - 1 :].startswith(json.dumps(value))


ALIASED = """\
x: &x {a: 1, b: &b [p, q]}
y: {<<: *x, b: 2}
z: {<<: [{c: 3}, *x], d: *b}
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("y", "a"), Place(2, 1, 11)),
        (("y", "b"), Place(2, 2, 16)),
        (("z", "c"), Place(2, 3, 14)),
        (("z", "b"), Place(2, 1, 14)),
        (("z", "d", 1), Place(3, 1, 24)),
        (("z", "d", "q"), Place(3, 1, 24)),
        (("z", "d"), Place(2, 3, 23)),
    ],
)
def test_what_is_aliased_or_merged_is_found_where_it_is_written(path, place):
    assert tree(ALIASED).find(path) == place
