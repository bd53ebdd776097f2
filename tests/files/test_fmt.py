"""fmt: the same meaning, the same comments, and formatting twice is formatting once."""

import random
import re
from pathlib import Path

import pytest
from files_company import COMPANY
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed_manifests import MANIFESTS
from test_import_edits import HAND_WRITTEN

from reconciler.cli import main
from reconciler.files.yaml.format import formatted
from reconciler.files.yaml.read import read_yaml

SCALARS = [
    "a",
    "b-c",
    "x y",
    '"q"',
    "'it''s'",
    "1",
    "2.5",
    "null",
    "2026-01-01",
    '"a # b"',
    "a#b",
    "~",
    "",
    "a,b",
]


class Writer:
    """Random YAML as people write it: any indentation, blank lines, comments in every place."""

    def __init__(self, seed: int) -> None:
        self.rng, self.lines, self.remarks = random.Random(seed), [], 0

    def remark(self, chance: float) -> str:
        if self.rng.random() >= chance:
            return ""
        self.remarks += 1
        return f"# remark {self.remarks}"

    def text(self) -> str:
        for section in self.rng.sample(
            ["teams", "organizations", "plans", "model_aliases"], self.rng.randint(1, 3)
        ):
            self.lines += [remark] if (remark := self.remark(0.4)) else []
            self.lines.append(f"{section}:")
            self.block(self.rng.randint(1, 4), 1)
            self.lines += [""] if self.rng.random() < 0.5 else []
        return "\n".join(self.lines) + "\n"

    def between(self, indent: int) -> None:
        self.lines += [""] if self.rng.random() < 0.1 else []
        if remark := self.remark(0.15):
            self.lines.append(" " * self.rng.choice([indent, indent, 0, indent + 2]) + remark)

    def block(self, indent: int, depth: int) -> None:
        rng, deeper = self.rng, self.rng.randint(1, 4)
        is_list = depth > 1 and rng.random() < 0.3
        for number in range(rng.randint(1, 3)):
            self.between(indent)
            remark = self.remark(0.2)
            aside = f"{rng.choice([' ', '   '])}{remark}" if remark else ""
            head = " " * indent + ("-" if is_list else f"k{number}:")
            chance = rng.random()
            if chance < 0.4 or depth > 3:
                self.lines.append(f"{head} {rng.choice(SCALARS)}".rstrip() + aside)
            elif chance < 0.6:
                self.lines.append(f"{head} {self.flow(0)}{aside}")
            elif chance < 0.7:
                self.lines.append(f"{head} {rng.choice(['|', '|-', '>', '>-'])}")
                self.lines += [
                    " " * (indent + deeper) + rng.choice(["text", "# no remark", "  deeper"])
                    for _ in "12"
                ]
            elif is_list:
                self.lines.append(f"{head} k: {rng.choice(SCALARS[:6])}{aside}")
            else:
                self.lines.append(f"{head}{aside}")
                self.block(indent + deeper, depth + 1)

    def flow(self, depth: int) -> str:
        rng = self.rng
        chance, comma = rng.random(), rng.choice([",", ", ", ",\n                "])
        if chance < 0.5 or depth > 1:
            return rng.choice(["a", "b", '"q"', "1", "2026-01-01"])
        if chance < 0.75:
            return f"[{comma.join(self.flow(depth + 1) for _ in range(rng.randint(0, 3)))}]"
        return (
            f"{{{comma.join(f'k{n}: {self.flow(depth + 1)}' for n in range(rng.randint(0, 3)))}}}"
        )


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**64))
def test_the_meaning_and_the_comments_stay_and_twice_is_once(seed):
    writer = Writer(seed)
    text = writer.text()
    before = read_yaml(text.encode(), "x")
    done = formatted(text, "x")
    if before.findings:
        assert (done.text, bool(done.findings)) == (text, True)
        return
    assert not done.findings
    assert read_yaml(done.text.encode(), "x").documents == before.documents
    remarks = re.findall("# remark [0-9]+", text)
    assert sorted(re.findall("# remark [0-9]+", done.text)) == sorted(remarks)
    assert formatted(done.text, "x").text == done.text
    assert done.text.endswith("\n")
    assert not any(line != line.rstrip() for line in done.text.splitlines() if "text" not in line)


@pytest.mark.parametrize("text", [text for text, _ in MANIFESTS.values()])
def test_a_file_with_errors_is_never_touched(text):
    done = formatted(text, "x")
    if read_yaml(text.encode(), "x").findings:
        assert done.text == text
        assert done.findings
    else:
        assert (
            read_yaml(done.text.encode(), "x").documents == read_yaml(text.encode(), "x").documents
        )


EXPECTED = """\
# head
organizations: # orgs
  o1: {name: A, metadata: {a: 1, b: [x, "z"]}} # one

  # two
  o2:
    name: "B" # quoted
    metadata:
      a: 1
      b:
        - x # ex
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


def test_a_hand_written_file():
    assert formatted(HAND_WRITTEN, "x").text == EXPECTED


def test_sections_come_in_order_with_their_comments_and_short_lists_inline():
    text = """\
# yaml-language-server: $schema=x
# our teams
teams:
    a:
        plan:   pro
        access_groups:
        - g1
        - g2

# who pays
organizations: {o: {name: A}}
"""
    assert (
        formatted(text, "x").text
        == """\
# yaml-language-server: $schema=x
# who pays
organizations: {o: {name: A}}

# our teams
teams:
  a:
    plan: pro
    access_groups: [g1, g2]
"""
    )


def test_anchors_that_need_the_old_order_leave_the_file_alone():
    text = "teams:\n  a: &a {labels: {env: prod}}\norganizations:\n  o: {<<: *a, name: Nord}\n"
    done = formatted(text, "x.yaml")
    assert done.text == text
    assert [finding.code for finding in done.findings] == ["fmt-left-alone"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# only a comment\n",
        "---\nteams:\n   a:   {}\n---\nplans: {}\n",
        "teams:\r\n    a: {}\r\n",
        "\ufeffteams: {}\n",
    ],
)
def test_odd_files_keep_their_meaning(text):
    done = formatted(text, "x")
    assert not done.findings
    assert read_yaml(done.text.encode(), "x").documents == read_yaml(text.encode(), "x").documents
    assert formatted(done.text, "x").text == done.text


def test_the_example_company_is_formatted():
    root = Path(__file__).parents[2]
    for file in (*root.glob("config/**/*.yaml"), *root.glob("reconciler/cli/starter/*.yaml")):
        text = file.read_text()
        assert formatted(text, file.name).text == text, file


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(args))
    return int(left.value.code or 0)


def test_the_command_checks_and_then_writes(tmp_path, capsys):
    good, messy, broken = (tmp_path / name for name in ("good.yaml", "messy.yaml", "broken.yaml"))
    good.write_text("teams:\n  a: {}\n")
    messy.write_text("teams:\n    a:   {}\n")
    messy.chmod(0o640)
    assert run("fmt", "--check", str(tmp_path)) == 1
    assert "would format" in capsys.readouterr().out
    assert messy.read_text() == "teams:\n    a:   {}\n"
    assert run("fmt", str(tmp_path)) == 0
    assert messy.read_text() == good.read_text()
    assert messy.stat().st_mode & 0o777 == 0o640
    assert run("fmt", "--check", str(messy)) == 0
    broken.write_text("teams: [")
    assert run("fmt", str(tmp_path)) == 1
    assert broken.read_text() == "teams: ["


def test_comments_inside_of_brackets_stay():
    assert formatted(COMPANY, "x").text == COMPANY
