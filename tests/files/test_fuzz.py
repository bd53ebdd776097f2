"""Whatever the files hold: findings, never an exception."""

import tempfile
from pathlib import Path

from files_company import COMPANY
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed_manifests import MANIFESTS

from reconciler.core.model.findings import Level
from reconciler.core.rules.check import check
from reconciler.files.manifests import Manifests, load_manifests, locate
from reconciler.files.settings import load_settings
from reconciler.files.variables import Variables

SEEDS = [COMPANY, *(text for text, _ in MANIFESTS.values())]
PIECES = [
    "\t",
    "  ",
    "\n",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "*a",
    "&a ",
    "<<: ",
    "---\n",
    "'",
    '"',
    "no",
    "1",
    "!!x ",
    "${",
]


def load(data: bytes) -> Manifests:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "fuzz.yaml").write_bytes(data)
        (Path(directory) / "reconciler.yaml").write_bytes(data)
        load_settings(Path(directory), variables={"A": "1"})
        manifests = load_manifests(
            Path(directory), variables=Variables({"A": "1"}, frozenset({"A"}))
        )
        found = check(manifests.state, declared=manifests.files, complete=manifests.complete)
        located = [locate(manifests, finding) for finding in found]
    assert all(finding.origin for finding in (*manifests.findings, *located))
    assert manifests.complete or any(f.level is Level.ERROR for f in manifests.findings)
    return manifests


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_bytes_never_raise(data):
    load(data)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_text_never_raises(text):
    load(("teams:\n  a: " + text).encode("utf-8", "surrogatepass"))


@st.composite
def mutations(draw) -> str:
    """A manifest with pieces cut out, doubled, or put in."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 12)))
        text = text[:at] + draw(st.sampled_from([*PIECES, text[at:end] * 2, ""])) + text[end:]
    return text


@settings(max_examples=100, deadline=None)
@given(mutations())
def test_mutated_manifests_never_raise(text):
    load(text.encode())
