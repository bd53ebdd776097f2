"""Prices are data with a version: the package ships a snapshot, the config may have a newer one, LiteLLM is not read."""

import json
import os
import re
import sys
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.findings import errors
from reconciler.core.model.prices import Price, PriceMap
from reconciler.core.model.refs import Ref
from reconciler.files.prices.document import parsed_prices, price_document
from reconciler.files.prices.litellm import installed_prices, prices_of
from reconciler.files.prices.loading import load_prices, shipped_prices, snapshot
from reconciler.pipeline import load

ROOT = Path(__file__).parents[2]
AMOUNT = st.none() | st.floats(0, 1e6, allow_nan=False)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
LABEL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=50)
PRICE = st.builds(
    Price, NAME, AMOUNT, AMOUNT, st.none() | st.dates(date(2020, 1, 1)), st.none() | NAME
)
CONFIG = """\
model_aliases:
  cheap: {litellm_model: openai/new-model}
  dear: {litellm_model: openai/gpt-4}
access_groups:
  affordable: {description: By price, select: {max_price_output: 5}}
"""
_GROUP = Ref("access_group", "affordable")
NEW = PriceMap({"new-model": Price("openai", 1.0, 2.0)}, frozenset({"openai"}), version="mine 2")


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "company.yaml").write_text(CONFIG)
    return directory


def test_the_shipped_snapshot_is_that_of_the_litellm_that_it_names():
    """`UPDATE_GOLDEN=1` writes it anew, from the LiteLLM that the tests pin."""
    installed = installed_prices()
    assert installed is not None
    text = price_document(installed)
    if os.environ.get("UPDATE_GOLDEN"):
        snapshot().write_text(text, encoding="utf-8")
    assert snapshot().read_text(encoding="utf-8") == text
    assert shipped_prices().version == f"litellm {version('litellm')}"
    assert shipped_prices().routing


def test_the_snapshot_comes_with_its_licence():
    assert "NOTICE" in json.loads(snapshot().read_text())["licence"]
    assert "Copyright (c) 2023 Berri AI" in (ROOT / "NOTICE").read_text()
    assert re.search(
        r'^license-files = .*"NOTICE"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )


@given(st.dictionaries(NAME, PRICE, min_size=1, max_size=8), LABEL)
def test_a_document_says_all_of_the_prices_and_its_digest_names_them(prices, label):
    written = PriceMap(prices, frozenset(p.provider for p in prices.values()), (), label)
    text = price_document(written)
    read = parsed_prices(text)
    assert (read.prices, read.providers, read.version) == (prices, written.providers, label)
    assert price_document(read) == text
    other = replace(written, prices={**prices, "one more": Price("x", 1.0)})
    assert parsed_prices(price_document(other)).digest != read.digest
    assert parsed_prices(text.replace("\n", "\r\n")).digest == read.digest


def test_without_a_file_the_shipped_prices_hold(config):
    assert load_prices(config) == (shipped_prices(), ())
    assert load(config, variables={}).prices is shipped_prices()


def test_the_file_of_the_config_holds(config):
    before = load(config, variables={})
    assert before.desired.state.resources[_GROUP].model_aliases == frozenset()
    (config / "prices.json").write_text(price_document(NEW))
    loaded = load(config, variables={})
    assert loaded.prices.version == "mine 2"
    assert loaded.desired.state.resources[_GROUP].model_aliases == {"cheap"}
    assert load(config, variables={}).prices is loaded.prices


def test_a_price_that_was_edited_by_hand_is_told(config):
    text = price_document(NEW).replace('"output": 2.0', '"output": 200.0')
    (config / "prices.json").write_text(text)
    prices, (finding,) = load_prices(config)
    assert prices.prices["new-model"].output == 200
    assert prices.version == "mine 2, edited by hand"
    assert (finding.level, finding.code) == ("warning", "prices-edited")
    assert str(finding.origin) == "config/prices.json:1:1"


GOOD = '{"format": 1, "version": "x", "models": {%s}}'
WRONG = {
    "empty": "",
    "no JSON": "models: {}",
    "no mapping": "[]",
    "of another kind": '{"gpt-4": {"litellm_provider": "openai"}}',
    "of a later format": '{"format": 2, "version": "x", "models": {}}',
    "an infinite price": GOOD % '"m": {"provider": "p", "input": Infinity}',
    "a price that is no number": GOOD % '"m": {"provider": "p", "input": "much"}',
    "a day that does not exist": GOOD % '"m": {"provider": "p", "deprecation": "2026-02-30"}',
    "a version of two lines": '{"format": 1, "version": "x\\ny", "models": {}}',
    "no version": '{"format": 1, "version": "", "models": {}}',
    "an endless version": '{"format": 1, "version": "%s", "models": {}}' % ("x" * 101),
    "no provider": GOOD % '"m": {"input": 1}',
    "deep": "[" * 100_000,
    "half of a pair": GOOD % '"\\ud800": {"provider": "p"}',
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_file_that_is_none_is_an_error_with_its_place(config, text):
    (config / "prices.json").write_text(text)
    findings = errors(load(config, variables={}).findings)
    assert [(f.level, f.code, str(f.origin)) for f in findings] == [
        ("error", "prices", "config/prices.json:1:1")
    ]
    assert "Traceback" not in findings[0].message


@pytest.mark.parametrize("kind", ["directory", "pipe", "latin-1", "outside"])
def test_what_is_no_file_of_ours_is_not_read(config, tmp_path_factory, kind):
    place = config / "prices.json"
    match kind:
        case "directory":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case "latin-1":
            place.write_bytes(b"\xe9")
        case "outside":
            elsewhere = tmp_path_factory.mktemp("elsewhere") / "prices.json"
            elsewhere.write_text(price_document(NEW))
            place.symlink_to(elsewhere)
    prices, (finding,) = load_prices(config)
    assert prices is shipped_prices()
    assert (finding.level, finding.code) == ("error", "prices")


def test_a_strangers_regular_expression_is_never_run(config):
    evil = replace(NEW, routing=(("(a+)+$", "openai"),))
    (config / "prices.json").write_text(price_document(evil))
    assert load_prices(config)[0].routing == shipped_prices().routing


def test_loading_prices_never_looks_for_litellm(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "litellm", None)
    monkeypatch.setattr(sys, "path", [])
    parsed = load_prices(config)[0]
    assert parsed.find("openai/gpt-4").provider == "openai"


ROW = {"litellm_provider": "openai", "input_cost_per_token": 1e-6}


@pytest.mark.parametrize(
    "raw", [{}, {"sample_spec": ROW}, {"m": {"mode": "chat"}}, {"m": "text"}, {"m": None}]
)
def test_what_names_no_model_is_no_price_map(raw):
    with pytest.raises(ValueError, match="names no model"):
        prices_of(raw, "x")


@pytest.mark.parametrize("cost", [None, "free", True, float("nan"), float("inf"), []])
def test_a_price_that_is_no_number_is_not_known(cost):
    prices = prices_of({"m": {**ROW, "output_cost_per_token": cost}}, "x")
    assert prices.prices["m"] == Price("openai", 1.0, None)
