from pathlib import Path

import pytest
from malformed_manifests import MANIFESTS, SETTINGS

from reconciler.core.model.findings import Finding, Level
from reconciler.files.manifests import load_manifests
from reconciler.files.settings import load_settings
from reconciler.files.variables import Variables


def said(findings: tuple[Finding, ...], file: str) -> dict[str, str]:
    """line:column -> code; every finding must have a place in the file, a sentence, and no place may be named twice."""
    places = {str(f.origin): f.code for f in findings}
    assert len(places) == len(findings), findings
    assert all(f.message and f.level is Level.ERROR for f in findings)
    return {place.removeprefix(f"{file}:"): code for place, code in places.items()}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_malformed_manifest_is_a_finding_at_its_place(name, tmp_path, monkeypatch):
    text, expected = MANIFESTS[name]
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(text, encoding="utf-8")
    assert said(load_manifests(Path(), variables=Variables()).findings, "bad.yaml") == expected


@pytest.mark.parametrize("name", SETTINGS)
def test_malformed_settings_are_a_finding_at_its_place(name, tmp_path, monkeypatch):
    text, expected = SETTINGS[name]
    monkeypatch.chdir(tmp_path)
    Path("reconciler.yaml").write_text(text, encoding="utf-8")
    findings = load_settings(Path())[1]
    assert said(findings, "reconciler.yaml") == expected
    assert "hunter2" not in str(findings)


def test_many_kinds_of_mistakes_are_in_the_table():
    assert len(MANIFESTS) + len(SETTINGS) >= 100
