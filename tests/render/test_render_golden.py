"""What people read, compared with committed files; `UPDATE_GOLDEN=1 pytest tests/render` writes them anew."""

import os
from pathlib import Path

import pytest
from plan_cases import CASES, HINTED

from reconciler.render import FORMATS, Report
from reconciler.render.findings.text import render_findings

GOLDEN = Path(__file__).parent.parent / "golden"
SUFFIXES = {"text": "txt", "json": "json", "markdown": "md"}
TOO_LARGE = {("tier_change", "json")}  # 3 MB; its numbers are checked in test_render_laws
PAIRS = [(case, name) for case in CASES for name in SUFFIXES if (case, name) not in TOO_LARGE]


def agree(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_golden(case, name):
    agree(GOLDEN / case / f"plan.{SUFFIXES[name]}", FORMATS[name].render(Report(CASES[case]())))


@pytest.mark.parametrize("case", ["deletions", "losses_and_refusals"])
def test_golden_full(case):
    agree(GOLDEN / case / "plan.full.txt", FORMATS["text"].render(Report(CASES[case](), full=True)))


def test_golden_color():
    agree(
        GOLDEN / "losses_and_refusals" / "plan.ansi",
        FORMATS["text"].render(Report(CASES["losses_and_refusals"](), color=True)),
    )


def test_golden_findings():
    agree(GOLDEN / "findings" / "findings.txt", render_findings(HINTED))
