"""Edits of a YAML text: the values come out as wanted, and every line that is not about them stays byte for byte."""

import random

import pytest
from files_company import COMPANY
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.files.imports.write import ORDER
from reconciler.files.yaml.read import read_yaml
from reconciler.files.yaml.roundtrip import appended, edited

HAND_WRITTEN = """\
# head
organizations:   # orgs
  o1: {name: A, metadata: {a: 1, b: [x, "z"]}}  # one

  # two
  o2:
    name: "B"   # quoted
    metadata:
      a: 1
      b:
        - x   # ex
        - z
access_groups:
  g1:
    model_aliases:
    - m1 # why
    - m2
    # end comment
    description: >-
      folded
      text
  g2: {model_aliases: [m1,   m2, # c
      m3], description: 'it''s'}
  g3:
    description: |
      lit
      eral
    # trailing of g3

# teams follow
teams:
    t1:
        access_groups: [g1]
        credits_allocated: 100 # many
        labels:
    t2: {}
"""
TEXTS = [
    HAND_WRITTEN,
    HAND_WRITTEN.rstrip("\n"),
    COMPANY,
    HAND_WRITTEN.replace("\n", "\r\n"),
    "\ufeff" + HAND_WRITTEN,
]
VALUES = [
    None,
    1,
    2.5,
    True,
    "x",
    "on",
    "a: b",
    [],
    ["m1"],
    ["m1", "m9"],
    {},
    {"k": {"n": ["a"]}},
    "two\nlines",
    [{"id": "a"}],
]


def values(text: str) -> list:
    return list(read_yaml(text.encode(), "x").documents)


def mutated(rng: random.Random, value):
    """Another value: fields changed, added and taken away; names added to lists and taken out of them."""
    if isinstance(value, dict):
        changed, chance = dict(value), rng.random()
        if changed and chance < 0.5:
            key = rng.choice(list(changed))
            changed[key] = mutated(rng, changed[key])
        elif changed and chance < 0.7:
            del changed[rng.choice(list(changed))]
        else:
            changed[rng.choice(["name", "plan", "metadata", "zz", "labels"])] = rng.choice(VALUES)
        return changed
    if isinstance(value, list) and rng.random() < 0.8:
        kept = [each for each in value if rng.random() < 0.6]
        return kept + [each for each in rng.choice([[], ["m7"], ["m8", "m9"]]) if each not in value]
    return rng.choice(VALUES)


def edit(rng: random.Random, document: dict) -> tuple[dict, set[tuple[str, str]]]:
    """A document with a few objects changed, added or removed, and which."""
    touched = set()
    for _ in range(rng.randint(1, 3)):
        section = rng.choice([name for name, specs in document.items() if specs])
        specs, chance = dict(document[section]), rng.random()
        name = rng.choice(list(specs)) if chance < 0.9 else "new-one"
        if chance < 0.1 and len(specs) > 1:
            del specs[name]
        elif chance < 0.9:
            new = mutated(rng, specs[name])
            specs[name] = new if isinstance(new, dict) else {}
        else:
            specs[name] = {"name": "n", "access_groups": ["a"]}
        touched.add((section, name))
        document = {**document, section: specs}
    return document, touched


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(TEXTS), st.integers(0, 2**64))
def test_the_values_come_out_as_wanted(text, seed):
    wanted, _ = edit(random.Random(seed), values(text)[0])
    done = edited(text, [wanted], ORDER)
    assert not done.problems
    assert values(done.text) == [wanted]
    assert ("\r\n" in done.text) == ("\r\n" in text)
    assert done.text.replace("\r\n", "").count("\r") == 0


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**64))
def test_lines_of_other_objects_stay_byte_for_byte(seed):
    """Each object of this text is one line, so that only the lines of the changed ones may differ."""
    wanted, touched = edit(random.Random(seed), values(COMPANY)[0])
    done = edited(COMPANY, [wanted], ORDER).text
    names = {name for _, name in touched} | {"new-one"}
    others = [line for line in COMPANY.splitlines() if not any(name in line for name in names)]
    inside_several = {"shared", "acme-prod"} & names
    if not inside_several:
        kept = done.splitlines()
        assert [line for line in others if line not in kept] == []


def test_nothing_to_change_changes_nothing():
    for text in TEXTS:
        assert edited(text, values(text)).text == text


def changed(text: str, *path_and_value) -> str:
    *path, value = path_and_value
    document = values(text)[0]
    node = document
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    done = edited(text, [document], ORDER)
    assert not done.problems
    return done.text


@pytest.mark.parametrize(
    ("path_and_value", "before", "after"),
    [
        (("teams", "t1", "credits_allocated", 200), "credits_allocated: 100 # many", "credits_allocated: 200 # many"),
        (("teams", "t1", "access_groups", ["g1", "g2"]), "access_groups: [g1]", "access_groups: [g1, g2]"),
        (("teams", "t2", "plan", "pro"), "t2: {}", "t2: {plan: pro}"),
        (("teams", "t1", "labels", {"env": "on"}), "        labels:\n", '        labels: {env: "on"}\n'),
        (("organizations", "o2", "name", "C"), 'name: "B"   # quoted', "name: C   # quoted"),
        (("organizations", "o2", "metadata", "b", ["x", "w"]), "- x   # ex\n        - z", "- x   # ex\n        - w"),
        (("organizations", "o2", "metadata", "b", []), "b:\n        - x   # ex\n        - z", "b: []"),
        (("access_groups", "g1", "model_aliases", ["m2"]), "    - m1 # why\n", ""),
        (("access_groups", "g2", "model_aliases", ["m1", "m3", "m4"]), "[m1,   m2, # c\n      m3]", "[m1, # c\n      m3, m4]"),
        (("access_groups", "g1", "description", ...), "    # end comment\n    description: >-\n      folded\n      text\n", ""),
        (("teams", "t1", "plan", "pro"), "        access_groups: [g1]\n", "        access_groups: [g1]\n        plan: pro\n"),
        (("access_groups", "new", {"model_aliases": ["m1"]}), "    # trailing of g3\n", "    # trailing of g3\n  new: {model_aliases: [m1]}\n"),
    ],
)  # fmt: skip
def test_only_the_value_itself_changes(path_and_value, before, after):
    assert before in HAND_WRITTEN
    assert changed(HAND_WRITTEN, *path_and_value) == HAND_WRITTEN.replace(before, after, 1)


SHARED = """\
teams:
  a: &base
    access_groups: &groups [g1] # shared
    labels: {env: prod}
  b:
    <<: *base
    access_groups: *groups
  c: {access_groups: *groups, labels: {x: y}}
"""


def problems(document) -> list[tuple]:
    return [problem.path for problem in edited(SHARED, [document], ORDER).problems]


def test_what_others_share_is_never_changed_for_one():
    document = values(SHARED)[0]
    document["teams"]["a"] = {"access_groups": ["g2"], "labels": {"env": "prod"}}
    assert problems(document) == [("teams", "a")]
    assert edited(SHARED, [document], ORDER).text == SHARED


def test_a_merged_field_can_be_overridden_but_not_taken_away():
    document = values(SHARED)[0]
    document["teams"]["b"] = {"access_groups": ["g1"]}
    assert problems(document) == [("teams", "b", "labels")]
    document["teams"]["b"] = {"access_groups": ["g1"], "labels": {"env": "dev"}}
    assert (
        "    access_groups: *groups\n    labels: {env: dev}\n"
        in edited(SHARED, [document], ORDER).text
    )


def test_one_object_with_a_problem_leaves_the_edits_of_the_others():
    document = values(SHARED)[0]
    document["teams"]["a"] = {}
    document["teams"]["c"] = {"access_groups": ["g9"], "labels": {"x": "y"}}
    done = edited(SHARED, [document], ORDER)
    assert [problem.path for problem in done.problems] == [("teams", "a")]
    assert done.text == SHARED.replace("c: {access_groups: *groups", "c: {access_groups: [g9]")


@pytest.mark.parametrize(
    "text",
    [
        "x: &t {a: {name: A}}\nteams: *t\norganizations: {o: {name: O}}\n",
        "x: &t {teams: {a: {name: A}}}\n<<: *t\norganizations: {o: {name: O}}\n",
        "teams: &t\n  a: {name: A}\nx: *t\norganizations: {o: {name: O}}\n",
        "x: &t\n  a: {name: A}\nteams: *t\norganizations: {o: {name: O}}\n",
    ],
)
def test_a_section_that_is_an_alias_is_one_problem(text):
    document = values(text)[0]
    document["teams"] = {"a": {"name": "B"}}
    document["organizations"] = {"o": {"name": "P"}}
    done = edited(text, [document], ORDER)
    assert [problem.path for problem in done.problems] == [("teams",)]
    assert done.text == text.replace("name: O", "name: P")


def test_sections_are_appended():
    assert appended("a: 1", {"teams": {"t": {"plan": "x"}}}) == "a: 1\n\nteams:\n  t: {plan: x}\n"
