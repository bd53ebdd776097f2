from pathlib import Path

import pytest

from reconciler.core.model.findings import Level
from reconciler.core.model.settings import Settings
from reconciler.files.settings import load_settings


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, **variables: str):
    Path("reconciler.yaml").write_text(text)
    return load_settings(Path(), variables=variables)


def test_without_a_file_the_embedded_gateway_is_meant():
    assert load_settings(Path()) == (Settings(), ())
    assert load_settings(Path("nowhere")) == (Settings(), ())


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_means_the_defaults(text):
    assert load(text) == (Settings(), ())


def test_settings_are_read_as_typed_values():
    settings, findings = load(
        "default_gateway: prod\n"
        "gateways:\n  prod: {backend: litellm, url: 'https://x.example', admin_key_env: KEY, concurrency: 4}\n"
        "safety: {max_delete_percent: 5}\nprune: never\nlint: {name-style: warning}\n"
    )
    assert findings == ()
    assert settings.gateways["prod"].concurrency == 4
    assert (settings.safety.max_delete_percent, settings.prune) == (5, "never")


def test_an_unquoted_off_is_a_lint_level():
    settings, findings = load("lint:\n  name-style: off\n")
    assert (settings.lint, findings) == ({"name-style": Level.OFF}, ())


def test_an_unquoted_off_elsewhere_is_a_trap():
    (finding,) = load("lint: {name-style: off}\nprune: off\n")[1]
    assert (str(finding.origin), finding.code) == ("reconciler.yaml:2:8", "yaml-ambiguous")


def test_variables_fill_settings():
    text = "gateways:\n  embedded: {backend: litellm, url: '${RECONCILER_VAR_HOST:-http://localhost:4000}', concurrency: 2}\n"
    assert load(text)[0].gateways["embedded"].url == "http://localhost:4000"
    assert (
        load(text, RECONCILER_VAR_HOST="https://x.example")[0].gateways["embedded"].url
        == "https://x.example"
    )


def test_a_password_from_a_variable_is_a_secret_too():
    (finding,) = load(
        "ledger:\n  url: ${RECONCILER_VAR_DB}\n", RECONCILER_VAR_DB="postgresql://u:hunter2@db/x"
    )[1]
    assert finding.code == "secret-in-settings"
    assert "hunter2" not in str(finding)


def test_an_unset_variable_is_a_finding():
    (finding,) = load("ledger:\n  url: ${RECONCILER_VAR_DB}\n")[1]
    assert (str(finding.origin), finding.code) == ("reconciler.yaml:2:8", "variable-unset")


def test_a_file_with_the_other_suffix_is_a_warning():
    Path("reconciler.yml").write_text("prune: all")
    settings, (finding,) = load_settings(Path())
    assert (settings, finding.code, finding.level) == (
        Settings(),
        "settings-misnamed",
        Level.WARNING,
    )


def test_a_file_that_cannot_be_read_is_a_finding():
    Path("reconciler.yaml").write_bytes(b"prune: \xff")
    assert [f.code for f in load_settings(Path())[1]] == ["yaml-encoding"]


def test_a_block_under_x_is_reused_by_anchors(tmp_path):
    text = (
        "x-nothing: ${UNSET}\n"
        "x-proxy: &proxy {backend: litellm, admin_key_env: K}\n"
        "default_gateway: a\n"
        "gateways:\n"
        '  a: {<<: *proxy, url: "https://a.example"}\n'
        '  b: {<<: *proxy, url: "https://b.example"}\n'
    )
    (tmp_path / "reconciler.yaml").write_text(text, encoding="utf-8")
    settings, findings = load_settings(tmp_path)
    assert findings == ()
    assert {gateway.backend for gateway in settings.gateways.values()} == {"litellm"}
