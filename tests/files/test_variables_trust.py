"""What a manifest may read of the environment: never a variable that nobody allowed, never one that holds a secret."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.kinds import Team
from reconciler.core.model.settings import Settings
from reconciler.files.manifests import load_manifests
from reconciler.files.settings import load_settings, readable
from reconciler.files.variables import PREFIX, Variables, substitute
from reconciler.files.yaml.scalars import Unquoted

NAMES = st.sampled_from(
    ["A", "AWS_KEY", "GITHUB_TOKEN", PREFIX + "A", PREFIX + "KEY", "RECONCILER_VAR", "x"]
)
REFERENCES = st.builds(
    "{}${{{}{}}}{}".format,
    st.sampled_from(["", "a", "$"]),
    NAMES,
    st.sampled_from(["", ":-b"]),
    st.text(max_size=3),
)
TEXTS = (
    REFERENCES
    | REFERENCES.map(Unquoted)
    | st.lists(REFERENCES)
    | st.dictionaries(NAMES, REFERENCES)
)


@given(TEXTS, st.frozensets(NAMES), st.frozensets(NAMES), st.frozensets(NAMES))
def test_only_what_is_allowed_and_no_secret_is_read(text, there, listed, secret):
    values = {name: f"<value of {name}>" for name in there}
    filled, problems = substitute(
        text, Variables(values, listed, {name: "ledger.url_env" for name in secret})
    )
    read = {name for name in values if values[name] in str(filled)}
    assert read <= (listed | {name for name in there if name.startswith(PREFIX)}) - secret
    assert not {value for value in values.values() if value in str(problems)}
    refused = {
        name
        for name in re.findall(r"(?<!\$)\$\{(\w+)", str(text))
        if not readable_name(name, listed, secret)
    }
    assert {problem.code for problem in problems} >= ({"variable-refused"} if refused else set())


def readable_name(name: str, listed: frozenset[str], secret: frozenset[str]) -> bool:
    return name not in secret and (name in listed or name.startswith(PREFIX))


SECRETS = {
    "PROD_KEY": "tok-1",
    "PROBE": "tok-2",
    "LEDGER": "tok-3",
    "GITHUB_TOKEN": "tok-4",
    PREFIX + "DB": "tok-5",
}
NAMED = (
    "default_gateway: prod\ngateways:\n  prod:\n    backend: litellm\n    url: https://x.example\n"
    "    admin_key_env: PROD_KEY\n    probe_key_env: PROBE\n    keys_out: '{0}'\n    keys_command: '{1}'\n"
    "  other: {{backend: embedded, admin_key_env: RECONCILER_VAR_DB, database: '{2}'}}\n"
    "ledger: {{url_env: LEDGER, url: '{3}'}}\nlint_limits: {{dev_labels: ['{4}']}}\n{5}"
)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("position", range(7))
def test_settings_neither_take_nor_show_a_secret(name: str, position: int, tmp_path: Path):
    values = [*("", "x", "y", "sqlite:///z", "dev"), ""]
    wrong = [f"default_gateway: ${{{name}}}\n", f"prune: ${{{name}}}\n"]
    text = NAMED.format(
        *(f"${{{name}}}" if n == position else value for n, value in enumerate(values))
    )
    if position >= 5:
        text = text.replace("default_gateway: prod\n", "") + wrong[position - 5]
    (tmp_path / "reconciler.yaml").write_text(text)
    settings, findings = load_settings(tmp_path, variables=SECRETS)
    assert "variable-refused" in {finding.code for finding in findings}
    assert SECRETS[name] not in f"{settings} {findings}"


def test_a_listed_variable_is_read_and_a_hint_says_how(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(
        "teams: {a: {plan: '${PLAN}', team_alias: '${RECONCILER_VAR_ALIAS}'}}\n"
    )
    environ = {"PLAN": "pro", "RECONCILER_VAR_ALIAS": "A"}
    (finding,) = load_manifests(tmp_path, variables=readable(Settings(), environ)).findings
    assert (finding.code, finding.message) == (
        "variable-refused",
        "the environment variable PLAN may not be read here",
    )
    assert finding.hint == (
        "set RECONCILER_VAR_PLAN and write ${RECONCILER_VAR_PLAN}, or list it in the settings: variables: [PLAN]"
    )
    (tmp_path / "reconciler.yaml").write_text("variables: [PLAN]\n")
    settings, findings = load_settings(tmp_path, variables=environ)
    assert findings == ()
    manifests = load_manifests(tmp_path, variables=readable(settings, environ))
    assert (manifests.findings, manifests.state.of(Team)["a"].plan) == ((), "pro")


def test_a_secret_cannot_be_listed(tmp_path: Path):
    (tmp_path / "reconciler.yaml").write_text("ledger: {url_env: DB}\nvariables: [A, DB]\n")
    (finding,) = load_settings(tmp_path)[1]
    assert finding.message == "variables lists DB, which holds a secret, says ledger.url_env"
    assert (finding.origin.line, finding.origin.column) == (2, 1)


def test_a_choice_that_came_from_a_variable_is_not_shown(tmp_path: Path):
    (tmp_path / "reconciler.yaml").write_text(f"default_gateway: '${{{PREFIX}X}}'\n")
    (finding,) = load_settings(tmp_path, variables={f"{PREFIX}X": "hunter2"})[1]
    assert "hunter2" not in str(finding)
    assert (
        finding.message
        == f"default_gateway is not among the gateways, found the value of ${{{PREFIX}X}}"
    )
