"""What `import` and `init` write stays as it is under yamlfmt, the formatter that the README names."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from files_company import COMPANY
from hypothesis import given, settings
from hypothesis import strategies as st
from live_worlds import live_states
from test_import_edits import edit
from test_import_round_trip import SUPPORTS, dialects, seen_by

from reconciler.core.imports.export import Source, export
from reconciler.core.imports.plans import with_plans
from reconciler.files.imports.write import ORDER, Origins, manifests
from reconciler.files.yaml.emit import block
from reconciler.files.yaml.read import read_yaml
from reconciler.files.yaml.roundtrip import edited

YAMLFMT = shutil.which("yamlfmt")
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    YAMLFMT is None,
    reason="yamlfmt is not installed: go install github.com/google/yamlfmt/cmd/yamlfmt@latest",
)


def formatted(text: str) -> str:
    """As the README's pre-commit hook runs it."""
    command = [str(YAMLFMT), "-formatter", "retain_line_breaks=true", "-in"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()


@settings(max_examples=15, deadline=None)
@given(dialects, live_states(), st.booleans())
def test_what_an_import_writes(dialect, state, suggest):
    support = SUPPORTS[dialect]
    found = with_plans(export(Source(seen_by(support, state), support)), suggest=suggest)
    for text in manifests(found, Origins("a test")).values():
        assert formatted(text) == text


# What does not show, such as a zero-width space, is escaped here, and bare once yamlfmt wrote it; and no
# key of ours has two lines, for which it has a notation of its own.
HIDDEN = ("Cs", "Cf", "Zs", "Co", "Cn")
SHOWN = st.characters(max_codepoint=0xFFFF, exclude_categories=HIDDEN) | st.just(" ")
KEYS = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=(*HIDDEN, "Cc", "Zl", "Zp"))
    | st.just(" "),
    min_size=1,
    max_size=12,
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(SHOWN, max_size=200)
    | st.text("ab: #-'\"\\\n,[]{}&*!%@`?|>", max_size=200)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=4))
def test_any_value_that_is_written(document):
    text = "\n".join((*block(document, 0), ""))
    assert read_yaml(text.encode(), "x").documents == (document,)
    assert formatted(text) == text


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**64))
def test_a_file_that_was_formatted_is_so_after_an_edit(seed):
    before = formatted(COMPANY)
    document = dict(*read_yaml(before.encode(), "x").documents)
    wanted, _ = edit(random.Random(seed), document)
    done = edited(before, [wanted], ORDER).text
    assert formatted(done) == done


@pytest.mark.parametrize(
    "file",
    [*ROOT.glob("config/**/*.yaml"), *ROOT.glob("reconciler/cli/starter/**/*.yaml")],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_the_example_and_what_init_writes(file):
    text = file.read_text(encoding="utf-8")
    assert formatted(text) == text
