"""Settings of a pull request's base: what the pull request writes into its own takes no key and no secret with it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from e2e_world import Place
from git_repository import git

from reconciler.core.model.settings import Settings
from reconciler.files.base_settings import OWN

REVISION = "RECONCILER_SETTINGS_REVISION"
SECRETS = {
    "GATEWAY_ADMIN_KEY": "adm-hunter2",
    "RECONCILER_LEDGER_URL": "postgresql://me:hunter3@127.0.0.1:1/ledger",
    "GITHUB_TOKEN": "ghs-hunter4",
    "RECONCILER_VAR_DB": "hunter5",
}
BASE = (
    "default_gateway: prod\ngateways:\n  prod: {{backend: saas-litellm, url: '{url}', admin_key_env: GATEWAY_ADMIN_KEY,"
    " probe_key_env: RECONCILER_VAR_DB}}\n  local: {{backend: embedded}}\n"
)
COMPANY = (
    "model_aliases: {{a: {{litellm_model: openai/gpt-4o}}}}\naccess_groups: {{g: {{model_aliases: [a]}}}}\n"
    "organizations: {{o: {{name: O}}}}\nteams: {{t: {{organization_id: o, access_groups: [g], team_alias: '{alias}'}}}}\n"
)


class Listening(BaseHTTPRequestHandler):
    """A server that knows nothing and remembers everything that it is sent."""

    seen: list[str]

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.seen.append(f"{self.path} {self.headers} {self.rfile.read(size)!r}")
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815  names of http.server

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Listening,), {"seen": seen}))
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def evil() -> Iterator[tuple[str, list[str]]]:
    with listening() as server:
        yield server


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[str]]]:
    with listening() as server:
        yield server


@pytest.fixture
def base(tmp_path: Path, gateway: tuple[str, list[str]]) -> Place:
    """Main: a gateway and its company; HEAD is to be the pull request."""
    place = Place(tmp_path, {**SECRETS, REVISION: "main"})
    place.write("reconciler.yaml", BASE.format(url=gateway[0]))
    place.write("company.yaml", COMPANY.format(alias="T"))
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    committed(place)
    git(tmp_path, "checkout", "--quiet", "-b", "pull")
    return place


def committed(place: Place) -> None:
    git(place.directory, "add", "--all")
    git(place.directory, "commit", "--quiet", "-m", "Config")


ATTACKS = {
    "another place for the key": (BASE, "T"),
    "another key, too": (BASE.replace("GATEWAY_ADMIN_KEY", "GITHUB_TOKEN"), "T"),
    "another gateway": (BASE.replace("prod", "evil"), "T"),
    "the ledger": (BASE + "ledger: {{url_env: GITHUB_TOKEN}}\n", "T"),
    "a listed secret": (BASE + "variables: [GITHUB_TOKEN]\n", "${{GITHUB_TOKEN}}"),
    "a listed secret in settings": (
        BASE + "variables: [GITHUB_TOKEN]\ndefault_gateway: ${{GITHUB_TOKEN}}\n",
        "T",
    ),
    "a secret no longer named": (
        BASE.replace(", probe_key_env: RECONCILER_VAR_DB", ""),
        "${{RECONCILER_VAR_DB}}",
    ),
    "a variable of the runner": (BASE, "${{RECONCILER_LEDGER_URL}}"),
    "a link": (None, "T"),
    "no settings": ("", "T"),
}
COMMANDS = (
    "validate --format github",
    "plan --format markdown",
    "plan --format markdown -g local",
    "plan -g evil",
    "drift -g local",
    "show team t -g local",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pull_request_takes_no_secret(attack: str, base: Place, evil: tuple[str, list[str]]):
    url, seen = evil
    settings, alias = ATTACKS[attack]
    file = base.config / "reconciler.yaml"
    file.unlink()
    if settings is None:
        file.symlink_to("other.txt")
        (base.config / "other.txt").write_text(BASE.format(url=url))
    elif settings:
        base.write("reconciler.yaml", settings.format(url=url))
    base.write("company.yaml", COMPANY.format(alias=alias.format()))
    committed(base)
    for command in COMMANDS:
        done = base._run(tuple(command.split()))
        assert done.code in (0, 1, 2), done.text
        assert not {value for value in SECRETS.values() if value in done.text}, (
            f"{command} shows a secret"
        )
        assert "hunter" not in done.text
    assert seen == []


def test_the_attack_works_without_the_revision_so_that_this_test_shows_something(
    base: Place, evil: tuple[str, list[str]]
):
    url, seen = evil
    del base.environ[REVISION]
    base.write("reconciler.yaml", BASE.format(url=url))
    base._run(("plan",))
    assert SECRETS["GATEWAY_ADMIN_KEY"] in seen[0]


def test_the_settings_of_the_base_are_in_force_and_a_change_of_them_is_said(
    base: Place, gateway: tuple[str, list[str]]
):
    base.write("reconciler.yaml", "lint: {team-without-plan: error}\n")
    committed(base)
    done = base.reconciler("validate")
    head = git(base.directory, "rev-parse", "main")[:9]
    assert (
        f"config/reconciler.yaml:1:1: warning settings-ahead: gateways, ledger or variables differ from those of {head}"
        in done.out
    )
    base.reconciler("plan", code=1)
    assert gateway[1]


def test_what_only_judges_the_manifests_is_the_pull_requests_own(base: Place):
    for wanted, code in (("error", 1), ("off", 0)):
        settings = (base.config / "reconciler.yaml").read_text().partition("lint:")[0]
        base.write("reconciler.yaml", f"{settings}lint: {{name-style: {wanted}}}\n")
        base.write("named.yaml", "organizations: {OddName: {name: X}}\n")
        said = base.reconciler("validate", code=code).out
        assert ("name-style" in said) == (wanted == "error")
        assert "settings-ahead" not in said


def test_every_setting_is_the_bases_unless_it_is_known_to_lead_nowhere():
    assert set(Settings.model_fields) - set(OWN) == {
        "default_gateway",
        "gateways",
        "ledger",
        "variables",
    }


def test_wrong_settings_of_a_pull_request_are_an_error_at_their_place(base: Place):
    base.write("reconciler.yaml", "prune: everything\n")
    committed(base)
    assert (
        "config/reconciler.yaml:1:8: error not-allowed" in base.reconciler("validate", code=1).out
    )


def test_wrong_settings_of_the_base_are_an_error_that_names_the_commit(base: Place):
    git(base.directory, "checkout", "--quiet", "main")
    base.write("reconciler.yaml", "prune: everything\n")
    committed(base)
    head = git(base.directory, "rev-parse", "main")[:9]
    base.write("reconciler.yaml", "prune: all\n")
    said = base.reconciler("validate", code=1).out
    assert f"config@{head}/reconciler.yaml:1:8: error not-allowed" in said


def test_a_base_without_a_config_means_the_defaults(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    place = Place(tmp_path, {REVISION: "HEAD"})
    place.write("company.yaml", COMPANY.format(alias="T"))
    plan = json.loads(place.reconciler("plan", "--format", "json").out)
    assert plan["counts"]["create"] == 4


@pytest.mark.parametrize("revision", ["nowhere", "HEAD^7", "--help", "HEAD:config"])
def test_a_revision_that_is_not_there_is_an_error_and_no_other_settings_are_taken(
    base: Place, revision: str
):
    base.environ[REVISION] = revision
    said = base.reconciler("validate", code=1).text
    assert "error settings-revision" in said
    assert "fetch that commit too" in said


def test_settings_that_are_a_link_are_read_as_of_the_base(
    base: Place, gateway: tuple[str, list[str]]
):
    git(base.directory, "checkout", "--quiet", "main")
    (base.config / "reconciler.yaml").rename(base.config / "settings.txt")
    (base.config / "reconciler.yaml").symlink_to("settings.txt")
    committed(base)
    base.reconciler("plan", code=1)
    assert gateway[1]
