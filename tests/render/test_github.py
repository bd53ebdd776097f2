"""Annotations for GitHub: read back as the runner reads workflow commands, they say what the finding says."""

import re

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.findings import Finding, Level, Origin, error, warning
from reconciler.core.model.printable import safe
from reconciler.core.model.refs import Ref
from reconciler.render.findings.github import render_annotations

COMMAND = re.compile(r"^::(error|warning|notice) ([^:]*)::(.*)$")
ESCAPES = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}


def unescaped(text: str) -> str:
    return re.sub("%0D|%0A|%3A|%2C|%25", lambda found: ESCAPES[found[0]], text)


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Level, properties and message, as the toolkit's runner parses them."""
    found = COMMAND.match(line)
    assert found, line
    properties = dict(pair.split("=", 1) for pair in found[2].split(","))
    return (
        found[1],
        {name: unescaped(value) for name, value in properties.items()},
        unescaped(found[3]),
    )


def test_a_finding_is_an_annotation_at_its_place():
    finding = error(
        "dangling-reference",
        "no plan x",
        hint="did you mean y?",
        origin=Origin("config/a.yaml", 3, 11),
    )
    first, count = render_annotations([finding]).splitlines()
    assert (
        first
        == "::error file=config/a.yaml,line=3,col=11,title=dangling-reference::no plan x%0Adid you mean y?"
    )
    assert count == "1 error"


def test_without_a_place_the_object_is_named():
    said = render_annotations([warning("orphan", "nobody uses it", ref=Ref("team", "a"))])
    assert said.splitlines()[0] == "::warning title=orphan::team/a: nobody uses it"


def test_errors_come_first_so_that_they_are_not_the_ones_that_are_cut():
    findings = [
        warning("w", "w", origin=Origin("a.yaml", 1, 1)),
        error("e", "e", origin=Origin("z.yaml", 9, 1)),
    ]
    assert [read(line)[0] for line in render_annotations(findings).splitlines()[:2]] == [
        "error",
        "warning",
    ]


texts = st.text(min_size=1, max_size=30)


@given(st.sampled_from(["error", "warning", "info"]), texts, texts, texts)
def test_whatever_the_names_it_is_one_command_a_line_and_says_it_all(level, code, message, file):
    finding = Finding(Level(level), code, message, origin=Origin(file, 2, 5))
    lines = render_annotations([finding]).rstrip("\n").split("\n")
    assert len(lines) == 2
    kind, properties, said = read(lines[0])
    assert kind == {"info": "notice"}.get(level, level)
    assert properties == {"file": safe(file), "line": "2", "col": "5", "title": safe(code)}
    assert said == safe(message)
