"""import where nothing is yet: the gateway's name, where the ledger lies, what a failure leaves, what is still open."""

import json
from pathlib import Path

import pytest
from e2e_world import ADMIN_KEY, Place, example, serving

from reconciler.core.model.settings import GatewaySettings
from reconciler.files.settings import load_settings
from reconciler.importing import gateway_name

CONFIG_YAML = """\
model_list:
  - {model_name: gpt, litellm_params: {model: openai/gpt-5.5}, model_info: {access_groups: [all]}}
  - {model_name: GPT Big, litellm_params: {model: openai/gpt-5.4-pro}}
"""
STATE = {
    "version": 4,
    "resources": [
        {
            "mode": "managed",
            "type": "litellm_model",
            "instances": [
                {"attributes": {"id": "1", "model_name": "gpt", "base_model": "gpt-5.5"}}
            ],
        }
    ],
}


@pytest.fixture
def nowhere(tmp_path: Path) -> Place:
    (tmp_path / "new").mkdir()
    return Place(tmp_path / "new", {"KEY": ADMIN_KEY})


def everything(place: Place) -> set[str]:
    return {file.relative_to(place.directory).as_posix() for file in place.directory.rglob("*")}


@pytest.mark.parametrize("source", ["config_yaml", "terraform"])
def test_what_a_file_does_not_say_is_asked_for_by_validate(nowhere: Place, source):
    file = nowhere.directory / "source"
    file.write_text(CONFIG_YAML if source == "config_yaml" else json.dumps(STATE), encoding="utf-8")
    option = "--from-config-yaml" if source == "config_yaml" else "--from-terraform"
    nowhere.reconciler("import", option, "source")
    said = nowhere.reconciler("validate", code=1).out
    assert said.count("error to-fill-in: gateways.litellm.") == 2
    assert "2 errors\n" in said.replace("2 errors, 1 warning", "2 errors")
    assert "config/reconciler.yaml:" in said
    for command in ("plan", "apply", "drift"):
        assert "to-fill-in" in nowhere.reconciler(command, code=1).err
    nowhere.edit("reconciler.yaml", "url: TODO", "url: http://127.0.0.1:9")
    nowhere.edit("reconciler.yaml", "admin_key_env: TODO", "admin_key_env: KEY")
    assert "error" not in nowhere.reconciler("validate").out
    assert (
        "no connection" in nowhere.reconciler("plan", code=1).err
    )  # it asks LiteLLM, with what LiteLLM needs


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "http://127.0.0.1:9", "--backend", "litellm", "--admin-key-env", "KEY"),
        (
            "--url",
            "http://127.0.0.1:9",
            "--backend",
            "saas-litellm",
            "--admin-key-env",
            "KEY",
            "--out",
            "deep/down",
        ),
        ("--url", "http://127.0.0.1:9", "--backend", "litellm", "--admin-key-env", "UNSET"),
        ("--url", "http://127.0.0.1:9"),
        ("--from-config-yaml", "missing.yaml"),
        ("--from-terraform", "missing.json", "--out", "x"),
        ("--update",),
        (),
    ],
    ids=" ".join,
)
def test_a_failed_import_leaves_nothing_behind(nowhere: Place, arguments):
    nowhere.reconciler("import", *arguments, code=1)
    assert everything(nowhere) == set()


def test_a_failed_import_leaves_what_was_there(nowhere: Place):
    nowhere.write("notes.txt", "mine")
    url = ("--url", "http://127.0.0.1:9", "--backend", "litellm", "--admin-key-env", "KEY")
    nowhere.reconciler("import", *url, code=1)
    assert everything(nowhere) == {"config", "config/notes.txt"}


def test_an_import_is_whole_in_the_directory_that_it_goes_to(nowhere: Place, tmp_path: Path):
    theirs = example(tmp_path / "theirs")
    theirs.applied()
    serve = ("--config", "config", "--admin-key-env", "LOCAL_ADMIN_KEY")
    with serving(theirs.directory, *serve, environ={"LOCAL_ADMIN_KEY": ADMIN_KEY}) as url:
        arguments = (
            "--url",
            url,
            "--backend",
            "embedded",
            "--admin-key-env",
            "KEY",
            "--out",
            "prod",
            "--adopt",
        )
        nowhere.reconciler("import", *arguments)
        assert {name.split("/")[0] for name in everything(nowhere)} == {"prod"}
        settings, findings = load_settings(nowhere.directory / "prod")
        assert findings == ()
        assert (settings.default_gateway, settings.ledger.url) == ("embedded", None)
        assert (
            "# Imported from embedded;" in (nowhere.directory / "prod" / "models.yaml").read_text()
        )
        moved = nowhere.directory / "elsewhere"
        (nowhere.directory / "prod").rename(moved)
        nowhere.settled("--config", "elsewhere")


@pytest.mark.parametrize(
    ("url", "backend", "known", "name"),
    [
        ("https://litellm.example.com", "litellm", {}, "litellm"),
        ("https://gateway.acme.io/base", "saas-litellm", {}, "gateway"),
        ("http://127.0.0.1:4000", "litellm", {}, "litellm"),
        ("http://localhost:8003", "saas-litellm", {}, "saas-litellm"),
        ("https://api.acme.io", "litellm", {}, "litellm"),
        ("https://gw.acme.io", "litellm", {"gw": "https://gw.other.io"}, "gw-2"),
        (
            "https://gw.acme.io",
            "litellm",
            {"gw": "https://gw.other.io", "gw-2": "https://x.io"},
            "gw-3",
        ),
        ("https://gw.acme.io", "litellm", {"prod": "https://gw.acme.io"}, "prod"),
    ],
)
def test_a_gateway_of_an_url_has_a_name_that_means_something(url, backend, known, name):
    others = {each: GatewaySettings(backend=backend, url=where) for each, where in known.items()}
    assert gateway_name(GatewaySettings(backend=backend, url=url), others) == name


def test_an_update_is_shown_as_a_diff(place: Place):
    place.applied()
    place.edit("customers/acme.yaml", "team_alias: Development", "team_alias: Research")
    before = {file: file.read_bytes() for file in place.config.rglob("*.yaml")}
    done = place.reconciler("import", "--update", "--dry-run").out
    assert done.startswith("--- config/customers/acme.yaml\n+++ config/customers/acme.yaml\n@@ ")
    changed = [line for line in done.splitlines()[2:] if line[0] in "+-"]
    assert changed == ["-    team_alias: Research", "+    team_alias: Development"]
    assert before == {file: file.read_bytes() for file in place.config.rglob("*.yaml")}


def test_an_update_without_anything_to_do_says_so(place: Place):
    place.applied()
    assert (
        "already say what the gateway has"
        in place.reconciler("import", "--update", "--dry-run").out
    )
