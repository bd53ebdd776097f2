"""Backends are rows: what is not among them is an error where it is written, never a backend with other rules."""

import asyncio

import pytest

from reconciler.asking import offline
from reconciler.core.model.findings import ReconcilerError
from reconciler.core.model.prices import NO_PRICES
from reconciler.core.model.settings import GatewaySettings
from reconciler.gateways import BACKENDS, backend_of, connect
from reconciler.pipeline import load
from reconciler.pipeline.policies import rules_of


@pytest.mark.parametrize(
    ("written", "near"), [("litelm", "litellm"), ("Embedded", "embedded"), ("portkey", None)]
)
def test_an_unknown_backend_is_a_finding_at_its_place_with_what_may_have_been_meant(
    written, near, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.yaml").write_text("teams: {}\n")
    (tmp_path / "reconciler.yaml").write_text(
        f"default_gateway: g\ngateways:\n  g: {{backend: {written}, url: 'http://127.0.0.1:1'}}\n"
    )
    (finding,) = load(tmp_path, variables={}).findings
    assert (finding.code, str(finding.origin)) == ("not-allowed", "reconciler.yaml:3:16")
    assert (near or "") in (finding.hint or "")
    assert all(name in finding.message for name in BACKENDS)


def test_nothing_judges_an_unknown_backend_by_the_rules_of_another(tmp_path):
    unknown = GatewaySettings(backend="portkey", url="http://127.0.0.1:1")
    for ask in (lambda: rules_of(unknown, NO_PRICES), lambda: backend_of("portkey")):
        with pytest.raises(ReconcilerError, match="there is no backend 'portkey'"):
            ask()


def test_nothing_is_sent_to_a_gateway_of_an_unknown_backend(tmp_path):
    unknown = GatewaySettings(backend="portkey", url="http://127.0.0.1:1")

    async def connected():
        async with connect("g", unknown, directory=tmp_path, environ={}, read_only=True):
            pass

    with pytest.raises(ReconcilerError, match="there is no backend 'portkey'"):
        asyncio.run(connected())


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_backend_needs_is_asked_for(backend, tmp_path):
    (tmp_path / "all.yaml").write_text("teams: {}\n")
    (tmp_path / "reconciler.yaml").write_text(
        f"default_gateway: g\ngateways: {{g: {{backend: {backend}}}}}\n"
    )
    found = load(tmp_path, variables={})
    assert {finding.message for finding in found.findings} == {
        f"backend {backend} needs a {name}" for name in BACKENDS[backend].needs
    }
    if found.valid:
        assert offline(found).facts == BACKENDS[backend].facts
