"""Whatever a config.yaml or a Terraform state holds: manifests that can be written, or a finding; never anything else."""

import copy
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_import_sources import CONFIG, STATE

from reconciler.core.model.findings import ReconcilerError
from reconciler.files.imports.litellm_config import from_config_yaml
from reconciler.files.imports.terraform import from_terraform
from reconciler.files.imports.write import Origins, manifests

ODD = st.one_of(
    st.sampled_from(
        [None, True, 0, -1, 10**400, 1.5, float("nan"), float("inf"), "", "x", "{", "[1]"]
    ),
    st.sampled_from(
        ["\ud800", "yearly", "1e999", [], {}, [None], [[]], [{}], {"a": {}}, {"": None}]
    ),
    st.sampled_from([[1, "a"], {"models": ["a"]}, "litellm_team", ["a", "a"]]),
)
EDITS = st.lists(st.tuples(st.integers(0, 500), ODD | st.just(...)), min_size=1, max_size=4)


def spots(value):
    """(container, key) of everything in a value."""
    steps = value.items() if isinstance(value, dict) else ()
    steps = enumerate(value) if isinstance(value, list) else steps
    for key, inner in list(steps):
        yield value, key
        yield from spots(inner)


def damaged(value, edits):
    for spot, odd in edits:
        places = list(spots(value))
        if not places:
            break
        container, key = places[spot % len(places)]
        if odd is ...:
            del container[key]
        else:
            container[key] = copy.deepcopy(odd)
    return value


def written(read, text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "source"
        file.write_text(text, encoding="utf-8")
        try:
            export = read(file)
        except ReconcilerError as refusal:
            assert refusal.findings
            return
    for manifest in manifests(export, Origins("a test")).values():
        manifest.encode("utf-8")


@settings(max_examples=80, deadline=None)
@given(EDITS)
def test_any_config_yaml(edits):
    text = json.dumps(damaged(yaml.safe_load(CONFIG), edits))
    written(from_config_yaml, text.replace("NaN", ".nan").replace("Infinity", ".inf"))


@settings(max_examples=80, deadline=None)
@given(EDITS)
def test_any_terraform_state(edits):
    written(from_terraform, json.dumps(damaged(json.loads(json.dumps(STATE)), edits)))


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
ENTRY = "model_list:\n- model_name: a\n  litellm_params: {%s}\n"
MODEL = ENTRY % "model: x/y, k: %s"


@pytest.mark.parametrize(
    "text",
    [
        BOMB + MODEL % "*a29",
        MODEL % ("[" * 5000 + "]" * 5000),
        MODEL % ("[" * 100 + "]" * 100),
        ENTRY.replace("{%s}", "&p {model: x/y, k: *p}"),
        MODEL % "!!python/object/apply:os.system [x]",
        MODEL % "!!timestamp x",
        MODEL % "2026-13-45",
        MODEL % "!!int x",
        "model_list: [\n<<<<<<< ours\n",
    ],
)
def test_a_config_yaml_that_is_refused(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ReconcilerError) as refused:
        from_config_yaml(tmp_path / "config.yaml")
    assert all(finding.origin for finding in refused.value.findings)


@pytest.mark.parametrize(
    "value", ["2026-01-01", "!!set {a, b}", "!!binary aGk=", "{1: 2, yes: no}"]
)
def test_what_yaml_has_and_json_has_not_is_written(value, tmp_path):
    (tmp_path / "config.yaml").write_text(MODEL % value)
    written(from_config_yaml, MODEL % value)
    assert from_config_yaml(tmp_path / "config.yaml").objects


@pytest.mark.parametrize("depth", [100, 100_000])
def test_a_deep_terraform_state_is_refused(depth, tmp_path):
    (tmp_path / "state.json").write_text(
        '{"version": 4, "resources": ' + "[" * depth + "]" * depth + "}"
    )
    with pytest.raises(ReconcilerError):
        from_terraform(tmp_path / "state.json")
