"""A secret that somebody left on the gateway in clear: it stays there, and shows up nowhere else."""

import json
import sqlite3
from contextlib import closing

import pytest
from e2e_world import company, content

SECRET = "sk-left-by-hand-0123456789abcdef"
ALIAS = "model_aliases:\n  gpt:\n    litellm_model: openai/gpt-4o\n"


def on_gateway(place, **params):
    with closing(sqlite3.connect(place.database)) as db:
        db.execute(
            "UPDATE model_aliases SET litellm_params = ? WHERE alias = 'gpt'", [json.dumps(params)]
        )
        db.commit()


def params_of(place):
    with closing(sqlite3.connect(place.database)) as db:
        return json.loads(
            db.execute("SELECT litellm_params FROM model_aliases WHERE alias = 'gpt'").fetchone()[0]
        )


@pytest.fixture
def place(tmp_path):
    """An alias of ours, into which another hand put a key."""
    place = company(tmp_path, model_aliases=ALIAS)
    place.applied()
    on_gateway(place, api_key=SECRET, temperature=1)
    return place


@pytest.mark.parametrize(
    ("declared", "left"),
    [
        ("    description: better\n", {"api_key": SECRET, "temperature": 1}),
        ("    litellm_params: {temperature: 2}\n", {"temperature": 2}),
        ("    litellm_params: {api_key: os.environ/KEY}\n", {"api_key": "os.environ/KEY"}),
    ],
)
def test_neither_plans_nor_logs_nor_the_ledger_hold_it(place, declared, left):
    place.write("model_aliases.yaml", ALIAS + declared)
    said = [
        place.pending("--full", "--format", form, "--out", "p.json")
        for form in ("text", "json", "markdown", "html")
    ]
    said += [
        place.reconciler("show", "model_alias", "gpt").text,
        place.applied("--log-format", "json").text,
    ]
    said += [
        (place.directory / "p.json").read_text(),
        content(place.config / ".reconciler" / "ledger.db"),
    ]
    assert [text for text in said if SECRET in text] == []
    assert params_of(place) == left
    place.settled()
