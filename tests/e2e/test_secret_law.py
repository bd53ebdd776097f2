"""No planted secret in anything that any command writes, against a gateway that says back all it is sent.

Outputs are what stands on either stream and every file below the directory, byte by byte: reports in all formats, plan
files, events, imported manifests, the ledger with what SQLite lays beside it. The file of keys is for them.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e_world import Place, company
from echoing import QUOTES, Echo, echoing

SECRETS = {
    "LOCAL_ADMIN_KEY": "adm-7f3c9b1e5d2a8046",
    "PROBE_KEY": "prb+1/4a9d7c2e8b5f6=30",
    "RECONCILER_VAR_NOTE": 'flt "quoted" 5b8d1f7a3c9e',
    "RECONCILER_VAR_URL": "postgres://usr:dbp-9e4c7a1b@db/x",
}
SETTINGS = (
    "default_gateway: g\ngateways:\n  g:\n    backend: saas-litellm\n    url: {url}\n    admin_key_env: LOCAL_ADMIN_KEY\n"
    "    probe_key_env: PROBE_KEY\n    probe_team: t\n"
)
MANIFESTS = {
    "aliases": "model_aliases:\n  gpt: {litellm_model: openai/gpt-4o, litellm_params: {note: '${RECONCILER_VAR_NOTE}'}}\n",
    "groups": "organizations:\n  o: {name: O, metadata: {at: 'x ${RECONCILER_VAR_NOTE}'}}\naccess_groups:\n  g: {model_aliases: [gpt]}\n",
    "teams": "teams:\n  t: {organization_id: o, access_groups: [g], credits_allocated: 5, metadata: {n: ['${RECONCILER_VAR_NOTE}']}}\n",
}
PLANS = [("plan", "--full", "--format", form) for form in ("text", "json", "markdown", "html")]
FILES = (
    "--out",
    "p.json",
    "--report",
    "r.html",
    "--report",
    "r.md",
    "--report",
    "r.json",
    "--report",
    "r.sarif",
)
COMMANDS = [
    *(("validate", "--format", form) for form in ("text", "json", "sarif", "github")),
    ("lint",),
    *PLANS,
    ("plan", *FILES),
    ("plan", "--log-format", "json"),
    ("apply", "p.json", "--yes"),
    ("apply", "--yes", "--probe"),
    ("apply", "--yes", "--log-format", "json", "--format", "json"),
    *(("drift", "--full", "--format", form) for form in ("text", "json", "markdown")),
    ("drift", "--log-format", "json"),
    ("show", "team", "t"),
    ("show", "model_alias", "gpt"),
    ("explain", "t", "gpt"),
    ("explain", "t", "--format", "json"),
    ("access", "--live"),
    ("import", "--update", "--dry-run"),
    ("import", "--out", "again"),
    ("history",),
    ("history", "show", "1"),
    ("history", "show", "2"),
    ("unlock", "--yes"),
    ("list", "models", "--live", "--format", "json"),
    ("show", "team", "t", "--format", "json"),
    ("show", "model_alias", "gpt", "--format", "json"),
    ("history", "show", "1", "--format", "json"),
]
LEAN = [COMMANDS[at] for at in (9, 10, 11, 12, 14, 15, 21, 27, 28)]
WRONG = {
    "nothing": lambda _method, _path: False,
    "reads": lambda method, _path: method == "GET",
    "writes": lambda method, _path: method != "GET",
    "writes of teams": lambda method, path: method != "GET" and "team" in path,
}
PIECE = 10


def pieces(secret: str) -> set[str]:
    return {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}


PLANTED = {name: pieces(value) for name, value in SECRETS.items()}


@dataclass
class World:
    place: Place
    front: Echo
    logs: Path

    def said(self, commands: list[tuple[str, ...]]) -> dict[str, str]:
        """Whatever came of the commands, by where it stands."""
        outputs = {
            f"{number} {' '.join(args)}": self.place.reconciler(*args, code=None).text
            for number, args in enumerate(commands)
        }
        files = [
            file
            for file in (*self.place.directory.rglob("*"), *self.logs.iterdir())
            if file.is_file()
        ]
        kept = {
            str(file): file.read_bytes().decode("utf-8", "replace")
            for file in files
            if not file.name.startswith("keys-")
        }
        assert not list(self.logs.iterdir()), "a bug was logged"
        return outputs | kept

    def leaks(self, commands: list[tuple[str, ...]]) -> list[tuple[str, str]]:
        said = self.said(commands)
        return [
            (where, name)
            for where, text in said.items()
            for name, runs in PLANTED.items()
            if any(run in text for run in runs)
        ]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "logs"))
    with echoing(tmp_path / "gateway.db", SECRETS["LOCAL_ADMIN_KEY"]) as (url, front):
        place = company(tmp_path / "work", SETTINGS.format(url=url), **MANIFESTS)
        place.environ.update(SECRETS)
        yield World(place, front, tmp_path / "logs")


# A write that is answered with something else than JSON may have happened, and is waited for as long as it may come.
BRIEF = [quote for quote in QUOTES if quote != "not json"]
PAIRS = [*((wrong, quote) for wrong in WRONG for quote in BRIEF), ("reads", "not json")]


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "quote"), PAIRS)
def test_no_secret_anywhere(world, wrong, quote):
    world.front.wrong, world.front.quote = WRONG[wrong], QUOTES[quote]
    assert world.leaks(COMMANDS) == []


@pytest.mark.parametrize(
    ("wrong", "quote"),
    [("reads", "headers in a detail"), ("writes", "validation"), ("writes of teams", "message")],
)
def test_no_secret_in_the_main_commands(world, wrong, quote):
    world.front.wrong, world.front.quote = WRONG[wrong], QUOTES[quote]
    assert world.leaks(LEAN) == []


@pytest.mark.slow
@pytest.mark.parametrize("quote", BRIEF)
def test_nor_where_the_gateway_turns_bad_later(world, quote):
    assert world.leaks(COMMANDS) == []
    world.place.environ["RECONCILER_VAR_NOTE"] = SECRETS["RECONCILER_VAR_NOTE"][::-1]
    PLANTED["reversed"] = pieces(SECRETS["RECONCILER_VAR_NOTE"][::-1])
    world.front.wrong, world.front.quote = WRONG["writes"], QUOTES[quote]
    assert world.leaks(COMMANDS) == []


@pytest.mark.parametrize(
    "command",
    [("plan",), ("apply", "--yes", "--log-format", "json"), ("history",), ("unlock", "--yes")],
)
def test_the_ledgers_password(world, command):
    world.place.write(
        "reconciler.yaml",
        SETTINGS.format(url="http://127.0.0.1:1") + "ledger: {url_env: LEDGER_URL}\n",
    )
    world.place.environ["LEDGER_URL"] = (
        "postgresql://recon:ldg-3a8f1c7e5b@127.0.0.1:1/ledger?connect_timeout=1"
    )
    done = world.place.reconciler(*command, code=None)
    assert "ldg-3a8f1c" not in done.text


def test_the_law_would_see_a_leak(world):
    """With the embedded gateway healthy, the values are where they belong: on the gateway, and in no text."""
    assert world.place.reconciler("apply", "--yes").code == 0
    stored = (world.place.directory.parent / "gateway.db").read_bytes() + (
        world.place.directory.parent / "gateway.db-wal"
    ).read_bytes()
    assert b"5b8d1f7a3c9e" in stored
    world.place.write("leak.yaml", "organizations:\n  leak: {name: 5b8d1f7a3c9e}\n")
    assert world.leaks([("plan",)])
