"""Findings as SARIF 2.1.0, which code hosts turn into annotations on the lines."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol
from urllib.parse import quote

from reconciler.core.model.findings import Finding, Level, Origin
from reconciler.core.model.printable import json_text, safe
from reconciler.render.findings.text import in_order

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS: Mapping[Level, str] = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
NAME = "reconciler"
# GitHub's code scanning shows 5,000 results of a run (docs: SARIF support, "Validating your SARIF file").
MOST_RESULTS = 5_000


class RuleText(Protocol):
    """What SARIF says about a rule: as `core.rules.lint.rule.Rule` has it."""

    @property
    def code(self) -> str: ...
    @property
    def level(self) -> Level: ...
    @property
    def summary(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def hint(self) -> str: ...


def render_sarif(
    findings: Iterable[Finding],
    *,
    tool_version: str,
    rules: Iterable[RuleText] = (),
    anchor: str = "reconciler.yaml",
) -> str:
    """One run with a result per finding, sorted by place; findings of level off are left out.

    Beyond 5,000 the least severe are left out, and `properties.leftOut` says how many.

    `rules` describe codes; a code without one is described by its own words. A finding without a place gets the first
    line of `anchor`: code scanning on GitHub refuses a whole file for one result without a physical location
    (github/codeql-action issue 1738). Columns count code points, as those of `Origin` do.
    """
    told = sorted(
        (f for f in in_order(findings) if f.level in LEVELS),
        key=lambda f: list(LEVELS).index(f.level),
    )
    told, left_out = list(in_order(told[:MOST_RESULTS])), max(0, len(told) - MOST_RESULTS)
    known = {rule.code: rule for rule in rules}
    codes = sorted({finding.code for finding in told})
    run = {
        "tool": {"driver": _driver(tool_version, [_rule(code, known.get(code)) for code in codes])},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes, anchor) for finding in told],
        **({"properties": {"leftOut": left_out}} if left_out else {}),
    }
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + "\n"


def _driver(version: str, rules: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"name": NAME, "version": version, "rules": rules}


def _rule(code: str, rule: RuleText | None) -> Mapping[str, Any]:
    words = code.replace("-", " ").capitalize()
    if rule is None:
        return {
            "id": code,
            **{key: {"text": words} for key in ("shortDescription", "fullDescription", "help")},
        }
    return {
        "id": code,
        "shortDescription": {"text": safe(rule.summary)},
        "fullDescription": {"text": safe(rule.reason)},
        "help": {"text": safe(rule.hint)},
        "defaultConfiguration": _configuration(rule.level),
    }


def _configuration(level: Level) -> Mapping[str, Any]:
    return {"level": LEVELS[level]} if level in LEVELS else {"enabled": False}


def _result(finding: Finding, codes: Sequence[str], anchor: str) -> Mapping[str, Any]:
    text = (
        f"{safe(finding.message)}\n{safe(finding.hint)}" if finding.hint else safe(finding.message)
    )
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": LEVELS[finding.level],
        "message": {"text": text},
        "locations": [_location(finding, anchor)],
    }


def _location(finding: Finding, anchor: str) -> Mapping[str, Any]:
    place = finding.origin or Origin(anchor, 1, 1)
    physical = {
        "artifactLocation": {"uri": uri(place.file)},
        "region": {"startLine": max(1, place.line), "startColumn": max(1, place.column)},
    }
    if finding.ref is None:
        return {"physicalLocation": physical}
    logical = {
        "name": safe(finding.ref.name),
        "fullyQualifiedName": safe(str(finding.ref)),
        "kind": "resource",
    }
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def uri(file: str) -> str:
    """A relative URI reference for a relative path, a `file:` URI for an absolute one."""
    path = PurePath(file)
    return (
        path.as_uri()
        if path.is_absolute()
        else quote(path.as_posix().encode("utf-8", "backslashreplace"))
    )
