"""Where a syntax error is said to be: at the line that somebody damaged, not where the parser noticed."""

from pathlib import Path
from random import Random

import pytest
from files_company import COMPANY

from reconciler.core.model.findings import Level
from reconciler.files.manifests import load_manifests
from reconciler.files.yaml.read import read_yaml

PLAIN = """\
# A company
model_aliases:
  gpt-4:
    litellm_model: openai/gpt-4
    description: "Most capable"
    tags: [analysis, chat]
    litellm_params: {mock_response: "hi", timeout: 30}
  haiku:
    litellm_model: anthropic/haiku
    description: 'Fast, cheap'
access_groups:
  basic:
    description: Basic
    model_aliases: [haiku]
  pro:
    description: "Pro"
    model_aliases:
      - gpt-4
      - haiku
teams:
  acme:
    access_groups:
      - basic
      - pro
    labels: {env: prod, region: eu}
    plan: x
  beta:
    access_groups: [basic, pro]
    team_alias: "Beta"
    status: active
"""


def damages(text: str):
    """(line, damaged text) for each colon after a key, closing bracket and closing quote, taken away."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        for column, character in enumerate(line):
            if character in "]}":
                taken = True
            elif character in "\"'":
                taken = line[:column].count(character) % 2 == 1
            else:
                taken = (
                    character == ":"
                    and not line.lstrip().startswith("#")
                    and "{" not in line[:column]
                )
            if taken:
                damaged = [
                    *lines[:number],
                    line[:column] + line[column + 1 :],
                    *lines[number + 1 :],
                ]
                yield number + 1, character, "\n".join(damaged) + "\n"


@pytest.mark.parametrize("text", [PLAIN, COMPANY])
def test_a_syntax_error_is_at_the_line_that_was_damaged(text):
    wrong = []
    for line, character, damaged in damages(text):
        found = [
            each for each in read_yaml(damaged.encode(), "f").findings if each.code == "yaml-syntax"
        ]
        wrong += [
            (line, character, each.origin, each.message)
            for each in found
            if each.origin.line != line
        ]
    assert wrong == []


def test_damage_is_noticed_at_all():
    noticed = [bool(read_yaml(damaged.encode(), "f").findings) for _, _, damaged in damages(PLAIN)]
    assert sum(noticed) > 0.8 * len(noticed) > 20


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "teams:\n  a:\n    plan: x\n     labels: {}\n",
            "4:12",
            "a ':' stands where no key can be",
        ),
        ("teams:\n  a: {plan: 'pro}\n", "2:13", "a quoted text is not closed (noticed in line 3)"),
        ("teams:\n  a: [b, c\n  d: {}\n", "2:6", "a list is not closed (noticed in line 3)"),
        ("teams:\n  a: {}\nfoo\n", "3:1", "a ':' is missing after a key (noticed in line 4)"),
        ('teams:\n  a: "x\n  b: "y"\n', "2:6", "a quoted text is not closed (noticed in line 3)"),
        ("teams\n  a: {}\n", "1:1", "a ':' is missing after a key (noticed in line 2)"),
        ("teams:\n    acme: {}\n  beta: {}\n", "3:3", "the line does not fit the ones above it"),
    ],
)
def test_what_is_said_of_it(text, place, message):
    (found,) = read_yaml(text.encode(), "f").findings
    assert (str(found.origin), found.message) == (f"f:{place}", message)


@pytest.mark.parametrize("seed", range(40))
def test_every_merge_conflict_is_said_at_its_line(seed):
    random = Random(seed)
    lines = PLAIN.splitlines()
    expected = []
    for number in sorted(random.sample(range(len(lines)), random.randint(1, 3)), reverse=True):
        theirs = lines[number].replace("a", "o")
        base = random.choice([[], ["||||||| merged common ancestors", lines[number]]])
        lines[number : number + 1] = [
            "<<<<<<< HEAD",
            lines[number],
            *base,
            "=======",
            theirs,
            ">>>>>>> feature/x",
        ]
    expected = [number + 1 for number, line in enumerate(lines) if line.startswith("<<<<<<<")]
    found = read_yaml("\n".join(lines).encode(), "f")
    assert [(each.code, each.origin.line) for each in found.findings] == [
        ("yaml-conflict", n) for n in expected
    ]
    assert not found.complete


@pytest.mark.parametrize("left", ["<<<<<<< HEAD", "=======", ">>>>>>> 1234567 (a commit)"])
def test_a_marker_that_was_left_behind_is_said(left):
    found = read_yaml(f"teams:\n  a: {{}}\n{left}\n  b: {{}}\n".encode(), "f").findings
    assert [(each.code, str(each.origin)) for each in found] == [("yaml-conflict", "f:3:1")]


@pytest.mark.parametrize(
    "text", ["note: |\n  <<<<<<< HEAD\n  =======\n", "a: {<<: {b: 1}}\n", "'=======': 1\n"]
)
def test_what_only_looks_like_a_conflict_is_none(text):
    assert read_yaml(text.encode(), "f").findings == ()


@pytest.mark.parametrize("text", ["", "\n", "  \n\n", "\ufeff"])
def test_an_emptied_file_is_said(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("teams.yaml").write_text(text, encoding="utf-8")
    (found,) = load_manifests(Path(), variables={}).findings
    assert (found.level, found.code, str(found.origin)) == (
        Level.WARNING,
        "empty-file",
        "teams.yaml:1:1",
    )


@pytest.mark.parametrize("text", ["# only a comment\n", "---\n", "teams:\n", "{}"])
def test_a_file_with_something_in_it_is_not_empty(text, tmp_path):
    (tmp_path / "teams.yaml").write_text(text, encoding="utf-8")
    assert load_manifests(tmp_path, variables={}).findings == ()
