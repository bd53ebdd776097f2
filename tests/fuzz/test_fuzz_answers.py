"""The law for what gateways answer: damaged JSON, statuses, headers, protocol, on reads and on writes."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from damages import damage_of, damages
from fuzz_gateway import Gateway, canned_proxy, embedded, of_url, served
from fuzz_world import COMPANY, LEAN, LONG, changed, fresh, lawful, plans
from hurry import hurried
from hypothesis import given, settings
from hypothesis import strategies as st
from saas_litellm import ADMIN_KEY, saas_double

READING = (
    ("plan", "--format", "json"),
    ("plan", "--format", "markdown"),
    ("plan", "--full", "--report", "plan.html"),
    ("plan", "--out", "plan.json", "--quiet"),
    ("drift",),
    ("drift", "--format", "json"),
    ("show", "team", "a-prod"),
    ("show", "model_alias", "gpt-4"),
    ("explain", "a-prod", "gpt-4"),
    ("access", "--live"),
    ("import", "--out", "imported"),
    ("apply", "--yes"),
)
WRITING = (("apply", "--yes"), ("apply", "--yes", "--quiet", "--log-format", "json"))
BACKENDS = ("embedded", "saas-litellm", "litellm")
CASES = st.fixed_dictionaries(
    {
        "command": st.sampled_from(range(len(READING))),
        "damages": st.dictionaries(st.integers(0, 9), damages(), min_size=1, max_size=3),
    }
)
WRITE_CASES = st.fixed_dictionaries(
    {
        "command": st.sampled_from(range(len(WRITING))),
        "damages": st.dictionaries(st.integers(0, 7), damages(), min_size=1, max_size=3),
    }
)


@dataclass
class Stand:
    """A gateway with the company applied to it, and the place from which it is managed."""

    gateway: Gateway
    template: Path
    place: Path
    serial: int = 0

    def tried(
        self, case: dict, commands: tuple[tuple[str, ...], ...], *, only_writes: bool
    ) -> None:
        """Runs the command under the damages, then again without."""
        place = fresh(self.template, self.place)
        self.serial += 1
        (place / "config" / "all.yaml").write_text(changed(self.serial), encoding="utf-8")
        self.gateway.calm()
        self.gateway.only_writes = only_writes
        self.gateway.damages = {
            int(number): damage_of(damage) for number, damage in case["damages"].items()
        }
        try:
            lawful(place, *commands[case["command"]], environ={"FUZZ_KEY": ADMIN_KEY})
        finally:
            self.gateway.calm()


@pytest.fixture(scope="module", params=BACKENDS)
def stand(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("fuzz")
    with ExitStack() as stack:
        stack.enter_context(hurried())
        if request.param == "embedded":
            upstream = stack.enter_context(embedded(directory / "gateway.db"))
        elif request.param == "saas-litellm":
            upstream = of_url(stack.enter_context(saas_double()).url)
        else:
            upstream = canned_proxy
        gateway = stack.enter_context(served(upstream))
        template = directory / "template"
        (template / "config").mkdir(parents=True)
        wanted = {
            "backend": request.param,
            "url": gateway.url,
            "admin_key_env": "FUZZ_KEY",
            "timeout_seconds": 0.5,
        }
        settings = {
            "default_gateway": "g",
            "gateways": {"g": wanted},
            "safety": {"max_update_percent": 100},
        }
        (template / "config" / "reconciler.yaml").write_text(json.dumps(settings), encoding="utf-8")
        company = COMPANY
        (template / "config" / "all.yaml").write_text(company, encoding="utf-8")
        code, said = lawful(template, "apply", "--yes", environ={"FUZZ_KEY": ADMIN_KEY})
        assert code == 0 or request.param == "litellm", said
        yield Stand(gateway, template, directory / "place")


@LEAN
@given(case=CASES)
def test_reads(stand, case):
    stand.tried(case, READING, only_writes=False)


@settings(LEAN, max_examples=2)
@given(case=WRITE_CASES)
def test_writes(stand, case):
    stand.tried(case, WRITING, only_writes=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@LONG
@given(case=CASES)
def test_many_reads(stand, case):
    stand.tried(case, READING, only_writes=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@LONG
@given(case=WRITE_CASES)
def test_many_writes(stand, case):
    stand.tried(case, WRITING, only_writes=True)


@pytest.mark.parametrize("case", plans("reads"))
def test_past_crashes_of_reads(stand, case):
    stand.tried(case, READING, only_writes=False)


@pytest.mark.parametrize("case", plans("writes"))
def test_past_crashes_of_writes(stand, case):
    stand.tried(case, WRITING, only_writes=True)
